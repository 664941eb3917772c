//! Questions and answers over a plain WebSocket: both sides.

use std::{sync::Arc, time::Duration};

use agentmesh_facade as facade;
use facade::{ChatCalls, FacadeError, SecretText, start};
use pyo3::prelude::*;

use crate::{
    bridge::{Callback, call, call_unit, json_call, notify, unit_call},
    error::{raise, run},
    items::ItemStream,
    json, settings,
};

/// A conversation with an agent.
#[pyclass(frozen)]
pub(crate) struct AgentWebSocketClient(facade::AgentWebSocketClient);

fn deadline(ms: Option<u64>) -> Option<Duration> {
    ms.map(Duration::from_millis)
}

#[pymethods]
impl AgentWebSocketClient {
    #[staticmethod]
    #[pyo3(signature = (settings_json, bearer, wait))]
    fn connect<'py>(
        py: Python<'py>,
        settings_json: &str,
        bearer: Option<String>,
        wait: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let how = settings(Some(settings_json)).map_err(|error| raise(py, error))?;
        let bearer = bearer.map(SecretText::trimmed);
        let connecting = facade::AgentWebSocketClient::connect(how, bearer, wait);
        call(py, connecting, |py, client| Ok(Py::new(py, Self(client))?.into_any()))
    }

    #[pyo3(signature = (content, deadline_ms=None))]
    fn query<'py>(
        &self,
        py: Python<'py>,
        content: String,
        deadline_ms: Option<u64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |client| client.query(content, deadline(deadline_ms)))
    }

    #[pyo3(signature = (content, deadline_ms=None))]
    fn query_stream<'py>(
        &self,
        py: Python<'py>,
        content: String,
        deadline_ms: Option<u64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let client = self.0.clone();
        let asking = async move { client.query_stream(content, deadline(deadline_ms)).await };
        call(py, asking, ItemStream::object)
    }

    fn command<'py>(&self, py: Python<'py>, command: String) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |client| client.command(command))
    }

    #[pyo3(signature = (content, metadata=None))]
    fn human_feedback<'py>(
        &self,
        py: Python<'py>,
        content: String,
        metadata: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |client| client.human_feedback(content, metadata.as_deref()))
    }

    fn events(&self, py: Python<'_>) -> PyResult<ItemStream> {
        run(py, || self.0.events().map(ItemStream::new))
    }

    fn session(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        json(py, &run(py, || self.0.session())?)
    }

    fn close<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |client| client.close())
    }
}

/// A service that listens.
#[pyclass(frozen)]
pub(crate) struct AgentWebSocketService(facade::AgentWebSocketService);

#[pymethods]
impl AgentWebSocketService {
    /// Listens; every question goes to the callable, on a thread of this module.
    #[staticmethod]
    fn start<'py>(
        py: Python<'py>,
        settings_json: &str,
        tokens: Vec<String>,
        on_question: Py<PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let how = settings(Some(settings_json)).map_err(|error| raise(py, error))?;
        let tokens = tokens.into_iter().map(SecretText::trimmed).collect();
        let starting = async move {
            let (service, calls) = facade::AgentWebSocketService::start(how, tokens).await?;
            pump(calls, on_question)?;
            Ok(service)
        };
        call(py, starting, |py, service| Ok(Py::new(py, Self(service))?.into_any()))
    }

    #[getter]
    fn url(&self) -> &str {
        self.0.url()
    }

    fn notify(&self, py: Python<'_>, session: &str, message: String) -> PyResult<()> {
        run(py, || self.0.notify(session, message))
    }

    fn stats(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        json(py, &run(py, || self.0.stats())?)
    }

    fn shutdown<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |service| service.shutdown())
    }
}

/// A conversation that wants an answer. Forgotten, it fails.
#[pyclass(frozen)]
pub(crate) struct ChatCall {
    #[pyo3(get)]
    messages: Py<PyAny>,
    call: Arc<facade::ChatCall>,
}

#[pymethods]
impl ChatCall {
    #[getter]
    fn wants_deltas(&self) -> bool {
        self.call.wants_deltas
    }

    fn delta<'py>(&self, py: Python<'py>, text: String) -> PyResult<Bound<'py, PyAny>> {
        let question = Arc::clone(&self.call);
        call_unit(py, async move { question.delta(text).await })
    }

    fn answer(&self, py: Python<'_>, text: String) -> PyResult<()> {
        run(py, || self.call.answer(text))
    }

    fn fail(&self, py: Python<'_>, message: &str) -> PyResult<()> {
        run(py, || self.call.fail(message))
    }

    /// Done when nobody waits for the answer any more.
    fn gone<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let gone = self.call.gone();
        call_unit(py, async move {
            gone.await;
            Ok(())
        })
    }
}

/// Hands every question to a callable, until the service is gone.
fn pump(calls: ChatCalls, callback: Py<PyAny>) -> Result<(), FacadeError> {
    let callback = Callback::new(callback);
    let pumping = async move {
        while let Some(call) = calls.next().await? {
            notify(&callback, move |py| {
                let messages = json(py, &call.messages)?;
                Ok(Py::new(py, ChatCall { messages, call: Arc::new(call) })?.into_any())
            });
        }
        Ok(())
    };
    start(pumping, |_| {}).map(drop)
}
