//! Agents against each other, through a relay that tests control. Named after what must hold; defects of the lineage
//! carry their number.

mod answers;
mod asked;
mod bounds;
mod changes;
mod circuit;
mod clock;
mod closing;
mod crashes;
mod crossing;
mod cutting_off;
mod delivery;
mod durability;
mod ended;
mod failures;
mod handshakes;
mod held_back;
mod hostile;
mod knocks;
mod left_behind;
#[cfg(feature = "legacy-0-2")]
mod legacy;
mod loading;
mod model;
mod outbox;
mod parts;
mod probes;
mod receipts;
mod recovery;
mod redaction;
mod refusals;
mod repeated;
mod resending;
mod rotation;
mod schedule;
mod simulation;
mod status;
mod stored;
mod streams;
mod surface;

use super::*;
use crate::{handshake::SessionId, knock, test_utils::mesh::Mesh};

/// Somebody who is no agent here.
pub(super) fn peer(n: usize) -> Amid {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
    Amid::from_bytes(bytes)
}

/// A session that nobody has.
pub(super) fn session(n: usize) -> SessionId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
    SessionId::from_bytes(bytes)
}

/// Two agents with an accepted session in both directions of use.
pub(super) fn acquainted(seed: u64) -> Mesh {
    let mut mesh = Mesh::new(2, seed);
    mesh.send(0, 1, "hello").unwrap();
    mesh.run();
    mesh.send(1, 0, "hello back").unwrap();
    mesh.run();
    mesh
}

/// What `node` handled, as texts.
fn texts(mesh: &Mesh, node: usize) -> Vec<String> {
    mesh.nodes[node].handled.iter().map(|(_, _, text)| text.clone()).collect()
}

/// What comes of an input, committed, and nothing of it carried out: no frame, no question to the registry.
fn outcome_of(mesh: &mut Mesh, node: usize, input: Input) -> Outcome {
    use crate::{storage::Storage, test_utils};
    let (now, node) = (mesh.now, &mut mesh.nodes[node]);
    let mut rng = test_utils::seeded_rng(node.commits + 4_000_000);
    let mut input = input;
    while let Step::Load(needs, again) = node.engine.handle(input, now, &mut rng).unwrap() {
        test_utils::block_on(node.engine.fetch(&node.storage, needs)).unwrap();
        input = again;
    }
    let outcome = node.engine.finish(false, &mut rng).unwrap();
    test_utils::block_on(node.storage.commit(outcome.changes.clone())).unwrap();
    node.commits += 1;
    outcome
}

/// Events of a node for which this holds.
fn told(mesh: &Mesh, node: usize, what: impl Fn(&Event) -> bool) -> usize {
    mesh.nodes[node].events.iter().filter(|e| what(e)).count()
}

fn dropped(mesh: &Mesh, node: usize, reason: DropReason) -> usize {
    let is = |e: &&Event| matches!(e, Event::FrameDropped { reason: r, .. } if *r == reason);
    mesh.nodes[node].events.iter().filter(is).count()
}

fn failures(mesh: &Mesh, node: usize) -> Vec<SendFailure> {
    mesh.nodes[node]
        .events
        .iter()
        .filter_map(|e| match e {
            Event::SendFailed { reason, .. } => Some(reason.clone()),
            _ => None,
        })
        .collect()
}

/// Everything that the store of `node` holds, to show that something changed nothing.
fn records(mesh: &Mesh, node: usize) -> Vec<crate::storage::Record> {
    use crate::storage::{RecordKind, Storage};
    crate::test_utils::block_on(async {
        let mut all = Vec::new();
        for kind in RecordKind::ALL {
            all.extend(mesh.nodes[node].storage.list(kind, None, 100_000).await.unwrap());
        }
        all
    })
}
