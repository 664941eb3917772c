//! What the engine's types show of messages and keys: lengths, names and numbers.

use super::*;
use crate::{
    engine::{
        NewStatus,
        parts::Bitmap,
        records::{Group, OutboxBody},
    },
    redaction::Shown,
    test_utils::{block_on, seeded_rng},
    wire::plaintext::{Headers, MessageType, Part, Payload, Plaintext},
};

const TEXT: &str = "open sesame";

#[test]
fn engine_and_its_records_print_redacted() {
    let mut mesh = acquainted(970);
    mesh.nodes[1].handles = false;
    mesh.send(0, 1, TEXT).unwrap();
    let mut shown = Shown::default();
    for entry in mesh.nodes[0].engine.outbox.values() {
        shown.add("OutboxEntry", entry);
    }
    let stored = mesh.relay[&mesh.amid(1)].back().unwrap().clone();
    let inbound = Inbound { from: stored.from, relay_id: Some(stored.id), frame: stored.frame };
    shown.add("Inbound", &inbound);
    let (now, mut rng) = (mesh.now, seeded_rng(1));
    let opened = mesh.nodes[1].engine.receive(inbound.clone(), now, &mut rng).unwrap();
    shown.add("Opened", &opened);
    shown.add("Input", &Input::Frame(inbound));
    mesh.run();
    for entry in mesh.nodes[1].engine.inbox.values() {
        shown.add("InboxEntry", entry);
    }
    for entry in mesh.nodes[1].engine.sessions.values() {
        shown.add("SessionEntry", entry);
    }
    let (from, id) = mesh.nodes[1].engine.inbox()[0];
    shown.add("IncomingMessage", &mesh.nodes[1].engine.message(&from, &id).unwrap());
    let storage = mesh.nodes[1].storage.clone();
    let vault = Vault::new(&crate::vault::StoreKey::from_bytes([7; 32]));
    let found = block_on(StoredIdentity::find(&storage, &vault)).unwrap().unwrap();
    shown.add("StoredIdentity", &found);
    shown.add("PrekeyRecord", &mesh.nodes[1].engine.prekeys);
    shown.add("Table", &mesh.nodes[1].engine.sessions);
    let status = NewStatus {
        to: mesh.amid(0),
        in_reply_to: None,
        payload: Payload::Json(TEXT.into()),
        headers: Headers::default(),
    };
    shown.add("NewStatus", &status);
    let mut header = Plaintext::new(MessageId::new_v7(now, &mut rng), MessageType::Message, 0, now);
    header.payload = Payload::Json(TEXT.into());
    let part = Part { group: [1; 16], index: 0, count: 2, sha256: [1; 32] };
    let group = Group {
        header,
        part,
        length: 70_000,
        begun: 1,
        confirmed: Bitmap::new(2),
        intent: Some(TEXT.into()),
    };
    shown.add("Group", &group);
    shown.add("OutboxBody", &OutboxBody::Group(Box::new(group)));
    shown.add("Engine", &mesh.nodes[1].engine);
    for event in mesh.nodes[1].events.iter().chain(&mesh.nodes[0].events) {
        shown.add("Event", event);
    }
    let text = shown.without(&[TEXT.as_bytes(), found.identity.seed(), &[7; 32]]);
    // The maps of the engine have no order, and say how much they hold only.
    let lines: Vec<_> = text.lines().filter(|l| !l.starts_with("Engine: ")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}
