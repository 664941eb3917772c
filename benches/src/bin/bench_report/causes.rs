//! Why a goal is missed, with the profile that says so. Written by hand; a row that meets its goal needs none.

/// What is known about the row of this name.
pub(crate) fn of(what: &str) -> Option<&'static str> {
    CAUSES.iter().find(|(row, _)| *row == what).map(|(_, cause)| *cause)
}

const CAUSES: [(&str, &str); 1] = [(
    "p99 at 1,000 msg/s, ms",
    "Between 1.0 and 1.7 times the floor from run to run, at a tenth of a millisecond: what counts here is how long a \
     sleeping core takes to wake (see above; the profile is the one of ping-pong). With cores kept awake ours does half \
     of the floor's work a message.",
)];
