//! What the client waits for, and how long.

use std::time::Duration;

use super::SignalingError;
use crate::client::backoff::BackoffConfig;

/// No wait may be set longer.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What the client waits for, and how long. The defaults are those of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalingTimings {
    /// For a connection, TLS and the head of the answer: 10 seconds.
    pub open: Duration,
    /// For the first event of a stream: 10 seconds.
    pub joined: Duration,
    /// A stream that is silent for so long is dead: 30 seconds, which is three keepalives.
    pub idle: Duration,
    /// Upper bound of the pause before the first attempt after a stream was lost: 250 ms, since the server keeps the
    /// session for 90 seconds only.
    pub first_pause: Duration,
    /// The pauses after that: up to half a second, doubling to 15 seconds, with full jitter; none longer than twice the
    /// time for which the stream has been away.
    pub backoff: BackoffConfig,
    /// A stream that held so long makes the pauses short again: 30 seconds.
    pub reset_after: Duration,
    /// Attempts in a row that fail before the client gives up. `None`, the default: it never does.
    pub attempts: Option<u32>,
    /// For a signal, from sending on: 30 seconds.
    pub send: Duration,
    /// For one try of a signal: 10 seconds.
    pub send_try: Duration,
    /// For the server's answer to a leave: 5 seconds.
    pub leave: Duration,
    /// Likewise, if the client is dropped or shut down: 2 seconds.
    pub shutdown: Duration,
    /// Signals that wait: 256.
    pub max_queued: usize,
    /// Signals at once, and then a second: 45 and 9, a little below the server's 50 and 10.
    pub burst: u32,
    /// See [`Self::burst`].
    pub per_second: u32,
}

impl Default for SignalingTimings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            open: seconds(10),
            joined: seconds(10),
            idle: seconds(30),
            first_pause: Duration::from_millis(250),
            backoff: BackoffConfig { base: Duration::from_millis(500), max: seconds(15) },
            reset_after: seconds(30),
            attempts: None,
            send: seconds(30),
            send_try: seconds(10),
            leave: seconds(5),
            shutdown: seconds(2),
            max_queued: 256,
            burst: 45,
            per_second: 9,
        }
    }
}

impl SignalingTimings {
    /// Refuses what cannot work.
    pub(super) fn check(&self) -> Result<(), SignalingError> {
        let wrong = |setting, problem: &str| {
            Err(SignalingError::Config { setting, problem: problem.to_owned() })
        };
        for (setting, value) in [
            ("open", self.open),
            ("joined", self.joined),
            ("idle", self.idle),
            ("backoff", self.backoff.base),
            ("send", self.send),
            ("send_try", self.send_try),
            ("leave", self.leave),
            ("shutdown", self.shutdown),
        ] {
            if value.is_zero() || value > LONGEST {
                return wrong(setting, "it must be more than nothing and at most a day");
            }
        }
        if self.burst == 0 || self.per_second == 0 || self.max_queued == 0 {
            return wrong("burst", "nothing could ever be sent");
        }
        Ok(())
    }
}
