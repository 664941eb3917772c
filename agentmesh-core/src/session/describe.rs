//! What may be said about a session aloud: ids and numbers, enough to find out why two ends disagree.

use core::fmt;

use crate::{
    handshake::{SessionId, Suite},
    session::Session,
    time::Timestamp,
};

/// Where a session stands. Holds no key, public or private, and no part of any message.
///
/// Print both ends' to debug a session: `sent` of one runs ahead of `received` of the other by the messages that
/// are under way or lost.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionDescription {
    /// The session.
    pub id: SessionId,
    /// Its suite.
    pub suite: Suite,
    /// When this end was made.
    pub created_at: Timestamp,
    /// Messages sent in the current chain.
    pub sent: u32,
    /// Whether the next message sent begins a new chain.
    pub turn_due: bool,
    /// Messages sent in the chain before.
    pub previous: u32,
    /// Number of the next message expected in the peer's current chain; nothing before its first message.
    pub received: Option<u32>,
    /// Keys kept for messages that were overtaken.
    pub skipped: usize,
    /// Frames remembered to recognise duplicates.
    pub recent: usize,
}

impl fmt::Display for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {} ({}): ", self.id, self.suite.name())?;
        if self.turn_due {
            write!(f, "next message begins a chain, ")?;
        } else {
            write!(f, "sent {} in this chain, ", self.sent)?;
        }
        write!(f, "{} in the one before, ", self.previous)?;
        match self.received {
            Some(n) => write!(f, "expects {n}")?,
            None => write!(f, "nothing received")?,
        }
        write!(f, ", {} skipped", self.skipped)
    }
}

impl Session {
    /// Ids and indices, for logs and bug reports.
    pub fn describe(&self) -> SessionDescription {
        let indices = self.ratchet.indices();
        SessionDescription {
            id: self.id,
            suite: self.suite,
            created_at: self.created_at,
            sent: indices.sent,
            turn_due: indices.turn_due,
            previous: indices.previous,
            received: indices.received,
            skipped: indices.skipped,
            recent: self.recent.len(),
        }
    }
}
