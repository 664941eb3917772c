//! AIWM: an agent gets its configuration from a controller and reports that it is alive.
//!
//! [`AiwmSupervisor`] does everything: it connects with retries, sends heartbeats, replaces the token in time, falls back
//! to a local configuration and comes back, and says goodbye. [`AiwmClient`] has the single calls. `machine` decides,
//! without I/O; `supervisor/driver.rs` does. Knows nothing of agents of the mesh: an AIWM agent is whatever program runs
//! under it. Differences from the documents are listed in `docs/guides/aiwm.md`.

mod answer;
mod client;
mod config;
mod environment;
mod error;
mod health;
mod machine;
mod options;
mod pick;
#[cfg(test)]
mod redaction;
mod supervisor;

pub use super::SecretText;
pub use answer::{Connected, Tool};
pub use client::{AgentStatus, AiwmClient, Metrics};
pub use config::{AgentConfig, InstructionSource, Platform};
pub use environment::Environment;
pub use error::AiwmError;
pub use health::{AiwmCounters, AiwmHealth, Health};
pub use machine::{AiwmState, Timing};
pub use options::{AiwmOptions, instruction_file};
pub use supervisor::{AiwmEvent, AiwmSupervisor, MetricsSource, StatusHandle, SupervisorOptions};
