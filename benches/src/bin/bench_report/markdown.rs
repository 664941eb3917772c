//! `docs/performance.md`.

use std::fmt::Write;

use agentmesh_benches::results::Results;

use crate::verdict::{Judged, Verdict, minimum, number};

const ABOUT: &str = "\
<!-- Written by `make bench` (benches/src/bin/bench_report). Change that, not this. -->

# Performance

Times are microseconds of one thread's CPU time, the fastest of several passes; rates are medians of several rounds. Everything in a table was measured in the same run, ours and \
the others by turns, on MACHINE, which others used at the same time: **the ratios mean something, the numbers \
little**. A ratio is ours to theirs; beside `vodozemac` and `pure` it is how many times faster ours is.

- **limit**: the sum of the primitives that an operation cannot do without, each by whichever of aws-lc, ring, dalek and RustCrypto is fastest here. It counts no nonce, \
  encoding, allocation, padding, or storing.
- **pure**: the same sum with dalek and RustCrypto alone.
- **vodozemac**: the Olm implementation of Matrix, on crates.io, in Rust as ours. Its sessions do three Diffie-Hellmans and verify nothing; ours do four, verify the bundle, and begin with a turn.
- **floor**: a WebSocket server on tokio-tungstenite that looks up a name and forwards the rest.
- **forwarder**: a stand-in for the deployed relay, built as that is: JSON parsed, a channel, written and flushed one by one. It checks no signature, counts no rate and stores nothing.
- **nats**, **jetstream**: Debian's `nats-server`, if it is installed.

A frame holds at most 48 KiB, so the largest message that goes into one (47,615 bytes) stands where others would say 64 KiB. Rows without a goal are there to be looked at.

Run it with `make bench`; one part of it with `cargo bench -p agentmesh-benches --bench crypto -- encrypt`, for example. `make bench-smoke` only shows that everything runs.
";

const STORAGE: &str = "\
Both agents and the server are in one process; the server keeps its data in memory. One by one, a message is on the \
sender's disk before the next is sent; `handled` means that it was decrypted, on the recipient's disk, given to its \
handler, acknowledged by it, that this was on the recipient's disk, and that the sender knew and had it on its own. \
`bare commits` are what the same store does with nothing around it, `in memory` is the same traffic without a disk. \
";

const LIVE: &str = "\
With one message under way at a time, cores fall asleep between messages, and a virtual machine takes tens of microseconds \
to wake one: of the server's time, 85 percent is then spent in the kernel's `finish_task_switch` and \
`_raw_spin_unlock_irqrestore` (`perf record` on the server's process), whoever serves. The floor hands each message from \
one thread to another, which happens to keep both cores awake; ours does not. So the goals are for cores that work of the \
idle class keeps awake (`chrt -i`), where it shows what the servers do; the other rows show what an idle machine does.
";

const SIGNALING: &str = "\
A signal's time is from before its request is written until its recipient has read the event, with the sender's and the \
recipient's work in it. The floor is axum with a map of names to channels: no rooms, tokens, rates or rosters. \
Clients come back to a server that was killed and is there again after so long; the mean is over the time from the first to \
the last that is back.
";

const DURABLE: &str = "\
The recipient is absent; a message counts once its sender has heard that it is safe. Debian's JetStream (2.9) answers \
when the operating system has a message, ours when the disk has it. In `/dev/shm` both mean the same, and there they are \
compared. On the disk ours stands beside how often the disk lets 4 KiB be written for good: messages that come together \
share that.
";

const SERVICES: &str = "\
Eight clients, each on a connection of its own, of which each waits for its answer; the server keeps its data in memory. \
What a connect costs is one check of bcrypt at cost 10. The server makes these checks on threads of their own, never more \
at a time than there are cores, so that heartbeats are answered meanwhile. Without bcrypt means that secrets are kept as \
SHA-256, which only the benches can ask for.
";

const PYTHON: &str = "\
Wall time in microseconds a call, the wheel as it is released (`scripts/bench-python.sh`) under CPython, beside the same \
work in Rust, and beside the packages `vodozemac` and `python-olm` of PyPI. A signature's check returns at once; the agent \
is asked through its task, on another thread; sessions encrypt and decrypt one message after the other, and ours is written to its \
store, in memory, each time, which the others leave to the application: `vodozemac, written` pickles its session after each \
message. The thousand requests are all under way together: both agents are in one process, the server (`agentmesh dev`, \
which bounds what it keeps for all, not for one agent) in another.
";

const NODE: &str = "\
Microseconds a call, the package as it is released (`scripts/bench-node.sh`) under Node 20, beside the same work in Rust, and \
beside `@signalapp/libsignal-client` 0.103 (native) and `@matrix-org/olm` 3.2.15 (WebAssembly) of npm. Sessions \
encrypt and decrypt one message after the other, and what counts there is the processor time of the whole process, since \
others use the machine; elsewhere it is wall time. Ours and libsignal's are written to a store in memory after each message, \
which Olm leaves to the application: `olm, written` pickles its session each time. `WebAssembly` is the other half of the same \
package, under Node as browsers get it. Libsignal's messages are 1 KiB of bytes, ours are bytes in a JSON envelope, Olm's are \
text in base64. XMTP's module is that of `@xmtp/wasm-bindings` 1.6.1.
";

pub(crate) fn document(sections: &[Judged], results: &Results, machine: &str) -> String {
    let mut out = ABOUT.replace("MACHINE", machine);
    let _ = writeln!(out, "\n{SUM}");
    for section in sections {
        out.push_str(&text(section, ""));
    }
    primitives(&mut out, results);
    sum(&out)
}

/// What goes for the line that counts goals, until they are counted.
const SUM: &str = "0 of 0 goals are met.";

/// What a section begins with that was not measured with the others.
const APART: &str =
    "This section is of a run of its own. It lacks rows that were not measured in it.\n\n";

/// Before which sections come that were not there.
const LAST: &str = "\n## Primitives\n";

/// The document with these sections new and the others as they were; those that were not in it come last. Nothing if it is
/// no such document.
pub(crate) fn renewed(document: &str, sections: &[Judged]) -> Option<String> {
    let mut document = document.to_owned();
    for section in sections {
        let Some(start) = document.find(&heading(section)) else {
            document.insert_str(document.find(LAST)?, &text(section, APART));
            continue;
        };
        let behind = document.get(start + 1..)?.find("\n## ").map(|at| start + 1 + at);
        document.replace_range(start..behind.unwrap_or(document.len()), &text(section, APART));
    }
    Some(sum(&document))
}

/// The document with its goals counted.
fn sum(document: &str) -> String {
    let met = document.matches("| met |\n").count();
    let goals = met + document.matches("| **not met** |\n").count();
    let lines = document.lines().map(|line| {
        if line.ends_with(" goals are met.") {
            format!("{met} of {goals} goals are met.\n")
        } else {
            format!("{line}\n")
        }
    });
    lines.collect()
}

fn heading(section: &Judged) -> String {
    format!("\n## {}\n", section.title)
}

fn text(section: &Judged, before: &str) -> String {
    let mut out = heading(section);
    out.push('\n');
    out.push_str(before);
    match section.title {
        "Relay, messages of 1 KiB over loopback" => out.push_str(LIVE),
        "Signaling" => out.push_str(SIGNALING),
        "Relay, durable" => out.push_str(DURABLE),
        "Whole clients, SQLite" => out.push_str(STORAGE),
        "AIWM and agent WebSocket" => out.push_str(SERVICES),
        "Python" => out.push_str(PYTHON),
        "Node and WebAssembly" => out.push_str(NODE),
        _ => {}
    }
    table(&mut out, section);
    // Rows beside several peers have one cause.
    let mut told = "";
    for row in &section.rows {
        if let Some(cause) = row.cause
            && told != row.what
        {
            told = row.what;
            let _ = writeln!(out, "\n**{}** misses its goal. {cause}", row.what);
        }
    }
    out
}

fn table(out: &mut String, section: &Judged) {
    out.push_str("\n| operation | ours | beside | theirs | ratio | goal | |\n");
    out.push_str("|---|--:|---|--:|--:|--:|---|\n");
    for Verdict { what, measured, peer, theirs, ratio, goal, met, .. } in &section.rows {
        let verdict = match met {
            Some(true) => "met",
            Some(false) => "**not met**",
            None => "",
        };
        let _ = writeln!(
            out,
            "| {what} | {} | {} | {} | {} | {} | {verdict} |",
            number(*measured),
            peer.unwrap_or(""),
            theirs.map(number).unwrap_or_default(),
            ratio.map(|n| format!("{n:.2}")).unwrap_or_default(),
            goal.as_deref().unwrap_or(""),
        );
    }
}

fn primitives(out: &mut String, results: &Results) {
    out.push_str("\n## Primitives\n\nMicroseconds, by library.\n\n");
    out.push_str("| primitive | aws-lc | ring | pure |\n|---|--:|--:|--:|\n");
    for (group, contenders) in &results.0 {
        let Some(name) = group.strip_prefix("primitive ") else { continue };
        let _ = write!(out, "| {name} |");
        for library in ["aws-lc", "ring", "pure"] {
            let time = contenders.get(library).and_then(|values| minimum(values));
            let _ = write!(out, " {} |", time.map(|n| number(n / 1000.0)).unwrap_or_default());
        }
        out.push('\n');
    }
}
