//! What a client waits for, and how long.

use std::time::Duration;

use super::super::{AgentWebSocketError, LONGEST};
use crate::client::backoff::{Backoff, BackoffConfig};

/// What a client waits for, and how long. The defaults are those of the documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTimings {
    /// For a connection, TLS and the upgrade: 10 seconds.
    pub open: Duration,
    /// For a welcome: 5 seconds. Without one the server is used all the same.
    pub welcome: Duration,
    /// For the answer to a query, from asking on: 90 seconds.
    pub query: Duration,
    /// A silent connection is pinged after 30 seconds…
    pub ping_every: Duration,
    /// …and given up 10 seconds later.
    pub pong_within: Duration,
    /// Before the first attempt to connect again: 3 seconds, which double with each failure, and vary by a fifth.
    pub pause: Duration,
    /// The longest of these pauses: 30 seconds.
    pub longest_pause: Duration,
    /// A connection that held for a minute makes the pauses short again.
    pub reset_after: Duration,
    /// For the server's half of a close: 3 seconds.
    pub close: Duration,
    /// Queries that wait or are under way: 64.
    pub max_waiting: usize,
    /// Connect again even after the server closed for inactivity. Off: such a session is over.
    pub reconnect_on_timeout: bool,
    /// So many questions and answers are told to a new session in a query of its own, because it remembers nothing of
    /// the lost one. 0, the default: nothing is told. That query costs a call of the agent's model.
    pub replay_context: usize,
}

impl Default for ClientTimings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            open: seconds(10),
            welcome: seconds(5),
            query: seconds(90),
            ping_every: seconds(30),
            pong_within: seconds(10),
            pause: seconds(3),
            longest_pause: seconds(30),
            reset_after: seconds(60),
            close: seconds(3),
            max_waiting: 64,
            reconnect_on_timeout: false,
            replay_context: 0,
        }
    }
}

impl ClientTimings {
    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), AgentWebSocketError> {
        for (setting, value) in [
            ("open", self.open),
            ("query", self.query),
            ("ping_every", self.ping_every),
            ("pong_within", self.pong_within),
            ("pause", self.pause),
            ("longest_pause", self.longest_pause),
        ] {
            if value.is_zero() || value > LONGEST {
                let problem = "it must be more than nothing and at most a day".to_owned();
                return Err(AgentWebSocketError::Config { setting, problem });
            }
        }
        Ok(())
    }

    /// The pauses between attempts.
    pub(super) const fn backoff(&self) -> Backoff {
        Backoff::around(BackoffConfig { base: self.pause, max: self.longest_pause })
    }
}
