//! What an engine keeps at most, at the bound itself.

use super::*;
use crate::{
    engine::records::{InboxEntry, InboxState},
    knock::Decision as Knocked,
    limits,
};

/// Something of `from` that waits as `state` says.
fn put(engine: &mut Engine, from: Amid, n: usize, state: InboxState) {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(n as u64).to_be_bytes());
    engine.inbox.put(
        &engine.vault,
        InboxEntry {
            from,
            id: MessageId::new_v7(
                Timestamp::from_millis(n as u64),
                &mut crate::test_utils::seeded_rng(n as u64),
            ),
            session: SessionId::from_bytes(id),
            state,
            order: n as u64,
            received_at: Timestamp::ZERO,
            plaintext: Vec::new(),
        },
    );
}

#[test]
fn inbox_is_full_at_its_limits_and_not_before() {
    let mut mesh = acquainted(600);
    let from = mesh.amid(0);
    mesh.nodes[1].handles = false;
    mesh.send(0, 1, "one").unwrap();
    mesh.run();
    let engine = &mut mesh.nodes[1].engine;
    let (count, bytes) = engine.inbox_size();
    assert!(count == 1 && bytes > 0);
    engine.config.max_inbox_entries = 2;
    engine.config.max_inbox_bytes = bytes + 100;
    assert!(engine.has_inbox_room(from, false, 100));
    assert!(!engine.has_inbox_room(from, false, 101));
    engine.config.max_inbox_entries = 1;
    assert!(!engine.has_inbox_room(from, false, 0));
    mesh.nodes[1].handles = true;
    mesh.run();
    assert_eq!(mesh.nodes[1].engine.inbox_size(), (0, 0));
}

#[test]
fn what_is_held_of_a_peer_is_bounded_in_number_and_bytes() {
    let mut mesh = Mesh::new(3, 601);
    let (a, b) = (mesh.amid(0), mesh.amid(1));
    mesh.nodes[2].policy = Knocked::Later;
    for _ in 1..limits::HELD_MESSAGES_PER_PEER {
        mesh.send(0, 2, "held").unwrap();
    }
    mesh.send(1, 2, "another's").unwrap();
    mesh.run();
    let engine = &mesh.nodes[2].engine;
    let held = engine.inbox.values().filter(|e| e.from == a && e.state == InboxState::Held);
    let bytes: usize = held.map(|e| e.plaintext.len()).sum();
    assert!(bytes > 0);
    assert!(engine.has_inbox_room(a, true, limits::HELD_BYTES_PER_PEER - bytes));
    assert!(!engine.has_inbox_room(a, true, limits::HELD_BYTES_PER_PEER - bytes + 1));
    mesh.send(0, 2, "the last").unwrap();
    mesh.run();
    let engine = &mesh.nodes[2].engine;
    assert!(!engine.has_inbox_room(a, true, 0));
    assert!(engine.has_inbox_room(a, false, 0) && engine.has_inbox_room(b, true, 0));
}

#[test]
fn only_knocks_count_towards_those_that_may_wait() {
    let mut mesh = Mesh::new(1, 602);
    let from = mesh.amid(0);
    let engine = &mut mesh.nodes[0].engine;
    for n in 0..limits::HELD_PEERS {
        put(engine, from, n, InboxState::Held);
    }
    for n in 1..limits::HELD_PEERS {
        put(engine, from, 1000 + n, InboxState::Knock);
    }
    assert!(engine.has_room_for_knock());
    put(engine, from, 2000, InboxState::Knock);
    assert!(!engine.has_room_for_knock());
}

#[test]
fn sessions_are_counted_by_peer_and_those_out_of_memory_once_each() {
    let mut mesh = acquainted(603);
    let (a, b) = (mesh.amid(0), mesh.amid(1));
    let third = mesh.add(EngineConfig::default());
    mesh.send(third, 1, "hello").unwrap();
    mesh.run();
    let engine = &mut mesh.nodes[1].engine;
    assert_eq!(engine.live_sessions(), 2);
    assert_eq!(engine.sessions_besides(&a), 1);
    assert_eq!(engine.sessions_besides(&b), 2);
    engine.live += 2;
    assert_eq!(engine.sessions_besides(&a), 3);
    engine.live -= 2;
    mesh.feed(1, Input::CloseSession(a)).unwrap();
    let engine = &mesh.nodes[1].engine;
    assert_eq!((engine.live_sessions(), engine.sessions_besides(&b)), (1, 1));
}

/// What is counted on the way, counted anew.
fn assert_counted(mesh: &Mesh) {
    for node in &mesh.nodes {
        let engine = &node.engine;
        let outbox: usize = engine.outbox.values().map(OutboxEntry::weight).sum();
        assert_eq!(engine.outbox_bytes, outbox);
        let inbox: usize = engine.inbox.values().map(|entry| entry.plaintext.len()).sum();
        assert_eq!(engine.inbox_bytes, inbox);
    }
}

#[test]
fn bytes_of_what_waits_are_counted_right_at_every_step() {
    let mut mesh = Mesh::new(2, 604);
    mesh.nodes[1].handles = false;
    mesh.disconnect(1);
    for text in ["one", "two", "three"] {
        mesh.send(0, 1, text).unwrap();
        assert_counted(&mesh);
    }
    assert!(mesh.nodes[0].engine.outbox_bytes > 3 * 256);
    mesh.connect(1);
    while mesh.deliver_next(1) {
        assert_counted(&mesh);
    }
    mesh.run();
    assert_counted(&mesh);
    mesh.nodes[1].handles = true;
    mesh.restart(0);
    mesh.connect(0);
    mesh.run();
    assert_counted(&mesh);
    assert_eq!(mesh.nodes[1].engine.inbox_bytes, 0);
}

#[test]
fn outbox_takes_twice_what_a_message_is_long_and_no_more() {
    let mut mesh = acquainted(606);
    mesh.disconnect(0);
    let len = 1 + "four".len() + 1;
    let has = mesh.nodes[0].engine.outbox_bytes;
    mesh.nodes[0].engine.config.max_outbox_bytes = has + 2 * len - 1;
    assert_eq!(
        mesh.send(0, 1, "four"),
        Err(SendError::OutboxFull { entries: mesh.nodes[0].engine.outbox_order.len(), bytes: has })
    );
    mesh.nodes[0].engine.config.max_outbox_bytes = has + 2 * len;
    mesh.send(0, 1, "four").unwrap();
}

/// What is not committed yet is nowhere else.
#[test]
fn records_that_were_changed_are_not_forgotten() {
    let mut mesh = acquainted(661);
    let (from, engine) = (mesh.amid(0), &mut mesh.nodes[1].engine);
    for n in 0..20 {
        put(engine, from, n, InboxState::Ready);
    }
    engine.inbox.shrink(5);
    assert_eq!(engine.inbox.values().count(), 20);
}
