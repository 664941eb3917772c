//! Two parties, and everything that can happen between them.

use crate::test_utils::mesh::{Op, World};

/// More would only take longer.
const MAX_OPS: usize = 200;

/// Two bytes seed it, then two bytes are one event each: what happens, and to what. The [`World`] says what must hold.
pub(super) fn two_parties(data: &[u8]) {
    let Some((seed, events)) = data.split_first_chunk() else { return };
    let mut world = World::staged(u64::from(u16::from_be_bytes(*seed)));
    let mut honest = true;
    for event in events.as_chunks::<2>().0.iter().take(MAX_OPS) {
        let op = op(*event);
        honest &= !matches!(op, Op::Reorder { .. } | Op::Drop { .. } | Op::LoseStore { .. });
        world.apply(op);
        world.check();
    }
    let world = world.finish();
    for node in 0..2 {
        let sent: Vec<_> = world.sent.iter().filter(|s| s.from != node).map(|s| s.id).collect();
        assert!(!honest || world.mesh.handled(node) == sent, "an honest relay, and another order");
    }
}

fn op([what, with]: [u8; 2]) -> Op {
    let node = usize::from(with & 1);
    let which = usize::from(with >> 1);
    match what % 16 {
        0..4 => Op::Send { by: node },
        4..7 => Op::Deliver { to: node },
        7..9 => Op::Handle { at: node },
        9 => Op::Restart { node },
        10 if which % 4 == 0 => Op::Disconnect { node },
        10 => Op::Connect { node },
        11 => Op::Repeat { to: node, which },
        12 => Op::Forge { to: node, which, how: what >> 4, with: u32::from(with) * 3 },
        13 => Op::Pass { ms: 40 * u64::from(with) },
        14 if which % 2 == 0 => Op::Reorder { to: node },
        14 => Op::Drop { to: node, which },
        // Once in a while, not every time.
        _ if which % 8 == 0 => Op::LoseStore { node },
        _ => Op::Deliver { to: node },
    }
}
