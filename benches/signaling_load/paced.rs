//! How long a signal takes, from its request to the recipient's stream, when a thousand a second go through a room of
//! a hundred.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use agentmesh_benches::{child::Child, results::Results};
use tokio::{sync::mpsc, time::sleep_until};

use crate::client::{Poster, crowd};

const PEERS: usize = 100;
/// Senders, each with its hundredth of a second between two signals.
const POSTERS: usize = 10;
const PACE: Duration = Duration::from_millis(10);

pub(crate) async fn run(name: &str, server: &Child, each: Duration, results: &mut Results) {
    let peers = crowd(server, name, PEERS).await;
    let ids: Arc<[String]> = peers.iter().map(|peer| peer.id.clone()).collect();
    let rounds = usize::try_from(each.as_millis() / PACE.as_millis()).unwrap();
    let total = rounds * POSTERS;
    let sent = Arc::new(Mutex::new(vec![None; total]));
    let start = Instant::now();
    for (lane, peer) in peers.iter().take(POSTERS).enumerate() {
        let mut poster = Poster::new(server.addr, peer).await;
        let (ids, sent) = (Arc::clone(&ids), Arc::clone(&sent));
        tokio::spawn(async move {
            let offset = PACE * u32::try_from(lane).unwrap() / u32::try_from(POSTERS).unwrap();
            for round in 0..rounds {
                let due = start + offset + PACE * u32::try_from(round).unwrap();
                sleep_until(due.into()).await;
                let n = round * POSTERS + lane;
                sent.lock().unwrap()[n] = Some(Instant::now());
                poster.post(&ids[n * 7 % PEERS], n).await;
            }
        });
    }
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    for mut peer in peers {
        let arrived = arrived.clone();
        tokio::spawn(async move {
            while let Some(n) = peer.next_signal().await {
                if arrived.send((n, Instant::now())).is_err() {
                    return;
                }
            }
        });
    }
    let mut latencies = Vec::with_capacity(total);
    drop(arrived);
    while latencies.len() < total {
        let (n, at) = arrivals.recv().await.unwrap();
        let began = sent.lock().unwrap()[n].unwrap();
        latencies.push((at - began).as_secs_f64() * 1e3);
    }
    latencies.sort_by(f64::total_cmp);
    results.add("signals, 1,000/s, p50 ms", name, latencies[total / 2]);
    results.add("signals, 1,000/s, p99 ms", name, latencies[total * 99 / 100]);
}
