//! Incoming messages and their acknowledgement.

use std::{
    fmt,
    ops::Deref,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};

use super::{Agent, AgentError, SendOptions, Sent};
use crate::{
    Error,
    engine::IncomingMessage,
    identity::Amid,
    keys::kdf,
    wire::{
        id::MessageId,
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
}

/// The stream of incoming messages. See [`Agent::messages`].
pub struct Messages {
    messages: mpsc::Receiver<Message>,
}

impl Messages {
    pub(super) fn channel(window: usize) -> (Consumer, Self) {
        let (sender, receiver) = mpsc::channel(window.max(1));
        (Consumer { messages: sender }, Self { messages: receiver })
    }

    /// The next message, `None` once the agent is closed. Safe to cancel.
    pub async fn next(&mut self) -> Option<Message> {
        self.messages.recv().await
    }
}

impl Stream for Messages {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.messages.poll_recv(cx)
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").field("waiting", &self.messages.len()).finish()
    }
}

/// A message for the application. [`ack`](Self::ack) it once it is handled; dropped without, it is handed on again
/// after a pause, and again after a restart.
pub struct Message {
    pub(crate) content: IncomingMessage,
    /// How often it was handed on before, in this run.
    pub(crate) attempt: u32,
    /// Room for the verdict is reserved, so that it can be given from `drop`, too.
    pub(crate) verdict: Option<mpsc::OwnedPermit<Completion>>,
}

impl Message {
    /// How often it was handed on before and not acknowledged, since the agent was opened.
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Marks the message as handled, and tells the sender so. Returns when that is on disk.
    ///
    /// # Errors
    /// [`AgentError::Closed`] if the agent is closed; the message will be handed on again.
    pub async fn ack(mut self) -> Result<(), Error> {
        let (reply, done) = oneshot::channel();
        let (from, id) = (self.content.from, self.content.id);
        if let Some(permit) = self.verdict.take() {
            permit.send((from, id, Verdict::Done(reply)));
        }
        done.await.map_err(|_| Error::from(AgentError::Closed { reason: None }))?
    }

    /// Answers a request and marks it as handled. The answer is on disk before the request counts as handled, and
    /// its id follows from the request's, so that after a crash between the two the answer still counts once.
    ///
    /// # Errors
    /// As [`Agent::send`] and [`ack`](Self::ack).
    pub async fn respond(
        self,
        agent: &Agent,
        payload: impl Into<Payload>,
        options: SendOptions,
    ) -> Result<Sent, Error> {
        let in_reply_to = Some(self.content.id);
        let fresh = response_id(agent.amid(), &self.content);
        let message = options.message(
            self.content.from,
            MessageType::Response,
            in_reply_to,
            payload.into(),
            fresh,
        );
        let sent = agent.send_message(message, &options).await?;
        self.ack().await?;
        Ok(sent)
    }
}

/// The id of the answer to a message: the request's time, then a hash of who answers what.
fn response_id(own: Amid, request: &IncomingMessage) -> MessageId {
    let digest = kdf::sha256(&[
        b"agentmesh/0.3 response id",
        own.as_bytes(),
        request.from.as_bytes(),
        request.id.as_bytes(),
    ]);
    request.id.derived(&digest)
}

impl Deref for Message {
    type Target = IncomingMessage;

    fn deref(&self) -> &IncomingMessage {
        &self.content
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        if let Some(permit) = self.verdict.take() {
            permit.send((self.content.from, self.content.id, Verdict::Dropped));
        }
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
