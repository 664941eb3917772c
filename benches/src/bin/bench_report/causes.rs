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
        "Not profiled, and measured for two rounds only, while others kept the machine busy. Olm's session stays in memory and its \
     message is text; ours loads, opens, seals and commits the records of its session and its peer with every message, goes \
     through tasks and promises, and is built for size (`opt-level = \"z\"`).",
    ),
    (
        "WebAssembly, decrypt 1 KiB",
        "Not profiled; as for encrypting: the record of the session is written before a message is given out, so that it is \
     never decrypted twice.",
    ),
    (
        "Python, 1,000 requests at once, ms",
        "Not profiled. Both agents are in one interpreter, and everything that is said to it goes by way of another thread, \
     in batches: where only one call is under way, that is most of it (\"ask the agent\").",
    ),
    (
        "the WebAssembly module, whatever theirs has",
        "It is the whole client, with streams, large payloads, policies and `agentmesh/0.2`, not cryptography alone.",
    ),
];
