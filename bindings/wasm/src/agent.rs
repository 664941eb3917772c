//! The agent: opening, sending, receiving.

use std::time::Duration;

use agentmesh_facade::{
    Agent as Facade, FacadeError, OpenMode, Opening, SendSettings, StoreKeySource, StreamSettings,
    knock_queue,
};
use js_sys::{Function, Promise, Uint8Array};
use wasm_bindgen::{JsCast, prelude::*};

use crate::{
    bridge::{CancellerRef, Value, beside, call, notify},
    error::{run, thrown},
    identity::{Backup, Identity},
    json,
    knock::pump,
    messages::{AuditLog, Message, Messages, event},
    payload::payload,
    settings,
    storage::Storage,
    streams::IncomingStream,
};

/// An agent that is open.
#[wasm_bindgen]
pub struct Agent(pub(crate) Facade);

fn key_source(kind: &str, key: &JsValue) -> Result<StoreKeySource, FacadeError> {
    Ok(match (kind, key.as_string(), key.dyn_ref::<Uint8Array>()) {
        ("none", None, None) => StoreKeySource::Missing,
        ("bytes", None, Some(key)) => StoreKeySource::Bytes(key.to_vec().into()),
        ("passphrase", Some(passphrase), None) => StoreKeySource::Passphrase(passphrase.into()),
        ("file", ..) => {
            return Err(FacadeError::argument("there are no files on this platform"));
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

pub(crate) fn milliseconds(ms: f64) -> Result<Duration, JsValue> {
    Duration::try_from_secs_f64(ms / 1000.0)
        .map_err(|_| thrown(FacadeError::argument("not a number of milliseconds")))
}

/// What opening an agent takes. Optional objects of Rust cannot be lent to a function, so they are handed over one by one.
#[wasm_bindgen]
pub struct AgentOpening(Opening);

#[wasm_bindgen]
impl AgentOpening {
    /// In a store; everything else as JSON.
    #[wasm_bindgen(constructor)]
    pub fn new(storage: &Storage, mode: &str, settings_text: &str) -> Result<Self, JsValue> {
        Ok(Self(Opening {
            storage: Some(storage.0.clone()),
            settings: settings(Some(settings_text))?,
            mode: open_mode(mode).map_err(thrown)?,
            ..Opening::default()
        }))
    }

    /// `none`, `bytes` or `passphrase`, and which.
    #[allow(clippy::needless_pass_by_value, reason = "exported")]
    pub fn key(&mut self, kind: &str, key: JsValue) -> Result<(), JsValue> {
        self.0.key = key_source(kind, &key).map_err(thrown)?;
        Ok(())
    }

    /// The identity for a new store.
    pub fn identity(&mut self, identity: &Identity) {
        self.0.identity = Some(identity.0.clone());
    }

    /// A backup for a new store.
    pub fn backup(&mut self, backup: &Backup) -> Result<(), JsValue> {
        self.0.backup = Some(backup.take()?);
        Ok(())
    }

    /// Who decides about KNOCKs.
    #[wasm_bindgen(js_name = onKnock)]
    pub fn on_knock(&mut self, function: Function) {
        let (sink, queue) = knock_queue();
        pump(queue, function);
        self.0.knocks = Some(sink);
    }

    /// Opens the agent.
    pub fn open(self, canceller: Option<CancellerRef>) -> Result<Promise, JsValue> {
        call(canceller, async move { Ok(Agent(Facade::open(self.0).await?)) })
    }
}

#[wasm_bindgen]
impl Agent {
    /// The address.
    #[wasm_bindgen]
    pub fn amid(&self) -> Result<String, JsValue> {
        run(|| self.0.amid())
    }

    /// The public keys, signing and exchange.
    #[wasm_bindgen(js_name = publicKeys)]
    pub fn public_keys(&self) -> Result<JsValue, JsValue> {
        Ok(run(|| self.0.public_keys())?.js())
    }

    /// Goes online; what is sent after this call waits for it.
    #[wasm_bindgen]
    pub fn connect(
        &self,
        display_name: Option<String>,
        capabilities: Option<Vec<String>>,
        canceller: Option<CancellerRef>,
    ) -> Result<Promise, JsValue> {
        call(canceller, self.0.connect_as(display_name, capabilities))
    }

    /// One visit to the relay; whether all was done.
    #[wasm_bindgen]
    pub fn sync(&self, limit_ms: f64, canceller: Option<CancellerRef>) -> Result<Promise, JsValue> {
        let (agent, limit) = (self.0.clone(), milliseconds(limit_ms)?);
        call(canceller, async move { agent.sync(limit).await })
    }

    /// Goes offline and closes the store.
    #[wasm_bindgen]
    pub fn close(&self) -> Result<Promise, JsValue> {
        let agent = self.0.clone();
        call(None, async move { agent.close().await })
    }

    /// Sends a message; `Sent` as JSON.
    #[wasm_bindgen]
    pub fn send(
        &self,
        to: String,
        content: JsValue,
        options: Option<String>,
        canceller: Option<CancellerRef>,
    ) -> Result<Promise, JsValue> {
        let (agent, content) = (self.0.clone(), payload(content));
        let options: SendSettings = settings(options.as_deref())?;
        call(canceller, async move { json(&agent.send(&to, content, options).await?) })
    }

    /// Sends a request; the answer.
    #[wasm_bindgen]
    pub fn request(
        &self,
        to: String,
        content: JsValue,
        deadline: f64,
        options: Option<String>,
        canceller: Option<CancellerRef>,
    ) -> Result<Promise, JsValue> {
        let (agent, content) = (self.0.clone(), payload(content));
        let (options, deadline) = (settings(options.as_deref())?, milliseconds(deadline)?);
        call(canceller, async move {
            let answer = agent.request(&to, content, deadline, options).await?;
            Ok(Message::answer(answer))
        })
    }

    /// Tells a peer how far something is.
    #[wasm_bindgen]
    pub fn status(
        &self,
        to: String,
        in_reply_to: Option<String>,
        content: JsValue,
    ) -> Result<Promise, JsValue> {
        let (agent, content) = (self.0.clone(), payload(content));
        call(None, async move { agent.status(&to, in_reply_to.as_deref(), content).await })
    }

    /// Sends a request for a stream.
    #[wasm_bindgen]
    pub fn stream(
        &self,
        to: String,
        content: JsValue,
        options: Option<String>,
        canceller: Option<CancellerRef>,
    ) -> Result<Promise, JsValue> {
        let (agent, content) = (self.0.clone(), payload(content));
        let options: StreamSettings = settings(options.as_deref())?;
        call(canceller, async move {
            Ok(IncomingStream::new(agent.stream(&to, content, options).await?))
        })
    }

    /// Reads a stream on.
    #[wasm_bindgen(js_name = resumeStream)]
    pub fn resume_stream(
        &self,
        peer: String,
        id: String,
        position: u32,
        options: Option<String>,
        canceller: Option<CancellerRef>,
    ) -> Result<Promise, JsValue> {
        let agent = self.0.clone();
        let options: StreamSettings = settings(options.as_deref())?;
        call(canceller, async move {
            let stream = agent.resume_stream(&peer, &id, position.into(), options).await?;
            Ok(IncomingStream::new(stream))
        })
    }

    /// The messages that come in.
    #[wasm_bindgen]
    pub fn messages(&self) -> Result<Promise, JsValue> {
        let agent = self.0.clone();
        call(None, async move { Ok(Messages::new(agent.messages().await?)) })
    }

    /// Calls a function with every event from now on. The function gets `undefined` after the last.
    #[wasm_bindgen]
    pub fn watch(&self, on_event: Function) -> Result<(), JsValue> {
        let events = run(|| self.0.events())?;
        beside(async move {
            while let Some(happened) = events.next().await? {
                notify(&on_event, event(happened));
            }
            notify(&on_event, ());
            Ok(())
        });
        Ok(())
    }

    /// A fresh message id.
    #[wasm_bindgen(js_name = newId)]
    pub fn new_id(&self) -> Result<String, JsValue> {
        run(|| self.0.new_id())
    }

    /// The audit log, if the agent keeps one.
    #[wasm_bindgen(js_name = auditLog)]
    pub fn audit_log(&self) -> Result<JsValue, JsValue> {
        Ok(run(|| self.0.audit_log())?.map(AuditLog::new).js())
    }
}
