//! Sessions and circuit breakers, for people and metrics.

use agentmesh_core::{
    engine::{CircuitStatus as CoreStatus, SessionSummary as CoreSummary},
    managers::SessionInfo,
    session::SessionDescription,
};
use serde::Serialize;

/// A session, without anything secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionSummary {
    /// The session.
    pub id: String,
    /// The agent at the other end.
    pub peer: String,
    /// The suite's name.
    pub suite: String,
    /// When this end was made.
    pub created_at: u64,
    /// Whether we opened it.
    pub initiator: bool,
    /// Whether its KNOCK was accepted, as far as this end knows.
    pub accepted: bool,
    /// Whether the peer has shown that it has the session.
    pub confirmed: bool,
    /// Whether the next message to the peer goes here.
    pub sending: bool,
    /// Where its chains stand; nothing in 0.2.
    pub chains: Option<SessionChains>,
}

/// Where the chains of a session stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionChains {
    /// Messages sent in the current chain.
    pub sent: u32,
    /// Messages sent in the chain before.
    pub previous: u32,
    /// Number of the next message expected; nothing before the peer's first.
    pub received: Option<u32>,
    /// Whether the next message sent begins a new chain.
    pub turn_due: bool,
    /// Keys kept for messages that were overtaken.
    pub skipped: usize,
}

impl From<&SessionDescription> for SessionChains {
    fn from(chains: &SessionDescription) -> Self {
        Self {
            sent: chains.sent,
            previous: chains.previous,
            received: chains.received,
            turn_due: chains.turn_due,
            skipped: chains.skipped,
        }
    }
}

impl From<CoreSummary> for SessionSummary {
    fn from(session: CoreSummary) -> Self {
        Self {
            peer: session.peer.to_string(),
            suite: session.suite.to_owned(),
            created_at: session.created_at.as_millis(),
            initiator: session.initiator,
            accepted: session.accepted,
            confirmed: session.confirmed,
            sending: session.sending,
            chains: session.chains.as_ref().map(Into::into),
            id: session.id,
        }
    }
}

impl From<SessionInfo> for SessionSummary {
    fn from(session: SessionInfo) -> Self {
        Self {
            peer: session.peer_amid.to_string(),
            suite: session.suite.name().to_owned(),
            created_at: session.created_at.as_millis(),
            initiator: session.is_initiator,
            accepted: session.is_accepted,
            confirmed: session.state == agentmesh_core::managers::SessionState::Active,
            sending: session.is_sending,
            chains: session.description.as_ref().map(Into::into),
            id: session.session_id,
        }
    }
}

/// The circuit breakers as they stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CircuitStatus {
    /// `running`, `paused` or `stopped`.
    pub state: String,
    /// Since when; 0 if it never was otherwise.
    pub since: u64,
    /// Who is shut out, and since when.
    pub blocked: Vec<(String, u64)>,
}

impl From<CoreStatus> for CircuitStatus {
    fn from(status: CoreStatus) -> Self {
        let blocked = status.blocked.iter();
        Self {
            state: status.state.as_str().to_owned(),
            since: status.since.as_millis(),
            blocked: blocked.map(|(peer, at)| (peer.to_string(), at.as_millis())).collect(),
        }
    }
}
