//! What an agent tells besides messages.

use std::time::Duration;

use crate::{client::subscription::Lag, engine};

/// Something that happened to an agent.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum AgentEvent {
    /// The relay connection stands.
    Connected {
        /// Frames that waited at the relay.
        pending: u64,
    },
    /// The relay connection is gone.
    Disconnected {
        /// When the next try is due; `None` if there will be none.
        retry_in: Option<Duration>,
        /// Why, without content.
        reason: String,
    },
    /// Another connection with this identity took over; this agent stays offline.
    Replaced,
    /// What the engine tells: progress, failures, sessions, dropped frames.
    Engine(engine::Event),
    /// This reader was too slow and missed events.
    Lagged {
        /// How many.
        missed: u64,
    },
}

impl Lag for AgentEvent {
    fn lagged(missed: u64) -> Self {
        Self::Lagged { missed }
    }
}
