//! The services beside messages: signaling, user data, agent WebSockets and AIWM. None of them is encrypted end to end.
//!
//! Each is an object with calls; what it tells is an [`ItemStream`] to be pulled, and what it asks an application a queue.
//! Knows no protocol: all of them are in `agentmesh_core::services`.

mod agent_ws;
mod aiwm;
mod channel;
mod chat;
mod chat_service;
mod hooks;
mod items;
mod negotiator;
mod signaling;
mod user_data;

pub use agentmesh_core::services::SecretText;

pub use self::{
    agent_ws::{AgentWebSocketClient, AgentWebSocketSettings},
    aiwm::{AiwmClient, AiwmConnected, AiwmSupervisor, ControllerSettings, SupervisorSettings},
    channel::{ChannelAgentSettings, ChannelKey, ChannelSettings, UserDataChannel},
    chat::{ChatCall, ChatCalls, Said},
    chat_service::{AgentWebSocketService, ServiceSettings},
    hooks::{HookDecision, HookQuestion, HookQueue, HookSink, HookTools, hook_queue},
    items::{Item, ItemStream},
    negotiator::Negotiator,
    signaling::{SignalingClient, SignalingCredentials, SignalingOpening, SignalingSettings},
    user_data::{SandboxSetup, UserDataClient, UserDataSettings},
};

/// Milliseconds of a duration, as far as they fit.
fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
