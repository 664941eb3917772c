//! The low-level API.

use std::sync::Arc;

use agentmesh_facade as facade;
use facade::Decision;
use pyo3::{prelude::*, types::PyBytes};

use crate::{
    bridge::{call_at_once, json_at_once, json_call, text_at_once, text_call, unit_call},
    envelope::{envelope, envelope_object},
    error::{raise, run},
    identity::Identity,
    json,
    payload::{payload, payload_object},
    storage::Storage,
};

/// A store and the key that seals what goes into it.
#[pyclass(frozen)]
pub(crate) struct SealedStore(Arc<facade::SealedStore>);

impl SealedStore {
    pub(crate) fn facade(&self) -> Arc<facade::SealedStore> {
        Arc::clone(&self.0)
    }
}

#[pymethods]
impl SealedStore {
    #[new]
    fn new(py: Python<'_>, storage: &Bound<'_, Storage>, key: &[u8]) -> PyResult<Self> {
        let storage = storage.get().facade();
        run(py, || Ok(Self(Arc::new(storage.sealed(key)?))))
    }
}

/// The prekeys of an identity.
#[pyclass(frozen)]
pub(crate) struct PrekeyManager(Arc<facade::PrekeyManager>);

#[pymethods]
impl PrekeyManager {
    #[new]
    fn new(
        py: Python<'_>,
        identity: &Bound<'_, Identity>,
        store: &Bound<'_, SealedStore>,
    ) -> PyResult<Self> {
        let (identity, store) = (identity.get().facade(), store.get().facade());
        run(py, || Ok(Self(Arc::new(facade::PrekeyManager::new(&identity, &store)?))))
    }

    fn load_or_initialize<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        text_call!(self, py, |prekeys| prekeys.load_or_initialize())
    }

    fn replenish_one_time_prekeys<'py>(
        &self,
        py: Python<'py>,
        n: usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        text_call!(self, py, |prekeys| prekeys.replenish_one_time_prekeys(n))
    }

    fn rotate_signed_prekey<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        text_call!(self, py, |prekeys| prekeys.rotate_signed_prekey())
    }

    fn bundle<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        text_call!(self, py, |prekeys| prekeys.bundle())
    }

    fn remaining<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |prekeys| prekeys.remaining())
    }

    fn needs_replenishment<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |prekeys| prekeys.needs_replenishment())
    }
}

/// The sessions of an identity.
#[pyclass(frozen)]
pub(crate) struct SessionManager(Arc<facade::SessionManager>);

#[pymethods]
impl SessionManager {
    #[new]
    fn new(
        py: Python<'_>,
        prekeys: &Bound<'_, PrekeyManager>,
        allow_legacy: bool,
    ) -> PyResult<Self> {
        let prekeys = Arc::clone(&prekeys.get().0);
        run(py, || Ok(Self(Arc::new(facade::SessionManager::new(&prekeys, allow_legacy)?))))
    }

    fn initiate_session<'py>(
        &self,
        py: Python<'py>,
        peer: String,
        bundle: String,
        signing_key: Vec<u8>,
        request: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let sessions = Arc::clone(&self.0);
        let initiating = async move {
            sessions.initiate_session(&peer, &bundle, &signing_key, request.as_deref()).await
        };
        call_at_once(py, initiating, |py, begun| {
            Ok((begun.session_id, begun.x3dh_message).into_pyobject(py)?.into_any().unbind())
        })
    }

    fn accept_session<'py>(
        &self,
        py: Python<'py>,
        peer: String,
        message: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        text_at_once!(self, py, |sessions| sessions.accept_session(&peer, &message))
    }

    fn activate_session<'py>(
        &self,
        py: Python<'py>,
        session: String,
        key: Vec<u8>,
    ) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |sessions| sessions.activate_session(&session, &key))
    }

    fn ratchet_public_key<'py>(
        &self,
        py: Python<'py>,
        session: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        let sessions = Arc::clone(&self.0);
        call_at_once(py, async move { sessions.ratchet_public_key(&session).await }, |py, key| {
            Ok(key.map_or_else(|| py.None(), |key| PyBytes::new(py, &key).into_any().unbind()))
        })
    }

    fn encrypt_message<'py>(
        &self,
        py: Python<'py>,
        session: String,
        content: &Bound<'_, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (sessions, content) = (Arc::clone(&self.0), payload(content)?);
        call_at_once(
            py,
            async move { sessions.encrypt(&session, content).await },
            |py, envelope| envelope_object(py, &envelope),
        )
    }

    fn decrypt_message<'py>(
        &self,
        py: Python<'py>,
        session: String,
        object: &Bound<'_, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let envelope = envelope(object)?;
        text_at_once!(self, py, |sessions| sessions.decrypt(&session, &envelope))
    }

    fn open_envelope<'py>(
        &self,
        py: Python<'py>,
        session: String,
        object: &Bound<'_, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (sessions, envelope) = (Arc::clone(&self.0), envelope(object)?);
        call_at_once(py, async move { sessions.open(&session, &envelope).await }, |py, open| {
            let content = payload_object(py, &open.payload);
            let object = (open.sender, open.id, open.kind, open.in_reply_to, open.sent_at, content);
            Ok(object.into_pyobject(py)?.into_any().unbind())
        })
    }

    fn sessions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json_at_once!(self, py, |sessions| sessions.sessions())
    }

    fn session_by_peer<'py>(&self, py: Python<'py>, peer: String) -> PyResult<Bound<'py, PyAny>> {
        json_at_once!(self, py, |sessions| sessions.session_by_peer(&peer))
    }

    fn close_session<'py>(&self, py: Python<'py>, session: String) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |sessions| sessions.close_session(&session))
    }

    fn maintain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json_at_once!(self, py, |sessions| sessions.maintain())
    }
}

/// KNOCKs and their answers.
#[pyclass(frozen)]
pub(crate) struct KnockProtocol(Arc<facade::KnockProtocol>);

#[pymethods]
impl KnockProtocol {
    #[new]
    fn new(py: Python<'_>, sessions: &Bound<'_, SessionManager>, policy: &str) -> PyResult<Self> {
        let sessions = Arc::clone(&sessions.get().0);
        run(py, || Ok(Self(Arc::new(facade::KnockProtocol::new(&sessions, policy)?))))
    }

    fn judge<'py>(
        &self,
        py: Python<'py>,
        peer: String,
        message: String,
        tier: String,
        reputation: f64,
    ) -> PyResult<Bound<'py, PyAny>> {
        let knocks = Arc::clone(&self.0);
        let judging = async move { knocks.judge(&peer, &message, &tier, reputation).await };
        call_at_once(py, judging, |py, judged| {
            let object = (json(py, &judged.knock)?, json(py, &judged.decision)?);
            Ok(object.into_pyobject(py)?.into_any().unbind())
        })
    }

    fn answer<'py>(
        &self,
        py: Python<'py>,
        peer: String,
        message: String,
        decision: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let knocks = Arc::clone(&self.0);
        let decision: Decision = facade::from_json(decision).map_err(|error| raise(py, error))?;
        let answering = async move { knocks.answer(&peer, &message, decision).await };
        call_at_once(py, answering, |py, answered| {
            Ok(answered.into_pyobject(py)?.into_any().unbind())
        })
    }

    fn verify_answer<'py>(
        &self,
        py: Python<'py>,
        session: String,
        envelope: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        json_at_once!(self, py, |knocks| knocks.verify_answer(&session, &envelope))
    }
}
