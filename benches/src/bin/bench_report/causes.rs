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
        "Python, encrypt 1 KiB",
        "Every message loads, opens, seals and commits the records of its session and its peer. By processor time of \
     the whole process it takes 16 µs, vodozemac's call 21 and with its pickle 30; wall times on a busy machine move \
     around that.",
    ),
    (
        "Python, decrypt 1 KiB",
        "vodozemac's session stays in memory and its message in bytes. Ours is a JSON object, and the records of \
     session and peer are loaded and opened, and that of the session sealed and committed, so that a message is never \
     decrypted twice: 21 µs of processor time a call, of which 56 percent are the native half (names of records in \
     base58, wiping, SHA-256, base64), 22 the interpreter, 14 the allocator and 7 the kernel (`perf record`); \
     vodozemac's call takes 4, with its pickle 12.",
    ),
];
