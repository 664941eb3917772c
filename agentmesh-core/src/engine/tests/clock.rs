//! Clocks that are put forward or back while something waits.

use super::*;
use crate::{
    limits,
    time::{HOUR, MINUTE},
};

/// An agent that lost its store has frames before it that it cannot read, and the peer is away.
fn waiting(seed: u64) -> (Mesh, MessageId) {
    let mut mesh = acquainted(seed);
    let id = mesh.send(0, 1, "again, please").unwrap();
    mesh.disconnect(0);
    mesh.lose_store(1);
    mesh.connect(1);
    mesh.run();
    assert_eq!(mesh.nodes[1].engine.parked_frames(), 1);
    mesh.nodes[1].handled.clear();
    (mesh, id)
}

/// The handshake of the first agent is lost, and its message waits for that at the second.
fn waiting_for_a_handshake(seed: u64) -> (Mesh, MessageId) {
    let mut mesh = Mesh::new(2, seed);
    mesh.loses = Some((mesh.amid(0), 1));
    let id = mesh.send(0, 1, "first").unwrap();
    mesh.disconnect(0);
    mesh.run();
    assert_eq!(mesh.nodes[1].engine.parked_frames(), 1);
    (mesh, id)
}

/// The first agent says something more, and is gone before it is asked anything.
fn another(mesh: &mut Mesh) -> MessageId {
    mesh.connect(0);
    let id = mesh.send(0, 1, "second").unwrap();
    mesh.disconnect(0);
    mesh.run();
    id
}

/// At last the handshake comes, and another connection.
fn in_order(mut mesh: Mesh, ids: [MessageId; 2]) {
    mesh.loses = None;
    mesh.connect(0);
    mesh.run();
    mesh.disconnect(1);
    mesh.connect(1);
    mesh.run();
    assert_eq!(mesh.handled(1), ids);
    assert!(mesh.relay.values().all(|queue| queue.is_empty()));
}

#[test]
fn frames_of_a_session_are_forgotten_together() {
    let (mut mesh, first) = waiting_for_a_handshake(514);
    mesh.now = mesh.now.plus_millis(limits::PARKED_AGE);
    let second = another(&mut mesh);
    mesh.feed(1, Input::Tick).unwrap();
    mesh.disconnect(1);
    mesh.connect(1);
    mesh.run();
    in_order(mesh, [first, second]);
}

#[test]
fn what_comes_after_forgotten_frames_of_its_session_does_not_overtake_them() {
    let (mut mesh, first) = waiting_for_a_handshake(515);
    for fetched in [1, 0] {
        mesh.now = mesh.now.plus_millis(limits::PARKED_AGE);
        mesh.feed(1, Input::Tick).unwrap();
        mesh.run();
        assert_eq!(mesh.nodes[1].engine.parked_frames(), fetched);
    }
    let second = another(&mut mesh);
    in_order(mesh, [first, second]);
}

/// A peer that is heard of again is not kept waiting for as long as one that is not.
#[test]
fn forgotten_frames_are_fetched_when_their_sender_shows_up() {
    let (mut mesh, first) = waiting_for_a_handshake(516);
    for _ in 0..200 {
        mesh.advance(10 * MINUTE);
        mesh.run();
    }
    assert_eq!(mesh.nodes[1].engine.parked_frames(), 0);
    let second = another(&mut mesh);
    mesh.advance(MINUTE);
    mesh.run();
    assert_eq!(mesh.nodes[1].engine.parked_frames(), 2);
    in_order(mesh, [first, second]);
}

/// It was sent after the question, and before that came. And no other session can be made.
#[test]
fn what_is_parked_during_a_question_does_not_overtake_what_is_sent_again() {
    let (mut mesh, first) = waiting_for_a_handshake(517);
    mesh.advance(1100);
    mesh.now = mesh.now.plus_millis(100);
    let peer = mesh.amid(0);
    mesh.hidden.insert(peer);
    let question = mesh.relay.get_mut(&peer).unwrap().pop_front().unwrap();
    assert_eq!(question.frame[1], 3);
    mesh.connect(0);
    let second = mesh.send(0, 1, "second").unwrap();
    mesh.run();
    mesh.inject(0, mesh.amid(1), Some(question.id), question.frame);
    mesh.run();
    assert_eq!(mesh.nodes[1].engine.parked_frames(), 3);
    mesh.disconnect(0);
    in_order(mesh, [first, second]);
}

/// Nobody takes a handshake that is dated ahead, before that time.
#[test]
fn handshake_that_is_dated_ahead_is_made_anew_when_the_clock_is_right() {
    for is_away in [false, true] {
        let mut mesh = Mesh::new(2, 518);
        let ahead = 30 * HOUR;
        mesh.disconnect(1);
        mesh.now = mesh.now.plus_millis(ahead);
        let id = mesh.send(0, 1, "early").unwrap();
        mesh.run();
        if is_away {
            mesh.disconnect(0);
        }
        mesh.now = mesh.now.minus_millis(ahead);
        mesh.connect(1);
        mesh.run();
        mesh.connect(0);
        mesh.advance(HOUR);
        mesh.run();
        assert_eq!(mesh.handled(1), [id], "away: {is_away}");
        assert!(mesh.nodes[0].engine.outbox().is_empty());
    }
}

fn come_back(mesh: &mut Mesh) {
    mesh.connect(0);
    for _ in 0..5 {
        mesh.run();
        mesh.advance(1100);
        mesh.run();
        mesh.advance(MINUTE);
    }
}

#[test]
fn frames_that_cannot_be_read_yet_outlast_a_clock_that_is_put_forward() {
    let (mut mesh, id) = waiting(510);
    mesh.advance(30 * HOUR);
    mesh.run();
    assert_eq!(mesh.nodes[1].engine.parked_frames(), 1, "they were fetched again");
    come_back(&mut mesh);
    assert_eq!(mesh.handled(1), [id]);
}

#[test]
fn sender_of_such_frames_is_asked_whenever_it_comes_back_and_not_ever_more_often() {
    let (mut mesh, id) = waiting(511);
    let probes = |mesh: &Mesh| mesh.wiretap.iter().filter(|(_, s)| s.frame[1] == 3).count();
    for _ in 0..60 * 60 {
        mesh.advance(MINUTE);
        mesh.run();
    }
    assert!(probes(&mesh) < 100, "{} probes fill a mailbox", probes(&mesh));
    mesh.connect(0);
    for _ in 0..24 * 60 {
        mesh.advance(MINUTE);
        mesh.run();
    }
    assert_eq!(mesh.handled(1), [id]);
}

#[test]
fn clock_that_is_put_back_keeps_nothing_waiting() {
    let mut mesh = acquainted(512);
    // A probe went out, and its answer is lost.
    let ahead = 30 * HOUR;
    mesh.now = mesh.now.plus_millis(ahead);
    let (b, frame) = {
        let last = mesh.wiretap.iter().rev().find(|(to, _)| *to == mesh.amid(0)).unwrap();
        (mesh.amid(1), last.1.frame.clone())
    };
    let mut damaged = frame;
    let tag = damaged.len() - 16;
    damaged[tag] ^= 1;
    mesh.inject(0, b, None, damaged.clone());
    mesh.advance(0);
    let probes = |mesh: &Mesh| mesh.wiretap.iter().filter(|(_, s)| s.frame[1] == 3).count();
    assert_eq!(probes(&mesh), 1);
    mesh.now = mesh.now.minus_millis(ahead);
    damaged[tag + 1] ^= 1;
    mesh.inject(0, b, None, damaged);
    mesh.advance(limits::PROBE_INTERVAL);
    mesh.run();
    assert_eq!(probes(&mesh), 2, "the next one needs not wait for thirty hours");
    let receipt = mesh.nodes[1].engine.next_receipt();
    assert!(receipt.is_none_or(|due| due <= mesh.now.plus_millis(1000)));
}
