//! Skills, conversations and settings of users, and the channel to the agent of a session.

use std::sync::Mutex;

use agentmesh_facade as facade;
use facade::{
    ChannelKey, FacadeError, HookDecision, HookQueue, SandboxSetup, SecretText, hook_queue, start,
};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::{
    bridge::{Callback, call, json_call, notify, unit_call},
    error::{raise, run},
    items::ItemStream,
    json, settings,
};

fn setup_object(py: Python<'_>, setup: SandboxSetup) -> PyResult<Py<PyAny>> {
    let token = setup.session_token.map(|token| token.expose().to_owned());
    Ok((json(py, &setup.answer)?, token).into_pyobject(py)?.into_any().unbind())
}

/// A client of a user data service.
#[pyclass(frozen)]
pub(crate) struct UserDataClient(facade::UserDataClient);

#[pymethods]
impl UserDataClient {
    #[new]
    fn new(py: Python<'_>, settings_json: &str, key: Option<String>) -> PyResult<Self> {
        run(py, || {
            let how = settings(Some(settings_json))?;
            facade::UserDataClient::new(how, key.map(SecretText::trimmed)).map(Self)
        })
    }

    fn put_skill<'py>(
        &self,
        py: Python<'py>,
        user: String,
        name: String,
        content: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |client| client.put_skill(&user, &name, &content))
    }

    fn list_skills<'py>(&self, py: Python<'py>, user: String) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |client| client.list_skills(&user))
    }

    fn skill<'py>(
        &self,
        py: Python<'py>,
        user: String,
        name: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |client| client.skill(&user, &name))
    }

    fn delete_skill<'py>(
        &self,
        py: Python<'py>,
        user: String,
        name: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |client| client.delete_skill(&user, &name))
    }

    fn save_conversation<'py>(
        &self,
        py: Python<'py>,
        user: String,
        body: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |client| client.save_conversation(&user, &body))
    }

    fn conversation<'py>(
        &self,
        py: Python<'py>,
        user: String,
        id: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |client| client.conversation(&user, &id))
    }

    fn list_conversations<'py>(
        &self,
        py: Python<'py>,
        user: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |client| client.list_conversations(&user))
    }

    fn delete_conversation<'py>(
        &self,
        py: Python<'py>,
        user: String,
        id: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |client| client.delete_conversation(&user, &id))
    }

    fn put_settings<'py>(
        &self,
        py: Python<'py>,
        user: String,
        name: String,
        value: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |client| client.put_settings(&user, &name, &value))
    }

    fn settings<'py>(
        &self,
        py: Python<'py>,
        user: String,
        name: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |client| client.settings(&user, &name))
    }

    fn delete_settings<'py>(
        &self,
        py: Python<'py>,
        user: String,
        name: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |client| client.delete_settings(&user, &name))
    }

    #[pyo3(signature = (session, user=None))]
    fn setup<'py>(
        &self,
        py: Python<'py>,
        session: String,
        user: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let client = self.0.clone();
        call(py, async move { client.setup(&session, user.as_deref()).await }, setup_object)
    }

    fn destroy_sandbox<'py>(
        &self,
        py: Python<'py>,
        session: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |client| client.destroy_sandbox(&session))
    }

    fn health<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |client| client.health())
    }

    /// `key` is `session`, `api`, `token` or `none`.
    #[pyo3(signature = (settings_json, key, token, on_hook))]
    fn channel<'py>(
        &self,
        py: Python<'py>,
        settings_json: &str,
        key: &str,
        token: Option<String>,
        on_hook: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let how = settings(Some(settings_json)).map_err(|error| raise(py, error))?;
        let key = match (key, token) {
            ("session", _) => ChannelKey::SessionToken,
            ("api", _) => ChannelKey::ApiKey,
            ("token", Some(token)) => ChannelKey::Token(SecretText::trimmed(token)),
            ("none", _) => ChannelKey::None,
            _ => return Err(PyValueError::new_err("there is no such key of channels")),
        };
        let hooks = on_hook.map(|callback| {
            let (sink, queue) = hook_queue();
            pump(queue, callback).map(|()| sink)
        });
        let hooks = hooks.transpose().map_err(|error| raise(py, error))?;
        let opening = facade::UserDataChannel::connect(self.0.clone(), how, key, hooks);
        call(py, opening, |py, channel| Ok(Py::new(py, UserDataChannel(channel))?.into_any()))
    }
}

/// A hook to be answered. Forgotten, it is left to the policy.
#[pyclass(frozen)]
pub(crate) struct HookQuestion {
    #[pyo3(get)]
    request: Py<PyAny>,
    question: Mutex<Option<facade::HookQuestion>>,
}

#[pymethods]
impl HookQuestion {
    /// Decides, by JSON text; `None` leaves it to the policy. Again does nothing.
    #[pyo3(signature = (decision=None))]
    fn answer(&self, py: Python<'_>, decision: Option<&str>) -> PyResult<()> {
        let mut question = self.question.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (Some(question), Some(decision)) = (question.take(), decision) else { return Ok(()) };
        run(py, || {
            let decision: HookDecision = agentmesh_facade::from_json(decision)?;
            question.answer(decision)
        })
    }
}

/// Hands every question to a callable, until the channel is closed.
fn pump(queue: HookQueue, callback: Py<PyAny>) -> Result<(), FacadeError> {
    let callback = Callback::new(callback);
    let pumping = async move {
        while let Some(question) = queue.next().await? {
            notify(&callback, move |py| {
                let request = serde_json::json!({
                    "event": question.event, "data": question.data, "tool_name": question.tool_name,
                });
                let request = json(py, &request)?;
                let question = HookQuestion { request, question: Mutex::new(Some(question)) };
                Ok(Py::new(py, question)?.into_any())
            });
        }
        Ok(())
    };
    start(pumping, |_| {}).map(drop)
}

/// A conversation with the agent of a session.
#[pyclass(frozen)]
pub(crate) struct UserDataChannel(facade::UserDataChannel);

#[pymethods]
impl UserDataChannel {
    #[pyo3(signature = (prompt, settings_json=None))]
    fn send<'py>(
        &self,
        py: Python<'py>,
        prompt: String,
        settings_json: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (channel, how) =
            (self.0.clone(), settings(settings_json).map_err(|error| raise(py, error))?);
        call(py, async move { channel.send(prompt, how).await }, ItemStream::object)
    }

    #[pyo3(signature = (settings_json=None))]
    fn start<'py>(
        &self,
        py: Python<'py>,
        settings_json: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let how = settings(settings_json).map_err(|error| raise(py, error))?;
        unit_call!(self, py, |channel| channel.start(how))
    }

    #[pyo3(signature = (reason=None))]
    fn interrupt<'py>(
        &self,
        py: Python<'py>,
        reason: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |channel| channel.interrupt(reason.as_deref()))
    }

    fn history<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |channel| channel.history())
    }

    fn clear<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |channel| channel.clear())
    }

    fn diagnostics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |channel| channel.diagnostics())
    }

    fn save<'py>(
        &self,
        py: Python<'py>,
        user: String,
        conversation: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        json_call!(self, py, |channel| channel.save(&user, &conversation))
    }

    fn events(&self, py: Python<'_>) -> PyResult<ItemStream> {
        run(py, || self.0.events().map(ItemStream::new))
    }

    fn setup(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        run(py, || self.0.setup())?.map(|setup| setup_object(py, setup)).transpose()
    }

    fn conversation(&self, py: Python<'_>) -> PyResult<Option<String>> {
        run(py, || self.0.conversation())
    }

    fn is_connected(&self, py: Python<'_>) -> PyResult<bool> {
        run(py, || self.0.is_connected())
    }

    fn close<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        unit_call!(self, py, |channel| channel.close())
    }
}
