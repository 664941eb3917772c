//! Messages and events that come in, each a receiver to be pulled.

use std::sync::Arc;

use agentmesh_facade::{Event, Events, FacadeError, Message, MessageContent, Messages};

use crate::{
    NativeError, NativeOutgoingStream, NativePayload, NativeSent,
    calls::{call, settings},
};

/// What a message says.
#[derive(Clone, PartialEq, uniffi::Record)]
pub struct NativeContent {
    /// Who sent it, proven by the session.
    pub sender: String,
    /// The sender's id for it.
    pub id: String,
    /// What it is: `message`, `request`, `response` and so on.
    pub kind: String,
    /// The sender's count of messages to us.
    pub seq: u64,
    /// The message of ours that it answers.
    pub in_reply_to: Option<String>,
    /// When it was sent, by the sender's clock, in milliseconds.
    pub sent_at: u64,
    /// When it was opened here.
    pub received_at: u64,
    /// What it says.
    pub payload: NativePayload,
    /// The W3C `traceparent` that the sender sealed into it.
    pub trace: Option<String>,
    /// The schema that the payload follows.
    pub schema: Option<String>,
    /// Whether its sender wants the answer as a stream.
    pub wants_stream: bool,
}

impl From<MessageContent> for NativeContent {
    fn from(content: MessageContent) -> Self {
        Self {
            sender: content.sender,
            id: content.id,
            kind: content.kind,
            seq: content.seq,
            in_reply_to: content.in_reply_to,
            sent_at: content.sent_at,
            received_at: content.received_at,
            payload: content.payload.into(),
            trace: content.trace,
            schema: content.schema,
            wants_stream: content.wants_stream,
        }
    }
}

/// The messages that come in, each to be acknowledged.
#[derive(uniffi::Object)]
pub struct NativeMessages(Arc<Messages>);

impl NativeMessages {
    pub(crate) fn new(messages: Messages) -> Arc<Self> {
        Arc::new(Self(Arc::new(messages)))
    }
}

/// A message, and what is done with it.
#[derive(uniffi::Record)]
pub struct NativeDelivery {
    /// What it says.
    pub content: NativeContent,
    /// How often it was handed on before and not acknowledged, since the agent was opened.
    pub attempt: u32,
    /// What is done with it. Dropped without, the message is handed on again.
    pub message: Arc<NativeMessage>,
}

#[uniffi::export]
impl NativeMessages {
    /// The next message, nothing once the agent is closed or another receiver replaced this one. Safe to cancel.
    pub async fn next(&self) -> Result<Option<NativeDelivery>, NativeError> {
        let messages = Arc::clone(&self.0);
        call(async move {
            let Some(message) = messages.next().await? else { return Ok(None) };
            Ok(Some(NativeDelivery {
                content: message.content.clone().into(),
                attempt: message.attempt,
                message: Arc::new(NativeMessage(Arc::new(message))),
            }))
        })
        .await
    }
}

/// A message for the application. One of the methods below ends it.
#[derive(uniffi::Object)]
pub struct NativeMessage(Arc<Message>);

#[uniffi::export]
impl NativeMessage {
    /// Whether it was acknowledged, answered or given back.
    pub fn is_done(&self) -> bool {
        self.0.is_done()
    }

    /// Marks the message as handled, and tells the sender so.
    pub async fn ack(&self) -> Result<(), NativeError> {
        let message = Arc::clone(&self.0);
        call(async move { message.ack().await }).await
    }

    /// Gives the message back: it is handed on again after a pause.
    pub fn release(&self) -> Result<(), NativeError> {
        crate::calls::run(|| self.0.release())
    }

    /// Answers a request and marks it as handled.
    pub async fn respond(
        &self,
        payload: NativePayload,
        settings_json: Option<String>,
    ) -> Result<NativeSent, NativeError> {
        let message = Arc::clone(&self.0);
        let settings = settings(settings_json.as_deref())?;
        call(async move { Ok(message.respond(payload.into(), settings).await?.into()) }).await
    }

    /// Answers a request with an error and marks it as handled.
    pub async fn fail(
        &self,
        code: String,
        reason: String,
        retryable: bool,
        details: Option<String>,
    ) -> Result<NativeSent, NativeError> {
        let message = Arc::clone(&self.0);
        call(async move { Ok(message.fail(&code, &reason, retryable, details).await?.into()) })
            .await
    }

    /// Tells the sender how far its message is, as news that nobody keeps.
    pub async fn status(&self, payload: NativePayload) -> Result<(), NativeError> {
        let message = Arc::clone(&self.0);
        call(async move { message.status(payload.into()).await }).await
    }

    /// Answers a request with a stream.
    pub async fn stream(&self) -> Result<Arc<NativeOutgoingStream>, NativeError> {
        let message = Arc::clone(&self.0);
        call(async move { Ok(NativeOutgoingStream::new(message.stream().await?)) }).await
    }
}

/// Something that happened to an agent.
#[derive(Clone, PartialEq, uniffi::Record)]
pub struct NativeEvent {
    /// What: `online`, `progress` and so on.
    pub kind: String,
    /// Everything else: a JSON object.
    pub details: String,
    /// What a peer says, of `status` events.
    pub payload: NativePayload,
}

impl From<Event> for NativeEvent {
    fn from(Event { kind, details, payload }: Event) -> Self {
        Self { kind: kind.to_owned(), details: details.to_string(), payload: payload.into() }
    }
}

/// An agent's events.
#[derive(uniffi::Object)]
pub struct NativeEvents(Arc<Events>);

impl NativeEvents {
    pub(crate) fn new(events: Events) -> Arc<Self> {
        Arc::new(Self(Arc::new(events)))
    }
}

#[uniffi::export]
impl NativeEvents {
    /// The next event, nothing after the last. Slow readers are told how many they missed. Safe to cancel.
    pub async fn next(&self) -> Result<Option<NativeEvent>, NativeError> {
        let events = Arc::clone(&self.0);
        call(async move { Ok::<_, FacadeError>(events.next().await?.map(Into::into)) }).await
    }
}
