//! An agent under a controller.

use std::sync::Arc;

use agentmesh_facade as facade;
use facade::{ControllerSettings, FacadeError, SecretText};
use pyo3::prelude::*;

use crate::{
    bridge::{call, call_unit, unit_call},
    error::{raise, run},
    items::ItemStream,
    json, settings,
};

/// Talks to a controller, call by call.
#[pyclass(frozen)]
pub(crate) struct AiwmClient(facade::AiwmClient);

/// A token for heartbeats.
#[pyclass(frozen)]
pub(crate) struct AiwmToken(Arc<SecretText>);

#[pymethods]
impl AiwmClient {
    #[new]
    fn new(py: Python<'_>, settings_json: &str, secret: String) -> PyResult<Self> {
        run(py, || {
            let how: ControllerSettings = settings(Some(settings_json))?;
            facade::AiwmClient::new(how, SecretText::new(secret)).map(Self)
        })
    }

    fn connect<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let client = self.0.clone();
        call(py, async move { client.connect().await }, |py, connected| {
            let token = Py::new(py, AiwmToken(Arc::new(connected.token)))?;
            Ok((json(py, &connected.answer)?, token).into_pyobject(py)?.into_any().unbind())
        })
    }

    #[pyo3(signature = (token, status, metrics=None))]
    fn heartbeat<'py>(
        &self,
        py: Python<'py>,
        token: &Bound<'_, AiwmToken>,
        status: String,
        metrics: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (client, token) = (self.0.clone(), Arc::clone(&token.get().0));
        call_unit(py, async move { client.heartbeat(&token, &status, metrics.as_deref()).await })
    }

    fn disconnect<'py>(
        &self,
        py: Python<'py>,
        token: &Bound<'_, AiwmToken>,
        reason: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (client, token) = (self.0.clone(), Arc::clone(&token.get().0));
        call_unit(py, async move { client.disconnect(&token, &reason).await })
    }
}

/// Keeps an agent connected to its controller.
#[pyclass(frozen)]
pub(crate) struct AiwmSupervisor(facade::AiwmSupervisor);

#[pymethods]
impl AiwmSupervisor {
    /// Without a controller, that of the environment.
    #[staticmethod]
    #[pyo3(signature = (controller, secret, settings_json))]
    fn start<'py>(
        py: Python<'py>,
        controller: Option<&str>,
        secret: Option<String>,
        settings_json: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let read = || -> Result<_, FacadeError> {
            let controller: Option<ControllerSettings> =
                controller.map(|text| settings(Some(text))).transpose()?;
            let controller = controller.zip(secret.map(SecretText::new));
            Ok((controller, settings(Some(settings_json))?))
        };
        let (controller, how) = read().map_err(|error| raise(py, error))?;
        call(py, facade::AiwmSupervisor::start(controller, how), |py, supervisor| {
            Ok(Py::new(py, Self(supervisor))?.into_any())
        })
    }

    fn config(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        json(py, &run(py, || self.0.config())?)
    }

    fn state(&self, py: Python<'_>) -> PyResult<&'static str> {
        run(py, || self.0.state())
    }

    fn events(&self, py: Python<'_>) -> PyResult<ItemStream> {
        run(py, || self.0.events().map(ItemStream::new))
    }

    fn set_status(&self, py: Python<'_>, status: &str) -> PyResult<()> {
        run(py, || self.0.set_status(status))
    }

    fn status(&self, py: Python<'_>) -> PyResult<&'static str> {
        run(py, || self.0.status())
    }

    #[pyo3(signature = (metrics=None))]
    fn set_metrics(&self, py: Python<'_>, metrics: Option<&str>) -> PyResult<()> {
        run(py, || self.0.set_metrics(metrics))
    }

    fn health(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        json(py, &run(py, || self.0.health())?)
    }

    fn counters(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        json(py, &run(py, || self.0.counters())?)
    }

    fn respond(&self, py: Python<'_>, path: &str) -> PyResult<(u16, String, String)> {
        run(py, || self.0.respond(path))
    }

    fn shutdown<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |supervisor| supervisor.shutdown())
    }
}
