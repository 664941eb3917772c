//! What a client takes that says nothing.

use std::time::Duration;

use agentmesh_benches::{child::Child, results::Results};

use crate::client::Peer;

pub(crate) async fn run(name: &str, server: &Child, count: usize, results: &mut Results) {
    let mut peers = Vec::with_capacity(count);
    let settle = Duration::from_millis(if count > 1000 { 2000 } else { 100 });
    for n in 0..10 {
        peers.push(Peer::join(server.addr, &format!("WARM{n}")).await);
    }
    tokio::time::sleep(settle).await;
    let before = server.memory_kib();
    for n in 0..count {
        // Two to a room, as calls are.
        peers.push(Peer::join(server.addr, &format!("R{}", n / 2)).await);
    }
    tokio::time::sleep(settle).await;
    let after = server.memory_kib();
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let each = (after - before) / count as f64;
    results.add("stream of events, KiB", name, each);
    results.add("5,000 streams of events, MiB", name, after / 1024.0);
}
