//! Payloads in parts: from end to end, and what becomes of those that do not arrive.

mod faults;
mod forged;
mod limits;
mod receiving;
mod windows;

use super::*;
use crate::{
    engine::tests::{acquainted, failures, records, texts},
    keys::kdf,
    limits::{
        ASSEMBLIES, ASSEMBLIES_PER_PEER, ASSEMBLY_AGE, ASSEMBLY_IDLE, MAX_LARGE_PAYLOAD,
        OUTBOX_AGE, PART_SIZE, PART_WINDOW,
    },
    session::Session,
    storage::{RecordKind, Storage},
    test_utils::{block_on, mesh::Mesh, seeded_rng},
    wire::plaintext::{MessageType, Part, Payload, Plaintext, Receipt, Stage as ReceiptStage},
};

/// Bytes that no two parts have in common.
fn bytes(n: usize, seed: u64) -> Vec<u8> {
    use rand_core::Rng;
    let mut bytes = vec![0; n];
    seeded_rng(seed).fill_bytes(&mut bytes);
    bytes
}

fn id(mesh: &Mesh, seed: u64) -> MessageId {
    MessageId::new_v7(mesh.now, &mut seeded_rng(seed))
}

fn send(mesh: &mut Mesh, from: usize, to: usize, n: usize, seed: u64) -> (MessageId, String) {
    let id = id(mesh, seed);
    let payload = bytes(n, seed);
    let text = format!("bytes {:?}", kdf::sha256(&[&payload]));
    mesh.send_payload(from, to, id, Payload::Bytes(payload)).unwrap();
    (id, text)
}

fn stored(mesh: &Mesh, node: usize, kind: RecordKind) -> usize {
    block_on(mesh.nodes[node].storage.list(kind, None, 100_000)).unwrap().len()
}

/// The frames at the relay for `node`.
fn waiting(mesh: &Mesh, node: usize) -> usize {
    mesh.relay.get(&mesh.amid(node)).map_or(0, |queue| queue.len())
}

fn progress(mesh: &Mesh, node: usize, of: MessageId, way: Direction) -> Vec<(u32, u32)> {
    let events = mesh.nodes[node].events.iter();
    events
        .filter_map(|e| match e {
            Event::PartProgress { direction, id, done, total, .. }
                if *id == of && *direction == way =>
            {
                Some((*done, *total))
            }
            _ => None,
        })
        .collect()
}

/// A part as a peer of ours may forge it: encrypted in the real session, and nothing else about it is real.
fn forged(mesh: &mut Mesh, from: usize, to: usize, plaintext: &Plaintext) -> Inbound {
    let (now, peer, sender) = (mesh.now, mesh.amid(to), mesh.amid(from));
    // Events grow with every frame: no two have the same randomness.
    let mut rng = seeded_rng(9_000 + mesh.nodes[to].events.len() as u64);
    let engine = &mut mesh.nodes[from].engine;
    let session = engine.sending_session(peer).unwrap();
    let frame = engine.encrypt(session, &plaintext.encode().unwrap(), now, &mut rng).unwrap();
    Inbound { from: sender, relay_id: None, frame }
}

fn forge(mesh: &mut Mesh, from: usize, to: usize, plaintext: &Plaintext) {
    let inbound = forged(mesh, from, to, plaintext);
    mesh.feed(to, Input::Frame(inbound)).unwrap();
    mesh.run();
}

/// How many payloads `node` refused for this reason.
fn refusals(mesh: &Mesh, node: usize, reason: ReceiptStage) -> usize {
    let is = |e: &&Event| matches!(e, Event::PartsRefused { reason: r, .. } if *r == reason);
    mesh.nodes[node].events.iter().filter(is).count()
}

fn part_of(mesh: &Mesh, whole: &[u8], group: MessageId, index: u32, count: u32) -> Plaintext {
    let own = MessageId::new_v7(mesh.now, &mut seeded_rng(u64::from(index) + 7_000));
    let mut plaintext = Plaintext::new(own, MessageType::Message, u64::from(index), mesh.now);
    let size = whole.len().div_ceil(count as usize);
    let piece = whole.chunks(size).nth(index as usize).unwrap_or(b"?");
    plaintext.payload = Payload::Bytes(piece.to_vec());
    let sha256 = kdf::sha256(&[whole]);
    plaintext.part = Some(Part { group: *group.as_bytes(), index, count, sha256 });
    plaintext
}

#[test]
fn large_payload_arrives_whole_and_leaves_nothing_behind() {
    let mut mesh = acquainted(100);
    let (id, text) = send(&mut mesh, 0, 1, 10 * PART_SIZE + 17, 1);
    assert_eq!(stored(&mesh, 0, RecordKind::Chunk), 11, "on disk before anything is sent");
    mesh.run();
    assert_eq!(texts(&mesh, 1).last(), Some(&text));
    assert_eq!(mesh.stage(0, id), Some(Stage::Handled));
    for stage in [Stage::StoredByRelay, Stage::Delivered] {
        let event = Event::Progress { to: mesh.amid(1), id, stage };
        assert!(mesh.nodes[0].events.contains(&event), "{stage}");
    }
    for node in 0..2 {
        assert_eq!(stored(&mesh, node, RecordKind::Chunk), 0);
        assert_eq!(stored(&mesh, node, RecordKind::Assembly), 0);
        assert!(mesh.nodes[node].engine.outbox().is_empty());
    }
    assert_eq!(mesh.nodes[1].engine.parts.received_bytes(), 0);
    assert_eq!(progress(&mesh, 0, id, Direction::Sending).last(), Some(&(11, 11)));
    assert_eq!(progress(&mesh, 1, id, Direction::Receiving).last(), Some(&(11, 11)));
}

#[test]
fn json_is_cut_between_characters_and_opens_a_session_if_there_is_none() {
    let mut mesh = Mesh::new(2, 101);
    let text = format!("\"{}\"", "häßlich 𝄞 ".repeat(20_000));
    let id = id(&mesh, 1);
    mesh.send_payload(0, 1, id, Payload::Json(text.clone())).unwrap();
    // Parts wait for the answer to the KNOCK: before it, the peer would keep few of them.
    assert_eq!(waiting(&mesh, 1), 1);
    mesh.run();
    assert_eq!(texts(&mesh, 1), [text]);
    let broken = Payload::Json("[".repeat(PART_SIZE * 2));
    let refused = mesh.send_payload(0, 1, self::id(&mesh, 2), broken).unwrap_err();
    assert!(matches!(refused, SendError::InvalidJson { .. }), "{refused}");
}

#[test]
fn cap_of_the_recipient_refuses_at_the_first_part_and_says_so() {
    let mut mesh = acquainted(104);
    let config = EngineConfig { max_payload: 20 * PART_SIZE, ..EngineConfig::default() };
    mesh.reconfigure(1, config);
    mesh.restart(1);
    mesh.connect(1);
    let (id, _) = send(&mut mesh, 0, 1, 20 * PART_SIZE + 1, 1);
    mesh.deliver_next(1);
    assert_eq!(stored(&mesh, 1, RecordKind::Chunk), 0, "the first part shows how large it is");
    mesh.run();
    let actual = 20 * PART_SIZE as u64 + 1;
    assert_eq!(failures(&mesh, 0), [SendFailure::PayloadTooLargeForPeer { actual }]);
    assert!(!mesh.handled(1).contains(&id));
    assert_eq!(stored(&mesh, 0, RecordKind::Chunk), 0);
    // The limit itself is allowed.
    let (id, _) = send(&mut mesh, 0, 1, 20 * PART_SIZE, 2);
    mesh.run();
    assert_eq!(mesh.stage(0, id), Some(Stage::Handled));
    let too_large = Payload::Bytes(vec![0; MAX_LARGE_PAYLOAD + 1]);
    let refused = mesh.send_payload(0, 1, self::id(&mesh, 3), too_large).unwrap_err();
    let (limit, actual) = (MAX_LARGE_PAYLOAD, MAX_LARGE_PAYLOAD + 1);
    assert_eq!(refused, SendError::PayloadTooLarge { limit, actual });
}

#[test]
fn cancelled_or_expired_payload_leaves_nothing_on_either_side() {
    let mut mesh = acquainted(105);
    mesh.disconnect(1);
    let (id, _) = send(&mut mesh, 0, 1, 50 * PART_SIZE, 1);
    mesh.run();
    mesh.feed(0, Input::Cancel(id)).unwrap();
    let (late, _) = send(&mut mesh, 0, 1, 50 * PART_SIZE, 2);
    assert_eq!(failures(&mesh, 0), [SendFailure::Cancelled]);
    mesh.connect(1);
    for _ in 0..40 {
        mesh.deliver_next(1);
    }
    mesh.disconnect(1);
    assert!(stored(&mesh, 1, RecordKind::Chunk) >= 32);
    mesh.advance(OUTBOX_AGE);
    assert_eq!(failures(&mesh, 0), [SendFailure::Cancelled, SendFailure::Unconfirmed]);
    assert_eq!(stored(&mesh, 0, RecordKind::Chunk), 0);
    mesh.relay.clear();
    mesh.advance(ASSEMBLY_AGE - OUTBOX_AGE + 1);
    assert_eq!(stored(&mesh, 1, RecordKind::Chunk), 0, "nobody waits for {late} any more");
    assert_eq!(mesh.nodes[1].engine.parts.received_bytes(), 0);
    mesh.advance(ASSEMBLY_AGE + 1);
    assert_eq!(stored(&mesh, 1, RecordKind::Assembly), 0);
}

#[test]
fn sender_hears_why_its_payload_was_not_taken() {
    for (stage, reason) in [
        (ReceiptStage::Damaged, SendFailure::PayloadDamaged),
        (ReceiptStage::Abandoned, SendFailure::PayloadAbandoned),
        (ReceiptStage::Busy, SendFailure::PeerBusy),
    ] {
        let mut mesh = acquainted(112);
        // Only the sender is there: what the recipient says comes before it has anything.
        mesh.disconnect(1);
        let (refused, _) = send(&mut mesh, 0, 1, 3 * PART_SIZE, 1);
        let own = id(&mesh, 2);
        let mut receipt = Plaintext::new(own, MessageType::Receipt, 0, mesh.now);
        receipt.receipts = vec![Receipt { id: refused, stage }];
        forge(&mut mesh, 1, 0, &receipt);
        assert_eq!(failures(&mesh, 0), [reason]);
        assert_eq!(stored(&mesh, 0, RecordKind::Chunk), 0);
    }
}

#[test]
fn part_before_the_decision_on_its_knock_stays_at_the_relay() {
    let mut mesh = Mesh::new(2, 109);
    mesh.send(0, 1, "knock").unwrap();
    let before = records(&mesh, 1);
    let session = |mesh: &Mesh| -> Option<bool> {
        let engine = &mesh.nodes[0].engine;
        let id = engine.sending_session(mesh.amid(1))?;
        engine
            .sessions
            .get(&id)?
            .session
            .as_ref()
            .map(|s: &Session| s.needs_new_handshake(mesh.now))
    };
    assert_eq!(session(&mesh), Some(false));
    let (id, _) = send(&mut mesh, 0, 1, 3 * PART_SIZE, 1);
    assert_eq!(waiting(&mesh, 1), 2, "KNOCK and message");
    assert_eq!(records(&mesh, 1), before);
    mesh.run();
    assert_eq!(mesh.stage(0, id), Some(Stage::Handled));
}

#[test]
fn peer_hears_that_its_payload_arrived_before_it_is_handled_and_of_it_what_is_not_the_payload() {
    let mut mesh = acquainted(113);
    mesh.nodes[1].handles = false;
    let from = mesh.amid(0);
    let (large, _) = send(&mut mesh, 0, 1, 3 * PART_SIZE, 1);
    let short = mesh.send(0, 1, "short").unwrap();
    mesh.run();
    assert_eq!(mesh.stage(0, large), Some(Stage::Delivered));
    let engine = &mesh.nodes[1].engine;
    let header = engine.large_header(&from, &large).unwrap();
    assert_eq!((header.id, header.payload), (large, Payload::Bytes(Vec::new())));
    assert_eq!(engine.large_message(&from, &large), Some(3 * PART_SIZE as u64));
    assert!(engine.message(&from, &large).is_none(), "its payload is read apart from it");
    // Each part has a number of its own.
    let next = engine.message(&from, &short).unwrap();
    assert_eq!((header.seq, next.seq), (1, 4));
    assert!(engine.large_header(&from, &short).is_none());
}
