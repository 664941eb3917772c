//! What waits to be sent: what counts as sent, what needs a session, and how much of it there is.

use super::*;
use crate::{limits, test_utils::seeded_rng, wire::plaintext::Payload};

#[test]
fn message_without_a_session_is_not_sent_and_asks_for_one() {
    let mut mesh = Mesh::new(2, 720);
    let b = mesh.amid(1);
    assert!(mesh.nodes[0].engine.has_sent_all());
    let message = schedule::message(&mesh, 1);
    let outcome = outcome_of(&mut mesh, 0, Input::Send(message));
    assert_eq!(outcome.requests, [Request::Bundle(b)]);
    let engine = &mesh.nodes[0].engine;
    assert!(!engine.has_sent_all());
    assert_eq!((engine.peers_without_session(), engine.messages_under_way()), (vec![b], 1));
}

#[test]
fn message_that_is_on_its_way_or_there_needs_no_session() {
    let mut mesh = acquainted(721);
    let b = mesh.amid(1);
    mesh.nodes[1].handles = false;
    mesh.disconnect(1);
    let id = mesh.send(0, 1, "on its way").unwrap();
    for stage in [Stage::StoredByRelay, Stage::Delivered] {
        let engine = &mut mesh.nodes[0].engine;
        assert_eq!(engine.stage(&id), Some(stage));
        assert!(engine.has_sent_all());
        assert_eq!(engine.peers_without_session(), []);
        assert_eq!(engine.messages_under_way(), 1);
        mesh.connect(1);
        mesh.run();
    }
    mesh.nodes[0].engine.wanted.insert(b);
    assert_eq!(mesh.nodes[0].engine.peers_without_session(), [b]);
}

#[test]
fn handshakes_and_answers_are_no_messages() {
    let mut mesh = Mesh::new(2, 722);
    mesh.is_silent = true;
    mesh.send(0, 1, "hello").unwrap();
    mesh.deliver_next(1);
    let counts = |node: usize| {
        let engine = &mesh.nodes[node].engine;
        (engine.messages_under_way(), engine.outbox.values().count())
    };
    assert_eq!((counts(0), counts(1).0), ((1, 2), 0));
    assert!(counts(1).1 > 0, "the ACCEPT");
}

#[test]
fn longest_payload_of_one_message_goes_as_one() {
    let mut mesh = acquainted(723);
    mesh.disconnect(1);
    for (size, in_parts) in [(limits::MAX_PAYLOAD, false), (limits::MAX_PAYLOAD + 1, true)] {
        let id = MessageId::new_v7(mesh.now, &mut seeded_rng(size as u64));
        mesh.send_payload(0, 1, id, Payload::Bytes(vec![1; size])).unwrap();
        let entry = mesh.nodes[0].engine.outbox.get(&id).unwrap();
        assert_eq!(entry.group().is_some(), in_parts, "{size} bytes");
    }
}

#[test]
fn who_was_rejected_may_knock_again_when_the_time_is_over_and_not_before() {
    let mut mesh = Mesh::new(2, 724);
    mesh.nodes[1].policy = knock::Decision::reject_for("later", 60);
    mesh.send(0, 1, "let me in").unwrap();
    mesh.run();
    mesh.now = mesh.now.plus_millis(59_999);
    assert_eq!(mesh.send(0, 1, "now?"), Err(SendError::RejectedRecently { retry_after_s: 1 }));
    mesh.now = mesh.now.plus_millis(1);
    mesh.nodes[1].policy = knock::Decision::accept();
    mesh.send(0, 1, "now").unwrap();
    mesh.run();
    assert_eq!(texts(&mesh, 1), ["\"now\""]);
}
