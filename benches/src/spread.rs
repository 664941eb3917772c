//! How a crowd comes back.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench whose crowd is empty has to stop"
)]

use std::time::{Duration, Instant};

use crate::results::Results;

/// Adds to the results how a crowd came back after `outage`.
pub fn add(arrivals: &mut [Instant], outage: Duration, results: &mut Results) {
    arrivals.sort_unstable();
    let (fullest, mean) = spread(arrivals);
    let seconds = outage.as_secs();
    results.add(&format!("back after {seconds} s, fullest second"), "agentmesh", fullest);
    results.add(&format!("back after {seconds} s, fullest by mean"), "agentmesh", fullest / mean);
}

/// How many come in the second in which most come, whenever it begins, and in a second on average from the first to the
/// last.
#[expect(clippy::cast_precision_loss, reason = "counts")]
fn spread(arrivals: &[Instant]) -> (f64, f64) {
    const SECOND: Duration = Duration::from_secs(1);
    let within = |start: &Instant| arrivals.partition_point(|at| *at < *start + SECOND);
    let fullest = arrivals.iter().enumerate().map(|(n, start)| within(start) - n).max().unwrap();
    let whole = (arrivals[arrivals.len() - 1] - arrivals[0]).max(SECOND);
    (fullest as f64, arrivals.len() as f64 / whole.as_secs_f64())
}
