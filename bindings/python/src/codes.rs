//! The codes of all errors, for the list that the Python half keeps.

use pyo3::{prelude::*, types::PyList};

/// Every code: `(code, kind, retryable)`.
#[pyfunction]
pub(crate) fn error_codes(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let codes = agentmesh_facade::error_codes();
    PyList::new(py, codes.into_iter().map(|code| (code.code, code.kind, code.retryable)))
}
