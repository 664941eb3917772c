//! Rooms of a signaling server, and who offers in them.

use agentmesh_facade as facade;
use facade::{SecretText, SignalingCredentials, SignalingOpening};
use pyo3::{prelude::*, types::PyList};

use crate::{
    bridge::{call, unit_call},
    error::{raise, run},
    identity::Identity,
    items::{ItemStream, item_object},
    json, settings,
};

/// A place in a room.
#[pyclass(frozen)]
pub(crate) struct SignalingClient(facade::SignalingClient);

#[pymethods]
impl SignalingClient {
    #[staticmethod]
    #[pyo3(signature = (settings_json, join_key, resume, sign_with, wait))]
    fn join<'py>(
        py: Python<'py>,
        settings_json: &str,
        join_key: Option<String>,
        resume: Option<(String, String, bool)>,
        sign_with: Option<&Bound<'_, Identity>>,
        wait: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let resume = resume.map(|(id, token, header_auth)| SignalingCredentials {
            id,
            token: SecretText::new(token),
            header_auth,
        });
        let opening = SignalingOpening {
            settings: settings(Some(settings_json)).map_err(|error| raise(py, error))?,
            join_key: join_key.map(SecretText::new),
            resume,
            sign_with: sign_with.map(|identity| identity.get().facade()),
        };
        call(py, facade::SignalingClient::join(opening, wait), |py, client| {
            Ok(Py::new(py, Self(client))?.into_any())
        })
    }

    fn send<'py>(
        &self,
        py: Python<'py>,
        to: String,
        signal: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |client| client.send(&to, &signal))
    }

    fn events(&self, py: Python<'_>) -> PyResult<ItemStream> {
        run(py, || self.0.events().map(ItemStream::new))
    }

    fn id(&self, py: Python<'_>) -> PyResult<Option<String>> {
        run(py, || self.0.id())
    }

    fn room(&self, py: Python<'_>) -> PyResult<String> {
        run(py, || self.0.room())
    }

    fn peers(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        run(py, || self.0.peers())
    }

    fn ice_servers(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        json(py, &run(py, || self.0.ice_servers())?)
    }

    fn is_online(&self, py: Python<'_>) -> PyResult<bool> {
        run(py, || self.0.is_online())
    }

    fn credentials(&self, py: Python<'_>) -> PyResult<Option<(String, String, bool)>> {
        let credentials = run(py, || self.0.credentials())?;
        Ok(credentials.map(|c| (c.id, c.token.expose().to_owned(), c.header_auth)))
    }

    fn leave<'py>(&self, py: Python<'py>, urgent: bool) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |client| client.leave(urgent))
    }
}

/// Negotiates with one peer.
#[pyclass(frozen)]
pub(crate) struct Negotiator(facade::Negotiator);

#[pymethods]
impl Negotiator {
    #[new]
    #[pyo3(signature = (local, remote, offers, mode=None))]
    fn new(local: &str, remote: &str, offers: bool, mode: Option<String>) -> Self {
        Self(facade::Negotiator::new(local, remote, offers, mode))
    }

    fn received(&self, py: Python<'_>, signal: &str) -> PyResult<bool> {
        run(py, || self.0.received(signal))
    }

    fn handle(&self, py: Python<'_>, input: &str) -> PyResult<()> {
        run(py, || self.0.handle(input))
    }

    fn tick(&self) {
        self.0.tick();
    }

    fn next_wake(&self) -> Option<u64> {
        self.0.next_wake()
    }

    fn take_actions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let actions = self.0.take_actions();
        let objects: PyResult<Vec<_>> = actions.iter().map(|a| item_object(py, a)).collect();
        PyList::new(py, objects?)
    }

    fn is_polite(&self) -> bool {
        self.0.is_polite()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}
