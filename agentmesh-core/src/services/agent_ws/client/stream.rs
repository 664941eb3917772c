//! How an answer reaches who waits for it: whole, or piece by piece.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};

use super::super::{AgentWebSocketError, Message};

/// Pieces that wait for their reader. More are left out: the whole answer comes at the end.
const PIECES: usize = 256;

type Outcome = Result<Message, AgentWebSocketError>;

/// A part of an answer that is shown as it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// More text.
    Delta(Message),
    /// The whole answer; nothing follows.
    Answer(Message),
}

/// Who waits.
#[derive(Debug)]
pub(super) enum Waiter {
    Whole(oneshot::Sender<Outcome>),
    Sent(oneshot::Sender<Result<(), AgentWebSocketError>>),
    Pieces(mpsc::Sender<Message>, oneshot::Sender<Outcome>),
}

impl Waiter {
    pub(super) const fn whole(sender: oneshot::Sender<Outcome>) -> Self {
        Self::Whole(sender)
    }

    pub(super) const fn sent(sender: oneshot::Sender<Result<(), AgentWebSocketError>>) -> Self {
        Self::Sent(sender)
    }

    pub(super) const fn streams(&self) -> bool {
        matches!(self, Self::Pieces(..))
    }

    pub(super) fn piece(&self, message: Message) {
        if let Self::Pieces(pieces, _) = self {
            // A reader that is slow or gone misses it.
            let _ = pieces.try_send(message);
        }
    }

    /// The last word. Whoever has stopped waiting does not hear it.
    pub(super) fn finish(self, result: Result<Option<Message>, AgentWebSocketError>) {
        let whole = |result: Result<Option<Message>, _>| {
            result.and_then(|answer| {
                answer.ok_or_else(|| AgentWebSocketError::Closed { reason: "closed".into() })
            })
        };
        match self {
            Self::Whole(sender) => drop(sender.send(whole(result))),
            Self::Sent(sender) => drop(sender.send(result.map(|_| ()))),
            Self::Pieces(pieces, sender) => {
                drop(pieces);
                drop(sender.send(whole(result)));
            }
        }
    }
}

/// The pieces of an answer and then the whole, or an error. Ends after either.
pub struct QueryStream {
    pieces: mpsc::Receiver<Message>,
    answer: Option<oneshot::Receiver<Outcome>>,
}

pub(super) fn channel() -> (Waiter, QueryStream) {
    let (to_pieces, pieces) = mpsc::channel(PIECES);
    let (to_answer, answer) = oneshot::channel();
    (Waiter::Pieces(to_pieces, to_answer), QueryStream { pieces, answer: Some(answer) })
}

impl Stream for QueryStream {
    type Item = Result<Part, AgentWebSocketError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(piece) = ready!(self.pieces.poll_recv(cx)) {
            return Poll::Ready(Some(Ok(Part::Delta(piece))));
        }
        let Some(answer) = &mut self.answer else { return Poll::Ready(None) };
        let outcome = ready!(Pin::new(answer).poll(cx));
        self.answer = None;
        let closed = || AgentWebSocketError::Closed { reason: "closed".into() };
        let outcome = outcome.unwrap_or_else(|_| Err(closed()));
        Poll::Ready(Some(outcome.map(Part::Answer)))
    }
}

impl fmt::Debug for QueryStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryStream").finish_non_exhaustive()
    }
}
