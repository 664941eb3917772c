//! What a connection takes that says nothing.

use std::{net::SocketAddr, thread, time::Duration};

use agentmesh_benches::results::Results;
use agentmesh_core::wire::relay_features::Features;

use crate::{
    agentmesh,
    connection::Connection,
    floor, nats,
    system::{Running, System},
};

pub(crate) fn run(system: System, count: usize, results: &mut Results) {
    let running = match system {
        // The default of 128 KiB would be all that one sees.
        System::Floor => Running { system, child: system.serve(&["4096"]) },
        _ => Running::start(system),
    };
    let addr = running.child.addr;
    let mut connections: Vec<_> = (0..10).map(|n| connect(system, addr, n)).collect();
    let settle = Duration::from_millis(if count > 1000 { 2000 } else { 100 });
    thread::sleep(settle);
    let before = running.child.memory_kib();
    connections.extend((10..count + 10).map(|n| connect(system, addr, n)));
    thread::sleep(settle);
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let each = (running.child.memory_kib() - before) / count as f64;
    results.add("idle connection, KiB", system.name(), each);
}

fn connect(system: System, addr: SocketAddr, n: usize) -> Connection {
    match system {
        System::Floor => floor::connect(addr, &format!("{n:027}")),
        System::Nats => nats::connect(addr, &format!("{n:027}")),
        System::Json | System::Forwarder => {
            agentmesh::connect(addr, &agentmesh::identity(), Features::NONE)
        }
        System::Binary | System::Acknowledged => {
            agentmesh::connect(addr, &agentmesh::identity(), agentmesh::NATIVE)
        }
    }
}
