//! Many schedules, what is wrong with one, and the shortest part of it that is.

use std::{
    collections::BTreeMap,
    fmt::Write,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use super::{
    plan::{Kind, Plan},
    world::{Report, World},
};
use crate::planted::{Defect, plant};

/// Seeds that a thread takes at a time.
const CHUNK: u64 = 50;
/// Seeds between two signs of life.
const PROGRESS: u64 = 10_000;
/// Failures after which nothing more is learned from another.
const ENOUGH: usize = 40;
/// Runs that making a schedule shorter may take.
const SHRINKING: usize = 300;

/// Runs a schedule. A panic is a violation, too.
pub(super) fn run(plan: &Plan, history: bool) -> Report {
    catch_unwind(AssertUnwindSafe(|| World::run(plan, history))).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Report {
            violation: Some(format!("panic: {}", said.unwrap_or_default())),
            history: Vec::new(),
            digest: 0,
            steps: 0,
            frames: 0,
            records: 0,
        }
    })
}

/// How many schedules went.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Schedules that failed, and why.
    pub(super) failed: BTreeMap<u64, String>,
    /// The most commits, frames and records of any.
    pub(super) most: [usize; 3],
}

/// Runs schedules on all processors, until a few failed; `progress` hears through which seed all have been run, and which of
/// them failed.
pub(super) fn campaign(seeds: Range<u64>, progress: impl Fn(u64, Vec<u64>) + Sync) -> Tally {
    let next = AtomicU64::new(seeds.start);
    let tally = Mutex::new(Tally::default());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let work = || loop {
        let from = next.fetch_add(CHUNK, Ordering::Relaxed);
        if from >= seeds.end || tally.lock().unwrap().failed.len() >= ENOUGH {
            return;
        }
        if from > seeds.start && from.is_multiple_of(PROGRESS) {
            // The other threads are at most this far behind.
            let through = from.saturating_sub(CHUNK * threads as u64).max(seeds.start);
            let failed = tally.lock().unwrap().failed.keys().copied().collect();
            progress(through, failed);
        }
        for seed in from..(from + CHUNK).min(seeds.end) {
            let report = run(&Plan::of(seed), false);
            let mut tally = tally.lock().unwrap();
            tally.failed.extend(report.violation.map(|violation| (seed, violation)));
            for (most, of) in
                tally.most.iter_mut().zip([report.steps, report.frames, report.records])
            {
                *most = of.max(*most);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    tally.into_inner().unwrap()
}

impl Tally {
    /// What failed, and the first of it in full.
    pub(super) fn explain(&self) -> String {
        let Some(seed) = self.failed.keys().next() else { return "nothing failed".to_owned() };
        let list = self.failed.iter().map(|(seed, why)| format!("seed {seed}: {why}\n"));
        format!("{}\n{}", list.collect::<String>(), explain(*seed))
    }
}

/// The first schedule of a kind below `seeds` in which something planted shows as what it is.
pub(super) fn find(defect: Defect, kind: Kind, seeds: u64, what: &str) -> Option<u64> {
    plant(Some(defect));
    let found = (0..seeds).filter(|seed| Kind::of(*seed) == kind).find(|seed| {
        run(&Plan::of(*seed), false).violation.is_some_and(|found| kind_of(&found) == what)
    });
    plant(None);
    found
}

fn kind_of(violation: &str) -> &str {
    violation.split(':').next().unwrap_or_default()
}

/// Leaves out of a schedule what can be left out while it fails in the same way.
fn shrink(plan: Plan, violation: &str) -> Plan {
    let mut plan = plan;
    let mut runs = 0;
    let mut size = plan.ops.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < plan.ops.len() && runs < SHRINKING {
            runs += 1;
            let mut shorter = plan.clone();
            let end = (at + size).min(shorter.ops.len());
            let gone: u64 = shorter.ops.drain(at..end).map(|(pause, _)| pause).sum();
            if let Some((pause, _)) = shorter.ops.get_mut(at) {
                *pause += gone;
            }
            let fails = run(&shorter, false).violation;
            if fails.is_some_and(|fails| kind_of(&fails) == kind_of(violation)) {
                plan = shorter;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    plan
}

/// What is wrong with a schedule, how to see it again, and what happens in the shortest part of it that fails.
fn explain(seed: u64) -> String {
    let plan = Plan::of(seed);
    let mut text = String::new();
    let Some(violation) = run(&plan, false).violation else {
        return format!(
            "seed {seed} failed once and not again: it does not depend on its seed alone"
        );
    };
    let _ = writeln!(text, "seed {seed} ({:?}): {violation}", plan.kind);
    let _ = writeln!(text, "everything that happens: make simulate SEEDS={seed}");
    let all = plan.ops.len();
    let plan = shrink(plan, &violation);
    let report = run(&plan, true);
    let _ = writeln!(text, "\n{} of its {all} events are enough:", plan.ops.len());
    for (pause, op) in &plan.ops {
        let _ = writeln!(text, "  after {pause} ms {op:?}");
    }
    let _ = writeln!(text, "\nwhat happens then, and when in milliseconds:");
    for line in &report.history {
        let _ = writeln!(text, "{line}");
    }
    let _ = writeln!(text, "=> {}", report.violation.unwrap_or_default());
    text
}
