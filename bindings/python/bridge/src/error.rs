//! Errors become exceptions. Which class an error has, the Python half decides; it registers a factory when it is imported.

use agentmesh_facade::FacadeError;
use pyo3::{exceptions::PyRuntimeError, prelude::*, sync::PyOnceLock};

static FACTORY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Registers what makes an exception of `(code, kind, message, retryable, details, causes)`.
#[pyfunction]
pub fn set_error_factory(py: Python<'_>, factory: Py<PyAny>) {
    // Imported again in one process, it is the same one.
    let _ = FACTORY.set(py, factory);
}

/// The exception for an error.
pub fn raise(py: Python<'_>, error: FacadeError) -> PyErr {
    let Some(factory) = FACTORY.get(py) else { return PyRuntimeError::new_err(error.message) };
    let details = error.details.map(|details| details.to_string());
    let FacadeError { code, kind, message, retryable, causes, .. } = error;
    match factory.bind(py).call1((code, kind, message, retryable, details, causes)) {
        Ok(exception) => PyErr::from_value(exception),
        Err(failed) => failed,
    }
}

/// Runs what needs no interpreter without it; errors and panics become exceptions.
pub fn run<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, FacadeError> + Send,
) -> PyResult<T> {
    py.detach(|| agentmesh_facade::catch(work)).map_err(|error| raise(py, error))
}
