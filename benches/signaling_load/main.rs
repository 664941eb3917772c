//! Load on the signaling server, beside a bare server of events.
//!
//! Either runs in a process of its own, so that its memory can be read; the clients are plain sockets. Rounds are
//! interleaved. Without `--bench` everything runs once, for a moment. `--serve WHAT` is how this program starts its
//! contenders.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench that cannot set its scene has to stop; its tasks live as long as its process"
)]

mod client;
mod flood;
mod floor;
mod idle;
mod paced;
mod restart;
mod serve;

use std::time::Duration;

use agentmesh_benches::{child::Child, is_measuring, results::Results};
use tokio::runtime::Runtime;

/// How long and how often.
#[derive(Debug, Clone, Copy)]
struct Plan {
    rounds: usize,
    each: Duration,
    idle_clients: usize,
    returning_clients: usize,
    outages: &'static [Duration],
}

const FULL: Plan = Plan {
    rounds: 5,
    each: Duration::from_secs(2),
    idle_clients: 5_000,
    returning_clients: 1_000,
    outages: &[Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(30)],
};
const QUICK: Plan = Plan {
    rounds: 1,
    each: Duration::from_millis(100),
    idle_clients: 50,
    returning_clients: 20,
    outages: &[Duration::ZERO],
};
const CONTENDERS: [&str; 2] = ["agentmesh", "floor"];

fn main() {
    let args: Vec<String> = std::env::args().collect();
    agentmesh_server::raise_file_limit();
    let runtime = Runtime::new().unwrap();
    if let Some(at) = args.iter().position(|arg| arg == "--serve") {
        let listen = args.get(at + 2).map(|addr| addr.parse().unwrap());
        return runtime.block_on(serve::run(&args[at + 1], listen));
    }
    let plan = if is_measuring() { FULL } else { QUICK };
    let mut results = Results::default();
    for _ in 0..plan.rounds {
        for name in CONTENDERS {
            let start = || Child::serve(name, &[]);
            runtime.block_on(paced::run(name, &start(), plan.each, &mut results));
            runtime.block_on(flood::run(name, &start(), plan.each, &mut results));
        }
    }
    for name in CONTENDERS {
        let server = Child::serve(name, &[]);
        runtime.block_on(idle::run(name, &server, plan.idle_clients, &mut results));
    }
    for outage in plan.outages {
        runtime.block_on(restart::run(plan.returning_clients, *outage, &mut results));
    }
    if !is_measuring() {
        println!("everything ran");
        return;
    }
    results.print();
    results.save("signaling_load").unwrap();
}
