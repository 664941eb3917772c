//! Payloads and chunks: `None`, `bytes`, or `str`, which is JSON text in payloads and itself in chunks.

use agentmesh_facade::{ChunkContent, Payload};
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyBytes, PyString},
};

pub(crate) fn payload(object: &Bound<'_, PyAny>) -> PyResult<Payload> {
    if object.is_none() {
        Ok(Payload::None)
    } else if let Ok(text) = object.cast::<PyString>() {
        Ok(Payload::Json(text.to_str()?.to_owned()))
    } else if let Ok(bytes) = object.cast::<PyBytes>() {
        Ok(Payload::Bytes(bytes.as_bytes().to_vec()))
    } else {
        Err(PyTypeError::new_err("a payload is None, str or bytes"))
    }
}

pub(crate) fn payload_object(py: Python<'_>, payload: &Payload) -> Py<PyAny> {
    match payload {
        Payload::None => py.None(),
        Payload::Json(text) => PyString::new(py, text).into_any().unbind(),
        Payload::Bytes(bytes) => PyBytes::new(py, bytes).into_any().unbind(),
    }
}

pub(crate) fn chunk(object: &Bound<'_, PyAny>) -> PyResult<ChunkContent> {
    if let Ok(text) = object.cast::<PyString>() {
        Ok(ChunkContent::Text(text.to_str()?.to_owned()))
    } else if let Ok(bytes) = object.cast::<PyBytes>() {
        Ok(ChunkContent::Bytes(bytes.as_bytes().to_vec()))
    } else {
        Err(PyTypeError::new_err("a chunk is str or bytes"))
    }
}

pub(crate) fn chunk_object(py: Python<'_>, content: &ChunkContent) -> Py<PyAny> {
    match content {
        ChunkContent::Text(text) => PyString::new(py, text).into_any().unbind(),
        ChunkContent::Bytes(bytes) => PyBytes::new(py, bytes).into_any().unbind(),
    }
}
