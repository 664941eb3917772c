//! The application's reading end.

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use tokio::sync::mpsc;

use super::{Leave, StreamError, StreamItem, shared::IncomingCell};
use crate::{
    Error,
    client::{
        Agent,
        platform::{self, BoxFuture},
    },
    identity::Amid,
    stream::StreamKey,
    wire::{
        id::MessageId,
        stream::{ChunkContent, StreamEnd, StreamFrame},
    },
};

/// One piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its place in the stream, from 0, without gaps.
    pub number: u64,
    /// What it says.
    pub content: ChunkContent,
}

impl Chunk {
    /// Its text, empty if it is bytes.
    pub fn text(&self) -> &str {
        self.content.as_text().unwrap_or_default()
    }
}

/// An answer that comes in pieces. From [`Agent::stream`].
///
/// # Guarantees
/// * Chunks come in order, each once, whatever the network and the relay do; the stream ends with `None`, or with an error and then `None`.
/// * The sender is held back while this end does not read: at most a window is kept here.
/// * Chunks count as consumed when the application asks for more, or, with
///   [`StreamOptions::manual_ack`](super::StreamOptions::manual_ack), when it says so. What was not consumed is there
///   again after a crash: [`Agent::resume_stream`].
///
/// Dropping it cancels the stream, [`detach`](Self::detach) leaves it for later.
pub struct IncomingStream {
    agent: Agent,
    key: StreamKey,
    cell: Arc<IncomingCell>,
    items: mpsc::Receiver<StreamItem>,
    chunks: VecDeque<ChunkContent>,
    next: u64,
    reported: u64,
    manual_ack: bool,
    metadata: Option<String>,
    end: Option<Result<(), Error>>,
    over: bool,
    idle: Duration,
    timer: Option<BoxFuture<'static, ()>>,
}

impl IncomingStream {
    pub(super) fn new(
        agent: Agent,
        key: StreamKey,
        cell: Arc<IncomingCell>,
        items: mpsc::Receiver<StreamItem>,
        options: &super::StreamOptions,
        from: u64,
    ) -> Self {
        Self {
            agent,
            key,
            cell,
            items,
            chunks: VecDeque::new(),
            next: from,
            reported: from,
            manual_ack: options.manual_ack,
            metadata: None,
            end: None,
            over: false,
            idle: options.idle_timeout,
            timer: None,
        }
    }

    /// Who answers.
    pub fn peer(&self) -> Amid {
        self.key.peer
    }

    /// The request; its id names the stream, for [`Agent::resume_stream`].
    pub fn id(&self) -> MessageId {
        self.key.id
    }

    /// The number of the next chunk.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// What the sender said about the stream last, as JSON.
    pub fn metadata(&self) -> Option<&str> {
        self.metadata.as_deref()
    }

    /// The next chunk; `None` behind the last. Safe to cancel.
    ///
    /// # Errors
    /// [`StreamError::Failed`], [`StreamError::Violation`], a [`SendFailure`](crate::engine::SendFailure) of the request
    /// and [`AgentError::Closed`](crate::client::AgentError::Closed) end the stream. [`StreamError::Idle`] does not.
    pub async fn next(&mut self) -> Option<Result<Chunk, Error>> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Everything that is still to come, as one text. For answers that are known to be small.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn read_to_end(&mut self) -> Result<String, Error> {
        let mut text = String::new();
        while let Some(chunk) = self.next().await {
            text.push_str(chunk?.text());
        }
        Ok(text)
    }

    /// Marks every chunk below `number` as consumed: it will not come again after a crash, and the sender may send more.
    /// For streams with [`StreamOptions::manual_ack`](super::StreamOptions::manual_ack); others do it by themselves.
    pub fn ack(&mut self, number: u64) {
        self.report(number.min(self.next));
    }

    /// Ends the stream: its sender hears `reason`, and its next `send` fails.
    pub fn cancel(self, reason: impl Into<String>) {
        self.cell.leave(Leave::Cancel(reason.into()));
    }

    /// Stops reading without cancelling. The sender goes on until the window is full;
    /// [`Agent::resume_stream`] reads on, in this process or a later one.
    pub fn detach(self) -> MessageId {
        self.cell.leave(Leave::Detach);
        self.key.id
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, Error>>> {
        loop {
            if let Some(content) = self.chunks.pop_front() {
                let number = self.next;
                self.next += 1;
                return Poll::Ready(Some(Ok(Chunk { number, content })));
            }
            if !self.manual_ack {
                // Whoever asks for more is done with what there was.
                self.report(self.next);
            }
            if let Some(end) = self.end.take() {
                self.over = true;
                // Only now is an end without chunks consumed.
                self.agent.shared.streams.touch(self.key);
                if let Err(error) = end {
                    return Poll::Ready(Some(Err(error)));
                }
            }
            if self.over {
                return Poll::Ready(None);
            }
            match self.items.poll_recv(cx) {
                Poll::Ready(item) => {
                    self.timer = None;
                    self.take(item);
                }
                Poll::Pending => {
                    let idle = self.idle;
                    let timer = self.timer.get_or_insert_with(|| Box::pin(platform::sleep(idle)));
                    if timer.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    self.timer = None;
                    return Poll::Ready(Some(Err(StreamError::Idle { after: idle }.into())));
                }
            }
        }
    }

    fn take(&mut self, item: Option<StreamItem>) {
        match item {
            Some(StreamItem::Frame(StreamFrame { first, chunks, end, metadata })) => {
                self.next = first;
                self.chunks.extend(chunks);
                if metadata.is_some() {
                    self.metadata = metadata;
                }
                self.end = end.map(|end| match end {
                    StreamEnd::Finished => Ok(()),
                    StreamEnd::Failed(error) => {
                        Err(StreamError::Failed { error: Box::new(error) }.into())
                    }
                });
            }
            Some(StreamItem::Alive) => {}
            Some(StreamItem::Failed(error)) => self.end = Some(Err(error)),
            None => self.end = Some(Err(self.agent.closed())),
        }
    }

    fn report(&mut self, number: u64) {
        if number > self.reported {
            self.reported = number;
            self.cell.consumed(number);
            self.agent.shared.streams.touch(self.key);
        }
    }
}

impl Stream for IncomingStream {
    type Item = Result<Chunk, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

impl Drop for IncomingStream {
    fn drop(&mut self) {
        // A stream that was read to its end and not acknowledged to it may be read again.
        let leave = if self.over && self.manual_ack && self.reported < self.next {
            Leave::Detach
        } else {
            Leave::Cancel(String::new())
        };
        self.cell.leave(leave);
        self.agent.shared.streams.touch(self.key);
    }
}

impl fmt::Debug for IncomingStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingStream")
            .field("peer", &self.key.peer)
            .field("id", &self.key.id)
            .field("position", &self.next)
            .finish_non_exhaustive()
    }
}
