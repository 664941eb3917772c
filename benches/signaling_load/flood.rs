//! Signals a second through one server, 32 under way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use agentmesh_benches::{child::Child, results::Results};

use crate::client::{Poster, crowd};

const PEERS: usize = 32;

pub(crate) async fn run(name: &str, server: &Child, each: Duration, results: &mut Results) {
    let peers = crowd(server, name, PEERS).await;
    let ids: Arc<[String]> = peers.iter().map(|peer| peer.id.clone()).collect();
    let received = Arc::new(AtomicUsize::new(0));
    let (mut senders, mut readers) = (Vec::new(), Vec::new());
    let start = Instant::now();
    for (n, peer) in peers.iter().enumerate() {
        let mut poster = Poster::new(server.addr, peer).await;
        let ids = Arc::clone(&ids);
        senders.push(tokio::spawn(async move {
            let mut count = 0;
            while start.elapsed() < each {
                poster.post(&ids[(n + 1) % PEERS], count).await;
                count += 1;
            }
            count
        }));
    }
    for mut peer in peers {
        let received = Arc::clone(&received);
        readers.push(tokio::spawn(async move {
            while peer.next_signal().await.is_some() {
                received.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    let mut sent = 0;
    for sender in senders {
        sent += sender.await.unwrap();
    }
    while received.load(Ordering::Relaxed) < sent {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let rate = sent as f64 / start.elapsed().as_secs_f64();
    results.add("signals/s, 32 under way", name, rate);
    readers.iter().for_each(tokio::task::JoinHandle::abort);
}
