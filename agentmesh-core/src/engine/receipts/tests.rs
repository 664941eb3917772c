//! What is owed, what waits, and whose word counts. What becomes of it between two agents is in `engine/tests/receipts.rs`.

use super::*;
use crate::{
    engine::{
        Input,
        records::Peer,
        tests::{acquainted, peer},
    },
    test_utils::{mesh::Mesh, seeded_rng},
};

fn id(n: u64) -> MessageId {
    MessageId::new_v7(Timestamp::from_millis(n), &mut seeded_rng(n))
}

const fn receipt(id: MessageId, stage: ReceiptStage) -> Receipt {
    Receipt { id, stage }
}

/// A peer that was seen with a suite.
fn pinned(mesh: &mut Mesh, n: usize, suite: Suite) {
    let engine = &mut mesh.nodes[0].engine;
    engine.peers.put(&engine.vault, Peer { suite_pin: suite.id(), ..Peer::new(peer(n)) });
}

/// Keeps a receipt for a peer; says how many wait for it then.
fn kept(mesh: &mut Mesh, n: usize, receipts: &[Receipt]) -> usize {
    let (now, engine) = (mesh.now, &mut mesh.nodes[0].engine);
    engine.keep_receipts(peer(n), receipts, now, &mut seeded_rng(n as u64));
    let waiting = engine.receipts.waiting.get(&peer(n)).and_then(|id| engine.outbox.get(id));
    match waiting.map(|entry| &entry.body) {
        Some(OutboxBody::Receipts(receipts)) => receipts.len(),
        _ => 0,
    }
}

#[test]
fn receipt_for_a_frame_of_a_stream_waits_for_the_one_that_says_that_it_was_consumed() {
    for (kind, wait) in
        [(MessageType::Stream, limits::STREAM_RECEIPT_DELAY), (MessageType::Message, 0)]
    {
        let mut mesh = Mesh::new(1, 770);
        let (now, engine) = (mesh.now, &mut mesh.nodes[0].engine);
        let message = Plaintext::new(id(1), kind, 0, now);
        engine.owe_delivered(peer(1), &message, now);
        let due = now.plus_millis(wait + engine.config.receipt_delay);
        assert_eq!(engine.next_receipt(), Some(due));
    }
}

/// A driver reads its clock more than once in a step, and the clock may be put back: what is due only a moment later is not in
/// the commit that removes the message from the inbox, and who dies then never sends it.
#[test]
fn receipt_for_what_is_handled_or_refused_is_due_in_the_same_step() {
    let mut mesh = Mesh::new(1, 779);
    let (now, engine) = (mesh.now, &mut mesh.nodes[0].engine);
    let earlier = now.minus_millis(1);
    engine.owe_receipt(peer(1), id(1), Stage::Delivered, now);
    assert_eq!(engine.receipts_due(earlier), []);
    engine.owe_receipt(peer(1), id(2), Stage::Handled, now);
    engine.owe_refusal(peer(2), id(3), ReceiptStage::Busy);
    let mut due = [peer(1), peer(2)];
    due.sort_unstable();
    assert_eq!(engine.receipts_due(earlier), due);
}

#[test]
fn each_payload_is_refused_once() {
    let mut mesh = Mesh::new(1, 771);
    let engine = &mut mesh.nodes[0].engine;
    for n in [1, 1, 2, 1] {
        engine.owe_refusal(peer(1), id(n), ReceiptStage::Busy);
    }
    let refused = [1, 2].map(|n| (id(n), ReceiptStage::Busy));
    assert_eq!(engine.receipts.owed[&peer(1)].refusals, refused);
}

#[test]
fn receipts_are_kept_for_native_peers_only() {
    let mut mesh = Mesh::new(1, 772);
    let one = [receipt(id(1), ReceiptStage::Handled)];
    for (n, suite, waits) in [(1, Suite::Legacy02, 0), (2, Suite::X25519, 1)] {
        pinned(&mut mesh, n, suite);
        assert_eq!(kept(&mut mesh, n, &[]), 0);
        assert_eq!(mesh.nodes[0].engine.receipts.waiting.len(), 0);
        assert_eq!(kept(&mut mesh, n, &one), waits);
    }
    assert_eq!(kept(&mut mesh, 3, &one), 0, "a stranger");
}

#[test]
fn receipts_wait_for_so_many_peers_and_further_ones_for_those_that_wait() {
    let mut mesh = Mesh::new(1, 773);
    let one = |n| [receipt(id(n), ReceiptStage::Handled)];
    for n in 0..=limits::WAITING_RECEIPT_PEERS {
        pinned(&mut mesh, n, Suite::X25519);
        let waits = kept(&mut mesh, n, &one(1));
        assert_eq!(waits, usize::from(n < limits::WAITING_RECEIPT_PEERS), "{n}");
    }
    assert_eq!(kept(&mut mesh, 0, &one(2)), 2);
    assert_eq!(kept(&mut mesh, 0, &one(2)), 2);
}

#[test]
fn receipts_wait_again_after_those_before_were_sent() {
    let mut mesh = Mesh::new(1, 774);
    pinned(&mut mesh, 1, Suite::X25519);
    for n in 1..3 {
        assert_eq!(kept(&mut mesh, 1, &[receipt(id(n), ReceiptStage::Handled)]), 1);
        let engine = &mut mesh.nodes[0].engine;
        let sent = engine.receipts.waiting[&peer(1)];
        engine.drop_entry(sent);
    }
}

#[test]
fn peer_is_asked_about_what_it_has_and_did_not_handle() {
    let mut mesh = acquainted(775);
    let third = mesh.add(Default::default());
    for node in [1, third] {
        mesh.nodes[node].handles = false;
    }
    let delivered = mesh.send(0, 1, "there").unwrap();
    mesh.send(0, third, "elsewhere").unwrap();
    mesh.run();
    mesh.disconnect(1);
    mesh.send(0, 1, "at the relay").unwrap();
    let b = mesh.amid(1);
    assert_eq!(mesh.nodes[0].engine.unhandled(b), [delivered]);
}

#[test]
fn nobody_but_the_recipient_says_how_far_a_message_is() {
    let mut mesh = acquainted(776);
    mesh.disconnect(1);
    let message = mesh.send(0, 1, "hello").unwrap();
    let (b, now) = (mesh.amid(1), mesh.now);
    let engine = &mut mesh.nodes[0].engine;
    for (from, stage) in [(peer(1), Stage::StoredByRelay), (b, Stage::Delivered)] {
        engine.on_receipts(from, &[receipt(message, ReceiptStage::Delivered)], now);
        assert_eq!(engine.stage(&message), Some(stage));
    }
}

#[test]
fn each_stage_is_told_once() {
    let both = [ReceiptStage::Delivered, ReceiptStage::Handled];
    for says in [&both[..], &both[1..], &[both[0], both[0], both[1]]] {
        let mut mesh = acquainted(777);
        mesh.disconnect(1);
        let message = mesh.send(0, 1, "hello").unwrap();
        let (b, now) = (mesh.amid(1), mesh.now);
        let engine = &mut mesh.nodes[0].engine;
        for stage in says {
            engine.on_receipts(b, &[receipt(message, *stage)], now);
        }
        let told: Vec<_> = engine
            .out
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Progress { stage, .. } => Some(*stage),
                _ => None,
            })
            .collect();
        assert_eq!(told, [Stage::Delivered, Stage::Handled], "{says:?}");
    }
}

/// What is delivered has left the mailbox before: that it is handled makes no more room there.
#[test]
fn only_what_leaves_a_full_mailbox_makes_room_in_it() {
    let mut mesh = acquainted(778);
    mesh.disconnect(1);
    let ids = ["1", "2"].map(|text| mesh.send(0, 1, text).unwrap());
    let (b, now) = (mesh.amid(1), mesh.now);
    let delivered = [receipt(ids[0], ReceiptStage::Delivered)];
    mesh.nodes[0].engine.on_receipts(b, &delivered, now);
    mesh.inbox_limit = Some(0);
    for text in ["3", "4"] {
        mesh.send(0, 1, text).unwrap();
    }
    mesh.feed(0, Input::Tick).unwrap();
    let engine = &mut mesh.nodes[0].engine;
    for (of, sent) in [(0, 0), (1, 1)] {
        engine.on_receipts(b, &[receipt(ids[of], ReceiptStage::Handled)], now);
        assert_eq!(engine.out.outgoing.len(), sent);
    }
}
