//! The Python package beside the same work in Rust, and beside packages of its kind.

use super::{
    Goal::{self, FasterBy, Time, TimeAtMost},
    Peer, Row, Section, Unit, row,
};

/// As `scripts/bench-python.sh` names it.
const PYTHON: &str = "python";

pub(super) fn sections() -> [Section; 1] {
    [Section { title: "Python", unit: Unit::AsIs, rows: rows() }]
}

const fn beside(what: &'static str, group: &'static str, peer: &'static str, goal: Goal) -> Row {
    row(what, group, PYTHON, Some((peer, Peer::Beside(peer))), goal)
}

fn rows() -> Vec<Row> {
    let requests = "python: 1,000 requests at once, ms";
    let mut rows = vec![
        beside("Python, verify a signature", "python: verify a signature, µs", "rust", Time),
        beside("Python, ask the agent", "python: ask the agent, µs", "rust", Time),
    ];
    for (what, group) in [
        ("Python, encrypt 1 KiB", "python: encrypt 1 KiB, µs"),
        ("Python, decrypt 1 KiB", "python: decrypt 1 KiB, µs"),
    ] {
        rows.push(beside(what, group, "rust", Time));
        rows.push(beside(what, group, "vodozemac", FasterBy(1.0)));
        rows.push(beside(what, group, "vodozemac, written", FasterBy(1.0)));
        rows.push(beside(what, group, "python-olm", FasterBy(1.0)));
    }
    rows.push(beside("Python, 1,000 requests at once, ms", requests, "rust", TimeAtMost(1.5)));
    rows
}
