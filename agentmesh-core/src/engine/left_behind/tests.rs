//! What is remembered of frames that stay at the relay, and when they could be taken.

use super::*;
use crate::{
    engine::{
        EngineConfig,
        records::{InboxEntry, Role, SessionEntry},
        tests::{peer, session},
    },
    test_utils::{mesh::Mesh, seeded_rng},
    time::Timestamp,
    wire::id::MessageId,
};

fn mesh(seed: u64) -> Mesh {
    Mesh::new(1, seed)
}

/// Something that waits in the inbox.
fn put(engine: &mut Engine, of: SessionId, state: InboxState, plaintext: Vec<u8>) {
    let id = MessageId::new_v7(Timestamp::ZERO, &mut seeded_rng(1));
    let (from, received_at) = (peer(0), Timestamp::ZERO);
    engine.inbox_bytes += plaintext.len();
    let entry = InboxEntry { from, id, session: of, state, order: 0, received_at, plaintext };
    engine.inbox.put(&engine.vault, entry);
}

#[test]
fn any_reason_alone_is_reason_enough() {
    let reasons: [fn(&mut Engine); 5] = [
        |engine| engine.leave_message(peer(1), Until::Room),
        |engine| engine.leave_part(peer(1), Until::Room),
        |engine| engine.leave_unknown(peer(1), session(1)),
        Engine::leave_knock,
        |engine| engine.left_behind.everybody = true,
    ];
    let mut mesh = mesh(660);
    let engine = &mut mesh.nodes[0].engine;
    for leave in reasons {
        assert!(!engine.has_left_frames() && !engine.has_room());
        leave(engine);
        assert!(engine.has_left_frames() && engine.has_room());
        engine.forget_left_frames();
    }
    // A relay that wants no acks does not send anything again.
    engine.relay_acks = false;
    for leave in &reasons[..4] {
        leave(engine);
    }
    engine.note_forgotten(session(1));
    assert!(!engine.has_left_frames());
    assert!(!engine.is_left_behind(&peer(1), Some(&session(1))));
}

#[test]
fn session_that_was_left_or_forgotten_keeps_its_frames_at_the_relay() {
    let mut mesh = mesh(661);
    let engine = &mut mesh.nodes[0].engine;
    let is_left = |engine: &Engine| engine.is_left_behind(&peer(1), Some(&session(1)));
    engine.note_forgotten(session(1));
    assert!(is_left(engine) && engine.is_forgotten(&session(1)));
    assert!(!engine.is_left_behind(&peer(1), None) && !engine.has_left_frames());
    engine.forget_left_frames();
    engine.leave_unknown(peer(1), session(1));
    assert!(is_left(engine) && !engine.is_forgotten(&session(1)));
}

#[test]
fn strangers_cannot_have_any_number_remembered() {
    let mut mesh = mesh(662);
    let engine = &mut mesh.nodes[0].engine;
    let most = limits::PARKED_PEERS * limits::PARKED_FRAMES_PER_PEER;
    for n in 0..=most {
        engine.leave_unknown(peer(n), session(n));
        engine.note_forgotten(session(n));
    }
    assert_eq!(engine.left_behind.sessions.len(), limits::PARKED_PEERS);
    assert_eq!(engine.left_behind.forgotten.len(), most);
    for n in 0..=limits::LEFT_BEHIND_PEERS {
        engine.leave_part(peer(n), Until::Room);
    }
    assert_eq!(engine.left_behind.parts.len(), limits::LEFT_BEHIND_PEERS);
}

#[test]
fn room_is_there_when_half_of_the_bytes_are_free() {
    let mut mesh = mesh(663);
    let engine = &mut mesh.nodes[0].engine;
    put(engine, session(1), InboxState::Ready, vec![0; 50]);
    engine.leave_message(peer(1), Until::Room);
    engine.config.max_inbox_bytes = 100;
    assert!(engine.has_room());
    engine.config.max_inbox_bytes = 98;
    assert!(!engine.has_room());
}

#[test]
fn room_for_parts_is_there_when_half_of_it_is_free() {
    let mut mesh = Mesh::new(0, 664);
    mesh.add(EngineConfig { max_received_bytes: 0, ..EngineConfig::default() });
    assert!(mesh.nodes[0].engine.has_room_for_parts());
}

#[test]
fn what_waits_for_a_decision_waits_while_anything_of_the_session_does() {
    let mut mesh = mesh(665);
    let engine = &mut mesh.nodes[0].engine;
    engine.leave_message(peer(1), Until::Decision(session(1)));
    assert!(engine.has_room());
    for (of, state, undecided) in [
        (1, InboxState::Ready, false),
        (2, InboxState::Held, false),
        (1, InboxState::Held, true),
        (1, InboxState::Knock, true),
    ] {
        put(engine, session(of), state, Vec::new());
        assert_eq!(engine.has_room(), !undecided);
    }
}

/// Its frames waited here before it came, and were forgotten.
#[test]
fn forgotten_frames_are_worth_fetching_once_their_session_is_there() {
    let mut mesh = mesh(666);
    let engine = &mut mesh.nodes[0].engine;
    engine.note_forgotten(session(1));
    assert!(!engine.has_left_frames() && !engine.has_room());
    let entry = SessionEntry {
        id: session(1),
        peer: peer(1),
        role: Role::Responder,
        signed_prekey_id: 1,
        knock_time: Timestamp::ZERO,
        knock_nonce: [0; 16],
        decision: Decision::Accepted,
        confirmed: true,
        expires_at: None,
        session: None,
    };
    engine.sessions.put(&engine.vault, entry);
    assert!(engine.has_left_frames() && engine.has_room());
}

#[test]
fn knock_is_worth_fetching_when_another_may_wait() {
    let mut mesh = mesh(667);
    let engine = &mut mesh.nodes[0].engine;
    engine.leave_knock();
    assert!(engine.has_room());
    for n in 0..limits::HELD_PEERS {
        let id = MessageId::new_v7(Timestamp::ZERO, &mut seeded_rng(n as u64));
        let entry = InboxEntry {
            from: peer(n),
            id,
            session: session(n),
            state: InboxState::Knock,
            order: 0,
            received_at: Timestamp::ZERO,
            plaintext: Vec::new(),
        };
        engine.inbox.put(&engine.vault, entry);
    }
    assert!(engine.has_left_frames() && !engine.has_room());
}
