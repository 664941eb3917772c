#![doc = include_str!("../README.md")]

mod agent_ws;
mod aiwm;
mod auth;
mod authority;
mod clock;
mod config;
mod envelope;
mod error;
mod faults;
mod files;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod limits;
mod logging;
mod metrics;
mod oauth;
mod org;
mod outbound;
mod random;
mod registry;
mod relay;
mod server;
mod signaling;
mod state;
mod store;
mod user_data;

pub use agent_ws::{AgentWsBackend, AgentWsConfig};
pub use aiwm::{AiwmConfig, SecretCheck};
pub use config::{Profile, ServerConfig};
pub use error::ServerError;
pub use faults::Faults;
pub use files::raise_file_limit;
pub use limits::Limits;
pub use logging::one_line;
pub use oauth::{OAuthEndpoints, OAuthProvider};
pub use server::Server;
pub use signaling::{
    IceConfig, JoinKeys, Rate, SignalingLimits, SignalingTimes, TurnConfig, TurnCredentials,
};
pub use user_data::{
    AgentBackend, EchoAgent, Environment, HookAnswer, HookEvent, Options, RealtimeLimits, Secret,
    ThreadRule, ToolOutcome, Turn, TurnError, UserDataConfig,
};
