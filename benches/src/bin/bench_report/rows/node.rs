//! The Node package and its WebAssembly half beside the same work in Rust, and beside packages of their kind.

use super::{
    Goal::{self, AtMost, FasterBy, Time, TimeAtMost},
    Peer, Row, Section, Unit, row,
};

/// As `scripts/bench-node.sh` names them.
const NODE: &str = "node";
const WASM: &str = "wasm";
const LIBSIGNAL: &str = "libsignal-client";
const OLM: &str = "olm";

pub(super) fn sections() -> [Section; 1] {
    [Section { title: "Node and WebAssembly", unit: Unit::AsIs, rows: rows() }]
}

const fn beside(
    what: &'static str,
    group: &'static str,
    ours: &'static str,
    peer: &'static str,
    goal: Goal,
) -> Row {
    row(what, group, ours, Some((peer, Peer::Beside(peer))), goal)
}

fn rows() -> Vec<Row> {
    let (encrypt, decrypt) = ("node: encrypt 1 KiB, µs", "node: decrypt 1 KiB, µs");
    let turns = "node: a message and its answer, 1 KiB, µs";
    let requests = "node: 1,000 requests, 200 at once, ms";
    let (tarballs, installed) = ("node: tarballs, MB", "node: installed, MB");
    let module = "node: the WebAssembly module, gzipped, MB";
    let mut rows = vec![
        beside("Node, verify a signature", "node: verify a signature, µs", NODE, "rust", Time),
        beside("Node, ask the agent", "node: ask the agent, µs", NODE, "rust", Time),
    ];
    for (what, group) in [
        ("Node, encrypt 1 KiB", encrypt),
        ("Node, decrypt 1 KiB", decrypt),
        ("Node, a message and its answer, 1 KiB", turns),
    ] {
        rows.push(beside(what, group, NODE, "rust", Time));
        rows.push(beside(what, group, NODE, LIBSIGNAL, FasterBy(2.0)));
        rows.push(beside(what, group, NODE, OLM, Time));
    }
    rows.push(beside("Node, 1,000 requests, ms", requests, NODE, "rust", TimeAtMost(1.5)));
    for (what, group) in [
        ("WebAssembly, encrypt 1 KiB", encrypt),
        ("WebAssembly, decrypt 1 KiB", decrypt),
        ("WebAssembly, a message and its answer, 1 KiB", turns),
    ] {
        rows.push(beside(what, group, WASM, OLM, FasterBy(1.0)));
        rows.push(beside(what, group, WASM, "olm, written", FasterBy(1.0)));
        rows.push(beside(what, group, WASM, LIBSIGNAL, Time));
    }
    rows.push(beside("tarballs, MB", tarballs, NODE, LIBSIGNAL, FasterBy(1.0)));
    rows.push(beside("installed, MB", installed, NODE, LIBSIGNAL, FasterBy(1.0)));
    rows.push(beside("the WebAssembly module, gzipped, MB", module, WASM, "XMTP", FasterBy(1.0)));
    rows.push(row("the WebAssembly module, whatever theirs has", module, WASM, None, AtMost(0.4)));
    rows
}
