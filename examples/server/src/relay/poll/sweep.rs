//! Sessions end because time passes, or because of what others do; nobody runs a task for each.

use std::sync::Arc;

use crate::relay::{Relay, websocket::close};

/// A token is good for so long, however busy its session is: then its client proves again who it is.
pub(super) const MAX_AGE_MS: u64 = 3_600_000;
/// A client hears for so long why its session ended.
const LINGER_MS: u64 = 60_000;

impl Relay {
    /// Ends sessions that are closed or too old, and forgets those that ended a while ago.
    pub(in crate::relay) fn sweep_polls(self: &Arc<Self>) {
        let now = self.uptime_ms();
        for session in self.polls.all() {
            if now.saturating_sub(session.began_at) >= MAX_AGE_MS {
                session.link.close(close::GOING_AWAY, None);
            }
            if session.link.is_closing() {
                let ended_at = session.end(self, now);
                if now.saturating_sub(ended_at) >= LINGER_MS {
                    self.polls.remove(&session);
                }
            }
        }
    }
}
