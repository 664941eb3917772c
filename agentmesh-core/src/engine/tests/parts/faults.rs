//! Crashes, losses, repetitions and restarts while a payload is under way.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::{engine::tests::crashes::revive, test_utils::mesh::Crash};

/// One payload of a few parts and a message before and behind it, until all is handled.
fn exchange(mesh: &mut Mesh) -> Vec<(usize, MessageId)> {
    let mut sent = Vec::new();
    for (n, (from, to)) in [(0usize, 1usize), (1, 0)].into_iter().enumerate() {
        for (i, size) in [20, 4 * PART_SIZE, 20].into_iter().enumerate() {
            let id = MessageId::new_v7(mesh.now, &mut seeded_rng((10 * n + i) as u64));
            let payload = Payload::Bytes(bytes(size, i as u64));
            while mesh.stage_or_outbox(from, id).is_none() {
                mesh.send_payload(from, to, id, payload.clone()).unwrap();
                revive(mesh);
            }
            sent.push((to, id));
        }
        mesh.run();
        revive(mesh);
        mesh.run();
    }
    for _ in 0..3 {
        revive(mesh);
        mesh.run();
        mesh.advance(1100);
        mesh.run();
    }
    sent
}

#[test]
fn crash_at_every_single_write_of_a_payload_in_parts_loses_and_repeats_nothing() {
    let total: Vec<u64> = {
        let mut mesh = Mesh::new(2, 110);
        exchange(&mut mesh);
        mesh.nodes.iter().map(|n| n.commits).collect()
    };
    for (node, total) in total.into_iter().enumerate() {
        for commit in 1..=total {
            for written in [false, true] {
                let mut mesh = Mesh::new(2, 110);
                if commit <= mesh.nodes[node].commits {
                    continue;
                }
                mesh.nodes[node].crash = Some(Crash { commit, written });
                let sent = exchange(&mut mesh);
                let what = format!("agent {node} dies at commit {commit}, written: {written}");
                assert!(mesh.has_crashed(node), "{what}");
                for (to, id) in &sent {
                    let seen = mesh.handled(*to).iter().filter(|handled| *handled == id).count();
                    let died_inside = mesh.nodes[*to].crash.is_some();
                    assert!(seen == 1 || (died_inside && seen == 2), "{what}: {id} {seen} times");
                }
                for node in 0..2 {
                    assert!(mesh.nodes[node].engine.outbox().is_empty(), "{what}");
                    assert_eq!(stored(&mesh, node, RecordKind::Chunk), 0, "{what}");
                    assert_eq!(stored(&mesh, node, RecordKind::Assembly), 0, "{what}");
                }
                mesh.check_keys(&what);
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Deliver(usize),
    Restart(usize),
    Disconnect(usize),
    Connect(usize),
    Duplicate(usize),
    Reorder(usize, usize),
    Lose(usize),
    Short(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..2usize).prop_map(Step::Deliver),
        1 => (0..2usize).prop_map(Step::Restart),
        1 => (0..2usize).prop_map(Step::Disconnect),
        2 => (0..2usize).prop_map(Step::Connect),
        1 => (0..2usize).prop_map(Step::Duplicate),
        2 => (0..2usize, 1..8usize).prop_map(|(node, by)| Step::Reorder(node, by)),
        1 => (0..2usize).prop_map(Step::Lose),
        1 => (0..2usize).prop_map(Step::Short),
        1 => (1..5000u64).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_schedule_delivers_each_payload_once_and_whole(
        seed in 0u64..1_000_000,
        sizes in prop::collection::vec(1..6 * PART_SIZE, 1..4),
        steps in prop::collection::vec(step(), 10..100),
    ) {
        let mut mesh = Mesh::new(2, seed);
        let mut sent = Vec::new();
        for (n, size) in sizes.into_iter().enumerate() {
            let from = n % 2;
            let (id, text) = send(&mut mesh, from, 1 - from, size, seed + n as u64);
            sent.push((1 - from, id, text));
        }
        for step in steps {
            match step {
                Step::Deliver(node) => {
                    mesh.deliver_next(node);
                }
                Step::Restart(node) => mesh.restart(node),
                Step::Disconnect(node) => mesh.disconnect(node),
                Step::Connect(node) => mesh.connect(node),
                Step::Duplicate(node) => {
                    let to = mesh.amid(node);
                    let again = mesh.wiretap.iter().rev().find(|(t, _)| *t == to).cloned();
                    if let Some((_, stored)) = again && mesh.nodes[node].online {
                        mesh.inject(node, stored.from, None, stored.frame);
                    }
                }
                Step::Reorder(node, by) => {
                    let to = mesh.amid(node);
                    if let Some(queue) = mesh.relay.get_mut(&to) && !queue.is_empty() {
                        let by = by % queue.len();
                        queue.rotate_left(by);
                    }
                }
                // Dropped on its way to the recipient; it comes again on the next connection.
                Step::Lose(node) => {
                    let to = mesh.amid(node);
                    if let Some(first) = mesh.relay.get_mut(&to).and_then(|q| q.front_mut()) {
                        first.delivered = true;
                    }
                }
                Step::Short(node) => {
                    let id = mesh.send(node, 1 - node, "short").unwrap();
                    sent.push((1 - node, id, "\"short\"".to_owned()));
                }
                Step::Pass(ms) => mesh.advance(ms),
            }
        }
        for _ in 0..4 {
            for node in 0..2 {
                mesh.connect(node);
            }
            mesh.run();
            mesh.advance(61_000);
            mesh.run();
        }
        for (to, id, text) in &sent {
            let seen: Vec<_> = mesh.nodes[*to].handled.iter().filter(|(_, h, _)| h == id).collect();
            prop_assert_eq!(seen.len(), 1, "message {} at {}", id, to);
            prop_assert_eq!(&seen[0].2, text);
        }
        let handled: usize = mesh.nodes.iter().map(|n| n.handled.len()).sum();
        prop_assert_eq!(handled, sent.iter().map(|(_, id, _)| id).collect::<HashSet<_>>().len());
        for node in 0..2 {
            prop_assert!(mesh.nodes[node].engine.outbox().is_empty());
            prop_assert_eq!(stored(&mesh, node, RecordKind::Chunk), 0);
            prop_assert_eq!(stored(&mesh, node, RecordKind::Assembly), 0);
        }
        mesh.check_keys("schedule");
    }
}
