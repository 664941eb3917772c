//! What a channel waits for, and how long.

use std::time::Duration;

use super::super::super::UserDataError;
use crate::client::backoff::{Backoff, BackoffConfig};

/// The longest that anything may be set to.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What a channel waits for, and how long. The defaults are those of the documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelTimings {
    /// For a connection, TLS, the upgrade, and being let in: 10 seconds.
    pub open: Duration,
    /// For the answer to `start`, `interrupt`, `history`, `clear` and `diagnostics`: 10 seconds.
    pub call: Duration,
    /// An agent that says nothing for so long in a turn: 10 minutes.
    pub turn: Duration,
    /// For the answer to a hook, then the policy decides: 30 seconds.
    pub hook: Duration,
    /// Before the first attempt to connect again: 1 second. It doubles with each failure, and varies by a half.
    pub pause: Duration,
    /// The longest of these pauses, before it varies: 5 seconds.
    pub longest_pause: Duration,
    /// Attempts to connect again before the channel is given up: 10.
    pub attempts: u32,
    /// A connection that held for a minute makes the count of attempts begin anew.
    pub reset_after: Duration,
    /// For the server's half of a close: 3 seconds.
    pub close: Duration,
}

impl Default for ChannelTimings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            open: seconds(10),
            call: seconds(10),
            turn: seconds(600),
            hook: seconds(30),
            pause: seconds(1),
            longest_pause: seconds(5),
            attempts: 10,
            reset_after: seconds(60),
            close: seconds(3),
        }
    }
}

impl ChannelTimings {
    /// Refuses what cannot work.
    pub(in super::super) fn check(&self) -> Result<(), UserDataError> {
        for (setting, value) in [
            ("open", self.open),
            ("call", self.call),
            ("turn", self.turn),
            ("hook", self.hook),
            ("pause", self.pause),
            ("longest_pause", self.longest_pause),
        ] {
            if value.is_zero() || value > LONGEST {
                let problem = "it must be more than nothing and at most a day";
                return Err(UserDataError::config(setting, problem));
            }
        }
        Ok(())
    }

    /// The pauses between attempts.
    pub(super) const fn backoff(&self) -> Backoff {
        Backoff::widely(BackoffConfig { base: self.pause, max: self.longest_pause })
    }
}
