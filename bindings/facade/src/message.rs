//! Messages that come in: a receiver to be pulled, and what is done with each message.

use agentmesh_core::{
    Error as CoreError,
    client::{AgentError, Message as CoreMessage, Messages as CoreMessages},
    engine::IncomingMessage,
    wire::peer_error::PeerError,
};
use tokio::sync::Mutex as AsyncMutex;

use crate::{
    Agent, FacadeError, OutgoingStream, Payload, SendSettings, Sent, owned::Owned,
    values::message_type,
};

/// What a message says. Plain data.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageContent {
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
    pub payload: Payload,
    /// The W3C `traceparent` that the sender sealed into it.
    pub trace: Option<String>,
    /// The schema that the payload follows.
    pub schema: Option<String>,
    /// Whether its sender wants the answer as a stream.
    pub wants_stream: bool,
}

impl MessageContent {
    pub(crate) fn new(message: &IncomingMessage) -> Self {
        Self {
            sender: message.from.to_string(),
            id: message.id.to_string(),
            kind: message_type(message.kind),
            seq: message.seq,
            in_reply_to: message.in_reply_to.map(|id| id.to_string()),
            sent_at: message.sent_at.as_millis(),
            received_at: message.received_at.as_millis(),
            payload: message.payload.clone().into(),
            trace: message.headers.trace.clone(),
            schema: message.headers.schema.clone(),
            wants_stream: message.headers.stream.is_some(),
        }
    }
}

/// The messages that come in, each to be acknowledged.
#[derive(Debug)]
pub struct Messages {
    agent: Agent,
    messages: Owned<AsyncMutex<CoreMessages>>,
}

impl Messages {
    pub(crate) fn new(agent: Agent, messages: CoreMessages) -> Self {
        Self { agent, messages: Owned::new(AsyncMutex::new(messages)) }
    }

    /// The next message, `None` once the agent is closed or another receiver replaced this one. Safe to cancel: a
    /// message is returned or still there.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub async fn next(&self) -> Result<Option<Message>, FacadeError> {
        let next = self.messages.get()?.lock().await.next().await;
        Ok(next.map(|message| Message::new(self.agent.clone(), message)))
    }
}

/// A message for the application. One of the methods below ends it; dropped without, it is handed on again. An answer that is
/// refused, such as one that is too large, leaves it open: answer something else.
#[derive(Debug)]
pub struct Message {
    /// What it says.
    pub content: MessageContent,
    /// How often it was handed on before and not acknowledged, since the agent was opened.
    pub attempt: u32,
    agent: Agent,
    message: Owned<CoreMessage>,
}

impl Message {
    fn new(agent: Agent, message: CoreMessage) -> Self {
        Self {
            content: MessageContent::new(&message),
            attempt: message.attempt(),
            agent,
            message: Owned::new(message),
        }
    }

    fn open(&self) -> Result<&CoreMessage, FacadeError> {
        let message = self.message.get()?;
        if message.is_done() { Err(FacadeError::used("the message")) } else { Ok(message) }
    }

    /// Whether it was acknowledged, answered or given back.
    pub fn is_done(&self) -> bool {
        self.message.get().is_ok_and(CoreMessage::is_done)
    }

    /// Marks the message as handled, and tells the sender so. Returns when that is on disk.
    ///
    /// # Errors
    /// `BINDING_USED`; `AGENT_CLOSED`, then it comes again.
    pub async fn ack(&self) -> Result<(), FacadeError> {
        self.open()?.ack().await.map_err(used)
    }

    /// Gives the message back: it is handed on again after a pause.
    ///
    /// # Errors
    /// `BINDING_USED`
    pub fn release(&self) -> Result<(), FacadeError> {
        self.open().map(CoreMessage::release)
    }

    /// Answers a request and marks it as handled.
    ///
    /// # Errors
    /// As [`Agent::send`] and [`ack`](Self::ack). The message stays open then. After `STAGE_NOT_REACHED` the answer is on its way,
    /// and the message only wants its [`ack`](Self::ack).
    pub async fn respond(
        &self,
        payload: Payload,
        settings: SendSettings,
    ) -> Result<Sent, FacadeError> {
        let (agent, options) = (self.agent.core()?, settings.options()?);
        self.open()?.respond(agent, payload, options).await.map(Sent::from).map_err(used)
    }

    /// Answers a request with an error and marks it as handled.
    ///
    /// # Errors
    /// As [`respond`](Self::respond).
    pub async fn fail(
        &self,
        code: &str,
        message: &str,
        retryable: bool,
        details: Option<String>,
    ) -> Result<Sent, FacadeError> {
        let error = peer_error(code, message, retryable, details);
        self.open()?.fail(self.agent.core()?, &error).await.map(Sent::from).map_err(used)
    }

    /// Tells the sender how far its message is, as news that nobody keeps.
    ///
    /// # Errors
    /// As [`Agent::status`].
    pub async fn status(&self, payload: Payload) -> Result<(), FacadeError> {
        let MessageContent { sender, id, .. } = &self.content;
        self.agent.status(sender, Some(id), payload).await
    }

    /// Answers a request with a stream. The request counts as handled when the stream ends.
    ///
    /// # Errors
    /// `STREAM_NOT_ASKED`, `STREAM_BUSY`; the message stays open then.
    pub async fn stream(&self) -> Result<OutgoingStream, FacadeError> {
        let stream = self.open()?.stream(self.agent.core()?).await;
        stream.map(OutgoingStream::new).map_err(used)
    }
}

/// Two calls met: the other one was first.
fn used(error: CoreError) -> FacadeError {
    match error {
        CoreError::Agent(AgentError::MessageDone) => FacadeError::used("the message"),
        error => error.into(),
    }
}

pub(crate) fn peer_error(
    code: &str,
    message: &str,
    retryable: bool,
    details: Option<String>,
) -> PeerError {
    let mut error = PeerError::new(code, message);
    if retryable {
        error = error.retryable();
    }
    match details {
        Some(json) => error.with_details(json),
        None => error,
    }
}
