//! Agent WebSocket: questions and answers with one agent over a plain WebSocket, one JSON object a text frame. Nothing
//! is encrypted end to end. The guide is `docs/guides/agent-websocket.md`.
//!
//! [`AgentWebSocketClient`] asks. With the feature `agent-ws-service`, [`service`] is the other side, for any agent that
//! wants to be asked.
//!
//! Two dialects are in use: the documented one (welcome by notification, ISO timestamps, no ids) and the deployed one
//! (welcome by status, milliseconds, ids echoed). The client finds out which; see [`Dialect`].

mod client;
mod error;
mod event;
mod id;
mod machine;
mod message;
#[cfg(feature = "agent-ws-service")]
pub mod service;

use std::time::Duration;

pub use self::{
    client::{
        AgentWebSocketBuilder, AgentWebSocketClient, Part, QueryOptions, QueryStream, SessionInfo,
    },
    error::AgentWebSocketError,
    event::AgentWebSocketEvent,
    machine::ClientTimings,
    message::{Message, MessageKind},
};
pub use super::SecretText;

/// Where deployed agents have their WebSocket, below the base URL of their functions.
pub const PATH: &str = "/functions/v1/agent_websocket";

/// Bytes of a text frame that a server takes; what a client may ask is less by the envelope.
pub const MAX_FRAME: usize = 64 * 1024;

/// Bytes of a frame that the client takes. Answers may be longer than questions, yet not without end.
pub(crate) const MAX_ANSWER_FRAME: usize = 1024 * 1024;

/// Characters of an id that a server still echoes.
pub(crate) const MAX_ID: usize = 128;

/// How a server talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Dialect {
    /// As the documents say: welcome by notification, timestamps as ISO 8601, `Thinking...` before answers.
    #[default]
    Documented,
    /// As the deployed function does: welcome by status, timestamps in milliseconds, correlation ids.
    Deployed,
    /// No welcome came. The server is used all the same, one query at a time.
    Unknown,
}

/// How long the longest wait of this service may be set to.
pub(crate) const LONGEST: Duration = Duration::from_secs(24 * 3600);
