//! Which session is used for sending when a KNOCK of the peer makes another (`docs/protocol/native.md` §7.6).
//!
//! Both sides keep both sessions, so a wrong choice loses nothing as long as the peer has what is chosen. What must not
//! happen is to go on in a session that the peer lost: then every new KNOCK of its would change nothing. Times of two
//! different clocks are never compared.

use crate::time::Timestamp;

/// The session that messages to a peer are sent in, as far as the choice depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InUse {
    /// We knocked, and no frame of the peer has opened in it yet.
    OursPending,
    /// We knocked, and the peer showed that it has it, or asked about it, which shows that it had it not.
    Ours,
    /// The peer knocked at this time, by its own clock.
    Peers(Timestamp),
}

/// Whether the session of a new KNOCK, made at `time` by the peer's clock, takes the place of the one in use.
pub(crate) fn takes_over(
    own: &[u8; 32],
    peer: &[u8; 32],
    in_use: Option<InUse>,
    time: Timestamp,
) -> bool {
    match in_use {
        // It would not knock if it had what we use.
        None | Some(InUse::Ours) => true,
        // Both knocked at once. Both see both keys, so both choose alike: the session of the lower key.
        Some(InUse::OursPending) => peer < own,
        // An earlier KNOCK arrives late. On equal times the new one is the safe choice.
        Some(InUse::Peers(earlier)) => time >= earlier,
    }
}
