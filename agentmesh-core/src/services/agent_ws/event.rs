//! What happens on a connection besides answers.

use std::time::Duration;

use super::{AgentWebSocketError, Message, SessionInfo};
use crate::client::subscription::Lag;

/// What happens on a connection besides answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentWebSocketEvent {
    /// The first session is there.
    Connected(SessionInfo),
    /// A session after a lost one. The agent remembers nothing of those before: its history belongs to a connection.
    NewSession(SessionInfo),
    /// How far the agent is.
    Status(Message),
    /// Something that the system has to say.
    Notification(Message),
    /// An answer or error that belongs to no query of this client, or to one that no longer waits.
    Unmatched(Message),
    /// A message of a type that this version does not know.
    Other(Message),
    /// A frame that could not be read. The connection goes on.
    Unreadable {
        /// What is wrong with it.
        reason: String,
    },
    /// The connection was lost, or could not be made; the next attempt follows.
    Disconnected {
        /// Why.
        error: AgentWebSocketError,
        /// When.
        retry_in: Duration,
    },
    /// The end: nothing follows.
    Closed {
        /// Why.
        error: AgentWebSocketError,
    },
    /// The reader was too slow for so many events.
    Lagged {
        /// How many.
        missed: u64,
    },
}

impl Lag for AgentWebSocketEvent {
    fn lagged(missed: u64) -> Self {
        Self::Lagged { missed }
    }
}
