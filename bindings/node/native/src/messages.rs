//! Messages, events, and the audit log.

use std::sync::{Arc, Mutex, PoisonError};

use agentmesh_facade as facade;
use facade::{FacadeError, MessageContent, SendSettings};
use napi::{Env, bindgen_prelude::Object};
use napi_derive::napi;

use crate::{
    bridge::{Canceller, call},
    error::{run, thrown},
    json,
    payload::{Content, content, payload},
    settings,
    streams::OutgoingStream,
};

/// The messages that come in.
#[napi]
pub struct Messages(Mutex<Option<Arc<facade::Messages>>>);

impl Messages {
    pub(crate) fn new(messages: facade::Messages) -> Self {
        Self(Mutex::new(Some(Arc::new(messages))))
    }
}

#[napi]
impl Messages {
    /// The next message; nothing after the last.
    #[napi]
    pub fn next<'env>(
        &self,
        env: &'env Env,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let messages = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        call(env, canceller, async move {
            let Some(messages) = messages else { return Ok(None) };
            Ok(messages.next().await?.map(Message::incoming))
        })
    }

    /// The end: what came and was not taken is for another reader.
    #[napi]
    pub fn leave(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// A message.
#[napi]
pub struct Message {
    content: MessageContent,
    attempt: u32,
    // An answer to a request is handled as soon as it is here.
    message: Option<Arc<facade::Message>>,
}

/// What a message says besides its payload.
#[napi(object, object_from_js = false)]
pub struct MessageContentObject {
    /// Who sent it.
    pub from: String,
    /// Its id.
    pub id: String,
    /// What it is.
    pub kind: String,
    /// The sender's count.
    pub seq: f64,
    /// What it answers.
    pub in_reply_to: Option<String>,
    /// When it was sent.
    pub sent_at: f64,
    /// When it came.
    pub received_at: f64,
    /// What it says.
    pub payload: Option<Content>,
    /// How often it came before.
    pub attempt: u32,
    /// A W3C `traceparent`.
    pub trace: Option<String>,
    /// The payload's schema.
    pub schema: Option<String>,
    /// Whether the answer is to be a stream.
    pub wants_stream: bool,
}

impl Message {
    fn incoming(message: facade::Message) -> Self {
        let (content, attempt) = (message.content.clone(), message.attempt);
        Self { content, attempt, message: Some(Arc::new(message)) }
    }

    pub(crate) const fn answer(content: MessageContent) -> Self {
        Self { content, attempt: 0, message: None }
    }

    fn message(&self) -> napi::Result<Arc<facade::Message>> {
        let answered = || FacadeError::argument("an answer to a request needs no acknowledgement");
        self.message.clone().ok_or_else(|| thrown(answered()))
    }
}

#[napi]
impl Message {
    /// What it says, once: the payload is handed over.
    #[napi]
    #[allow(clippy::cast_precision_loss, reason = "milliseconds and counts below 2^53")]
    pub fn take_content(&mut self) -> MessageContentObject {
        let said = &mut self.content;
        MessageContentObject {
            from: said.sender.clone(),
            id: said.id.clone(),
            kind: said.kind.clone(),
            seq: said.seq as f64,
            in_reply_to: said.in_reply_to.clone(),
            sent_at: said.sent_at as f64,
            received_at: said.received_at as f64,
            payload: content(std::mem::take(&mut said.payload)),
            attempt: self.attempt,
            trace: said.trace.clone(),
            schema: said.schema.clone(),
            wants_stream: said.wants_stream,
        }
    }

    /// Whether it was acknowledged, answered or given back.
    #[napi]
    pub fn is_done(&self) -> bool {
        self.message.as_ref().is_none_or(|message| message.is_done())
    }

    /// Marks it as handled.
    #[napi]
    pub fn ack<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let message = self.message()?;
        call(env, None, async move { message.ack().await })
    }

    /// Gives it back.
    #[napi]
    pub fn release(&self) -> napi::Result<()> {
        let message = self.message()?;
        run(|| message.release())
    }

    /// Answers it.
    #[napi]
    pub fn respond<'env>(
        &self,
        env: &'env Env,
        content: Option<Content>,
        options: Option<String>,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let (message, content) = (self.message()?, payload(content));
        let options: SendSettings = settings(options.as_deref())?;
        call(env, canceller, async move { json(&message.respond(content, options).await?) })
    }

    /// Answers it with an error.
    #[napi]
    pub fn fail<'env>(
        &self,
        env: &'env Env,
        code: String,
        text: String,
        retryable: bool,
        details: Option<String>,
    ) -> napi::Result<Object<'env>> {
        let message = self.message()?;
        call(env, None, async move { json(&message.fail(&code, &text, retryable, details).await?) })
    }

    /// Tells its sender how far it is.
    #[napi]
    pub fn status<'env>(
        &self,
        env: &'env Env,
        content: Option<Content>,
    ) -> napi::Result<Object<'env>> {
        let (message, content) = (self.message()?, payload(content));
        call(env, None, async move { message.status(content).await })
    }

    /// Answers it with a stream.
    #[napi]
    pub fn stream<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let message = self.message()?;
        call(env, None, async move { Ok(OutgoingStream::new(message.stream().await?)) })
    }
}

/// Something that happened to an agent.
#[napi(object, object_from_js = false)]
pub struct Event {
    /// What.
    pub kind: String,
    /// An object, as JSON.
    pub details: String,
    /// What a peer says.
    pub payload: Option<Content>,
}

impl Event {
    pub(crate) fn new(event: facade::Event) -> Self {
        Self {
            kind: event.kind.to_owned(),
            details: event.details.to_string(),
            payload: content(event.payload),
        }
    }
}

/// An agent's audit log.
#[napi]
pub struct AuditLog(Arc<facade::AuditLog>);

impl AuditLog {
    pub(crate) fn new(log: facade::AuditLog) -> Self {
        Self(Arc::new(log))
    }
}

#[napi]
impl AuditLog {
    /// Logs an event of the application.
    #[napi]
    pub fn log(
        &self,
        kind: String,
        severity: String,
        message: String,
        peer: Option<String>,
        metadata: Option<String>,
    ) -> napi::Result<()> {
        run(|| self.0.log(&kind, &severity, &message, peer.as_deref(), metadata.as_deref()))
    }

    /// The events that match, as JSON.
    #[napi]
    pub fn query<'env>(&self, env: &'env Env, conditions: String) -> napi::Result<Object<'env>> {
        let log = Arc::clone(&self.0);
        call(env, None, async move { log.query(&conditions).await })
    }

    /// Checks the log; a report as JSON.
    #[napi]
    pub fn verify<'env>(
        &self,
        env: &'env Env,
        anchor: Option<String>,
    ) -> napi::Result<Object<'env>> {
        let log = Arc::clone(&self.0);
        call(env, None, async move { log.verify(anchor.as_deref()).await })
    }

    /// Signs the end of the log.
    #[napi]
    pub fn anchor<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let log = Arc::clone(&self.0);
        call(env, None, async move { log.anchor().await })
    }

    /// Waits for the disk.
    #[napi]
    pub fn flush<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let log = Arc::clone(&self.0);
        call(env, None, async move { log.flush().await })
    }
}
