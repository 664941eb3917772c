//! Clients of the services beside relay and registry, and the parts of them that agents may offer themselves. Nothing
//! here is end-to-end encrypted.
//!
//! Each service is a room with a feature of its own. They share the client's machinery (HTTP, WebSockets, proxies, TLS,
//! pauses, the clock) and know nothing of agents, sessions or the engine.

#[cfg(feature = "agent-ws")]
pub mod agent_ws;
#[cfg(feature = "aiwm")]
pub mod aiwm;
#[cfg(any(feature = "agent-ws", feature = "aiwm", feature = "signaling", feature = "user-data"))]
mod secret;
#[cfg(feature = "signaling")]
pub mod signaling;
#[cfg(feature = "user-data")]
pub(crate) mod socketio;
#[cfg(any(feature = "signaling", feature = "agent-ws-service"))]
pub(crate) mod sse;
#[cfg(feature = "user-data")]
pub mod user_data;
#[cfg(any(feature = "agent-ws", feature = "aiwm", feature = "signaling", feature = "user-data"))]
mod waiting;

#[cfg(any(
    feature = "agent-ws",
    feature = "aiwm",
    feature = "signaling",
    feature = "user-data"
))]
pub use secret::SecretText;
