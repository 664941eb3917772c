//! How much there may be of large payloads, at both ends.

use super::*;
use crate::engine::records::{Assembly, AssemblyState};

#[test]
fn number_of_unfinished_payloads_is_bounded_and_idle_ones_make_room() {
    let mut mesh = acquainted(106);
    let whole = bytes(1000, 9);
    let groups: Vec<_> = (0..=ASSEMBLIES_PER_PEER as u64).map(|n| id(&mesh, 500 + n)).collect();
    let (last, others) = groups.split_last().unwrap();
    for group in others {
        let part = part_of(&mesh, &whole, *group, 0, 2);
        forge(&mut mesh, 0, 1, &part);
    }
    let first_of_last = part_of(&mesh, &whole, *last, 0, 2);
    forge(&mut mesh, 0, 1, &first_of_last);
    assert_eq!(refusals(&mesh, 1, ReceiptStage::Busy), 1);
    mesh.advance(ASSEMBLY_IDLE);
    let another = part_of(&mesh, &whole, id(&mesh, 600), 0, 2);
    forge(&mut mesh, 0, 1, &another);
    assert_eq!(refusals(&mesh, 1, ReceiptStage::Abandoned), 1);
    assert_eq!(stored(&mesh, 1, RecordKind::Chunk), ASSEMBLIES_PER_PEER);
}

/// A payload of somebody else of which one part is missing, last heard of at `last_at`.
fn unfinished(mesh: &mut Mesh, of: usize, last_at: Timestamp) {
    let from = peer(of);
    let part = part_of(mesh, b"some", id(mesh, of as u64), 0, 2);
    let header = Plaintext { payload: Payload::Bytes(Vec::new()), ..part.clone() };
    let engine = &mut mesh.nodes[1].engine;
    engine.assemblies.put(
        &engine.vault,
        Assembly {
            from,
            id: part.id,
            session: session(of),
            state: AssemblyState::Collecting,
            first_at: last_at,
            last_at,
            bytes: 2,
            parts: crate::engine::parts::Bitmap::new(2),
            header,
            part: part.part.unwrap(),
        },
    );
}

#[test]
fn unfinished_payloads_of_all_peers_are_bounded_and_the_longest_idle_makes_room() {
    let mut mesh = acquainted(117);
    let now = mesh.now;
    for of in 1..ASSEMBLIES {
        unfinished(&mut mesh, of, now);
    }
    for (seed, refused) in [(500, 0), (501, 1)] {
        let part = part_of(&mesh, &bytes(1000, 9), id(&mesh, seed), 0, 2);
        forge(&mut mesh, 0, 1, &part);
        assert_eq!(refusals(&mesh, 1, ReceiptStage::Busy), refused);
    }
    unfinished(&mut mesh, 7, now.minus_millis(ASSEMBLY_IDLE));
    unfinished(&mut mesh, 8, now.minus_millis(ASSEMBLY_IDLE + 1));
    let part = part_of(&mesh, &bytes(1000, 9), id(&mesh, 502), 0, 2);
    forge(&mut mesh, 0, 1, &part);
    let from = peer(8);
    let ended = |e: &&Event| matches!(e, Event::PartsRefused { from: f, reason: ReceiptStage::Abandoned, .. } if *f == from);
    assert_eq!(mesh.nodes[1].events.iter().filter(ended).count(), 1);
    assert_eq!(refusals(&mesh, 1, ReceiptStage::Abandoned), 1);
}

#[test]
fn peer_with_too_many_unfinished_payloads_is_not_given_the_place_of_another() {
    let mut mesh = acquainted(118);
    let idle = mesh.now.minus_millis(ASSEMBLY_IDLE);
    unfinished(&mut mesh, 7, idle);
    for n in 0..=ASSEMBLIES_PER_PEER as u64 {
        let part = part_of(&mesh, &bytes(1000, 9), id(&mesh, 500 + n), 0, 2);
        forge(&mut mesh, 0, 1, &part);
    }
    assert_eq!(refusals(&mesh, 1, ReceiptStage::Busy), 1);
    assert_eq!(refusals(&mesh, 1, ReceiptStage::Abandoned), 0);
}

#[test]
fn refused_payloads_take_no_place() {
    let mut mesh = acquainted(119);
    for n in 0..=ASSEMBLIES_PER_PEER as u64 {
        let group = id(&mesh, 500 + n);
        let part = part_of(&mesh, &bytes(1000, 9), group, 0, 2);
        forge(&mut mesh, 0, 1, &part);
        let mut contradiction = part_of(&mesh, &bytes(1000, 9), group, 1, 2);
        contradiction.kind = MessageType::Request;
        forge(&mut mesh, 0, 1, &contradiction);
    }
    assert_eq!(refusals(&mesh, 1, ReceiptStage::Damaged), ASSEMBLIES_PER_PEER + 1);
    let (large, _) = send(&mut mesh, 0, 1, 2 * PART_SIZE, 1);
    mesh.run();
    assert_eq!(mesh.stage(0, large), Some(Stage::Handled));
}

#[test]
fn large_messages_that_wait_are_bounded_in_number_and_bytes() {
    let mut mesh = acquainted(125);
    mesh.disconnect(1);
    let size = 2 * PART_SIZE;
    mesh.nodes[0].engine.config.max_large_outbox_bytes = 2 * size as u64;
    let (first, _) = send(&mut mesh, 0, 1, size, 1);
    send(&mut mesh, 0, 1, size, 2);
    let another = |mesh: &mut Mesh, seed| {
        let id = id(mesh, seed);
        mesh.send_payload(0, 1, id, Payload::Bytes(vec![1; size]))
    };
    let entries = mesh.nodes[0].engine.outbox_order.len();
    let full = |entries, bytes| Err(SendError::OutboxFull { entries, bytes });
    assert_eq!(another(&mut mesh, 3), full(entries, 2 * size));
    mesh.feed(0, Input::Cancel(first)).unwrap();
    let entries = mesh.nodes[0].engine.outbox_order.len();
    mesh.nodes[0].engine.config.max_outbox_entries = entries;
    assert_eq!(another(&mut mesh, 3), full(entries, size));
    mesh.nodes[0].engine.config.max_outbox_entries = entries + 1;
    assert_eq!(another(&mut mesh, 3), Ok(()));
    // Too large for anybody is something else than too much for now.
    mesh.nodes[0].engine.config.max_outbox_entries = usize::MAX;
    let id = id(&mesh, 4);
    let most = mesh.send_payload(0, 1, id, Payload::Bytes(vec![0; MAX_LARGE_PAYLOAD]));
    assert!(matches!(most, Err(SendError::OutboxFull { .. })), "{most:?}");
}

#[test]
fn what_the_peer_has_on_its_disk_takes_no_place_on_ours() {
    for restarted in [false, true] {
        let mut mesh = acquainted(126);
        let size = 3 * PART_SIZE;
        let max_large_outbox_bytes = size as u64;
        mesh.reconfigure(0, EngineConfig { max_large_outbox_bytes, ..EngineConfig::default() });
        mesh.restart(0);
        mesh.connect(0);
        mesh.nodes[1].handles = false;
        let (first, _) = send(&mut mesh, 0, 1, size, 1);
        mesh.run();
        if restarted {
            mesh.restart(0);
            mesh.connect(0);
        }
        assert_eq!(mesh.nodes[0].engine.stage(&first), Some(Stage::Delivered));
        assert_eq!(stored(&mesh, 0, RecordKind::Chunk), 0);
        let (second, _) = send(&mut mesh, 0, 1, size, 2);
        mesh.nodes[1].handles = true;
        mesh.run();
        assert_eq!(mesh.stage(0, second), Some(Stage::Handled));
        assert_eq!(failures(&mesh, 0), []);
    }
}
