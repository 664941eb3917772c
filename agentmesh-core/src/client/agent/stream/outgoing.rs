//! The application's sending end.

use std::{fmt, sync::Arc};

use tokio::sync::watch;

use super::{OutgoingCell, StreamError};
use crate::{
    Error,
    client::Agent,
    identity::Amid,
    limits::{MAX_STREAM_CHUNK, MAX_STREAM_METADATA},
    stream::{Sender, Stop},
    wire::{
        id::MessageId,
        json::check_json,
        peer_error::PeerError,
        stream::{ChunkContent, StreamEnd},
    },
};

/// An answer that is given in pieces, such as token by token. From [`Message::stream`](crate::client::Message::stream).
///
/// # Guarantees
/// * Chunks arrive in order, each once, over any number of lost connections and restarts of the relay and of either agent.
/// * [`send`](Self::send) waits while the reader does not keep up: neither end keeps more than its window.
/// * What is said while the disk or the relay is busy goes out together, so that a token costs neither a commit nor a
///   message of its own.
///
/// A stream that is dropped without [`finish`](Self::finish) or [`fail`](Self::fail) ends with the error
/// `STREAM_ABORTED`. If the process dies, the request comes again, and its stream goes on at [`position`](Self::position).
pub struct OutgoingStream {
    agent: Agent,
    cell: Arc<OutgoingCell>,
    changed: watch::Receiver<()>,
}

impl OutgoingStream {
    pub(super) fn new(agent: Agent, cell: Arc<OutgoingCell>) -> Self {
        let changed = cell.subscribe();
        Self { agent, cell, changed }
    }

    /// Who asked.
    pub fn peer(&self) -> Amid {
        self.cell.key.peer
    }

    /// The request that is answered; its id names the stream.
    pub fn id(&self) -> MessageId {
        self.cell.key.id
    }

    /// The number of the next chunk, which is how many were taken before. Above 0 in a new stream if an earlier run of
    /// the process began it: what it sent has been queued and arrives.
    pub fn position(&self) -> u64 {
        self.cell.with(|sender| sender.next_number())
    }

    /// Sends a chunk and returns its number. Waits while there is no room for it; being cancelled then, it was not sent.
    ///
    /// The chunk is in memory when this returns, and on disk soon after: [`flush`](Self::flush) waits for that.
    ///
    /// # Errors
    /// [`StreamError::Cancelled`], [`StreamError::Stalled`] and whatever else ended the stream;
    /// [`StreamError::ChunkTooLong`].
    pub async fn send(&mut self, chunk: impl Into<ChunkContent>) -> Result<u64, Error> {
        let mut chunk = Some(chunk.into());
        let actual = chunk.as_ref().map_or(0, ChunkContent::len);
        if actual > MAX_STREAM_CHUNK {
            return Err(StreamError::ChunkTooLong { limit: MAX_STREAM_CHUNK, actual }.into());
        }
        self.wait_until(|sender| {
            if chunk.as_ref().is_some_and(|chunk| sender.has_room(chunk)) {
                chunk.take().and_then(|chunk| sender.push(chunk))
            } else {
                None
            }
        })
        .await
        .inspect(|_| self.touch())
    }

    /// JSON about the stream, such as the name of a model; goes out with the next chunk.
    ///
    /// # Errors
    /// [`StreamError::Invalid`] if it is not JSON or longer than 4 KiB.
    pub fn set_metadata(&mut self, json: impl Into<String>) -> Result<(), Error> {
        let json = json.into();
        if json.len() > MAX_STREAM_METADATA || check_json(&json).is_err() {
            return Err(StreamError::Invalid { what: "metadata" }.into());
        }
        self.cell.with(|sender| sender.set_metadata(json));
        self.touch();
        Ok(())
    }

    /// Waits until everything that was sent is on disk. It will arrive from there, whatever becomes of this process.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.wait_until(|sender| (sender.on_disk() == sender.next_number()).then_some(())).await
    }

    /// Says that everything was said, and marks the request as handled. Returns when both are on disk.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn finish(self) -> Result<(), Error> {
        self.end(StreamEnd::Finished).await
    }

    /// Says why there will be no more, and marks the request as handled. Chunks that were sent arrive before it.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn fail(self, error: PeerError) -> Result<(), Error> {
        self.end(StreamEnd::Failed(error)).await
    }

    async fn end(mut self, end: StreamEnd) -> Result<(), Error> {
        self.cell.with(|sender| sender.end(end));
        self.touch();
        self.wait_until(|sender| sender.is_done().then_some(())).await
    }

    /// Whether the stream is over, because the reader cancelled it or something failed. [`send`](Self::send) says what.
    pub fn is_stopped(&self) -> bool {
        self.cell.with(|sender| sender.stopped().is_some())
    }

    /// Completes when the stream is over, for stopping a model that nobody listens to any more.
    pub async fn stopped(&self) {
        // Whoever asks for the reason tries to send.
        let _ = self.watch().stopped().await;
    }

    /// Tells the end of the stream to others than the one who writes.
    pub fn watch(&self) -> StreamWatch {
        StreamWatch { agent: self.agent.clone(), cell: Arc::clone(&self.cell) }
    }

    /// Looks at the sender whenever it may have changed.
    async fn wait_until<T>(
        &mut self,
        mut look: impl FnMut(&mut Sender) -> Option<T>,
    ) -> Result<T, Error> {
        loop {
            self.changed.borrow_and_update();
            let found = self.cell.with(|sender| match sender.stopped() {
                Some(stop) if *stop != Stop::Ended => Err(Error::from(stop)),
                _ => Ok(look(sender)),
            });
            if let Some(found) = found? {
                return Ok(found);
            }
            tokio::select! {
                _ = self.changed.changed() => {}
                () = self.agent.shared.commands.closed() => return Err(self.agent.closed()),
            }
        }
    }

    fn touch(&self) {
        self.agent.shared.streams.touch(self.cell.key);
    }
}

/// Tells when a stream is over, while its [`OutgoingStream`] is in other hands, and afterwards.
#[derive(Clone)]
pub struct StreamWatch {
    agent: Agent,
    cell: Arc<OutgoingCell>,
}

impl StreamWatch {
    /// Whether the stream is over.
    pub fn is_stopped(&self) -> bool {
        self.cell.with(|sender| sender.stopped().is_some())
    }

    /// Returns when the stream is over: because it was finished, or failed by its own end.
    ///
    /// # Errors
    /// What ended it otherwise, such as [`StreamError::Cancelled`] when its reader left;
    /// [`AgentError::Closed`](crate::client::AgentError::Closed).
    pub async fn stopped(&self) -> Result<(), Error> {
        let mut changed = self.cell.subscribe();
        loop {
            changed.borrow_and_update();
            let stopped = self.cell.with(|sender| match sender.stopped() {
                None => None,
                Some(Stop::Ended) => Some(Ok(())),
                Some(stop) => Some(Err(Error::from(stop))),
            });
            if let Some(stopped) = stopped {
                return stopped;
            }
            tokio::select! {
                _ = changed.changed() => {}
                () = self.agent.shared.commands.closed() => return Err(self.agent.closed()),
            }
        }
    }
}

impl fmt::Debug for StreamWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWatch").field("id", &self.cell.key.id).finish_non_exhaustive()
    }
}

impl Drop for OutgoingStream {
    fn drop(&mut self) {
        let aborted = PeerError::new("STREAM_ABORTED", "the sender gave up").retryable();
        self.cell.with(|sender| sender.end(StreamEnd::Failed(aborted)));
        self.touch();
    }
}

impl fmt::Debug for OutgoingStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingStream")
            .field("peer", &self.peer())
            .field("id", &self.id())
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}
