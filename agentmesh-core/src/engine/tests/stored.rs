//! What stands in records and what is said aloud: names, and forms of before.

use zeroize::Zeroizing;

use super::*;
use crate::{
    codec::CodecError,
    engine::{
        records::{Assembly, AssemblyState, SessionEntry},
        table::Stored,
    },
    limits::PART_SIZE,
    test_utils::{block_on, seeded_rng},
    wire::plaintext::{Payload, Stage as ReceiptStage},
};

fn encoded(record: &impl Stored) -> Vec<u8> {
    let mut out = Zeroizing::new(Vec::new());
    record.encode(&mut out);
    out.to_vec()
}

#[test]
fn stages_and_reasons_have_names() {
    let stages = [Stage::Queued, Stage::StoredByRelay, Stage::Delivered, Stage::Handled];
    let names = ["queued", "stored", "delivered", "handled"];
    assert_eq!(stages.map(|stage| stage.to_string()), names);
    assert_eq!(DropReason::NoSession.as_str(), "no_session");
    assert_eq!(DropReason::Undecryptable.as_str(), "undecryptable");
}

#[test]
fn session_that_was_stored_without_an_end_is_read() {
    let mut mesh = acquainted(690);
    let b = mesh.amid(1);
    let of = |mesh: &Mesh| encoded(mesh.nodes[0].engine.sessions.values().next().unwrap());
    let new = of(&mesh);
    // One byte says that there is no end.
    let at = 1 + 16 + 20 + 1 + 4 + 8 + 16 + 1 + 1;
    assert_eq!(new[at], 0);
    let mut old = new.clone();
    old.remove(at);
    old[0] = 1;
    assert_eq!(encoded(&SessionEntry::decode(&old).unwrap()), new);
    old[0] = 3;
    assert!(matches!(SessionEntry::decode(&old), Err(CodecError::UnknownVersion { .. })));
    mesh.feed(0, Input::CloseSession(b)).unwrap();
    assert_eq!(of(&mesh)[at], 1, "a tombstone has one");
}

#[test]
fn refused_payload_is_stored_with_a_reason_that_is_one() {
    let mut mesh = acquainted(691);
    let id = MessageId::new_v7(mesh.now, &mut seeded_rng(1));
    mesh.send_payload(0, 1, id, Payload::Bytes(vec![1; 3 * PART_SIZE])).unwrap();
    mesh.deliver_next(1);
    let record = encoded(mesh.nodes[1].engine.assemblies.values().next().unwrap());
    let state = |code: u64| {
        let mut record = record.clone();
        let at = 1 + 20 + 16 + 16;
        record[at..at + 8].copy_from_slice(&code.to_be_bytes());
        Assembly::decode(&record).map(|assembly| assembly.state)
    };
    assert_eq!(state(1), Ok(AssemblyState::Collecting));
    let busy = ReceiptStage::Busy;
    assert_eq!(state(busy.code()), Ok(AssemblyState::Refused(busy)));
    assert_eq!(state(3), Err(CodecError::InvalidValue { field: "state" }));
}

#[test]
fn outcome_is_empty_only_without_any_effect() {
    let mut mesh = acquainted(692);
    assert!(Outcome::default().is_empty());
    let now = mesh.now;
    let (to, mut rng) = (mesh.amid(1), seeded_rng(1));
    let outgoing = Outgoing {
        to,
        relay_id: RelayMessageId::from_bytes([1; 16]),
        kind: crate::wire::relay_frame::RelayMessageType::Message,
        frame: vec![7; 5],
    };
    let text = format!("{outgoing:?}");
    assert!(text.contains("bytes: 5") && !text.contains("7, 7"), "{text}");
    let ack = RelayAck { from: to, relay_id: outgoing.relay_id };
    let engine = &mut mesh.nodes[0].engine;
    engine.change_prekeys(|prekeys| prekeys.registry_forgot(now));
    let changed = engine.finish(false, &mut rng).unwrap();
    assert!(!changed.changes.is_empty());
    for one in [
        Outcome { changes: changed.changes, ..Outcome::default() },
        Outcome { outgoing: vec![outgoing], ..Outcome::default() },
        Outcome { acks: vec![ack], ..Outcome::default() },
        Outcome { events: vec![Event::PeerUnblocked { peer: to }], ..Outcome::default() },
        Outcome { requests: vec![Request::PublishPrekeys], ..Outcome::default() },
    ] {
        assert!(!one.is_empty(), "{one:?}");
    }
}

#[test]
fn sessions_are_described_whether_in_memory_or_not() {
    let mut mesh = acquainted(693);
    let (b, third) = (mesh.amid(1), mesh.add(EngineConfig::default()));
    mesh.nodes[0].policy = knock::Decision::Later;
    mesh.send(third, 0, "may I?").unwrap();
    mesh.run();
    mesh.restart(0);
    let node = &mut mesh.nodes[0];
    let all = block_on(node.engine.describe_sessions(&node.storage)).unwrap();
    assert_eq!(all.len(), 2);
    for session in all {
        let is_ours = session.peer == b;
        assert_eq!((session.initiator, session.accepted), (is_ours, is_ours));
        assert!(session.sending && session.chains.is_some());
    }
}
