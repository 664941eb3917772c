//! Receipts for which there is no session at the moment.

use super::*;
use crate::{
    limits,
    test_utils::seeded_rng,
    wire::plaintext::{MessageType, Receipt, Stage as ReceiptStage},
};

/// What the first agent sent arrived before the session was closed by `closes`, and is handled after.
fn handled_after_the_end(mesh: &mut Mesh, closes: usize) -> Vec<MessageId> {
    mesh.nodes[1].handles = false;
    let ids = (0..3).map(|i| mesh.send(0, 1, &i.to_string()).unwrap()).collect();
    mesh.run();
    let peer = mesh.amid(1 - closes);
    mesh.feed(closes, Input::CloseSession(peer)).unwrap();
    mesh.run();
    mesh.nodes[1].handles = true;
    mesh.run();
    ids
}

fn waiting(mesh: &Mesh) -> Vec<&[Receipt]> {
    let entries = mesh.nodes[1].engine.outbox.values();
    let kept = entries.filter_map(|entry| match &entry.body {
        records::OutboxBody::Receipts(kept) => Some(&kept[..]),
        _ => None,
    });
    kept.collect()
}

#[test]
fn receipts_wait_for_a_session_whoever_opens_it() {
    for (closes, opens) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let mut mesh = acquainted(620);
        let ids = handled_after_the_end(&mut mesh, closes);
        assert!(ids.iter().all(|id| mesh.stage(0, *id) == Some(Stage::Delivered)));
        assert!(mesh.nodes[1].engine.outbox().is_empty(), "applications do not see them");
        mesh.send(opens, 1 - opens, "again").unwrap();
        mesh.run();
        let told = ids.iter().all(|id| mesh.stage(0, *id) == Some(Stage::Handled));
        assert!(told, "{closes} closes, {opens} opens");
        assert!(mesh.nodes[0].engine.outbox().is_empty());
        assert!(waiting(&mesh).is_empty());
    }
}

#[test]
fn receipts_that_wait_survive_a_crash() {
    let mut mesh = acquainted(621);
    let ids = handled_after_the_end(&mut mesh, 1);
    mesh.restart(1);
    mesh.connect(1);
    mesh.run();
    assert_eq!(waiting(&mesh)[0].len(), ids.len());
    assert!(mesh.nodes[1].engine.has_sent_all(), "nobody waits for a session");
    mesh.send(1, 0, "again").unwrap();
    mesh.run();
    assert!(ids.iter().all(|id| mesh.stage(0, *id) == Some(Stage::Handled)));
    assert!(mesh.nodes[0].engine.outbox().is_empty());
}

/// The peer's clock may turn our handshake away, or the relay lose it; then nobody reads what was sent behind it.
#[test]
fn receipts_wait_until_the_peer_has_the_session() {
    let mut mesh = acquainted(623);
    mesh.nodes[1].handles = false;
    let id = mesh.send(0, 1, "0").unwrap();
    mesh.run();
    let peer = mesh.amid(0);
    mesh.feed(1, Input::CloseSession(peer)).unwrap();
    mesh.run();
    mesh.loses = Some((mesh.amid(1), 1));
    mesh.send(1, 0, "in a session that the peer never gets").unwrap();
    mesh.nodes[1].handles = true;
    mesh.run();
    assert_eq!(waiting(&mesh)[0].len(), 1);
    mesh.loses = None;
    for _ in 0..5 {
        mesh.advance(crate::time::MINUTE);
        mesh.run();
    }
    assert_eq!(mesh.stage(0, id), Some(Stage::Handled));
    assert!(waiting(&mesh).is_empty());
}

/// The receipt is at the relay when the session ends: its recipient closed it, or its sender did and the relay takes that first.
#[test]
fn receipt_that_the_end_of_its_session_left_unread_is_asked_for_in_the_next() {
    for (closes, opens) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let mut mesh = acquainted(624);
        let (a, b) = (mesh.amid(0), mesh.amid(1));
        mesh.nodes[1].handles = false;
        let id = mesh.send(0, 1, "0").unwrap();
        mesh.run();
        mesh.disconnect(0);
        mesh.nodes[1].handles = true;
        mesh.run();
        mesh.feed(closes, Input::CloseSession([b, a][closes])).unwrap();
        if closes == 1 {
            mesh.relay.get_mut(&a).unwrap().swap(0, 1);
        }
        mesh.connect(0);
        mesh.run();
        assert_eq!(dropped(&mesh, 0, DropReason::SessionClosed), 1);
        assert_eq!(mesh.stage(0, id), Some(Stage::Delivered));
        // What was handled is known from the disk, too.
        mesh.nodes[1].engine.seen.evict();
        mesh.send(opens, 1 - opens, "again").unwrap();
        mesh.run();
        assert_eq!(mesh.stage(0, id), Some(Stage::Handled), "{closes} closes, {opens} opens");
        assert!(mesh.nodes[0].engine.outbox().is_empty());
    }
}

/// Neither does whoever asks learn of another's messages, nor of what never came.
#[test]
fn only_the_sender_of_a_message_learns_how_far_it_is() {
    let mut mesh = Mesh::new(3, 625);
    let id = mesh.send(0, 1, "0").unwrap();
    mesh.send(2, 1, "1").unwrap();
    mesh.run();
    let (b, now) = (mesh.amid(1), mesh.now);
    let session = mesh.nodes[2].engine.sending_session(b).unwrap();
    let mut rng = seeded_rng(2);
    let mut asks = outbound::control(MessageType::Receipt, now, &mut rng);
    let unknown = MessageId::new_v7(now, &mut rng);
    asks.receipts =
        [id, unknown].map(|id| Receipt { id, stage: ReceiptStage::Asked }).into_iter().collect();
    let frames = mesh.wiretap.len();
    assert!(mesh.nodes[2].engine.send_control(b, session, &asks, now, &mut rng));
    mesh.feed(2, Input::Tick).unwrap();
    mesh.run();
    assert_eq!(mesh.wiretap.len(), frames + 1, "there is no answer");
    assert!(mesh.relay.values().all(|queue| queue.is_empty()));
}

#[test]
fn receipts_that_wait_are_bounded_and_go_when_nobody_wants_them_any_more() {
    let mut mesh = acquainted(622);
    let peer = mesh.amid(0);
    mesh.feed(1, Input::CloseSession(peer)).unwrap();
    let (now, mut rng) = (mesh.now, seeded_rng(1));
    for _ in 0..1100 {
        let id = MessageId::new_v7(now, &mut rng);
        let receipt = Receipt { id, stage: ReceiptStage::Handled };
        mesh.nodes[1].engine.keep_receipts(peer, &[receipt], now, &mut rng);
    }
    assert_eq!(waiting(&mesh)[0].len(), limits::WAITING_RECEIPTS);
    mesh.advance(limits::OUTBOX_AGE);
    assert!(waiting(&mesh).is_empty());
}
