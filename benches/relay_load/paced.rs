//! How long a message takes when a thousand come in a second.

use std::{
    thread,
    time::{Duration, Instant},
};

use agentmesh_benches::results::Results;

use crate::system::Running;

const PACE: Duration = Duration::from_millis(1);

pub(crate) fn run(running: &Running, each: Duration, results: &mut Results) {
    let [mut alice, mut bob] = running.pair();
    let count = usize::try_from(each.as_millis()).unwrap();
    let (sent, received) = thread::scope(|scope| {
        let receiver = scope.spawn(move || {
            let mut received = Vec::with_capacity(count);
            while received.len() < count {
                let n = bob.receive();
                received.extend(std::iter::repeat_n(Instant::now(), n));
            }
            received
        });
        let start = Instant::now();
        let mut sent = Vec::with_capacity(count);
        for i in 0..count {
            let due = start + PACE * u32::try_from(i).unwrap();
            thread::sleep(due.saturating_duration_since(Instant::now()));
            sent.push(Instant::now());
            alice.send();
        }
        (sent, receiver.join().unwrap())
    });
    let mut latencies: Vec<f64> = sent
        .iter()
        .zip(&received)
        .map(|(sent, received)| (*received - *sent).as_secs_f64() * 1e3)
        .collect();
    latencies.sort_by(f64::total_cmp);
    let name = running.system.name();
    results.add("paced 1,000 msg/s, p50 ms", name, latencies[latencies.len() / 2]);
    results.add("paced 1,000 msg/s, p99 ms", name, latencies[latencies.len() * 99 / 100]);
}
