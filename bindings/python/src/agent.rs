//! The agent.

use std::{path::PathBuf, time::Duration};

use agentmesh_facade::{
    Agent as Facade, FacadeError, KnockSink, OpenMode, Opening, SendSettings, StoreKeySource,
    StreamSettings, block_on, knock_queue,
};
use pyo3::{exceptions::PyValueError, prelude::*, types::PyBytes};

use crate::{
    bridge::{call, json_call, unit_call},
    error::{raise, run},
    identity::{Backup, Identity},
    knock::pump,
    messages::{AuditLog, Events, Message, Messages},
    payload::payload,
    settings,
    storage::Storage,
    streams::IncomingStream,
};

/// An agent that is open.
#[pyclass(frozen)]
pub(crate) struct Agent(Facade);

fn key_source(kind: &str, key: Option<&Bound<'_, PyAny>>) -> PyResult<StoreKeySource> {
    let Some(key) = key else { return Ok(StoreKeySource::Missing) };
    Ok(match kind {
        "bytes" => StoreKeySource::Bytes(key.cast::<PyBytes>()?.as_bytes().to_vec().into()),
        "file" => StoreKeySource::File(key.extract::<PathBuf>()?),
        "variable" => StoreKeySource::Variable(key.extract()?),
        "passphrase" => StoreKeySource::Passphrase(key.extract::<String>()?.into()),
        _ => return Err(PyValueError::new_err("there is no such source of keys")),
    })
}

#[pymethods]
impl Agent {
    #[staticmethod]
    #[pyo3(signature = (storage, key_kind, key, identity, backup, on_knock, settings_json, mode))]
    #[allow(clippy::too_many_arguments, reason = "called from one place, in Python")]
    fn open<'py>(
        py: Python<'py>,
        storage: &Bound<'_, Storage>,
        key_kind: &str,
        key: Option<&Bound<'_, PyAny>>,
        identity: Option<&Bound<'_, Identity>>,
        backup: Option<&Bound<'_, Backup>>,
        on_knock: Option<Py<PyAny>>,
        settings_json: &str,
        mode: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mode = match mode {
            "load" => OpenMode::Load,
            "create" => OpenMode::CreateNew,
            _ => OpenMode::OpenOrCreate,
        };
        let opening = Opening {
            storage: Some(storage.get().facade()),
            key: key_source(key_kind, key)?,
            identity: identity.map(|identity| identity.get().facade()),
            backup: backup.map(|backup| backup.get().take(py)).transpose()?,
            knocks: on_knock.map(|callback| knocks(py, callback)).transpose()?,
            settings: settings(Some(settings_json)).map_err(|error| raise(py, error))?,
            mode,
        };
        call(py, Facade::open(opening), |py, agent| Ok(Py::new(py, Self(agent))?.into_any()))
    }

    fn amid(&self, py: Python<'_>) -> PyResult<String> {
        run(py, || self.0.amid())
    }

    fn public_keys(&self, py: Python<'_>) -> PyResult<(Py<PyBytes>, Py<PyBytes>)> {
        let (signing, exchange) = run(py, || self.0.public_keys())?;
        Ok((PyBytes::new(py, &signing).unbind(), PyBytes::new(py, &exchange).unbind()))
    }

    fn connect<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |agent| agent.connect())
    }

    fn sync<'py>(&self, py: Python<'py>, limit: f64) -> PyResult<Bound<'py, PyAny>> {
        let (agent, limit) = (self.0.clone(), duration(py, limit)?);
        call(py, async move { agent.sync(limit).await }, |py, done| {
            Ok(done.into_pyobject(py)?.to_owned().into_any().unbind())
        })
    }

    fn close<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |agent| agent.close())
    }

    fn close_blocking(&self, py: Python<'_>) -> PyResult<()> {
        let agent = self.0.clone();
        run(py, || block_on(async move { agent.close().await }))
    }

    #[pyo3(signature = (to, content, options=None))]
    fn send<'py>(
        &self,
        py: Python<'py>,
        to: String,
        content: &Bound<'_, PyAny>,
        options: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (agent, content) = (self.0.clone(), payload(content)?);
        let options: SendSettings = settings(options).map_err(|error| raise(py, error))?;
        let sending = async move { agent.send(&to, content, options).await };
        call(py, sending, |py, sent| {
            Ok((sent.id, sent.to, sent.stage).into_pyobject(py)?.into_any().unbind())
        })
    }

    #[pyo3(signature = (to, content, deadline, options=None))]
    fn request<'py>(
        &self,
        py: Python<'py>,
        to: String,
        content: &Bound<'_, PyAny>,
        deadline: f64,
        options: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (agent, content) = (self.0.clone(), payload(content)?);
        let options: SendSettings = settings(options).map_err(|error| raise(py, error))?;
        let deadline = duration(py, deadline)?;
        let asking = async move { agent.request(&to, content, deadline, options).await };
        call(py, asking, |py, answer| Ok(Py::new(py, Message::answer(answer))?.into_any()))
    }

    #[pyo3(signature = (to, in_reply_to, content))]
    fn status<'py>(
        &self,
        py: Python<'py>,
        to: String,
        in_reply_to: Option<String>,
        content: &Bound<'_, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let content = payload(content)?;
        unit_call!(self, py, |agent| agent.status(&to, in_reply_to.as_deref(), content))
    }

    #[pyo3(signature = (to, content, options=None))]
    fn stream<'py>(
        &self,
        py: Python<'py>,
        to: String,
        content: &Bound<'_, PyAny>,
        options: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (agent, content) = (self.0.clone(), payload(content)?);
        let options: StreamSettings = settings(options).map_err(|error| raise(py, error))?;
        let opening = async move { agent.stream(&to, content, options).await };
        call(py, opening, IncomingStream::object)
    }

    #[pyo3(signature = (peer, id, position, options=None))]
    fn resume_stream<'py>(
        &self,
        py: Python<'py>,
        peer: String,
        id: String,
        position: u64,
        options: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let agent = self.0.clone();
        let options: StreamSettings = settings(options).map_err(|error| raise(py, error))?;
        let resuming = async move { agent.resume_stream(&peer, &id, position, options).await };
        call(py, resuming, IncomingStream::object)
    }

    fn open_streams<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |agent| agent.open_streams())
    }

    fn messages<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let agent = self.0.clone();
        call(py, async move { agent.messages().await }, Messages::object)
    }

    fn events(&self, py: Python<'_>) -> PyResult<Events> {
        Ok(Events::new(run(py, || self.0.events())?))
    }

    fn stage<'py>(&self, py: Python<'py>, id: String) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |agent| agent.stage(&id))
    }

    fn cancel<'py>(&self, py: Python<'py>, id: String) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |agent| agent.cancel(&id))
    }

    fn new_id(&self, py: Python<'_>) -> PyResult<String> {
        run(py, || self.0.new_id())
    }

    fn audit_log(&self, py: Python<'_>) -> PyResult<Option<AuditLog>> {
        Ok(run(py, || self.0.audit_log())?.map(AuditLog::new))
    }

    fn sessions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |agent| agent.sessions())
    }

    fn close_session<'py>(&self, py: Python<'py>, peer: String) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |agent| agent.close_session(&peer))
    }

    fn kill_session<'py>(&self, py: Python<'py>, peer: String) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |agent| agent.kill_session(&peer))
    }

    fn pause_new<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |agent| agent.pause_new())
    }

    fn resume_new<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |agent| agent.resume_new())
    }

    fn resume<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |agent| agent.resume())
    }

    fn emergency_stop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |agent| agent.emergency_stop())
    }

    fn block<'py>(&self, py: Python<'py>, peer: String) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |agent| agent.block(&peer))
    }

    fn unblock<'py>(&self, py: Python<'py>, peer: String) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |agent| agent.unblock(&peer))
    }

    fn circuit_state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |agent| agent.circuit_state())
    }

    fn pending_knocks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |agent| agent.pending_knocks())
    }

    fn accept_knock<'py>(
        &self,
        py: Python<'py>,
        session: String,
        ttl_s: Option<u64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |agent| agent.accept_knock(&session, ttl_s))
    }

    fn reject_knock<'py>(
        &self,
        py: Python<'py>,
        session: String,
        reason: String,
        retry_after_s: Option<u64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |agent| agent.reject_knock(&session, reason, retry_after_s))
    }

    fn policy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let agent = self.0.clone();
        call(py, async move { agent.policy().await }, |py, policy| {
            Ok(policy.into_pyobject(py)?.into_any().unbind())
        })
    }

    fn set_policy<'py>(&self, py: Python<'py>, policy: String) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |agent| agent.set_policy(&policy))
    }

    fn outbox<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |agent| agent.outbox())
    }

    fn inbox<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |agent| agent.inbox())
    }

    fn rate_status<'py>(
        &self,
        py: Python<'py>,
        peer: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |agent| agent.rate_status(peer.as_deref()))
    }

    fn wait_for_capacity<'py>(
        &self,
        py: Python<'py>,
        peer: String,
        max: f64,
    ) -> PyResult<Bound<'py, PyAny>> {
        let max = duration(py, max)?;
        unit_call!(self, py, |agent| agent.wait_for_capacity(&peer, max))
    }

    fn search<'py>(
        &self,
        py: Python<'py>,
        capability: Option<String>,
        min_tier: Option<String>,
        min_reputation: Option<f64>,
        limit: Option<u64>,
        offset: Option<u64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |agent| agent.search(
            capability,
            min_tier.as_deref(),
            min_reputation,
            limit,
            offset
        ))
    }

    fn lookup<'py>(&self, py: Python<'py>, amid: String) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |agent| agent.lookup(&amid))
    }

    fn set_capabilities<'py>(
        &self,
        py: Python<'py>,
        capabilities: Vec<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |agent| agent.set_capabilities(capabilities))
    }

    fn negotiate<'py>(
        &self,
        py: Python<'py>,
        peer: String,
        wanted: Vec<String>,
        deadline: f64,
    ) -> PyResult<Bound<'py, PyAny>> {
        let deadline = duration(py, deadline)?;
        json_call!(self, py, |agent| agent.negotiate(&peer, wanted, deadline))
    }

    fn back_up<'py>(&self, py: Python<'py>, passphrase: String) -> PyResult<Bound<'py, PyAny>> {
        let agent = self.0.clone();
        call(py, async move { agent.back_up(&passphrase).await }, |py, text| {
            Ok(text.into_pyobject(py)?.into_any().unbind())
        })
    }

    fn rotate_exchange_key<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let agent = self.0.clone();
        call(py, async move { agent.rotate_exchange_key().await }, |py, key| {
            Ok(PyBytes::new(py, &key).into_any().unbind())
        })
    }
}

fn duration(py: Python<'_>, seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| raise(py, FacadeError::argument("not a number of seconds")))
}

fn knocks(py: Python<'_>, callback: Py<PyAny>) -> PyResult<KnockSink> {
    let (sink, queue) = knock_queue();
    pump(queue, callback).map_err(|error| raise(py, error))?;
    Ok(sink)
}
