//! A message there and one back, one at a time.

use std::time::{Duration, Instant};

use agentmesh_benches::results::Results;

use crate::system::Running;

pub(crate) fn run(running: &Running, each: Duration, cores: &str, results: &mut Results) {
    let [mut alice, mut bob] = running.pair();
    let mut round_trip = || {
        alice.send();
        while bob.receive() == 0 {}
        bob.send();
        while alice.receive() == 0 {}
    };
    (0..100).for_each(|_| round_trip());

    let (start, cpu) = (Instant::now(), running.child.cpu_time());
    let mut messages = 0.0;
    while start.elapsed() < each {
        (0..16).for_each(|_| round_trip());
        messages += 32.0;
    }
    let name = running.system.name();
    results.add(
        &format!("ping-pong{cores}, msg/s"),
        name,
        messages / start.elapsed().as_secs_f64(),
    );
    let cpu = running.child.cpu_time() - cpu;
    results.add(
        &format!("ping-pong{cores}, server CPU, µs/msg"),
        name,
        cpu.as_secs_f64() * 1e6 / messages,
    );
}
