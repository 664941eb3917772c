//! Receivers that Python pulls: wait until something is there, then take it in one step.
//!
//! In two, because asyncio may cancel a task whose future already has its result: what was taken by then would be lost.

use std::{
    collections::VecDeque,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use agentmesh_facade::FacadeError;
use pyo3::prelude::*;

use crate::{bridge::call_unit, error::raise};

/// What a receiver gives; `None` is the end.
type Item<T> = Result<Option<T>, FacadeError>;

/// What came and was not taken.
pub(crate) struct Ready<T>(Arc<Mutex<VecDeque<Item<T>>>>);

impl<T> Default for Ready<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Send + 'static> Ready<T> {
    /// A future that is done as soon as there is something to take.
    pub(crate) fn wait<'py, F>(&self, py: Python<'py>, next: F) -> PyResult<Bound<'py, PyAny>>
    where
        F: Future<Output = Item<T>> + Send + 'static,
    {
        let ready = Arc::clone(&self.0);
        call_unit(py, async move {
            if ready.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
                // Nothing is awaited between coming and being kept.
                let item = next.await;
                ready.lock().unwrap_or_else(PoisonError::into_inner).push_back(item);
            }
            Ok(())
        })
    }

    /// What is there: nothing yet, the end, or an item.
    pub(crate) fn take(&self, py: Python<'_>) -> PyResult<Option<Option<T>>> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        taken.transpose().map_err(|error| raise(py, error))
    }
}

/// The item's object, `False` at the end, `None` if there is nothing yet.
pub(crate) fn taken<T>(
    py: Python<'_>,
    item: Option<Option<T>>,
    convert: impl FnOnce(T) -> PyResult<Py<PyAny>>,
) -> PyResult<Py<PyAny>> {
    match item {
        None => Ok(py.None()),
        Some(None) => Ok(false.into_pyobject(py)?.to_owned().into_any().unbind()),
        Some(Some(item)) => convert(item),
    }
}
