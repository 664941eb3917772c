//! Stores, and the calls of a store that is written in Python.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use agentmesh_facade as facade;
use facade::{
    FacadeError, ForeignChange, ForeignError, ForeignRecord, ForeignRecordId, StorageCalls,
    foreign_storage, start,
};
use pyo3::{
    exceptions::PyValueError,
    prelude::*,
    types::{PyBytes, PyList},
};

use crate::{
    bridge::{Callback, call, call_unit, notify},
    error::{raise, run},
};

/// A record's name.
type Id = (String, Vec<u8>);
/// A record: kind, key, version, sealed bytes.
type Record = (String, Vec<u8>, u64, Vec<u8>);
/// A change: kind, key, the version that is expected, sealed bytes or nothing.
type Change = (String, Vec<u8>, u64, Option<Vec<u8>>);

fn id((kind, key): Id) -> ForeignRecordId {
    ForeignRecordId { kind, key }
}

fn id_object(py: Python<'_>, id: &ForeignRecordId) -> PyResult<Py<PyAny>> {
    Ok((&id.kind, PyBytes::new(py, &id.key)).into_pyobject(py)?.into_any().unbind())
}

fn record_object(py: Python<'_>, record: ForeignRecord) -> PyResult<Py<PyAny>> {
    let (key, sealed) = (PyBytes::new(py, &record.id.key), PyBytes::new(py, &record.sealed));
    Ok((record.id.kind, key, record.version, sealed).into_pyobject(py)?.into_any().unbind())
}

fn record((kind, key, version, sealed): Record) -> ForeignRecord {
    ForeignRecord { id: ForeignRecordId { kind, key }, version, sealed }
}

/// A store that is open.
#[pyclass(frozen)]
pub(crate) struct Storage(facade::Storage);

impl Storage {
    pub(crate) fn facade(&self) -> facade::Storage {
        self.0.clone()
    }
}

#[pymethods]
impl Storage {
    #[staticmethod]
    fn memory(py: Python<'_>) -> PyResult<Self> {
        run(py, || Ok(Self(facade::Storage::memory())))
    }

    #[staticmethod]
    fn sqlite(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        run(py, || facade::Storage::sqlite(&path).map(Self))
    }

    #[staticmethod]
    fn directory(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        run(py, || facade::Storage::directory(&path).map(Self))
    }

    #[staticmethod]
    fn open(py: Python<'_>, url: String) -> PyResult<Self> {
        let opening = async move { facade::Storage::open(&url).await };
        run(py, || facade::block_on(opening).map(Self))
    }

    /// A store whose calls go to a callable, on a thread of this module.
    #[staticmethod]
    fn foreign(
        py: Python<'_>,
        location: String,
        durability: &str,
        callback: Py<PyAny>,
    ) -> PyResult<Self> {
        let made = foreign_storage(location, durability);
        let (storage, calls) = made.map_err(|error| raise(py, error))?;
        pump(calls, callback).map_err(|error| raise(py, error))?;
        Ok(Self(storage))
    }

    #[getter]
    fn location(&self, py: Python<'_>) -> PyResult<String> {
        run(py, || self.0.location())
    }

    fn load<'py>(&self, py: Python<'py>, ids: Vec<Id>) -> PyResult<Bound<'py, PyAny>> {
        let (storage, ids) = (self.0.clone(), ids.into_iter().map(id).collect());
        call(py, async move { storage.load(ids).await }, |py, found| {
            let list = PyList::empty(py);
            for record in found {
                list.append(record.map(|record| record_object(py, record)).transpose()?)?;
            }
            Ok(list.into_any().unbind())
        })
    }

    fn list<'py>(
        &self,
        py: Python<'py>,
        kind: String,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        let storage = self.0.clone();
        call(py, async move { storage.list(&kind, after, limit).await }, |py, found| {
            let list = PyList::empty(py);
            for record in found {
                list.append(record_object(py, record)?)?;
            }
            Ok(list.into_any().unbind())
        })
    }

    fn commit<'py>(&self, py: Python<'py>, changes: Vec<Change>) -> PyResult<Bound<'py, PyAny>> {
        let storage = self.0.clone();
        let changes = changes.into_iter().map(|(kind, key, expected, value)| ForeignChange {
            id: ForeignRecordId { kind, key },
            expected,
            value,
            version: expected.saturating_add(1),
        });
        let changes = changes.collect();
        call_unit(py, async move { storage.commit(changes).await })
    }

    fn close<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let storage = self.0.clone();
        call_unit(py, async move { storage.close().await })
    }

    fn close_blocking(&self, py: Python<'_>) -> PyResult<()> {
        let storage = self.0.clone();
        run(py, || facade::block_on(async move { storage.close().await }))
    }
}

/// A call of a store that is written in Python. Forgotten, it fails.
#[pyclass(frozen)]
pub(crate) struct StorageCall {
    /// `load`, `list`, `commit` or `close`.
    #[pyo3(get)]
    operation: &'static str,
    /// The arguments, as a tuple.
    #[pyo3(get)]
    arguments: Py<PyAny>,
    call: Mutex<Option<facade::StorageCall>>,
}

impl StorageCall {
    fn object(py: Python<'_>, mut call: facade::StorageCall) -> PyResult<Py<PyAny>> {
        use facade::StorageCall as C;
        let (operation, arguments) = match &mut call {
            C::Load { ids, .. } => {
                let list = PyList::empty(py);
                for id in ids {
                    list.append(id_object(py, id)?)?;
                }
                ("load", (list,).into_pyobject(py)?)
            }
            C::List { kind, after, limit, .. } => {
                let after = after.as_ref().map(|key| PyBytes::new(py, key));
                let arguments = (std::mem::take(kind), after, *limit).into_pyobject(py)?;
                return Self::made(py, "list", arguments.into_any(), call);
            }
            C::Commit { changes, .. } => {
                let list = PyList::empty(py);
                for change in std::mem::take(changes) {
                    let value = change.value.as_ref().map(|value| PyBytes::new(py, value));
                    let key = PyBytes::new(py, &change.id.key);
                    list.append((change.id.kind, key, change.expected, value, change.version))?;
                }
                ("commit", (list,).into_pyobject(py)?)
            }
            C::Close { .. } => {
                let arguments = pyo3::types::PyTuple::empty(py);
                return Self::made(py, "close", arguments.into_any(), call);
            }
        };
        Self::made(py, operation, arguments.into_any(), call)
    }

    fn made(
        py: Python<'_>,
        operation: &'static str,
        arguments: Bound<'_, PyAny>,
        call: facade::StorageCall,
    ) -> PyResult<Py<PyAny>> {
        let call = Mutex::new(Some(call));
        Ok(Py::new(py, Self { operation, arguments: arguments.unbind(), call })?.into_any())
    }

    fn taken(&self) -> Option<facade::StorageCall> {
        self.call.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[pymethods]
impl StorageCall {
    /// Answers. What is no answer of that call is an error, and leaves the call open.
    fn answer(&self, result: &Bound<'_, PyAny>) -> PyResult<()> {
        match self.operation {
            "load" => {
                let found: Vec<Option<Record>> = result.extract()?;
                if let Some(facade::StorageCall::Load { reply, .. }) = self.taken() {
                    reply.answer(Ok(found.into_iter().map(|r| r.map(record)).collect()));
                }
            }
            "list" => {
                let found: Vec<Record> = result.extract()?;
                if let Some(facade::StorageCall::List { reply, .. }) = self.taken() {
                    reply.answer(Ok(found.into_iter().map(record).collect()));
                }
            }
            _ => match self.taken() {
                Some(facade::StorageCall::Commit { reply, .. })
                | Some(facade::StorageCall::Close { reply }) => reply.answer(Ok(())),
                _ => {}
            },
        }
        Ok(())
    }

    /// Says what went wrong: `conflict`, `closed`, `full`, `locked`, `unreachable`, `corrupt` or anything else. `conflict`
    /// names the record, the version that was expected, and its version.
    #[pyo3(signature = (kind, message, record=None, expected=0, actual=0))]
    fn fail(
        &self,
        kind: &str,
        message: String,
        record: Option<Id>,
        expected: u64,
        actual: u64,
    ) -> PyResult<()> {
        use facade::StorageCall as C;
        match self.taken() {
            Some(C::Load { reply, .. }) => reply.answer(Err(failure(kind, message)?)),
            Some(C::List { reply, .. }) => reply.answer(Err(failure(kind, message)?)),
            Some(C::Close { reply }) => reply.answer(Err(failure(kind, message)?)),
            Some(C::Commit { reply, .. }) => {
                let error = match (kind, record) {
                    ("conflict", Some(record)) => {
                        ForeignError::Conflict { id: id(record), expected, actual }
                    }
                    _ => failure(kind, message)?,
                };
                reply.answer(Err(error));
            }
            None => {}
        }
        Ok(())
    }
}

pub(crate) fn failure(kind: &str, message: String) -> PyResult<ForeignError> {
    Ok(match kind {
        "closed" => ForeignError::Closed,
        "full" => ForeignError::Full,
        "locked" => ForeignError::Locked,
        "unreachable" => ForeignError::Unreachable(message),
        "corrupt" => ForeignError::Corrupt(message),
        "failed" => ForeignError::Failed(message),
        _ => return Err(PyValueError::new_err("there is no such failure of stores")),
    })
}

/// Hands every call to a callable, until nobody uses the store any more.
pub(crate) fn pump(calls: StorageCalls, callback: Py<PyAny>) -> Result<(), FacadeError> {
    let callback = Callback::new(callback);
    let pumping = async move {
        while let Some(call) = calls.next().await? {
            notify(&callback, move |py| StorageCall::object(py, call));
        }
        Ok(())
    };
    start(pumping, |_| {}).map(drop)
}
