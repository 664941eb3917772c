//! Agent WebSocket: `/functions/v1/agent_websocket`, and notifications from outside where they are switched on. All
//! that it says is in `agentmesh_core::services::agent_ws::service`; here are its doors.

mod config;
mod push;
mod routes;

pub(crate) use config::refused;
pub use config::{AgentWsBackend, AgentWsConfig};
pub(crate) use routes::routes;
