//! What the native modules of the Python packages share: calls as futures of asyncio, errors as exceptions, logs.
//!
//! Each module has a copy of its own of all of this, threads and runtime included. Knows no rules of the protocol.

pub mod bridge;
pub mod error;
pub mod logs;

use pyo3::prelude::*;

/// A value as JSON text.
///
/// # Errors
/// `AgentMeshError`: it has something that JSON cannot say.
pub fn json(py: Python<'_>, value: &impl serde::Serialize) -> PyResult<Py<PyAny>> {
    let text = serde_json::to_string(value).map_err(|e| error::raise(py, e.into()))?;
    Ok(text.into_pyobject(py)?.into_any().unbind())
}

/// Text as Python has it.
///
/// # Errors
/// `MemoryError`
pub fn text_object(py: Python<'_>, text: String) -> PyResult<Py<PyAny>> {
    Ok(text.into_pyobject(py)?.into_any().unbind())
}

/// Settings out of JSON text; the defaults if there is none.
///
/// # Errors
/// `INVALID_ARGUMENT`, with the place.
pub fn settings<T>(text: Option<&str>) -> Result<T, agentmesh_facade::FacadeError>
where
    T: serde::de::DeserializeOwned + Default,
{
    Ok(text.map(agentmesh_facade::from_json).transpose()?.unwrap_or_default())
}
