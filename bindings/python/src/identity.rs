//! Identities and backups.

use std::sync::Mutex;

use agentmesh_facade as facade;
use facade::FacadeError;
use pyo3::{prelude::*, types::PyBytes};

use crate::{
    bridge::{call, call_unit},
    error::{raise, run},
    managers::SealedStore,
    messages::bytes_object,
};

/// A private identity.
#[pyclass(frozen)]
pub(crate) struct Identity(facade::Identity);

impl Identity {
    pub(crate) fn facade(&self) -> facade::Identity {
        self.0.clone()
    }

    fn object(py: Python<'_>, identity: facade::Identity) -> PyResult<Py<PyAny>> {
        Ok(Py::new(py, Self(identity))?.into_any())
    }
}

#[pymethods]
impl Identity {
    #[staticmethod]
    fn generate(py: Python<'_>) -> PyResult<Self> {
        run(py, || Ok(Self(facade::Identity::generate())))
    }

    #[staticmethod]
    fn from_json(py: Python<'_>, text: &str) -> PyResult<Self> {
        run(py, || facade::Identity::from_json(text).map(Self))
    }

    #[staticmethod]
    fn restore(py: Python<'_>, text: &str, passphrase: &str) -> PyResult<Self> {
        run(py, || facade::Identity::restore(text, passphrase).map(Self))
    }

    #[staticmethod]
    fn load<'py>(
        py: Python<'py>,
        store: &Bound<'_, SealedStore>,
        path: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        let store = store.get().facade();
        let loading = async move { facade::Identity::load(&store, &path).await };
        call(py, loading, Self::object)
    }

    #[staticmethod]
    fn load_or_generate<'py>(
        py: Python<'py>,
        store: &Bound<'_, SealedStore>,
        path: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        let store = store.get().facade();
        let loading = async move { facade::Identity::load_or_generate(&store, &path).await };
        call(py, loading, Self::object)
    }

    fn save<'py>(
        &self,
        py: Python<'py>,
        store: &Bound<'_, SealedStore>,
        path: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (identity, store) = (self.0.clone(), store.get().facade());
        call_unit(py, async move { identity.save(&store, &path).await })
    }

    fn to_json(&self, py: Python<'_>) -> PyResult<String> {
        run(py, || Ok(self.0.to_json().as_str().to_owned()))
    }

    fn back_up(&self, py: Python<'_>, passphrase: &str) -> PyResult<String> {
        run(py, || self.0.back_up(passphrase))
    }

    #[getter]
    fn amid(&self) -> String {
        self.0.amid()
    }

    #[getter]
    fn did(&self) -> String {
        self.0.did()
    }

    #[getter]
    fn signing_key(&self, py: Python<'_>) -> Py<PyBytes> {
        bytes_object(py, &self.0.signing_key())
    }

    #[getter]
    fn exchange_key(&self, py: Python<'_>) -> Py<PyBytes> {
        bytes_object(py, &self.0.exchange_key())
    }

    #[getter]
    fn created_at(&self) -> u64 {
        self.0.created_at()
    }

    #[getter]
    fn fingerprint(&self) -> String {
        self.0.fingerprint()
    }

    fn sign(&self, py: Python<'_>, message: &[u8]) -> PyResult<Py<PyBytes>> {
        Ok(bytes_object(py, &run(py, || self.0.sign(message))?))
    }
}

/// A backup that was opened, for one new store.
#[pyclass(frozen)]
pub(crate) struct Backup {
    #[pyo3(get)]
    amid: String,
    backup: Mutex<Option<facade::Backup>>,
}

impl Backup {
    pub(crate) fn take(&self, py: Python<'_>) -> PyResult<facade::Backup> {
        let mut backup = self.backup.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let used = || raise(py, FacadeError::argument("the backup was used for a store before"));
        backup.take().ok_or_else(used)
    }
}

#[pymethods]
impl Backup {
    #[staticmethod]
    fn open(py: Python<'_>, text: &str, passphrase: &str) -> PyResult<Self> {
        let backup = run(py, || facade::Backup::open(text, passphrase))?;
        Ok(Self { amid: backup.amid().to_owned(), backup: Mutex::new(Some(backup)) })
    }
}

/// Whether a signature over a message is that of a key.
#[pyfunction]
pub(crate) fn verify_signature(
    py: Python<'_>,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> PyResult<bool> {
    run(py, || facade::verify_signature(key, message, signature))
}

/// The safety number of two signing keys.
#[pyfunction]
pub(crate) fn safety_number(py: Python<'_>, one: &[u8], other: &[u8]) -> PyResult<String> {
    run(py, || facade::safety_number(one, other))
}
