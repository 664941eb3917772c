//! What an agent tells besides messages.

use std::time::Duration;

use crate::{
    client::{rate_limit::RateScope, subscription::Lag},
    engine,
    identity::Amid,
};

/// Something that happened to an agent.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum AgentEvent {
    /// The agent is online: registered, its prekeys published, connected to the relay. Peers can reach it now, and what it
    /// sends needs nothing more of it. Told again after each [`Offline`](Self::Offline).
    Online,
    /// The agent is not online any more; unless it was closed, it comes back by itself.
    Offline {
        /// Why, without content.
        reason: String,
    },
    /// The relay connection stands. The registry may not know of it yet: see [`Online`](Self::Online).
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
    /// The registry knows this agent.
    Registered {
        /// Whether it did not know it before.
        newly: bool,
    },
    /// Something did not work; it is tried again, if that can help.
    Trouble {
        /// Stable code of the error.
        code: &'static str,
        /// What happened, without content.
        message: String,
    },
    /// The agent was closed; the last event.
    Closed {
        /// Why, if nobody asked for it.
        reason: Option<String>,
    },
    /// The policy changed, and the new one is in force.
    PolicyReloaded,
    /// The policy's file is missing or not understood: until it is mended, all KNOCKs are rejected.
    PolicyReloadFailed {
        /// Stable code of the error.
        code: &'static str,
        /// What is wrong with it, for whoever edits the file.
        problem: String,
    },
    /// A message was refused by the limits on sending.
    RateLimited {
        /// Its recipient.
        to: Amid,
        /// Which limit.
        scope: RateScope,
        /// When there is room again.
        retry_after: Duration,
    },
    /// The registry has a newer bundle of this identity than this store: it is in use elsewhere. This agent stays
    /// offline.
    Superseded,
    /// This identity was revoked, and the registry lets it do nothing more. The agent stays offline.
    Revoked {
        /// Why, in the registry's words.
        reason: String,
    },
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
