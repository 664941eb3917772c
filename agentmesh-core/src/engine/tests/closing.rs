//! Sessions that end while the peer still writes in them.

use super::*;
use crate::{
    storage::MemoryStorage,
    test_utils::mesh::snapshot,
    time::{HOUR, MINUTE},
};

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
fn peer_that_never_heard_of_the_end_of_a_session_gets_another_and_seldom_more() {
    for (closes, writes) in [(0, 1), (1, 0)] {
        let mut mesh = acquainted(501);
        let (a, b) = (mesh.amid(closes), mesh.amid(writes));
        mesh.loses = Some((a, 2));
        mesh.feed(closes, Input::CloseSession(b)).unwrap();
        mesh.loses = None;
        let id = mesh.send(writes, closes, "are you there?").unwrap();
        settle(&mut mesh);
        assert_eq!(mesh.handled(closes).last(), Some(&id), "{closes} closes");
        // Whoever sends the old frames again makes one session an hour.
        let begun = mesh.now;
        let old: Vec<_> = mesh.wiretap.iter().filter(|(to, _)| *to == a).cloned().collect();
        let handshakes = mesh.handshakes();
        for (_, stored) in old {
            mesh.inject(closes, stored.from, None, stored.frame);
            settle(&mut mesh);
        }
        let hours = mesh.now.since(begun).div_ceil(HOUR);
        assert!(mesh.handshakes() - handshakes <= hours as usize, "{closes} closes");
    }
}

/// Two messages of a new session would fill the mailbox again, and keep out the handshake that makes them readable.
#[test]
fn handshake_goes_first_when_a_full_mailbox_has_room_again() {
    let mut mesh = Mesh::new(2, 507);
    mesh.nodes[1].policy = knock::Decision::Accept { ttl_s: Some(300) };
    let mut ids = vec![mesh.send(0, 1, "hello").unwrap()];
    mesh.run();
    mesh.inbox_limit = Some(2);
    mesh.disconnect(1);
    ids.extend((0..4).map(|i| mesh.send(0, 1, &i.to_string()).unwrap()));
    // What comes now is written in another session.
    mesh.advance(5 * MINUTE);
    ids.push(mesh.send(0, 1, "in another").unwrap());
    mesh.connect(1);
    for _ in 0..3 {
        settle(&mut mesh);
    }
    assert_eq!(mesh.handled(1), ids);
    assert!(mesh.relay.values().all(|queue| queue.is_empty()));
    assert!(mesh.nodes[0].engine.outbox().is_empty());
}

/// Room that comes between the two would be taken by what nobody can read without the handshake.
#[test]
fn nothing_goes_behind_a_handshake_before_the_relay_has_it() {
    let mut mesh = Mesh::new(2, 509);
    mesh.inbox_limit = Some(0);
    let ids: Vec<_> = (0..3).map(|i| mesh.send(0, 1, &i.to_string()).unwrap()).collect();
    mesh.advance(MINUTE);
    assert!(mesh.wiretap.len() > 1);
    assert!(mesh.wiretap.iter().all(|(_, stored)| stored.frame[1] == 1));
    mesh.inbox_limit = Some(1);
    settle(&mut mesh);
    assert_eq!(mesh.handled(1), ids);
    assert!(mesh.nodes[0].engine.outbox().is_empty());
}

/// What waits behind it waits for the relay's word, which may be lost, or come after the peer's.
#[test]
fn peer_that_answers_a_handshake_gets_the_rest_without_the_word_of_the_relay() {
    let mut mesh = Mesh::new(2, 510);
    mesh.is_silent = true;
    let id = mesh.send(0, 1, "hello").unwrap();
    mesh.run();
    mesh.advance(0);
    mesh.run();
    assert_eq!(mesh.handled(1), [id]);
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

/// The store of `forgets` went back to when a session was there that has ended since, and another is in use that it may not
/// know: it writes on in the ended one.
fn writes_on_in_an_ended_session(mut mesh: Mesh, old: MemoryStorage, forgets: usize) -> Mesh {
    let keeps = 1 - forgets;
    mesh.reopen(forgets, old);
    mesh.connect(forgets);
    let id = mesh.send(forgets, keeps, "who remembers?").unwrap();
    for _ in 0..3 {
        settle(&mut mesh);
    }
    assert_eq!(mesh.handled(keeps).last(), Some(&id), "{forgets} forgets");
    assert!(mesh.relay.values().all(|queue| queue.is_empty()));
    assert!(mesh.nodes[forgets].engine.outbox().is_empty());
    mesh
}

/// After an hour at most.
#[test]
fn peer_that_forgot_the_end_of_a_session_twice_is_heard() {
    let mut mesh = acquainted(508);
    let old = || snapshot(&mesh.nodes[0].storage).unwrap();
    let (once, twice) = (old(), old());
    let peer = mesh.amid(1);
    mesh.feed(0, Input::CloseSession(peer)).unwrap();
    mesh.send(1, 0, "in another").unwrap();
    mesh.run();
    let mut mesh = writes_on_in_an_ended_session(mesh, once, 0);
    mesh.reopen(0, twice);
    mesh.connect(0);
    let (handshakes, begun) = (mesh.handshakes(), mesh.now);
    let id = mesh.send(0, 1, "and again").unwrap();
    while mesh.handled(1).last() != Some(&id) {
        settle(&mut mesh);
        assert!(mesh.now.since(begun) < 2 * HOUR, "not heard");
    }
    assert_eq!(mesh.handshakes(), handshakes + 1);
}

/// The registry has no bundle of that peer, and what is in use is not given up for that.
#[test]
fn session_in_use_goes_on_although_no_other_can_be_made_for_a_closed_one() {
    let mut mesh = acquainted(509);
    let old = snapshot(&mesh.nodes[0].storage).unwrap();
    let (a, b) = (mesh.amid(0), mesh.amid(1));
    mesh.feed(0, Input::CloseSession(b)).unwrap();
    mesh.send(1, 0, "in another").unwrap();
    mesh.run();
    mesh.hidden.insert(a);
    mesh.reopen(0, old);
    mesh.connect(0);
    mesh.send(0, 1, "who remembers?").unwrap();
    settle(&mut mesh);
    assert!(mesh.nodes[1].engine.sending_session(a).is_some());
    assert_eq!(failures(&mesh, 1), []);
}

#[test]
fn peer_that_forgot_the_end_of_a_session_is_heard_although_another_is_in_use() {
    for (closes, forgets) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let mut mesh = acquainted(504);
        let old = snapshot(&mesh.nodes[forgets].storage).unwrap();
        let peer = mesh.amid(1 - closes);
        mesh.feed(closes, Input::CloseSession(peer)).unwrap();
        mesh.send(1 - forgets, forgets, "in another").unwrap();
        mesh.run();
        writes_on_in_an_ended_session(mesh, old, forgets);
    }
}

/// Its own session was pending then, and its key is the lower one: by the keys it stays with that.
#[test]
fn peer_that_forgot_the_end_of_its_pending_session_is_heard() {
    let mut mesh = Mesh::new(2, 505);
    let key = |node: usize| *mesh.nodes[node].engine.identity.signing_key().as_bytes();
    let (low, high) = if key(0) < key(1) { (0, 1) } else { (1, 0) };
    mesh.disconnect(high);
    mesh.send(low, high, "hello").unwrap();
    let old = snapshot(&mesh.nodes[low].storage).unwrap();
    mesh.connect(high);
    mesh.run();
    let peer = mesh.amid(high);
    mesh.feed(low, Input::CloseSession(peer)).unwrap();
    mesh.run();
    mesh.disconnect(low);
    mesh.send(high, low, "in another").unwrap();
    writes_on_in_an_ended_session(mesh, old, low);
}

/// The peer knows of the end, whatever the relay sends again.
#[test]
fn old_frames_of_an_ended_session_cost_a_question_a_minute_and_no_handshake() {
    let mut mesh = acquainted(506);
    let (a, b) = (mesh.amid(0), mesh.amid(1));
    let old = mesh.wiretap.iter().rev().find(|(to, s)| *to == a && s.frame[1] == 2).unwrap();
    let old = old.1.frame.clone();
    mesh.feed(0, Input::CloseSession(b)).unwrap();
    mesh.send(1, 0, "in another").unwrap();
    mesh.run();
    let (handshakes, frames) = (mesh.handshakes(), mesh.wiretap.len());
    for _ in 0..600 {
        mesh.inject(0, b, Some(RelayMessageId::from_bytes([7; 16])), old.clone());
        mesh.advance(1000);
        mesh.run();
    }
    assert_eq!(mesh.handshakes(), handshakes);
    let questions = mesh.wiretap[frames..].iter().filter(|(_, s)| s.frame[1] == 3).count();
    assert!((1..=11).contains(&questions), "{questions} questions in ten minutes");
    mesh.send(0, 1, "still here").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, 1).last().unwrap(), "\"still here\"");
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
