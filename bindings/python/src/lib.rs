//! The native half of the Python package `agentmesh`: converts arguments, calls `agentmesh-facade`, converts results.
//!
//! Everything that Python programmers see is written in Python, beside this crate; this module is private to it. Values that
//! are not on the way of every message cross as JSON text. Knows no rules of the protocol.

mod agent;
mod agent_ws;
mod aiwm;
mod bridge;
#[cfg(feature = "command")]
mod command;
mod conformance;
mod envelope;
mod error;
mod identity;
mod items;
mod knock;
mod logs;
mod managers;
mod messages;
mod payload;
mod pull;
#[cfg(feature = "server")]
mod server;
mod signaling;
mod storage;
mod streams;
mod user_data;

use pyo3::prelude::*;

/// The native module of the package.
#[pymodule]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::agent::Agent;
    #[pymodule_export]
    use super::agent_ws::{AgentWebSocketClient, AgentWebSocketService, ChatCall};
    #[pymodule_export]
    use super::aiwm::{AiwmClient, AiwmSupervisor, AiwmToken};
    #[pymodule_export]
    use super::bridge::{Batch, Canceller, panic_for_tests, shut_down};
    #[cfg(feature = "command")]
    #[pymodule_export]
    use super::command::run_command;
    #[pymodule_export]
    use super::conformance::{OpenRequest, conformance_tests, run_conformance_test};
    #[pymodule_export]
    use super::error::{error_codes, set_error_factory};
    #[pymodule_export]
    use super::identity::{Backup, Identity, safety_number, verify_signature};
    #[pymodule_export]
    use super::items::ItemStream;
    #[pymodule_export]
    use super::knock::{KnockQuestion, evaluate_policy, normalize_policy, policy_preset};
    #[pymodule_export]
    use super::logs::{set_log_level, start_logging};
    #[pymodule_export]
    use super::managers::{KnockProtocol, PrekeyManager, SealedStore, SessionManager};
    #[pymodule_export]
    use super::messages::{AuditLog, Events, Message, Messages};
    #[cfg(feature = "server")]
    #[pymodule_export]
    use super::server::Server;
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

/// A value as JSON text.
pub(crate) fn json(py: Python<'_>, value: &impl serde::Serialize) -> PyResult<Py<PyAny>> {
    let text = serde_json::to_string(value).map_err(|e| error::raise(py, e.into()))?;
    Ok(text.into_pyobject(py)?.into_any().unbind())
}

/// Text as Python has it.
pub(crate) fn text_object(py: Python<'_>, text: String) -> PyResult<Py<PyAny>> {
    Ok(text.into_pyobject(py)?.into_any().unbind())
}

/// Settings out of JSON text; the defaults if there is none.
pub(crate) fn settings<T>(text: Option<&str>) -> Result<T, agentmesh_facade::FacadeError>
where
    T: serde::de::DeserializeOwned + Default,
{
    Ok(text.map(agentmesh_facade::from_json).transpose()?.unwrap_or_default())
}
