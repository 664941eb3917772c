//! Incoming messages and their acknowledgement.

use std::{
    fmt,
    future::poll_fn,
    ops::Deref,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{Context, Poll},
};

use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};

use super::{Agent, AgentError, SendOptions, Sent};
use crate::{
    Error,
    client::spans,
    engine::IncomingMessage,
    identity::Amid,
    keys::kdf,
    wire::{
        id::MessageId,
        peer_error::PeerError,
        plaintext::{MessageType, Payload},
    },
};

/// What the application says of a message that it was given.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Handled; the reply comes when that is on disk.
    Done(oneshot::Sender<Result<(), Error>>),
    /// Dropped without a word: it is handed on again.
    Dropped,
}

/// A verdict and whom it is about.
pub(crate) type Completion = (Amid, MessageId, Verdict);

/// The driver's end of a message stream.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) messages: mpsc::Sender<Message>,
    /// The reader's end, while there is a reader.
    reader: Weak<Mutex<mpsc::Receiver<Message>>>,
}

impl Consumer {
    /// Ends the stream, and takes back what was handed to it and read by nobody: whoever keeps a stream without reading it
    /// would keep that from the next reader.
    pub(crate) fn end(self) -> Vec<Message> {
        let Some(reader) = self.reader.upgrade() else { return Vec::new() };
        let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.close();
        std::iter::from_fn(|| reader.try_recv().ok()).collect()
    }
}

/// The stream of incoming messages. See [`Agent::messages`].
pub struct Messages {
    messages: Arc<Mutex<mpsc::Receiver<Message>>>,
}

impl Messages {
    pub(in crate::client) fn channel(window: usize) -> (Consumer, Self) {
        let (sender, receiver) = mpsc::channel(window.max(1));
        let messages = Arc::new(Mutex::new(receiver));
        (Consumer { messages: sender, reader: Arc::downgrade(&messages) }, Self { messages })
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).poll_recv(cx)
    }

    /// The next message, `None` once the agent is closed or another stream replaced this one. Safe to cancel.
    pub async fn next(&mut self) -> Option<Message> {
        poll_fn(|cx| self.poll(cx)).await
    }
}

impl Stream for Messages {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.poll(cx)
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.messages.lock().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("Messages").field("waiting", &waiting).finish()
    }
}

/// A message for the application. [`ack`](Self::ack) it once it is handled; dropped without, it is handed on again
/// after a pause, and again after a restart.
///
/// An answer that is refused, such as one that is too large, leaves the message as it was: answer it otherwise.
pub struct Message {
    pub(crate) content: IncomingMessage,
    /// How often it was handed on before, in this run.
    pub(crate) attempt: u32,
    pub(in crate::client) verdict: Mutex<Option<mpsc::OwnedPermit<Completion>>>,
}

impl Message {
    /// Room for the verdict is reserved, so that it can be given from `drop`, too.
    pub(crate) const fn new(
        content: IncomingMessage,
        attempt: u32,
        verdict: mpsc::OwnedPermit<Completion>,
    ) -> Self {
        Self { content, attempt, verdict: Mutex::new(Some(verdict)) }
    }

    /// Ends what can be done with the message. `None` if that was done before.
    pub(crate) fn take_verdict(&self) -> Option<mpsc::OwnedPermit<Completion>> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether it was acknowledged, answered, or given back.
    pub fn is_done(&self) -> bool {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    pub(crate) fn check_open(&self) -> Result<(), Error> {
        if self.is_done() { Err(AgentError::MessageDone.into()) } else { Ok(()) }
    }

    /// How often it was handed on before and not acknowledged, since the agent was opened.
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Marks the message as handled, and tells the sender so. Returns when that is on disk.
    ///
    /// # Errors
    /// [`AgentError::Closed`] if the agent is closed; the message will be handed on again.
    /// [`AgentError::MessageDone`] if it was acknowledged, answered or given back before.
    pub async fn ack(&self) -> Result<(), Error> {
        let (reply, done) = oneshot::channel();
        let (from, id) = (self.content.from, self.content.id);
        let permit = self.take_verdict().ok_or(AgentError::MessageDone)?;
        permit.send((from, id, Verdict::Done(reply)));
        done.await.map_err(|_| Error::from(AgentError::Closed { reason: None }))?
    }

    /// Gives the message back, as dropping it does: it is handed on again after a pause. Of a message that is done
    /// nothing comes.
    pub fn release(&self) {
        if let Some(permit) = self.take_verdict() {
            permit.send((self.content.from, self.content.id, Verdict::Dropped));
        }
    }

    /// Answers a request and marks it as handled. The answer is on disk before the request counts as handled, and
    /// its id follows from the request's, so that after a crash between the two the answer still counts once.
    ///
    /// # Errors
    /// As [`Agent::send`] and [`ack`](Self::ack). The message is open still, unless it was done before: if nothing was queued
    /// ([`SendError`](crate::engine::SendError)), answer something else; if the stage was not reached in time
    /// ([`AgentError::StageNotReached`]), the answer is on its way, and [`ack`](Self::ack) is all that is to be done.
    pub async fn respond(
        &self,
        agent: &Agent,
        payload: impl Into<Payload>,
        options: SendOptions,
    ) -> Result<Sent, Error> {
        self.answer(agent, MessageType::Response, payload.into(), options).await
    }

    /// Answers a request with an error and marks it as handled; the peer's [`Agent::request`] returns
    /// [`AgentError::ErrorResponse`]. Counts once, as [`respond`](Self::respond) does.
    ///
    /// # Errors
    /// As [`respond`](Self::respond).
    pub async fn fail(&self, agent: &Agent, error: &PeerError) -> Result<Sent, Error> {
        let payload = Payload::Json(error.to_json());
        self.answer(agent, MessageType::Error, payload, SendOptions::default()).await
    }

    async fn answer(
        &self,
        agent: &Agent,
        kind: MessageType,
        payload: Payload,
        options: SendOptions,
    ) -> Result<Sent, Error> {
        self.check_open()?;
        let in_reply_to = Some(self.content.id);
        let fresh = response_id(agent.amid(), &self.content);
        let mut message = options.message(self.content.from, kind, in_reply_to, payload, fresh);
        if message.headers.trace.is_none() {
            message.headers.trace.clone_from(&self.content.headers.trace);
        }
        let sent = agent.send_message(message, &options).await?;
        self.ack().await?;
        Ok(sent)
    }

    /// Tells the sender how far its message is, as news that nobody keeps: it comes as
    /// [`Event::Status`](crate::engine::Event::Status), once, if the peer is there for it.
    ///
    /// # Errors
    /// As [`Agent::status`].
    pub async fn status(&self, agent: &Agent, payload: impl Into<Payload>) -> Result<(), Error> {
        agent.status(self.content.from, Some(self.content.id), payload).await
    }

    /// The W3C `traceparent` that the sender sealed into the message. Answers carry it on.
    pub fn trace(&self) -> Option<&str> {
        self.content.headers.trace.as_deref()
    }

    /// A span for what the application does with the message, with its ids and those of its trace. Name, fields and how
    /// to tie it to a tracing backend are in `docs/observability.md`.
    pub fn span(&self) -> tracing::Span {
        spans::handling(&self.content)
    }

    /// The schema that the payload follows, if the sender named one.
    pub fn schema(&self) -> Option<&str> {
        self.content.headers.schema.as_deref()
    }
}

/// The id of the answer to a message: the request's time, then a hash of who answers what.
pub(crate) fn response_id(own: Amid, request: &IncomingMessage) -> MessageId {
    request.id.derived(&kdf::sha256(&[
        b"agentmesh/0.3 response id",
        own.as_bytes(),
        request.from.as_bytes(),
        request.id.as_bytes(),
    ]))
}

impl Deref for Message {
    type Target = IncomingMessage;

    fn deref(&self) -> &IncomingMessage {
        &self.content
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.release();
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("from", &self.content.from)
            .field("id", &self.content.id)
            .field("kind", &self.content.kind)
            .field("bytes", &self.content.payload.len())
            .finish_non_exhaustive()
    }
}
