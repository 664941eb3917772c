//! Load on the services beside the relay: AIWM, and the agent WebSocket with its echo backend.
//!
//! The server runs in a process of its own, so that its CPU time can be read; clients are plain blocking sockets, a few
//! threads of them, which wait for each answer. Without `--bench` everything runs once, for a moment. `--serve WHAT` is
//! how this program starts its servers.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench that cannot set its scene has to stop, and it talks to whoever started it"
)]

mod aiwm;
mod chat;
mod crowd;
mod http;
mod serve;

use std::time::Duration;

use agentmesh_benches::{child::Child, is_measuring, results::Results};

/// The only contender of most rows.
const OURS: &str = "agentmesh";

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == "--serve") {
        return serve::run(&args[at + 1..]);
    }
    let quick = !is_measuring();
    let (rounds, each) = if quick { (1, 100) } else { (5, 2000) };
    let each = Duration::from_millis(each);
    let filter = args.iter().skip(1).find(|arg| !arg.starts_with("--"));
    let wanted = |name: &str| filter.is_none_or(|filter| name.contains(filter.as_str()));

    let mut results = Results::default();
    for round in 0..rounds {
        println!("round {} of {rounds}", round + 1);
        if wanted("aiwm") {
            let child = Child::serve("aiwm-without-bcrypt", &[]);
            aiwm::pairs(&child, each, &mut results);
            aiwm::heartbeats(&child, each, &mut results);
            drop(child);
            aiwm::connects(&Child::serve("aiwm", &[]), each, &mut results);
        }
        if wanted("chat") {
            chat::questions(&Child::serve("chat", &[]), each, &mut results);
        }
    }
    if quick {
        println!("everything ran");
        return;
    }
    results.print();
    if filter.is_none() {
        results.save("services").unwrap();
    }
}
