//! Superseded sessions that are still in use.

use super::*;
use crate::{
    engine::{
        records::peer::{Peer, ReceiveOnly},
        tests::{peer, session},
    },
    test_utils::{mesh::Mesh, seeded_rng},
};

const HALF: u64 = limits::RECEIVE_ONLY_AGE / 2;

/// Until when a peer's three sessions live on, in milliseconds from now, after a frame in the second that came at `at`;
/// and whether that is written.
fn after_a_frame(at: u64) -> ([u64; 3], bool) {
    let mut mesh = Mesh::new(1, 780);
    let (begun, engine) = (mesh.now, &mut mesh.nodes[0].engine);
    let until = begun.plus_millis(limits::RECEIVE_ONLY_AGE);
    let receive_only = [1, 2, 3].map(|n| ReceiveOnly { session: session(n), until }).into();
    engine.peers.put(&engine.vault, Peer { receive_only, ..Peer::new(peer(1)) });
    engine.finish(false, &mut seeded_rng(1)).unwrap();
    engine.keep_receiving(peer(1), session(2), begun.plus_millis(at));
    let kept = &engine.peers.get(&peer(1)).unwrap().receive_only;
    let lives = [0, 1, 2].map(|n| kept[n].until.since(begun));
    (lives, engine.peers.is_dirty())
}

#[test]
fn session_that_the_peer_still_uses_lives_on_and_that_is_seldom_written() {
    let age = limits::RECEIVE_ONLY_AGE;
    for at in [0, 1, HALF] {
        assert_eq!(after_a_frame(at), ([age; 3], false), "{at}");
    }
    for at in [HALF + 1, age - 1] {
        assert_eq!(after_a_frame(at), ([age, age + at, age], true), "{at}");
    }
}

#[test]
fn frame_of_the_session_in_use_changes_nothing_about_others() {
    let mut mesh = Mesh::new(1, 781);
    let (begun, engine) = (mesh.now, &mut mesh.nodes[0].engine);
    let until = begun.plus_millis(limits::RECEIVE_ONLY_AGE);
    let receive_only = vec![ReceiveOnly { session: session(1), until }];
    let sending = Some(session(2));
    engine.peers.put(&engine.vault, Peer { receive_only, sending, ..Peer::new(peer(1)) });
    engine.finish(false, &mut seeded_rng(1)).unwrap();
    engine.keep_receiving(peer(1), session(2), begun.plus_millis(HALF + 1));
    assert_eq!(engine.peers.get(&peer(1)).unwrap().receive_only[0].until, until);
    assert!(!engine.peers.is_dirty());
}
