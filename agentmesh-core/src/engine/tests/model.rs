//! Two agents against a model simple enough to be believed: [`World`](crate::test_utils::mesh::World) says what must hold.
//! With a relay that keeps the order, so do the agents.
//!
//! A failing run prints its seed and its steps, the shortest that fail.

use proptest::prelude::*;

use super::*;
use crate::test_utils::mesh::{Op, World};

/// What happens with a relay that does what it says, and disks that keep what they are given.
fn mishap() -> impl Strategy<Value = Op> {
    let node = || 0..2usize;
    prop_oneof![
        6 => node().prop_map(|by| Op::Send { by }),
        8 => node().prop_map(|to| Op::Deliver { to }),
        5 => node().prop_map(|at| Op::Handle { at }),
        1 => node().prop_map(|node| Op::Restart { node }),
        1 => node().prop_map(|node| Op::Disconnect { node }),
        2 => node().prop_map(|node| Op::Connect { node }),
        2 => (node(), any::<usize>()).prop_map(|(to, which)| Op::Repeat { to, which }),
        3 => (node(), any::<usize>(), any::<u8>(), any::<u32>())
            .prop_map(|(to, which, how, with)| Op::Forge { to, which, how, with }),
        1 => (1..5000u64).prop_map(|ms| Op::Pass { ms }),
    ]
}

/// The same, and a relay that reorders and loses, and disks that die.
fn disaster() -> impl Strategy<Value = Op> {
    let node = || 0..2usize;
    prop_oneof![
        12 => mishap(),
        1 => node().prop_map(|to| Op::Reorder { to }),
        1 => (node(), any::<usize>()).prop_map(|(to, which)| Op::Drop { to, which }),
        1 => node().prop_map(|node| Op::LoseStore { node }),
    ]
}

/// What the property found once: three lost disks and a reordering, after which only the third refusal in an hour helps.
#[test]
fn three_lost_disks_heal_within_an_hour() {
    let mut world = World::new(414_802);
    let sends = |by: &[usize]| by.iter().map(|by| Op::Send { by: *by }).collect::<Vec<_>>();
    let mut ops = sends(&[1, 0, 1, 0, 0, 0]);
    ops.push(Op::LoseStore { node: 1 });
    ops.extend(sends(&[0, 0, 0, 1, 1, 1]));
    ops.extend([Op::LoseStore { node: 0 }, Op::Reorder { to: 0 }, Op::Send { by: 1 }]);
    ops.extend([Op::Deliver { to: 0 }, Op::Pass { ms: 1000 }, Op::Send { by: 0 }]);
    ops.extend([Op::LoseStore { node: 0 }, Op::Send { by: 1 }, Op::Send { by: 0 }]);
    for op in ops {
        world.apply(op);
        world.check();
    }
    world.finish();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn honest_relay_means_everything_once_and_in_order(
        seed in 0..1_000_000u64,
        ops in prop::collection::vec(mishap(), 10..100),
    ) {
        let mut world = World::new(seed);
        for op in ops {
            world.apply(op);
            world.check();
        }
        let world = world.finish();
        for node in 0..2 {
            let sent = world.sent.iter().filter(|s| s.from != node).map(|s| s.id);
            prop_assert_eq!(world.mesh.handled(node), sent.collect::<Vec<_>>());
            prop_assert!(world.mesh.nodes[node].engine.outbox().is_empty());
            prop_assert_eq!(failures(&world.mesh, node), []);
        }
    }

    #[test]
    fn careless_relay_and_dead_disks_lose_only_what_they_held(
        seed in 0..1_000_000u64,
        ops in prop::collection::vec(disaster(), 10..100),
    ) {
        let mut world = World::new(seed);
        for op in ops {
            world.apply(op);
            world.check();
        }
        world.finish();
    }
}
