//! Agents, relay, registry and disks in virtual time, driven by one seed: whatever network, disks, clocks, relay and registry
//! do, the delivery contract holds. And the checker that says so finds what is planted for it.
//!
//! What is simulated is everything but the client's driver and its sockets: the agents are engines, and `agent.rs` does
//! around them what `client/driver/` does. A schedule is a list of things that go wrong ([`plan`]), and a seed is a schedule.

#![allow(clippy::cast_possible_truncation, reason = "of small numbers")]

mod agent;
mod checker;
mod disk;
mod life;
mod plan;
mod relay;
mod runs;
mod stage;
mod timing;
mod trouble;
mod world;

use plan::{Kind, Plan};
use runs::{campaign, find, run};

use crate::planted::Defect;

/// Schedules of every test run, and those among which a planted defect is looked for.
const SCHEDULES: u64 = 10_000;

#[test]
fn schedules_keep_the_contract() {
    let tally = campaign(0..SCHEDULES, |_, _| {});
    assert!(tally.failed.is_empty(), "{}", tally.explain());
}

/// `make simulate`: the schedules of `AGENTMESH_SIMULATE`, `from..to`, or `seed,seed,…` with what goes wrong in each, or one
/// seed with everything that happens.
#[test]
#[ignore = "for make simulate"]
fn more_schedules() {
    let seeds = std::env::var("AGENTMESH_SIMULATE").unwrap_or_else(|_| "0..1000000".to_owned());
    if seeds.contains(',') {
        let failing = |seed| Some((seed, run(&Plan::of(seed), false).violation?));
        let failed: Vec<_> = seeds.split(',').filter_map(|s| failing(s.parse().unwrap())).collect();
        assert!(failed.is_empty(), "{failed:#?}");
        return;
    }
    let Some((from, to)) = seeds.split_once("..") else {
        let seed = seeds.parse().unwrap();
        let report = run(&Plan::of(seed), true);
        println!("{}", report.history.join("\n"));
        assert_eq!(report.violation, None, "seed {seed}");
        return;
    };
    let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
    let begun = std::time::Instant::now();
    let tally = campaign(from..to, |through, failed| {
        let seconds = begun.elapsed().as_secs();
        let but = if failed.is_empty() { String::new() } else { format!(" but for {failed:?}") };
        println!("{from}..{through} hold{but} after {seconds} s; go on with SEEDS={through}..{to}");
    });
    let [commits, frames, records] = tally.most;
    println!(
        "at most {commits} commits and {frames} frames a schedule, and {records} records on a disk"
    );
    assert!(tally.failed.is_empty(), "{}", tally.explain());
}

#[test]
fn a_seed_is_the_same_schedule_byte_for_byte() {
    for seed in 0..35 {
        let (first, second) = (run(&Plan::of(seed), true), run(&Plan::of(seed), true));
        assert_eq!(first.history, second.history, "seed {seed}");
        assert_eq!(first.digest, second.digest, "seed {seed}");
        assert_eq!(run(&Plan::of(seed), false).digest, first.digest, "written down or not");
        assert!(first.frames > 0, "seed {seed}");
    }
}

/// What is planted is found among the schedules, as what it is.
#[track_caller]
fn is_found(defect: Defect, kind: Kind, as_what: &str) {
    let seed = find(defect, kind, SCHEDULES, as_what);
    let seed = seed.unwrap_or_else(|| panic!("{defect:?} was not found"));
    // Without it, the same schedule holds: it is the defect that was found.
    assert_eq!(run(&Plan::of(seed), false).violation, None, "seed {seed}");
}

#[test]
fn acking_before_the_commit_is_found() {
    is_found(Defect::AckBeforeCommit, Kind::Crashes, "lost");
}

#[test]
fn sending_before_the_commit_is_found() {
    is_found(Defect::SendBeforeCommit, Kind::Crashes, "key used twice");
}

#[test]
fn ignoring_pn_is_found() {
    is_found(Defect::SkipPn, Kind::Careless, "unreadable");
}

#[test]
fn using_a_relay_id_again_is_found() {
    is_found(Defect::SameRelayId, Kind::Lost, "relay id used twice");
}

#[test]
fn evicting_a_tombstone_is_found() {
    is_found(Defect::EvictTombstone, Kind::HostileRegistry, "session opened twice");
}

#[test]
fn not_checking_the_nonce_of_a_probe_is_found() {
    is_found(Defect::AnyProbeNonce, Kind::HostileRelay, "needless recovery");
}
