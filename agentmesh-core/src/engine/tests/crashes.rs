use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::test_utils::mesh::{Crash, Mesh};

/// Two agents that get to know each other and exchange messages in both directions.
fn conversation(mesh: &mut Mesh) -> Vec<(usize, MessageId)> {
    let mut sent = Vec::new();
    for round in 0..3 {
        for (from, to) in [(0, 1), (1, 0)] {
            for i in 0..2 {
                let text = format!("{from} {round} {i}");
                // Whoever died in the call knows that it got no answer, and sends again with the same id.
                let id = MessageId::new_v7(
                    mesh.now,
                    &mut crate::test_utils::seeded_rng(sent.len() as u64),
                );
                while mesh.stage_or_outbox(from, id).is_none() {
                    mesh.send_with_id(from, to, id, &text).unwrap();
                    revive(mesh);
                }
                sent.push((to, id));
            }
            mesh.run();
            revive(mesh);
            mesh.run();
        }
    }
    for _ in 0..3 {
        revive(mesh);
        mesh.run();
        mesh.advance(1100);
        mesh.run();
    }
    sent
}

/// Whoever died is back.
pub(super) fn revive(mesh: &mut Mesh) {
    for node in 0..mesh.nodes.len() {
        if !mesh.nodes[node].online {
            mesh.connect(node);
        }
    }
}

/// Nothing lost, nothing handed to a handler twice unless it died in it, no key used twice, no identity minted.
fn check(mesh: &Mesh, sent: &[(usize, MessageId)], amids: [Amid; 2], what: &str) {
    for (to, id) in sent {
        let seen = mesh.handled(*to).iter().filter(|handled| *handled == id).count();
        let died_inside = mesh.nodes[*to].crash.is_some();
        assert!(
            seen == 1 || (died_inside && seen == 2),
            "{what}: message {id} was handled {seen} times"
        );
    }
    for (node, amid) in amids.into_iter().enumerate() {
        assert_eq!(mesh.amid(node), amid, "{what}: no identity is minted");
        assert!(mesh.nodes[node].engine.outbox().is_empty(), "{what}: everything is confirmed");
    }
    mesh.check_keys(what);
}

#[test]
fn crash_at_every_single_write_loses_nothing_and_reuses_no_key() {
    let total: Vec<u64> = {
        let mut mesh = Mesh::new(2, 70);
        let amids = [mesh.amid(0), mesh.amid(1)];
        let sent = conversation(&mut mesh);
        check(&mesh, &sent, amids, "without a crash");
        mesh.nodes.iter().map(|n| n.commits).collect()
    };
    for (node, total) in total.into_iter().enumerate() {
        for commit in 1..=total {
            for written in [false, true] {
                let mut mesh = Mesh::new(2, 70);
                let amids = [mesh.amid(0), mesh.amid(1)];
                if commit <= mesh.nodes[node].commits {
                    // Those of the set-up: the agent is not known to anybody yet.
                    continue;
                }
                mesh.nodes[node].crash = Some(Crash { commit, written });
                let sent = conversation(&mut mesh);
                let what = format!("agent {node} dies at commit {commit}, written: {written}");
                assert!(mesh.has_crashed(node), "{what}");
                check(&mesh, &sent, amids, &what);
            }
        }
    }
}

/// What may happen to a conversation.
#[derive(Debug, Clone)]
enum Step {
    Send(usize),
    Deliver(usize),
    Handle(usize),
    Restart(usize),
    Disconnect(usize),
    Connect(usize),
    Duplicate(usize),
    Reorder(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3usize).prop_map(Step::Send),
        6 => (0..3usize).prop_map(Step::Deliver),
        4 => (0..3usize).prop_map(Step::Handle),
        1 => (0..3usize).prop_map(Step::Restart),
        1 => (0..3usize).prop_map(Step::Disconnect),
        2 => (0..3usize).prop_map(Step::Connect),
        1 => (0..3usize).prop_map(Step::Duplicate),
        1 => (0..3usize).prop_map(Step::Reorder),
        1 => (1..5000u64).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_schedule_delivers_each_message_once(seed in 0u64..1_000_000, steps in prop::collection::vec(step(), 10..120)) {
        let mut mesh = Mesh::new(3, seed);
        let mut sent = Vec::new();
        for (i, step) in steps.into_iter().enumerate() {
            match step {
                Step::Send(from) => {
                    let to = (from + 1 + i % 2) % 3;
                    sent.push((to, mesh.send(from, to, &format!("{i}")).unwrap()));
                }
                Step::Deliver(node) => {
                    mesh.deliver_next(node);
                }
                Step::Handle(node) => {
                    mesh.handle_next(node);
                }
                Step::Restart(node) => mesh.restart(node),
                Step::Disconnect(node) => mesh.disconnect(node),
                Step::Connect(node) => mesh.connect(node),
                Step::Duplicate(node) => {
                    let to = mesh.amid(node);
                    let again = mesh.wiretap.iter().rev().find(|(t, _)| *t == to).cloned();
                    if let Some((_, stored)) = again
                        && mesh.nodes[node].online
                    {
                        mesh.inject(node, stored.from, None, stored.frame);
                    }
                }
                Step::Reorder(node) => {
                    let to = mesh.amid(node);
                    if let Some(queue) = mesh.relay.get_mut(&to) {
                        queue.rotate_left(usize::from(queue.len() > 1));
                    }
                }
                Step::Pass(ms) => mesh.advance(ms),
            }
        }
        for _ in 0..4 {
            for node in 0..3 {
                mesh.connect(node);
            }
            mesh.run();
            mesh.advance(61_000);
            mesh.run();
        }
        for (to, id) in &sent {
            let seen = mesh.handled(*to).iter().filter(|h| *h == id).count();
            prop_assert_eq!(seen, 1, "message {} at {}", id, to);
        }
        let handled: usize = mesh.nodes.iter().map(|n| n.handled.len()).sum();
        prop_assert_eq!(handled, sent.iter().collect::<HashSet<_>>().len());
        for node in &mesh.nodes {
            prop_assert!(node.engine.outbox().is_empty());
        }
        mesh.check_keys("schedule");
    }
}
