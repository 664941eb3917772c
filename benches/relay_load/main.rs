//! Load on the relay, beside a bare WebSocket forwarder and, where `nats-server` is installed, NATS.
//!
//! Every contender runs in a process of its own, so that its CPU time and memory can be read; the clients are plain
//! sockets with frames that were encoded beforehand, so that they cost the same for all. Rounds are interleaved.
//!
//! Without `--bench` everything runs once, for a moment. `--serve WHAT` is how this program starts its contenders.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench that cannot set its scene has to stop, and it talks to whoever started it"
)]

mod agentmesh;
mod awake;
mod connection;
mod durable;
mod floor;
mod forwarder;
mod idle;
mod nats;
mod one_way;
mod paced;
mod ping_pong;
mod restart;
mod serve;
mod system;
mod websocket;

use std::time::Duration;

use agentmesh_benches::{is_measuring, results::Results};

use awake::Awake;
use system::{Running, System};

/// How long and how often.
#[derive(Debug, Clone, Copy)]
struct Plan {
    rounds: usize,
    each: Duration,
    idle_connections: usize,
    returning: usize,
    outages: &'static [Duration],
}

const FULL: Plan = Plan {
    rounds: 5,
    each: Duration::from_millis(1000),
    idle_connections: 10_000,
    returning: 10_000,
    outages: &[
        Duration::ZERO,
        Duration::from_secs(2),
        Duration::from_secs(10),
        Duration::from_secs(30),
    ],
};
const QUICK: Plan = Plan {
    rounds: 1,
    each: Duration::from_millis(100),
    idle_connections: 100,
    returning: 50,
    outages: &[Duration::ZERO],
};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == "--serve") {
        return serve::run(&args[at + 1..]);
    }
    let quick = !is_measuring();
    let plan = if quick { QUICK } else { FULL };
    // A word picks scenarios by name, as with criterion.
    let filter = args.iter().skip(1).find(|arg| !arg.starts_with("--"));
    let wanted = |name: &str| filter.is_none_or(|filter| name.contains(filter.as_str()));

    let mut results = Results::default();
    let systems: Vec<_> = System::ALL.into_iter().filter(|s| s.is_installed()).collect();
    for round in 0..plan.rounds {
        println!("round {} of {}", round + 1, plan.rounds);
        for &system in &systems {
            if wanted("ping-pong") {
                ping_pong::run(&Running::start(system), plan.each, "", &mut results);
                if let Some(_awake) = Awake::keep() {
                    ping_pong::run(&Running::start(system), plan.each, " awake", &mut results);
                }
            }
            if wanted("one way") {
                one_way::run(&Running::start(system), plan.each, &mut results);
            }
            if wanted("paced") && !system.is_acknowledged() && system != System::Forwarder {
                paced::run(&Running::start(system), plan.each, &mut results);
            }
        }
        if wanted("durable") {
            durable::run(plan.each, &mut results);
        }
    }
    if wanted("idle") {
        for &system in systems.iter().filter(|s| !s.is_acknowledged() && **s != System::Forwarder) {
            idle::run(system, plan.idle_connections, &mut results);
        }
    }
    if wanted("restart") {
        for outage in plan.outages {
            restart::run(plan.returning, *outage, &mut results);
        }
    }
    if quick {
        println!("everything ran");
        return;
    }
    results.print();
    if filter.is_none() {
        results.save("relay_load").unwrap();
    }
}
