//! Messages, events, and the audit log.

use std::sync::{Arc, Mutex, PoisonError};

use agentmesh_facade as facade;
use facade::{FacadeError, MessageContent, SendSettings};
use js_sys::Promise;
use wasm_bindgen::prelude::*;

use crate::{
    bridge::{CancellerRef, Members, Value, call},
    error::{run, thrown},
    json,
    payload::{Said, payload},
    settings,
    streams::OutgoingStream,
};

/// The messages that come in.
#[wasm_bindgen]
pub struct Messages(Mutex<Option<Arc<facade::Messages>>>);

impl Messages {
    pub(crate) fn new(messages: facade::Messages) -> Self {
        Self(Mutex::new(Some(Arc::new(messages))))
    }
}

#[wasm_bindgen]
impl Messages {
    /// The next message; nothing after the last.
    #[wasm_bindgen]
    pub fn next(&self, canceller: Option<CancellerRef>) -> Result<Promise, JsValue> {
        let messages = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        call(canceller, async move {
            let Some(messages) = messages else { return Ok(None) };
            Ok(messages.next().await?.map(Message::incoming))
        })
    }

    /// The end: what came and was not taken is for another reader.
    #[wasm_bindgen]
    pub fn leave(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// A message.
#[wasm_bindgen]
pub struct Message {
    content: MessageContent,
    attempt: u32,
    // An answer to a request is handled as soon as it is here.
    message: Option<Arc<facade::Message>>,
}

impl Message {
    fn incoming(message: facade::Message) -> Self {
        let (content, attempt) = (message.content.clone(), message.attempt);
        Self { content, attempt, message: Some(Arc::new(message)) }
    }

    pub(crate) const fn answer(content: MessageContent) -> Self {
        Self { content, attempt: 0, message: None }
    }

    fn message(&self) -> Result<Arc<facade::Message>, JsValue> {
        let answered = || FacadeError::argument("an answer to a request needs no acknowledgement");
        self.message.clone().ok_or_else(|| thrown(answered()))
    }
}

#[wasm_bindgen]
impl Message {
    /// What it says, once: the payload is handed over.
    #[wasm_bindgen(js_name = takeContent)]
    #[allow(clippy::cast_precision_loss, reason = "milliseconds and counts below 2^53")]
    pub fn take_content(&mut self) -> JsValue {
        let said = &mut self.content;
        Members::new()
            .with("from", said.sender.clone())
            .with("id", said.id.clone())
            .with("kind", said.kind.clone())
            .with("seq", said.seq as f64)
            .with("inReplyTo", said.in_reply_to.clone())
            .with("sentAt", said.sent_at as f64)
            .with("receivedAt", said.received_at as f64)
            .with("payload", Said(std::mem::take(&mut said.payload)))
            .with("attempt", self.attempt)
            .with("trace", said.trace.clone())
            .with("schema", said.schema.clone())
            .with("wantsStream", said.wants_stream)
            .js()
    }

    /// Whether it was acknowledged, answered or given back.
    #[wasm_bindgen(js_name = isDone)]
    pub fn is_done(&self) -> bool {
        self.message.as_ref().is_none_or(|message| message.is_done())
    }

    /// Marks it as handled.
    #[wasm_bindgen]
    pub fn ack(&self) -> Result<Promise, JsValue> {
        let message = self.message()?;
        call(None, async move { message.ack().await })
    }

    /// Gives it back.
    #[wasm_bindgen]
    pub fn release(&self) -> Result<(), JsValue> {
        let message = self.message()?;
        run(|| message.release())
    }

    /// Answers it.
    #[wasm_bindgen]
    pub fn respond(
        &self,
        content: JsValue,
        options: Option<String>,
        canceller: Option<CancellerRef>,
    ) -> Result<Promise, JsValue> {
        let (message, content) = (self.message()?, payload(content));
        let options: SendSettings = settings(options.as_deref())?;
        call(canceller, async move { json(&message.respond(content, options).await?) })
    }

    /// Answers it with an error.
    #[wasm_bindgen]
    pub fn fail(
        &self,
        code: String,
        text: String,
        retryable: bool,
        details: Option<String>,
    ) -> Result<Promise, JsValue> {
        let message = self.message()?;
        call(None, async move { json(&message.fail(&code, &text, retryable, details).await?) })
    }

    /// Tells its sender how far it is.
    #[wasm_bindgen]
    pub fn status(&self, content: JsValue) -> Result<Promise, JsValue> {
        let (message, content) = (self.message()?, payload(content));
        call(None, async move { message.status(content).await })
    }

    /// Answers it with a stream.
    #[wasm_bindgen]
    pub fn stream(&self) -> Result<Promise, JsValue> {
        let message = self.message()?;
        call(None, async move { Ok(OutgoingStream::new(message.stream().await?)) })
    }
}

/// Something that happened to an agent: `kind`, `details` as JSON, `payload`.
pub(crate) fn event(event: facade::Event) -> Members {
    Members::new()
        .with("kind", event.kind.to_owned())
        .with("details", event.details.to_string())
        .with("payload", Said(event.payload))
}

/// An agent's audit log.
#[wasm_bindgen]
pub struct AuditLog(Arc<facade::AuditLog>);

impl AuditLog {
    pub(crate) fn new(log: facade::AuditLog) -> Self {
        Self(Arc::new(log))
    }
}

#[wasm_bindgen]
impl AuditLog {
    /// Logs an event of the application.
    #[wasm_bindgen]
    pub fn log(
        &self,
        kind: String,
        severity: String,
        message: String,
        peer: Option<String>,
        metadata: Option<String>,
    ) -> Result<(), JsValue> {
        run(|| self.0.log(&kind, &severity, &message, peer.as_deref(), metadata.as_deref()))
    }

    /// The events that match, as JSON.
    #[wasm_bindgen]
    pub fn query(&self, conditions: String) -> Result<Promise, JsValue> {
        let log = Arc::clone(&self.0);
        call(None, async move { log.query(&conditions).await })
    }

    /// Checks the log; a report as JSON.
    #[wasm_bindgen]
    pub fn verify(&self, anchor: Option<String>) -> Result<Promise, JsValue> {
        let log = Arc::clone(&self.0);
        call(None, async move { log.verify(anchor.as_deref()).await })
    }

    /// Signs the end of the log.
    #[wasm_bindgen]
    pub fn anchor(&self) -> Result<Promise, JsValue> {
        let log = Arc::clone(&self.0);
        call(None, async move { log.anchor().await })
    }

    /// Waits for the disk.
    #[wasm_bindgen]
    pub fn flush(&self) -> Result<Promise, JsValue> {
        let log = Arc::clone(&self.0);
        call(None, async move { log.flush().await })
    }
}
