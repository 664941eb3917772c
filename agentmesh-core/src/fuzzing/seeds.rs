//! What real agents wrote, as a beginning for whoever makes something else of it.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a fixture: failing loudly is its job"
)]

use crate::{
    ratchet::HEADER_LEN,
    storage::{RecordKind, Storage},
    test_utils::{block_on, mesh::Mesh},
    vault::{StoreKey, Vault},
    wire::{
        frame::NativeFrame,
        relay_binary::{BinaryFrame, BinaryMessageType},
        relay_id::RelayMessageId,
        stream::StreamBody,
    },
};

/// Inputs that are bytes, by the target that reads them. Those that are text are written by hand.
pub fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mesh = talk();
    let mut seeds = frames(&mesh);
    seeds.extend(records(&mesh));
    for (amid, published) in &mesh.registry {
        seeds.push(("bundle", [amid.as_bytes().as_slice(), &published.bundle].concat()));
    }
    seeds.extend(super::believed::headers().map(|header| ("ratchet-header", header)));
    let relay_id = RelayMessageId::from_bytes([3; 16]);
    let relay_frames = [
        BinaryFrame::Ack { peer: "peer", id: relay_id },
        BinaryFrame::Send {
            to: "peer",
            id: relay_id,
            message_type: BinaryMessageType::Message,
            frame: b"frame",
        },
    ];
    seeds.extend(relay_frames.map(|frame| ("relay-frame", frame.encode())));
    let stream = StreamBody::Cancel { reason: "enough".into() };
    seeds.push(("plaintext", stream.encode().unwrap()));
    // Talk, a lost disk, a forged frame, time.
    seeds.push(("interaction", vec![0, 1, 0, 0, 4, 1, 7, 1, 0, 1, 4, 0, 7, 0, 13, 200, 12, 9]));
    seeds.push(("interaction", vec![0, 2, 0, 0, 0, 1, 15, 1, 0, 0, 4, 1, 14, 0, 9, 0, 11, 3]));
    seeds
}

/// Two agents that have written to each other, with an answer outstanding.
fn talk() -> Mesh {
    let mut mesh = Mesh::new(2, 8);
    for i in 0..3 {
        mesh.send(0, 1, &format!("to the other {i}")).unwrap();
        mesh.send(1, 0, &format!("and back {i}")).unwrap();
        mesh.run();
    }
    mesh.nodes[1].handles = false;
    mesh.send(0, 1, "not handled").unwrap();
    while mesh.deliver_next(1) {}
    mesh.disconnect(1);
    mesh.send(0, 1, "not delivered").unwrap();
    mesh
}

fn frames(mesh: &Mesh) -> Vec<(&'static str, Vec<u8>)> {
    let mut seeds = Vec::new();
    for (_, stored) in mesh.wiretap.iter().take(12) {
        let frame = stored.frame.clone();
        match NativeFrame::parse(frame.clone()).unwrap() {
            NativeFrame::Handshake(handshake) => {
                seeds.push(("handshake", handshake.hs().to_vec()));
            }
            NativeFrame::Message(message) => {
                seeds.push(("ratchet-header", message.body()[..HEADER_LEN].to_vec()));
            }
            _ => {}
        }
        seeds.push(("native-frame", frame));
    }
    seeds
}

/// Every record of both stores, behind the number of each type that can read it.
fn records(mesh: &Mesh) -> Vec<(&'static str, Vec<u8>)> {
    let vault = Vault::new(&StoreKey::from_bytes([7; 32]));
    let mut seeds = Vec::new();
    for node in &mesh.nodes {
        for kind in RecordKind::ALL {
            for record in block_on(node.storage.list(kind, None, 100)).unwrap() {
                seeds.push(("sealed-record", record.sealed.clone()));
                let plain = vault.open(&record).unwrap();
                let readers = super::stored::readers(&plain);
                seeds.extend(readers.map(|n| ("stored-record", [&[n], plain.as_slice()].concat())));
                let inbox = super::stored::plaintext(&plain);
                seeds.extend(inbox.map(|plaintext| ("plaintext", plaintext)));
            }
        }
    }
    seeds
}
