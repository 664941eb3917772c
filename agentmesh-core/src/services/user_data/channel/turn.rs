//! A turn: what is said to the agent, and everything that it says until it is done.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};

use super::{super::UserDataError, ChannelMessage, Object, event::is_error_result};

/// Parts that wait for their reader. More are left out; the end says how many, and has the whole text.
const PARTS: usize = 256;

/// A part of what the agent says.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum TurnPart {
    /// More of a message that is on its way. The message that follows takes the place of all of them.
    Delta {
        /// Text for people; otherwise a piece of the JSON that a tool is used with.
        is_text: bool,
        /// The piece.
        content: String,
    },
    /// A whole message, of the agent or of a tool.
    Message(ChannelMessage),
    /// The agent is done; nothing follows.
    End(TurnEnd),
}

/// How a turn ended.
#[derive(Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct TurnEnd {
    /// What the agent said, without thoughts and tools. Of more than 8 MiB, the beginning.
    pub text: String,
    /// The server's account of the turn: costs, duration, and whether it went wrong. `None` if it came while the
    /// connection was lost.
    pub result: Option<Object>,
    /// The agent's id for the conversation, as far as it is known.
    pub conversation: Option<String>,
    /// Parts that the reader was too slow for.
    pub missed: u64,
}

impl TurnEnd {
    /// Whether the server says that the turn went wrong.
    pub fn is_error(&self) -> bool {
        self.result.as_ref().is_some_and(is_error_result)
    }
}

/// What agents say is not for logs.
impl fmt::Debug for TurnPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delta { content, .. } => write!(f, "Delta({} bytes)", content.len()),
            Self::Message(message) => f.debug_tuple("Message").field(message).finish(),
            Self::End(end) => f.debug_tuple("End").field(end).finish(),
        }
    }
}

impl fmt::Debug for TurnEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnEnd")
            .field("bytes", &self.text.len())
            .field("result", &self.result.is_some())
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}

type Ending = Result<TurnEnd, UserDataError>;

/// The writing end of a [`Turn`].
#[derive(Debug)]
pub(super) struct TurnWriter {
    parts: mpsc::Sender<TurnPart>,
    outcome: oneshot::Sender<Ending>,
    missed: u64,
}

impl TurnWriter {
    pub(super) fn part(&mut self, part: TurnPart) {
        if self.parts.try_send(part).is_err() {
            self.missed += 1;
        }
    }

    /// The last word. Whoever has stopped listening does not hear it.
    pub(super) fn finish(self, outcome: Ending) {
        let Self { parts, outcome: sender, missed } = self;
        drop(parts);
        let _ = sender.send(outcome.map(|end| TurnEnd { missed, ..end }));
    }
}

/// A turn as a stream of parts. Its last item is [`TurnPart::End`] or an error.
///
/// Dropping it stops nothing: the agent goes on, and the channel waits for its end. Interrupt it instead.
pub struct Turn {
    parts: mpsc::Receiver<TurnPart>,
    outcome: Option<oneshot::Receiver<Ending>>,
}

pub(super) fn turn() -> (TurnWriter, Turn) {
    let (to_parts, parts) = mpsc::channel(PARTS);
    let (to_outcome, outcome) = oneshot::channel();
    (
        TurnWriter { parts: to_parts, outcome: to_outcome, missed: 0 },
        Turn { parts, outcome: Some(outcome) },
    )
}

impl Turn {
    /// Waits for the end, and leaves out what comes before.
    ///
    /// # Errors
    /// Why there is no end: see [`UserDataChannel::send`](super::UserDataChannel::send).
    pub async fn end(mut self) -> Result<TurnEnd, UserDataError> {
        while self.parts.recv().await.is_some() {}
        match self.outcome.take() {
            Some(outcome) => outcome.await.unwrap_or_else(|_| Err(closed())),
            None => Err(closed()),
        }
    }
}

impl Stream for Turn {
    type Item = Result<TurnPart, UserDataError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(part) = ready!(self.parts.poll_recv(cx)) {
            return Poll::Ready(Some(Ok(part)));
        }
        let Some(outcome) = &mut self.outcome else { return Poll::Ready(None) };
        let end = ready!(Pin::new(outcome).poll(cx)).unwrap_or_else(|_| Err(closed()));
        self.outcome = None;
        Poll::Ready(Some(end.map(TurnPart::End)))
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

pub(super) fn closed() -> UserDataError {
    UserDataError::Closed { reason: "closed".to_owned() }
}
