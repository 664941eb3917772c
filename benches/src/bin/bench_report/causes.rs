//! Why a goal is missed, with the profile that says so. Written by hand; a row that meets its goal needs none.

/// What is known about the row of this name.
pub(crate) fn of(what: &str) -> Option<&'static str> {
    CAUSES.iter().find(|(row, _)| *row == what).map(|(_, cause)| *cause)
}

const CAUSES: &[(&str, &str)] = &[
    (
        "p99 at 1,000 msg/s, ms",
        "Between 1.0 and 1.7 times the floor from run to run, at a tenth of a millisecond: what counts here is how long a \
     sleeping core takes to wake (see above; the profile is the one of ping-pong). With cores kept awake ours does half \
     of the floor's work a message.",
    ),
    (
        "Python, decrypt 1 KiB",
        "vodozemac's session stays in memory and its message in bytes. Ours is a JSON object, and the records of \
     session and peer are loaded and opened, and that of the session sealed and committed, so that a message is never \
     decrypted twice: 15 µs of processor time a call. When it took 21, 56 percent of them were the native half (names of \
     records in base58, wiping, SHA-256, base64), 22 the interpreter, 14 the allocator and 7 the kernel (`perf record`); \
     vodozemac's call took 4, with its pickle 12.",
    ),
    (
        "WebAssembly, encrypt 1 KiB",
        "Olm's session stays in memory, and what it writes is a string that somebody else stores. Ours loads and opens the \
     records of session and peer, and seals and commits both: of five AES-GCM, four are theirs. Of a call, 90 µs of a module \
     whose functions have names (`node --cpu-prof`), 33 percent are AES-GCM, which is bitsliced, so that its time says nothing \
     of keys, 7 garbage collection, 6 JSON and strings, 5 random numbers, 4 SHA-256, and the rest is spread over the core, \
     which is built for size. A call took 170 when AES-GCM was, too (decision 031).",
    ),
    (
        "WebAssembly, decrypt 1 KiB",
        "As for encrypting: the record of the session is written before a message is given out, so that it is never decrypted \
     twice. It took 190 before decision 031.",
    ),
    (
        "Node, encrypt 1 KiB",
        "Between 1.8 and 2.9 times as fast from run to run, on a machine with 15 to 20 processes that wanted two cores. Each call goes \
     to a thread of the runtime and back, though it waits for nothing; in Python the same work takes 16 µs.",
    ),
    (
        "Node, decrypt 1 KiB",
        "Between 1.6 and 2.2 times as fast from run to run; as for encrypting.",
    ),
    (
        "Python, 1,000 requests at once, ms",
        "Not profiled. Both agents are in one interpreter, and everything that is said to it goes by way of another thread, \
     in batches: where only one call is under way, that is most of it (\"ask the agent\").",
    ),
    (
        "the WebAssembly module, whatever theirs has",
        "It is the whole client, with streams, large payloads, policies and `agentmesh/0.2`, not cryptography alone: of 2.2 MB of \
     code before `wasm-opt`, that is 0.1. What is left to take: `agentmesh/0.2` (80 KB of code), the tables of Unicode in `url` \
     (28 KB gzipped), one copy of each call's future for each export (230 KB of code).",
    ),
];
