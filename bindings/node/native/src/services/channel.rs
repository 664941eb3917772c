//! The channel to the agent of a session, and the hooks that it asks.

use std::sync::{Mutex, PoisonError};

use agentmesh_facade as facade;
use facade::{ChannelKey, FacadeError, HookDecision, HookQueue, SecretText, hook_queue, start};
use napi::{
    Env,
    bindgen_prelude::{FnArgs, Function, Object, Unknown},
};
use napi_derive::napi;

use super::{
    items::ItemStream,
    json_call, unit_call,
    user_data::{Setup, UserDataClient},
};
use crate::{
    bridge::{Callback, Canceller, call, callback, notify},
    error::{run, thrown},
    settings,
};

/// A conversation with the agent of a session.
#[napi]
pub struct UserDataChannel(facade::UserDataChannel);

/// What opening a channel takes.
#[napi(object, object_to_js = false)]
pub struct ChannelArguments<'env> {
    /// As JSON.
    pub settings: String,
    /// `session`, `api`, `token` or `none`.
    pub key: String,
    /// Which token.
    pub token: Option<String>,
    /// Who answers hooks.
    pub on_hook: Option<Function<'env, FnArgs<(HookQuestion,)>, Unknown<'static>>>,
}

/// Opens a channel.
#[napi]
pub fn open_user_data_channel<'env>(
    env: &'env Env,
    client: &UserDataClient,
    arguments: ChannelArguments<'_>,
    canceller: Option<&Canceller>,
) -> napi::Result<Object<'env>> {
    let how = settings(Some(&arguments.settings))?;
    let key = match (arguments.key.as_str(), arguments.token) {
        ("session", _) => ChannelKey::SessionToken,
        ("api", _) => ChannelKey::ApiKey,
        ("token", Some(token)) => ChannelKey::Token(SecretText::trimmed(token)),
        ("none", _) => ChannelKey::None,
        _ => return Err(thrown(FacadeError::argument("there is no such key of channels"))),
    };
    let hooks = match &arguments.on_hook {
        None => None,
        Some(function) => {
            let (sink, queue) = hook_queue();
            pump(queue, callback(function)?)?;
            Some(sink)
        }
    };
    let client = client.0.clone();
    call(env, canceller, async move {
        Ok(UserDataChannel(facade::UserDataChannel::connect(client, how, key, hooks).await?))
    })
}

#[napi]
impl UserDataChannel {
    /// Says something; what is answered.
    #[napi]
    pub fn send<'env>(
        &self,
        env: &'env Env,
        prompt: String,
        how: String,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let (channel, how) = (self.0.clone(), settings(Some(&how))?);
        call(env, canceller, async move { Ok(ItemStream::new(channel.send(prompt, how).await?)) })
    }

    /// Starts the agent.
    #[napi]
    pub fn start<'env>(
        &self,
        env: &'env Env,
        how: String,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let how = settings(Some(&how))?;
        unit_call!(self, env, canceller, |channel| channel.start(how))
    }

    /// Interrupts it.
    #[napi]
    pub fn interrupt<'env>(
        &self,
        env: &'env Env,
        reason: Option<String>,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        unit_call!(self, env, canceller, |channel| channel.interrupt(reason.as_deref()))
    }

    /// What was said, as JSON.
    #[napi]
    pub fn history<'env>(
        &self,
        env: &'env Env,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        json_call!(self, env, canceller, |channel| channel.history())
    }

    /// Empties that.
    #[napi]
    pub fn clear<'env>(
        &self,
        env: &'env Env,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        unit_call!(self, env, canceller, |channel| channel.clear())
    }

    /// What the server knows of the session, as JSON.
    #[napi]
    pub fn diagnostics<'env>(
        &self,
        env: &'env Env,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        json_call!(self, env, canceller, |channel| channel.diagnostics())
    }

    /// Stores the history as a conversation.
    #[napi]
    pub fn save<'env>(
        &self,
        env: &'env Env,
        user: String,
        conversation: String,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        json_call!(self, env, canceller, |channel| channel.save(&user, &conversation))
    }

    /// What happens besides turns.
    #[napi]
    pub fn events(&self) -> napi::Result<ItemStream> {
        run(|| self.0.events().map(ItemStream::new))
    }

    /// What the setup answered.
    #[napi]
    pub fn setup(&self) -> napi::Result<Option<Setup>> {
        Ok(run(|| self.0.setup())?.map(Setup::new))
    }

    /// The agent's id for the conversation.
    #[napi]
    pub fn conversation(&self) -> napi::Result<Option<String>> {
        run(|| self.0.conversation())
    }

    /// Whether there is a connection now.
    #[napi]
    pub fn is_connected(&self) -> napi::Result<bool> {
        run(|| self.0.is_connected())
    }

    /// Takes leave.
    #[napi]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        unit_call!(self, env, None, |channel| channel.close())
    }
}

/// A hook to be answered. Forgotten, it is left to the policy.
#[napi]
pub struct HookQuestion {
    request: String,
    question: Mutex<Option<facade::HookQuestion>>,
}

#[napi]
impl HookQuestion {
    /// What is asked, as JSON.
    #[napi(getter)]
    pub fn request(&self) -> String {
        self.request.clone()
    }

    /// Decides, by JSON text; nothing leaves it to the policy. Again does nothing.
    #[napi]
    pub fn answer(&self, decision: Option<String>) -> napi::Result<()> {
        let question = self.question.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (Some(question), Some(decision)) = (question, decision) else { return Ok(()) };
        run(|| {
            let decision: HookDecision = serde_json::from_str(&decision)?;
            question.answer(decision)
        })
    }
}

/// Hands every question to a function, until the channel is closed.
fn pump(queue: HookQueue, ask: Callback<HookQuestion>) -> napi::Result<()> {
    let pumping = async move {
        while let Some(question) = queue.next().await? {
            let request = serde_json::json!({
                "event": question.event, "data": question.data, "tool_name": question.tool_name,
            });
            let question = Mutex::new(Some(question));
            notify(&ask, HookQuestion { request: request.to_string(), question });
        }
        Ok(())
    };
    start(pumping, |_: Result<(), FacadeError>| {}).map(drop).map_err(thrown)
}
