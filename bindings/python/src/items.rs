//! What services tell, for Python to pull: `(kind, details as JSON text)`.

use std::sync::Arc;

use agentmesh_facade as facade;
use pyo3::prelude::*;

use crate::{
    json,
    pull::{Ready, taken},
};

/// Events, or the pieces of an answer.
#[pyclass(frozen)]
pub(crate) struct ItemStream {
    items: Arc<facade::ItemStream>,
    ready: Ready<facade::Item>,
}

impl ItemStream {
    pub(crate) fn new(items: facade::ItemStream) -> Self {
        Self { items: Arc::new(items), ready: Ready::default() }
    }

    pub(crate) fn object(py: Python<'_>, items: facade::ItemStream) -> PyResult<Py<PyAny>> {
        Ok(Py::new(py, Self::new(items))?.into_any())
    }
}

#[pymethods]
impl ItemStream {
    fn ready<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let items = Arc::clone(&self.items);
        self.ready.wait(py, async move { items.next().await })
    }

    fn take(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        taken(py, self.ready.take(py)?, |item| item_object(py, &item))
    }
}

pub(crate) fn item_object(py: Python<'_>, item: &facade::Item) -> PyResult<Py<PyAny>> {
    let details = json(py, &item.details)?;
    Ok((item.kind, details).into_pyobject(py)?.into_any().unbind())
}
