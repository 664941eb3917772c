//! Both ends of a stream.

use std::sync::Arc;

use agentmesh_facade as facade;
use pyo3::prelude::*;

use crate::{
    bridge::{call, call_unit, unit_call},
    error::run,
    payload::{chunk, chunk_object},
    pull::{Ready, taken},
};

/// An answer that comes in pieces.
#[pyclass(frozen)]
pub(crate) struct IncomingStream {
    stream: Arc<facade::IncomingStream>,
    ready: Ready<facade::StreamChunk>,
}

impl IncomingStream {
    pub(crate) fn object(py: Python<'_>, stream: facade::IncomingStream) -> PyResult<Py<PyAny>> {
        let stream = Self { stream: Arc::new(stream), ready: Ready::default() };
        Ok(Py::new(py, stream)?.into_any())
    }
}

#[pymethods]
impl IncomingStream {
    #[getter]
    fn peer(&self) -> &str {
        self.stream.peer()
    }

    #[getter]
    fn id(&self) -> &str {
        self.stream.id()
    }

    #[getter]
    fn position(&self) -> u64 {
        self.stream.position()
    }

    #[getter]
    fn metadata(&self) -> Option<String> {
        self.stream.metadata()
    }

    fn ready<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let stream = Arc::clone(&self.stream);
        self.ready.wait(py, async move { stream.next().await })
    }

    fn take(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        taken(py, self.ready.take(py)?, |chunk| {
            let object = (chunk.number, chunk_object(py, &chunk.content));
            Ok(object.into_pyobject(py)?.into_any().unbind())
        })
    }

    fn ack(&self, py: Python<'_>, number: u64) -> PyResult<()> {
        run(py, || self.stream.ack(number))
    }

    fn cancel<'py>(&self, py: Python<'py>, reason: String) -> PyResult<Bound<'py, PyAny>> {
        let stream = Arc::clone(&self.stream);
        call_unit(py, async move { stream.cancel(reason).await })
    }

    fn detach<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let stream = Arc::clone(&self.stream);
        call_unit(py, async move { stream.detach().await })
    }
}

/// An answer that is given in pieces.
#[pyclass(frozen)]
pub(crate) struct OutgoingStream(Arc<facade::OutgoingStream>);

impl OutgoingStream {
    pub(crate) fn object(py: Python<'_>, stream: facade::OutgoingStream) -> PyResult<Py<PyAny>> {
        Ok(Py::new(py, Self(Arc::new(stream)))?.into_any())
    }
}

#[pymethods]
impl OutgoingStream {
    #[getter]
    fn peer(&self) -> &str {
        self.0.peer()
    }

    #[getter]
    fn id(&self) -> &str {
        self.0.id()
    }

    fn position(&self, py: Python<'_>) -> PyResult<u64> {
        run(py, || self.0.position())
    }

    fn is_stopped(&self, py: Python<'_>) -> PyResult<bool> {
        run(py, || self.0.is_stopped())
    }

    fn stopped<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |stream| stream.stopped())
    }

    fn send<'py>(
        &self,
        py: Python<'py>,
        content: &Bound<'_, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (stream, content) = (Arc::clone(&self.0), chunk(content)?);
        call(py, async move { stream.send(content).await }, |py, number| {
            Ok(number.into_pyobject(py)?.into_any().unbind())
        })
    }

    fn set_metadata<'py>(&self, py: Python<'py>, text: String) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |stream| stream.set_metadata(text))
    }

    fn flush<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |stream| stream.flush())
    }

    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |stream| stream.finish())
    }

    fn fail<'py>(
        &self,
        py: Python<'py>,
        code: String,
        text: String,
        retryable: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |stream| stream.fail(&code, &text, retryable))
    }
}
