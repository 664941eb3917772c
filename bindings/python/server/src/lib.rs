//! The native half of the Python package `agentmesh_server`: the reference server for `agentmesh.testing`, and the command
//! `agentmesh` with `dev`.
//!
//! A package of its own, because servers are for tests and development, and applications should not have to carry one. It
//! shares no state with the native half of `agentmesh`.

mod command;
mod server;

use pyo3::prelude::*;

/// The native module of the package.
#[pymodule]
mod _server {
    use pyo3::prelude::*;

    #[pymodule_export]
    use agentmesh_python_bridge::bridge::{Batch, Canceller, shut_down};
    #[pymodule_export]
    use agentmesh_python_bridge::error::set_error_factory;
    #[pymodule_export]
    use agentmesh_python_bridge::logs::{set_log_level, start_logging};

    #[pymodule_export]
    use super::command::run_command;
    #[pymodule_export]
    use super::server::Server;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("VERSION", agentmesh_facade::VERSION)
    }
}
