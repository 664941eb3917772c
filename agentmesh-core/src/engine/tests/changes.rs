//! What a commit takes along, and what memory knows again after a restart.

use super::*;
use crate::{
    limits,
    stream::{StreamKey, StreamRole},
    test_utils::{block_on, seeded_rng},
    vault::{StoreKey, Vault},
};

fn id(n: u8) -> MessageId {
    MessageId::new_v7(Timestamp::from_millis(1), &mut seeded_rng(n.into()))
}

fn stream() -> StreamKey {
    StreamKey { peer: peer(1), id: id(1), role: StreamRole::Sender }
}

fn chunk() -> ChunkKey {
    ChunkKey { from: None, message: id(1), index: 0 }
}

/// Marks a record of a kind as changed.
type Change = fn(&mut Engine);

#[test]
fn change_of_any_one_record_is_reason_enough_to_write() {
    let changes: &[(&str, Change)] = &[
        ("identity", |e| e.identity_record.dirty = true),
        ("prekeys", |e| e.change_prekeys(|_| ())),
        ("peers", |e| e.peers.delete(&e.vault, &peer(1), 1)),
        ("sessions", |e| e.sessions.delete(&e.vault, &session(1), 1)),
        ("outbox", |e| e.outbox.delete(&e.vault, &id(1), 1)),
        ("inbox", |e| e.inbox.delete(&e.vault, &(peer(1), id(1)), 1)),
        ("seen", |e| e.seen.delete(&e.vault, &(peer(1), id(1)), 1)),
        ("circuit", |e| e.circuit.delete(&e.vault, &(), 1)),
        ("streams", |e| e.streams.delete(&e.vault, &stream(), 1)),
        ("assemblies", |e| e.assemblies.delete(&e.vault, &(peer(1), id(1)), 1)),
        ("chunks", |e| e.chunks.delete(&e.vault, &chunk(), 1)),
        #[cfg(feature = "legacy-0-2")]
        ("peers of 0.2", |e| e.legacy.peers.delete(&e.vault, &peer(1), 1)),
    ];
    for (what, change) in changes {
        let mut mesh = Mesh::new(1, 730);
        let engine = &mut mesh.nodes[0].engine;
        assert!(!engine.has_changes());
        change(engine);
        assert!(engine.has_changes(), "{what}");
    }
}

/// What the relay has need not be written for its own sake.
#[test]
fn answer_that_the_relay_has_leaves_the_outbox_with_the_next_commit() {
    let mut mesh = Mesh::new(2, 731);
    mesh.send(0, 1, "hello").unwrap();
    mesh.deliver_next(1);
    let [answer] = mesh.nodes[1].engine.outbox.values().map(|e| e.id).collect::<Vec<_>>()[..]
    else {
        panic!("an ACCEPT");
    };
    let commits = mesh.nodes[1].commits;
    mesh.feed(1, Input::Tick).unwrap();
    assert_eq!(mesh.nodes[1].commits, commits);
    assert!(mesh.nodes[1].engine.outbox.get(&answer).is_some());
    mesh.send(1, 0, "hello yourself").unwrap();
    assert!(mesh.nodes[1].engine.outbox.get(&answer).is_none());
}

#[test]
fn order_goes_on_after_a_restart() {
    let mut mesh = acquainted(732);
    mesh.nodes[1].handles = false;
    mesh.send(0, 1, "waits").unwrap();
    // Its receipt would come after it.
    assert!(mesh.deliver_next(1));
    mesh.disconnect(0);
    mesh.send(0, 1, "not sent yet").unwrap();
    for node in 0..2 {
        let before = mesh.nodes[node].engine.next_order;
        mesh.restart(node);
        let engine = &mesh.nodes[node].engine;
        let out = engine.outbox.values().map(|e| e.order);
        let last = out.chain(engine.inbox.values().map(|e| e.order)).max().unwrap();
        assert_eq!(engine.next_order, last + 1);
        assert!(engine.next_order <= before);
    }
}

#[test]
fn version_of_a_stored_identity_counts_how_often_it_was_written() {
    let mut mesh = Mesh::new(1, 733);
    let vault = Vault::new(&StoreKey::from_bytes([7; 32]));
    for version in 1..4 {
        let found = block_on(StoredIdentity::find(&mesh.nodes[0].storage, &vault));
        assert_eq!(found.unwrap().unwrap().version(), version);
        mesh.advance(limits::SIGNED_PREKEY_AGE);
        mesh.feed(0, Input::RotateExchangeKey).unwrap();
    }
}
