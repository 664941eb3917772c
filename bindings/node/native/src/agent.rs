//! The agent: opening, sending, receiving.

use std::time::Duration;

use agentmesh_facade::{
    Agent as Facade, FacadeError, OpenMode, Opening, SendSettings, StoreKeySource, StreamSettings,
    knock_queue,
};
use napi::{
    Env,
    bindgen_prelude::{Either, FnArgs, Function, Object, Uint8Array, Unknown},
};
use napi_derive::napi;

use crate::{
    bridge::{Callback, Canceller, call, callback, notify},
    error::{run, thrown},
    identity::{Backup, Identity},
    json,
    knock::{KnockQuestion, pump},
    messages::{AuditLog, Event, Message, Messages},
    payload::{Content, payload},
    settings,
    storage::Storage,
    streams::IncomingStream,
};

/// An agent that is open.
#[napi]
pub struct Agent(pub(crate) Facade);

fn key_source(
    kind: &str,
    key: Option<Either<String, Uint8Array>>,
) -> Result<StoreKeySource, FacadeError> {
    Ok(match (kind, key) {
        ("none", None) => StoreKeySource::Missing,
        ("bytes", Some(Either::B(key))) => StoreKeySource::Bytes(key.to_vec().into()),
        ("file", Some(Either::A(path))) => StoreKeySource::File(path.into()),
        ("variable", Some(Either::A(name))) => StoreKeySource::Variable(name),
        ("passphrase", Some(Either::A(passphrase))) => {
            StoreKeySource::Passphrase(passphrase.into())
        }
        _ => return Err(FacadeError::argument("there is no such source of keys")),
    })
}

fn open_mode(mode: &str) -> Result<OpenMode, FacadeError> {
    Ok(match mode {
        "openOrCreate" => OpenMode::OpenOrCreate,
        "load" => OpenMode::Load,
        "createNew" => OpenMode::CreateNew,
        _ => return Err(FacadeError::argument("there is no such way of opening")),
    })
}

pub(crate) fn milliseconds(ms: f64) -> napi::Result<Duration> {
    Duration::try_from_secs_f64(ms / 1000.0)
        .map_err(|_| thrown(FacadeError::argument("not a number of milliseconds")))
}

/// What opening an agent takes.
#[napi(object, object_to_js = false)]
pub struct OpenArguments<'env> {
    /// `none`, `bytes`, `file`, `variable` or `passphrase`.
    pub key_kind: String,
    /// Which.
    pub key: Option<Either<String, Uint8Array>>,
    /// `openOrCreate`, `load` or `createNew`.
    pub mode: String,
    /// Everything else, as JSON.
    pub settings: String,
    /// Who decides about KNOCKs.
    pub on_knock: Option<Function<'env, FnArgs<(KnockQuestion,)>, Unknown<'static>>>,
}

/// Opens an agent.
#[napi]
pub fn open_agent<'env>(
    env: &'env Env,
    storage: &Storage,
    identity: Option<&Identity>,
    backup: Option<&Backup>,
    arguments: OpenArguments<'_>,
    canceller: Option<&Canceller>,
) -> napi::Result<Object<'env>> {
    let knocks = match &arguments.on_knock {
        None => None,
        Some(function) => {
            let (sink, queue) = knock_queue();
            pump(queue, callback(function)?)?;
            Some(sink)
        }
    };
    let opening = Opening {
        storage: Some(storage.0.clone()),
        key: key_source(&arguments.key_kind, arguments.key).map_err(thrown)?,
        identity: identity.map(|identity| identity.0.clone()),
        backup: backup.map(Backup::take).transpose()?,
        knocks,
        settings: settings(Some(&arguments.settings))?,
        mode: open_mode(&arguments.mode).map_err(thrown)?,
    };
    call(env, canceller, async move { Ok(Agent(Facade::open(opening).await?)) })
}

#[napi]
impl Agent {
    /// The address.
    #[napi]
    pub fn amid(&self) -> napi::Result<String> {
        run(|| self.0.amid())
    }

    /// The public keys, signing and exchange.
    #[napi]
    pub fn public_keys(&self) -> napi::Result<(Uint8Array, Uint8Array)> {
        let (signing, exchange) = run(|| self.0.public_keys())?;
        Ok((signing.into(), exchange.into()))
    }

    /// Goes online; what is sent after this call waits for it.
    #[napi]
    pub fn connect<'env>(
        &self,
        env: &'env Env,
        display_name: Option<String>,
        capabilities: Option<Vec<String>>,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        call(env, canceller, self.0.connect_as(display_name, capabilities))
    }

    /// One visit to the relay; whether all was done.
    #[napi]
    pub fn sync<'env>(
        &self,
        env: &'env Env,
        limit_ms: f64,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let (agent, limit) = (self.0.clone(), milliseconds(limit_ms)?);
        call(env, canceller, async move { agent.sync(limit).await })
    }

    /// Goes offline and closes the store.
    #[napi]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let agent = self.0.clone();
        call(env, None, async move { agent.close().await })
    }

    /// Sends a message; `Sent` as JSON.
    #[napi]
    pub fn send<'env>(
        &self,
        env: &'env Env,
        to: String,
        content: Option<Content>,
        options: Option<String>,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let (agent, content) = (self.0.clone(), payload(content));
        let options: SendSettings = settings(options.as_deref())?;
        call(env, canceller, async move { json(&agent.send(&to, content, options).await?) })
    }

    /// Sends a request; the answer.
    #[napi]
    pub fn request<'env>(
        &self,
        env: &'env Env,
        to: String,
        content: Option<Content>,
        deadline: f64,
        options: Option<String>,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let (agent, content) = (self.0.clone(), payload(content));
        let (options, deadline) = (settings(options.as_deref())?, milliseconds(deadline)?);
        call(env, canceller, async move {
            let answer = agent.request(&to, content, deadline, options).await?;
            Ok(Message::answer(answer))
        })
    }

    /// Tells a peer how far something is.
    #[napi]
    pub fn status<'env>(
        &self,
        env: &'env Env,
        to: String,
        in_reply_to: Option<String>,
        content: Option<Content>,
    ) -> napi::Result<Object<'env>> {
        let (agent, content) = (self.0.clone(), payload(content));
        call(env, None, async move { agent.status(&to, in_reply_to.as_deref(), content).await })
    }

    /// Sends a request for a stream.
    #[napi]
    pub fn stream<'env>(
        &self,
        env: &'env Env,
        to: String,
        content: Option<Content>,
        options: Option<String>,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let (agent, content) = (self.0.clone(), payload(content));
        let options: StreamSettings = settings(options.as_deref())?;
        call(env, canceller, async move {
            Ok(IncomingStream::new(agent.stream(&to, content, options).await?))
        })
    }

    /// Reads a stream on.
    #[napi]
    pub fn resume_stream<'env>(
        &self,
        env: &'env Env,
        peer: String,
        id: String,
        position: u32,
        options: Option<String>,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let agent = self.0.clone();
        let options: StreamSettings = settings(options.as_deref())?;
        call(env, canceller, async move {
            let stream = agent.resume_stream(&peer, &id, position.into(), options).await?;
            Ok(IncomingStream::new(stream))
        })
    }

    /// The messages that come in.
    #[napi]
    pub fn messages<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let agent = self.0.clone();
        call(env, None, async move { Ok(Messages::new(agent.messages().await?)) })
    }

    /// Calls a function with every event from now on. The function gets `undefined` after the last.
    #[napi]
    pub fn watch(
        &self,
        on_event: Function<'_, FnArgs<(Option<Event>,)>, Unknown<'static>>,
    ) -> napi::Result<()> {
        let on_event: Callback<Option<Event>> = callback(&on_event)?;
        let events = run(|| self.0.events())?;
        let watching = async move {
            loop {
                let event = events.next().await?.map(Event::new);
                let last = event.is_none();
                notify(&on_event, event);
                if last {
                    return Ok(());
                }
            }
        };
        agentmesh_facade::start(watching, |_: Result<(), FacadeError>| {}).map_err(thrown)?;
        Ok(())
    }

    /// A fresh message id.
    #[napi]
    pub fn new_id(&self) -> napi::Result<String> {
        run(|| self.0.new_id())
    }

    /// The audit log, if the agent keeps one.
    #[napi]
    pub fn audit_log(&self) -> napi::Result<Option<AuditLog>> {
        Ok(run(|| self.0.audit_log())?.map(AuditLog::new))
    }
}
