//! Peers that refuse a handshake: who is heeded, and how often.

use super::*;
use crate::{
    keys::VerifyingKey,
    time::HOUR,
    wire::control::{Refuse, RefuseReason},
};

/// A session of the first agent that the second has not answered, since it is away.
fn pending(seed: u64) -> Mesh {
    let mut mesh = Mesh::new(3, seed);
    mesh.disconnect(1);
    mesh.send(0, 1, "hello").unwrap();
    mesh.run();
    mesh
}

fn key(mesh: &Mesh, node: usize) -> VerifyingKey {
    *mesh.nodes[node].engine.identity().signing_key()
}

/// What `node` would say to the first agent about the session that this writes to `peer` in.
fn refusal(mesh: &Mesh, node: usize, peer: usize) -> Vec<u8> {
    let session = mesh.nodes[0].engine.sending_session(mesh.amid(peer)).unwrap();
    let (identity, to) = (mesh.nodes[node].engine.identity(), key(mesh, 0));
    let bundle = mesh.nodes[node].engine.prekeys().bundle(identity);
    Refuse::sign(identity, &to, session, RefuseReason::PrekeyGone, &bundle).unwrap().encode()
}

/// Handshakes that followed a refusal by `node` of the session with `peer`.
fn follow(mesh: &mut Mesh, node: usize, peer: usize) -> usize {
    let before = mesh.handshakes();
    let (from, frame) = (mesh.amid(node), refusal(mesh, node, peer));
    mesh.inject(0, from, None, frame);
    mesh.handshakes() - before
}

#[test]
fn refused_handshake_is_made_again_three_times_an_hour() {
    let mut mesh = pending(650);
    let followed: Vec<_> = (0..6).map(|_| follow(&mut mesh, 1, 1)).collect();
    assert_eq!(followed, [1, 1, 1, 0, 0, 0]);
    mesh.now = mesh.now.plus_millis(HOUR - 1);
    assert_eq!(follow(&mut mesh, 1, 1), 0);
    mesh.now = mesh.now.plus_millis(1);
    assert_eq!(follow(&mut mesh, 1, 1), 1);
}

#[test]
fn refusal_of_a_session_that_the_peer_has_is_not_heeded() {
    let mut mesh = acquainted(651);
    assert_eq!(follow(&mut mesh, 1, 1), 0);
    assert_eq!(dropped(&mesh, 0, DropReason::Rejected), 1);
    mesh.send(0, 1, "still here").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, 1).last().unwrap(), "\"still here\"");
}

#[test]
fn nobody_else_refuses_a_session() {
    let mut mesh = pending(652);
    assert_eq!(follow(&mut mesh, 2, 1), 0);
    // Nor under another's name.
    let (from, frame) = (mesh.amid(1), refusal(&mesh, 2, 1));
    let before = mesh.handshakes();
    mesh.inject(0, from, None, frame);
    assert_eq!(mesh.handshakes(), before);
    assert_eq!(dropped(&mesh, 0, DropReason::Rejected), 2);
}

#[test]
fn refusal_of_a_session_that_is_over_is_not_heeded() {
    let mut mesh = pending(653);
    let (from, frame) = (mesh.amid(1), refusal(&mesh, 1, 1));
    mesh.feed(0, Input::CloseSession(from)).unwrap();
    let before = mesh.handshakes();
    mesh.inject(0, from, None, frame);
    assert_eq!(mesh.handshakes(), before);
    assert_eq!(dropped(&mesh, 0, DropReason::Rejected), 1);
}
