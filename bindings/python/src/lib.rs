//! The native half of the Python package `agentmesh`: converts arguments, calls `agentmesh-facade`, converts results.
//!
//! Everything that Python programmers see is written in Python, beside this crate; this module is private to it. Values that
//! are not on the way of every message cross as JSON text. Knows no rules of the protocol.

mod agent;
mod agent_ws;
mod aiwm;
mod bridge;
mod codes;
#[cfg(feature = "command")]
mod command;
mod conformance;
mod envelope;
mod identity;
mod items;
mod knock;
mod managers;
mod messages;
mod payload;
mod pull;
mod signaling;
mod storage;
mod streams;
mod user_data;

pub(crate) use agentmesh_python_bridge::{error, json, settings, text_object};
use pyo3::prelude::*;

/// The native module of the package.
#[pymodule]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use agentmesh_python_bridge::bridge::{Batch, Canceller, shut_down};
    #[pymodule_export]
    use agentmesh_python_bridge::error::set_error_factory;
    #[pymodule_export]
    use agentmesh_python_bridge::logs::{set_log_level, start_logging};

    #[pymodule_export]
    use super::agent::Agent;
    #[pymodule_export]
    use super::agent_ws::{AgentWebSocketClient, AgentWebSocketService, ChatCall};
    #[pymodule_export]
    use super::aiwm::{AiwmClient, AiwmSupervisor, AiwmToken};
    #[pymodule_export]
    use super::bridge::panic_for_tests;
    #[pymodule_export]
    use super::codes::error_codes;
    #[cfg(feature = "command")]
    #[pymodule_export]
    use super::command::run_command;
    #[pymodule_export]
    use super::conformance::{OpenRequest, conformance_tests, run_conformance_test};
    #[pymodule_export]
    use super::identity::{Backup, Identity, safety_number, verify_signature};
    #[pymodule_export]
    use super::items::ItemStream;
    #[pymodule_export]
    use super::knock::{KnockQuestion, evaluate_policy, normalize_policy, policy_preset};
    #[pymodule_export]
    use super::managers::{KnockProtocol, PrekeyManager, SealedStore, SessionManager};
    #[pymodule_export]
    use super::messages::{AuditLog, Events, Message, Messages};
    #[pymodule_export]
    use super::signaling::{Negotiator, SignalingClient};
    #[pymodule_export]
    use super::storage::{Storage, StorageCall};
    #[pymodule_export]
    use super::streams::{IncomingStream, OutgoingStream};
    #[pymodule_export]
    use super::user_data::{HookQuestion, UserDataChannel, UserDataClient};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("VERSION", agentmesh_facade::VERSION)
    }
}
