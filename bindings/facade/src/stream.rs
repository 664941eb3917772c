//! Both ends of a stream.

use std::sync::{Mutex, PoisonError};

use agentmesh_core::{
    client::{IncomingStream as CoreIncoming, OutgoingStream as CoreOutgoing, StreamWatch},
    wire::stream::ChunkContent as CoreContent,
};
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;

use crate::{FacadeError, message::peer_error, owned::Owned};

/// What a chunk says. Prints its length only.
#[derive(Clone, PartialEq, Eq)]
pub enum ChunkContent {
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl std::fmt::Debug for ChunkContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
        }
    }
}

impl From<CoreContent> for ChunkContent {
    fn from(content: CoreContent) -> Self {
        match content {
            CoreContent::Text(text) => Self::Text(text),
            CoreContent::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

impl From<ChunkContent> for CoreContent {
    fn from(content: ChunkContent) -> Self {
        match content {
            ChunkContent::Text(text) => Self::Text(text),
            ChunkContent::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

/// One piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamChunk {
    /// Its place in the stream, from 0.
    pub number: u64,
    /// What it says.
    pub content: ChunkContent,
}

/// An answer that comes in pieces. Dropping it cancels the stream.
#[derive(Debug)]
pub struct IncomingStream {
    peer: String,
    id: String,
    leaving: CancellationToken,
    reader: Owned<AsyncMutex<Option<CoreIncoming>>>,
    progress: Mutex<(u64, Option<String>)>,
}

impl IncomingStream {
    pub(crate) fn new(stream: CoreIncoming) -> Self {
        Self {
            peer: stream.peer().to_string(),
            id: stream.id().to_string(),
            leaving: CancellationToken::new(),
            progress: Mutex::new((stream.position(), None)),
            reader: Owned::new(AsyncMutex::new(Some(stream))),
        }
    }

    /// Who answers.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// The request; its id names the stream.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The number of the next chunk.
    pub fn position(&self) -> u64 {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// What the sender said about the stream last, as JSON.
    pub fn metadata(&self) -> Option<String> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// The next chunk; `None` behind the last, or when the stream was left. Safe to cancel.
    ///
    /// # Errors
    /// As the core's `IncomingStream::next`.
    pub async fn next(&self) -> Result<Option<StreamChunk>, FacadeError> {
        let mut reader = self.reader.get()?.lock().await;
        let Some(stream) = reader.as_mut() else { return Ok(None) };
        let next = tokio::select! {
            biased;
            () = self.leaving.cancelled() => return Ok(None),
            next = stream.next() => next,
        };
        let metadata = stream.metadata().map(str::to_owned);
        let progress = (stream.position(), metadata);
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
        let Some(chunk) = next.transpose()? else { return Ok(None) };
        Ok(Some(StreamChunk { number: chunk.number, content: chunk.content.into() }))
    }

    /// Marks every chunk below `number` as consumed, in streams that are acknowledged by hand.
    ///
    /// # Errors
    /// `BINDING_USED` if the stream was left; `BINDING_BUSY` while another call reads it.
    pub fn ack(&self, number: u64) -> Result<(), FacadeError> {
        let mut reader =
            self.reader.get()?.try_lock().map_err(|_| FacadeError::busy("the stream"))?;
        reader.as_mut().ok_or_else(|| FacadeError::used("the stream"))?.ack(number);
        Ok(())
    }

    /// Ends the stream; its sender hears `reason`. A call that reads gets `None`. Again is fine.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub async fn cancel(&self, reason: String) -> Result<(), FacadeError> {
        if let Some(stream) = self.leave().await? {
            stream.cancel(reason);
        }
        Ok(())
    }

    /// Stops reading without cancelling; the stream can be resumed by its id.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub async fn detach(&self) -> Result<(), FacadeError> {
        if let Some(stream) = self.leave().await? {
            stream.detach();
        }
        Ok(())
    }

    async fn leave(&self) -> Result<Option<CoreIncoming>, FacadeError> {
        self.leaving.cancel();
        Ok(self.reader.get()?.lock().await.take())
    }
}

/// An answer that is given in pieces. Dropped without an end, it fails with `STREAM_ABORTED`.
#[derive(Debug)]
pub struct OutgoingStream {
    peer: String,
    id: String,
    watch: Owned<StreamWatch>,
    writer: Owned<AsyncMutex<Option<CoreOutgoing>>>,
}

impl OutgoingStream {
    pub(crate) fn new(stream: CoreOutgoing) -> Self {
        Self {
            peer: stream.peer().to_string(),
            id: stream.id().to_string(),
            watch: Owned::new(stream.watch()),
            writer: Owned::new(AsyncMutex::new(Some(stream))),
        }
    }

    /// Who asked.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// The request that is answered.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The number of the next chunk; above 0 at first if an earlier run of the process began the stream.
    ///
    /// # Errors
    /// `BINDING_BUSY` while another call writes; `BINDING_USED` after the end.
    pub fn position(&self) -> Result<u64, FacadeError> {
        let writer = self.writer.get()?.try_lock().map_err(|_| FacadeError::busy("the stream"))?;
        Ok(writer.as_ref().ok_or_else(|| FacadeError::used("the stream"))?.position())
    }

    /// Sends a chunk and returns its number. Waits while there is no room; cancelled then, it was not sent.
    ///
    /// # Errors
    /// As the core's `OutgoingStream::send`; `BINDING_USED` after the end.
    pub async fn send(&self, chunk: ChunkContent) -> Result<u64, FacadeError> {
        let mut writer = self.writer.get()?.lock().await;
        let stream = writer.as_mut().ok_or_else(|| FacadeError::used("the stream"))?;
        Ok(stream.send(CoreContent::from(chunk)).await?)
    }

    /// JSON about the stream; goes out with the next chunk.
    ///
    /// # Errors
    /// `STREAM_INVALID`; `BINDING_USED` after the end.
    pub async fn set_metadata(&self, json: String) -> Result<(), FacadeError> {
        let mut writer = self.writer.get()?.lock().await;
        let stream = writer.as_mut().ok_or_else(|| FacadeError::used("the stream"))?;
        Ok(stream.set_metadata(json)?)
    }

    /// Waits until everything that was sent is on disk.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn flush(&self) -> Result<(), FacadeError> {
        let mut writer = self.writer.get()?.lock().await;
        Ok(writer.as_mut().ok_or_else(|| FacadeError::used("the stream"))?.flush().await?)
    }

    /// Says that everything was said, and marks the request as handled.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn finish(&self) -> Result<(), FacadeError> {
        Ok(self.end().await?.finish().await?)
    }

    /// Says why there will be no more, and marks the request as handled.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn fail(
        &self,
        code: &str,
        message: &str,
        retryable: bool,
    ) -> Result<(), FacadeError> {
        Ok(self.end().await?.fail(peer_error(code, message, retryable, None)).await?)
    }

    async fn end(&self) -> Result<CoreOutgoing, FacadeError> {
        let ended = self.writer.get()?.lock().await.take();
        ended.ok_or_else(|| FacadeError::used("the stream"))
    }

    /// Whether the stream is over, because its reader left or something failed: then sending says what. Also true after
    /// the end.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn is_stopped(&self) -> Result<bool, FacadeError> {
        let ended = || self.writer.get().map(|w| w.try_lock().is_ok_and(|w| w.is_none()));
        Ok(self.watch.get()?.is_stopped() || ended()?)
    }

    /// Returns when the stream is over by its own end, also while another call writes.
    ///
    /// # Errors
    /// What ended it otherwise, such as `STREAM_CANCELLED` when its reader left; `AGENT_CLOSED`.
    pub async fn stopped(&self) -> Result<(), FacadeError> {
        Ok(self.watch.get()?.stopped().await?)
    }
}
