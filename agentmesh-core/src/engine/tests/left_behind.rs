use super::*;
use crate::{
    engine::{left_behind::Until, tests::texts},
    knock::Decision,
    limits,
    test_utils::{mesh::Stored, seeded_rng},
};

fn numbers(range: core::ops::Range<usize>) -> Vec<String> {
    range.map(|i| format!("\"{i}\"")).collect()
}

fn kind(stored: &Stored) -> u8 {
    stored.frame[1]
}

/// An agent that decides later, and one that has written `n` messages to it.
fn undecided(seed: u64, n: usize) -> (Mesh, SessionId) {
    let mut mesh = Mesh::new(2, seed);
    mesh.nodes[1].policy = Decision::Later;
    for i in 0..n {
        mesh.send(0, 1, &i.to_string()).unwrap();
    }
    mesh.run();
    let [(session, _)] = mesh.nodes[1].engine.pending_knocks()[..] else { panic!("one KNOCK") };
    (mesh, session)
}

#[test]
fn messages_beyond_those_that_are_held_are_not_overtaken_by_later_ones() {
    let more = limits::HELD_MESSAGES_PER_PEER + 4;
    let (mut mesh, session) = undecided(400, more);
    assert!(mesh.nodes[1].engine.has_left_frames() && !mesh.nodes[1].engine.has_room());
    mesh.feed(1, Input::Decide { session, decision: Decision::accept() }).unwrap();
    // These arrive on the connection on which the others were left.
    for i in more..more + 5 {
        mesh.send(0, 1, &i.to_string()).unwrap();
    }
    while mesh.deliver_next(1) {}
    assert!(mesh.nodes[1].engine.has_room());
    mesh.run();
    assert_eq!(texts(&mesh, 1), numbers(0..more + 5));
    assert!(!mesh.nodes[1].engine.has_left_frames());
}

#[test]
fn stranger_without_a_decision_keeps_nobody_else_waiting() {
    let mut mesh = Mesh::new(2, 401);
    let tight = mesh.add(EngineConfig { max_inbox_entries: 60, ..EngineConfig::default() });
    mesh.send(0, tight, "a friend").unwrap();
    mesh.run();
    mesh.nodes[tight].policy = Decision::Later;
    for i in 0..limits::HELD_MESSAGES_PER_PEER + 4 {
        mesh.send(1, tight, &i.to_string()).unwrap();
    }
    mesh.run();
    mesh.nodes[tight].handles = false;
    for i in 0..80 {
        mesh.send(0, tight, &i.to_string()).unwrap();
    }
    mesh.run();
    assert!(!mesh.nodes[tight].engine.has_room());
    // The inbox has room again although the stranger still waits.
    mesh.nodes[tight].handles = true;
    mesh.run();
    assert_eq!(mesh.nodes[tight].engine.pending_knocks().len(), 1);
    assert_eq!(texts(&mesh, tight)[1..], numbers(0..80));
}

#[test]
fn full_inbox_keeps_the_order_of_each_sender() {
    let mut mesh = Mesh::new(2, 402);
    let tight = mesh.add(EngineConfig { max_inbox_entries: 8, ..EngineConfig::default() });
    mesh.nodes[tight].handles = false;
    for i in 0..30 {
        mesh.send(0, tight, &i.to_string()).unwrap();
        mesh.send(1, tight, &i.to_string()).unwrap();
    }
    mesh.run();
    mesh.nodes[tight].handles = true;
    // One place becomes free, and what comes next on this connection is not the next message.
    mesh.handle_next(tight);
    for i in 30..35 {
        mesh.send(0, tight, &i.to_string()).unwrap();
        mesh.send(1, tight, &i.to_string()).unwrap();
    }
    while mesh.deliver_next(tight) {}
    mesh.run();
    for sender in 0..2 {
        let from = mesh.amid(sender);
        let heard = mesh.nodes[tight].handled.iter().filter(|(f, ..)| *f == from);
        assert_eq!(heard.map(|(_, _, text)| text.clone()).collect::<Vec<_>>(), numbers(0..35));
    }
}

#[test]
fn frames_of_unknown_sessions_beyond_those_that_are_parked_are_asked_for_once_those_are_gone() {
    let mut mesh = acquainted(403);
    let (a, b) = (mesh.amid(0), mesh.amid(1));
    let is_message = |(to, s): &&(Amid, _)| *to == b && kind(s) == 2;
    let mut frame = mesh.wiretap.iter().find(is_message).map(|(_, s)| s.frame.clone()).unwrap();
    frame[2] ^= 1;
    for i in 0..=limits::PARKED_FRAMES_PER_PEER {
        *frame.last_mut().unwrap() = u8::try_from(i).unwrap();
        assert!(!mesh.nodes[1].engine.has_left_frames(), "{i}");
        let mut rng = seeded_rng(i as u64);
        let relay_id = RelayMessageId::random(&mut rng);
        mesh.inject(1, a, Some(relay_id), frame.clone());
    }
    assert!(mesh.nodes[1].engine.has_left_frames() && !mesh.nodes[1].engine.has_room());
    mesh.advance(limits::PARKED_AGE);
    assert!(mesh.nodes[1].engine.has_room());
}

#[test]
fn too_many_peers_to_remember_are_all_kept_in_order() {
    let mut mesh = acquainted(404);
    let engine = &mut mesh.nodes[1].engine;
    for i in 0..=limits::LEFT_BEHIND_PEERS {
        let mut name = [7; 20];
        name[..8].copy_from_slice(&(i as u64).to_be_bytes());
        engine.leave_message(Amid::from_bytes(name), Until::Room);
    }
    mesh.send(0, 1, "not yet").unwrap();
    while mesh.deliver_next(1) {}
    assert_eq!(mesh.nodes[1].engine.inbox_size().0, 0);
    mesh.run();
    assert_eq!(texts(&mesh, 1), ["\"hello\"", "\"not yet\""]);
}
