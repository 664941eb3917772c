//! Sessions that end while the peer still writes in them.

use super::*;
use crate::time::MINUTE;

fn settle(mesh: &mut Mesh) {
    for _ in 0..5 {
        mesh.run();
        mesh.advance(1100);
        mesh.run();
        mesh.advance(MINUTE);
    }
    mesh.run();
}

/// What `from` wrote while `to` was away is at the relay, as much as has room there; then `to` closes the session.
#[test]
fn mailbox_that_is_full_of_frames_of_a_session_that_we_closed_empties() {
    for (closes, writes) in [(0, 1), (1, 0)] {
        let mut mesh = acquainted(500);
        let before = texts(&mesh, closes).len();
        mesh.inbox_limit = Some(3);
        mesh.disconnect(closes);
        let ids: Vec<_> =
            (0..5).map(|i| mesh.send(writes, closes, &i.to_string()).unwrap()).collect();
        let peer = mesh.amid(writes);
        mesh.feed(closes, Input::CloseSession(peer)).unwrap();
        mesh.connect(closes);
        settle(&mut mesh);
        assert_eq!(mesh.handled(closes)[before..], ids, "{closes} closes");
        assert!(mesh.nodes[writes].engine.outbox().is_empty());
        assert!(mesh.relay.values().all(|queue| queue.is_empty()));
    }
}

#[test]
fn peer_that_never_heard_of_the_end_of_a_session_is_asked_once() {
    for (closes, writes) in [(0, 1), (1, 0)] {
        let mut mesh = acquainted(501);
        let (a, b) = (mesh.amid(closes), mesh.amid(writes));
        mesh.loses = Some((a, 2));
        mesh.feed(closes, Input::CloseSession(b)).unwrap();
        mesh.loses = None;
        let id = mesh.send(writes, closes, "are you there?").unwrap();
        settle(&mut mesh);
        assert_eq!(mesh.handled(closes).last(), Some(&id), "{closes} closes");
        // Whoever sends the old frames again makes no more sessions.
        let old: Vec<_> = mesh.wiretap.iter().filter(|(to, _)| *to == a).cloned().collect();
        let handshakes = mesh.handshakes();
        for (_, stored) in old {
            mesh.inject(closes, stored.from, None, stored.frame);
            settle(&mut mesh);
        }
        assert_eq!(mesh.handshakes(), handshakes, "{closes} closes");
    }
}

/// A relay whose mailbox was full takes the end of a session before what was written in it.
#[test]
fn what_the_end_of_a_session_overtook_is_known_for_what_it_is() {
    for (closes, writes) in [(0, 1), (1, 0)] {
        let mut mesh = acquainted(503);
        let (to, peer) = (mesh.amid(writes), mesh.amid(closes));
        mesh.disconnect(writes);
        let id = mesh.send(closes, writes, "late").unwrap();
        mesh.feed(closes, Input::CloseSession(to)).unwrap();
        mesh.relay.get_mut(&to).unwrap().swap(0, 1);
        mesh.connect(writes);
        mesh.run();
        assert_eq!(mesh.nodes[writes].engine.parked_frames(), 0, "{closes} closes");
        assert_eq!(dropped(&mesh, writes, DropReason::SessionClosed), 1, "{closes} closes");
        settle(&mut mesh);
        assert_eq!(mesh.handled(writes).last(), Some(&id), "{closes} closes");
        assert!(mesh.relay.values().all(|queue| queue.is_empty()));
        assert!(mesh.nodes[writes].engine.sending_session(peer).is_some());
    }
}

#[test]
fn tombstone_of_our_own_session_goes_when_its_time_is_over() {
    let mut mesh = acquainted(502);
    let b = mesh.amid(1);
    mesh.feed(0, Input::CloseSession(b)).unwrap();
    mesh.run();
    let sweep = |mesh: &mut Mesh| {
        let (now, node) = (mesh.now, &mut mesh.nodes[0]);
        crate::test_utils::block_on(node.engine.sweep(&node.storage, now)).unwrap();
        node.engine.sessions.values().count()
    };
    assert_eq!(sweep(&mut mesh), 1);
    assert_eq!(mesh.nodes[0].engine.tombstones, 0, "it keeps no handshake from being answered");
    mesh.advance(crate::limits::RECEIVE_ONLY_AGE);
    assert_eq!(sweep(&mut mesh), 0);
}
