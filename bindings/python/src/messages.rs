//! Messages, events, and the audit log.

use std::sync::Arc;

use agentmesh_facade as facade;
use facade::{FacadeError, MessageContent, SendSettings};
use pyo3::{prelude::*, types::PyBytes};

use crate::{
    bridge::{call, call_unit, text_call, unit_call},
    error::{raise, run},
    json,
    payload::{payload, payload_object},
    pull::{Ready, taken},
    settings,
    streams::OutgoingStream,
};

/// The messages that come in.
#[pyclass(frozen)]
pub(crate) struct Messages {
    messages: Arc<facade::Messages>,
    ready: Ready<facade::Message>,
}

impl Messages {
    pub(crate) fn object(py: Python<'_>, messages: facade::Messages) -> PyResult<Py<PyAny>> {
        let messages = Self { messages: Arc::new(messages), ready: Ready::default() };
        Ok(Py::new(py, messages)?.into_any())
    }
}

#[pymethods]
impl Messages {
    fn ready<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let messages = Arc::clone(&self.messages);
        self.ready.wait(py, async move { messages.next().await })
    }

    fn take(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        taken(py, self.ready.take(py)?, |message| {
            Ok(Py::new(py, Message::incoming(message))?.into_any())
        })
    }
}

/// A message.
#[pyclass(frozen)]
pub(crate) struct Message {
    content: MessageContent,
    #[pyo3(get)]
    attempt: u32,
    // An answer to a request is handled as soon as it is here.
    message: Option<Arc<facade::Message>>,
}

impl Message {
    fn incoming(message: facade::Message) -> Self {
        let (content, attempt) = (message.content.clone(), message.attempt);
        Self { content, attempt, message: Some(Arc::new(message)) }
    }

    pub(crate) const fn answer(content: MessageContent) -> Self {
        Self { content, attempt: 0, message: None }
    }

    fn message(&self, py: Python<'_>) -> PyResult<Arc<facade::Message>> {
        let answered = || FacadeError::argument("an answer to a request needs no acknowledgement");
        self.message.clone().ok_or_else(|| raise(py, answered()))
    }
}

#[pymethods]
impl Message {
    #[getter]
    fn sender(&self) -> &str {
        &self.content.sender
    }

    #[getter]
    fn id(&self) -> &str {
        &self.content.id
    }

    #[getter]
    fn kind(&self) -> &str {
        &self.content.kind
    }

    #[getter]
    const fn seq(&self) -> u64 {
        self.content.seq
    }

    #[getter]
    fn in_reply_to(&self) -> Option<&str> {
        self.content.in_reply_to.as_deref()
    }

    #[getter]
    const fn sent_at(&self) -> u64 {
        self.content.sent_at
    }

    #[getter]
    const fn received_at(&self) -> u64 {
        self.content.received_at
    }

    #[getter]
    fn trace(&self) -> Option<&str> {
        self.content.trace.as_deref()
    }

    #[getter]
    fn schema(&self) -> Option<&str> {
        self.content.schema.as_deref()
    }

    #[getter]
    const fn wants_stream(&self) -> bool {
        self.content.wants_stream
    }

    #[getter]
    fn is_done(&self) -> bool {
        self.message.as_ref().is_none_or(|message| message.is_done())
    }

    #[getter]
    fn payload(&self, py: Python<'_>) -> Py<PyAny> {
        payload_object(py, &self.content.payload)
    }

    fn ack<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let message = self.message(py)?;
        call_unit(py, async move { message.ack().await })
    }

    fn release(&self, py: Python<'_>) -> PyResult<()> {
        let message = self.message(py)?;
        run(py, || message.release())
    }

    #[pyo3(signature = (content, options=None))]
    fn respond<'py>(
        &self,
        py: Python<'py>,
        content: &Bound<'_, PyAny>,
        options: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (message, content) = (self.message(py)?, payload(content)?);
        let options: SendSettings = settings(options).map_err(|error| raise(py, error))?;
        let responding = async move { message.respond(content, options).await };
        call(py, responding, sent_object)
    }

    #[pyo3(signature = (code, text, retryable, details=None))]
    fn fail<'py>(
        &self,
        py: Python<'py>,
        code: String,
        text: String,
        retryable: bool,
        details: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let message = self.message(py)?;
        let failing = async move { message.fail(&code, &text, retryable, details).await };
        call(py, failing, sent_object)
    }

    fn status<'py>(
        &self,
        py: Python<'py>,
        content: &Bound<'_, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (message, content) = (self.message(py)?, payload(content)?);
        call_unit(py, async move { message.status(content).await })
    }

    fn stream<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let message = self.message(py)?;
        call(py, async move { message.stream().await }, OutgoingStream::object)
    }
}

pub(crate) fn sent_object(py: Python<'_>, sent: facade::Sent) -> PyResult<Py<PyAny>> {
    Ok((sent.id, sent.to, sent.stage).into_pyobject(py)?.into_any().unbind())
}

/// An agent's events.
#[pyclass(frozen)]
pub(crate) struct Events {
    events: Arc<facade::Events>,
    ready: Ready<facade::Event>,
}

impl Events {
    pub(crate) fn new(events: facade::Events) -> Self {
        Self { events: Arc::new(events), ready: Ready::default() }
    }
}

#[pymethods]
impl Events {
    fn ready<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let events = Arc::clone(&self.events);
        self.ready.wait(py, async move { events.next().await })
    }

    fn take(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        taken(py, self.ready.take(py)?, |event| {
            let details = json(py, &event.details)?;
            let object = (event.kind, details, payload_object(py, &event.payload));
            Ok(object.into_pyobject(py)?.into_any().unbind())
        })
    }
}

/// An agent's audit log.
#[pyclass(frozen)]
pub(crate) struct AuditLog(Arc<facade::AuditLog>);

impl AuditLog {
    pub(crate) fn new(log: facade::AuditLog) -> Self {
        Self(Arc::new(log))
    }
}

#[pymethods]
impl AuditLog {
    #[pyo3(signature = (kind, severity, message, peer=None, metadata=None))]
    fn log(
        &self,
        py: Python<'_>,
        kind: &str,
        severity: &str,
        message: &str,
        peer: Option<&str>,
        metadata: Option<&str>,
    ) -> PyResult<()> {
        run(py, || self.0.log(kind, severity, message, peer, metadata))
    }

    fn query<'py>(&self, py: Python<'py>, conditions: String) -> PyResult<Bound<'py, PyAny>> {
        text_call!(self, py, |log| log.query(&conditions))
    }

    #[pyo3(signature = (anchor=None))]
    fn verify<'py>(&self, py: Python<'py>, anchor: Option<String>) -> PyResult<Bound<'py, PyAny>> {
        text_call!(self, py, |log| log.verify(anchor.as_deref()))
    }

    fn anchor<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        text_call!(self, py, |log| log.anchor())
    }

    fn flush<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |log| log.flush())
    }
}

/// Keys and signatures.
pub(crate) fn bytes_object(py: Python<'_>, bytes: &[u8]) -> Py<PyBytes> {
    PyBytes::new(py, bytes).unbind()
}
