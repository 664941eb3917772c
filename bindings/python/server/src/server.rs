//! The reference server in this process, for tests.

use std::sync::Arc;

use agentmesh_facade as facade;
use agentmesh_python_bridge::{
    bridge::call_unit,
    error::{raise, run},
    settings,
};
use facade::{ServerSettings, block_on};
use pyo3::prelude::*;

/// A running server.
#[pyclass(frozen)]
pub(crate) struct Server(Arc<facade::Server>);

#[pymethods]
impl Server {
    /// Starts a server; it takes some milliseconds.
    #[staticmethod]
    fn start(py: Python<'_>, settings_json: &str) -> PyResult<Self> {
        let how: ServerSettings =
            settings(Some(settings_json)).map_err(|error| raise(py, error))?;
        run(py, || Ok(Self(Arc::new(block_on(facade::Server::start(how))?))))
    }

    #[getter]
    fn registry_url(&self) -> &str {
        self.0.registry_url()
    }

    #[getter]
    fn relay_url(&self) -> &str {
        self.0.relay_url()
    }

    #[getter]
    fn url(&self) -> &str {
        self.0.url()
    }

    #[getter]
    fn agent_websocket_url(&self) -> &str {
        self.0.agent_websocket_url()
    }

    #[getter]
    fn aiwm_admin_token(&self) -> Option<&str> {
        self.0.aiwm_admin_token()
    }

    fn stop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let server = Arc::clone(&self.0);
        call_unit(py, async move { server.stop().await })
    }

    fn stop_blocking(&self, py: Python<'_>) -> PyResult<()> {
        let server = Arc::clone(&self.0);
        run(py, || block_on(async move { server.stop().await }))
    }
}
