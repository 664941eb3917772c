//! The reference server of AgentMesh: relay and registry in one process, on one port, with an embedded database.
//!
//! [`Server::start`] runs one inside any program: `agentmesh dev` does, and so do the tests of every binding. The
//! program `agentmesh-server` is the same with flags.

mod auth;
mod clock;
mod config;
mod envelope;
mod error;
mod faults;
mod http;
mod limits;
mod metrics;
mod registry;
mod relay;
mod server;
mod state;
mod store;

pub use config::{Profile, ServerConfig};
pub use error::ServerError;
pub use faults::Faults;
pub use limits::Limits;
pub use server::Server;
