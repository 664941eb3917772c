//! The conformance suite, over stores that are written in Python.

use std::sync::{Arc, Mutex, PoisonError};

use agentmesh_facade as facade;
use facade::{FacadeError, ForeignFixture, StorageCalls, StorageReply, start};
use pyo3::prelude::*;

use crate::{
    bridge::{Callback, call, notify},
    error::raise,
    storage::{failure, pump},
};

/// Asks for the store under test to be opened.
#[pyclass(frozen)]
pub(crate) struct OpenRequest(Mutex<Option<(StorageCalls, StorageReply<()>)>>);

impl OpenRequest {
    fn taken(&self) -> Option<(StorageCalls, StorageReply<()>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[pymethods]
impl OpenRequest {
    /// It is open; its calls go to a callable.
    fn opened(&self, py: Python<'_>, callback: Py<PyAny>) -> PyResult<()> {
        if let Some((calls, reply)) = self.taken() {
            pump(calls, callback).map_err(|error| raise(py, error))?;
            reply.answer(Ok(()));
        }
        Ok(())
    }

    /// It cannot be opened.
    fn fail(&self, kind: &str, message: String) -> PyResult<()> {
        if let Some((_, reply)) = self.taken() {
            reply.answer(Err(failure(kind, message)?));
        }
        Ok(())
    }
}

/// The names of all tests.
#[pyfunction]
pub(crate) fn conformance_tests() -> Vec<&'static str> {
    facade::CONFORMANCE_TESTS.to_vec()
}

/// Runs a test; what the store did wrong, or `None`. Stores are opened by a callable, which gets an `OpenRequest`.
#[pyfunction]
pub(crate) fn run_conformance_test<'py>(
    py: Python<'py>,
    name: String,
    durability: &str,
    exclusive: bool,
    open: Py<PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let fixture = Arc::new(ForeignFixture::new(durability, exclusive));
    let requests = Arc::clone(&fixture);
    let open = Callback::new(open);
    let opening = async move {
        while let Some(request) = requests.next().await? {
            notify(&open, move |py| {
                Ok(Py::new(py, OpenRequest(Mutex::new(Some(request))))?.into_any())
            });
        }
        Ok(())
    };
    start(opening, |_: Result<(), FacadeError>| {}).map_err(|error| raise(py, error))?;
    let testing = async move { facade::run_conformance_test(name, fixture).await };
    call(py, testing, |py, problem| Ok(problem.into_pyobject(py)?.into_any().unbind()))
}
