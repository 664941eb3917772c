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
        "Every message loads, opens, seals and commits the records of its session, which in Rust alone takes as long as vodozemac's whole call, and its envelope becomes a JSON object on the way to Python: of 25 µs a call in a run by itself, 20 are the native half and 4 the object.",
    ),
    (
        "Python, decrypt 1 KiB",
        "As for encrypting: in Rust alone it takes three times vodozemac's whole call, since the records of session and peer are opened, sealed and committed, and the envelope comes as a JSON object that is written and parsed again (7 µs in Python, and its base64 in Rust).",
    ),
];
