//! Both ends of a stream.

use std::sync::Arc;

use agentmesh_facade::{IncomingStream, OutgoingStream};

use crate::{
    NativeChunkContent, NativeError,
    calls::{call, run},
};

/// One piece of an answer.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
pub struct NativeChunk {
    /// Its place in the stream, from 0.
    pub number: u64,
    /// What it says.
    pub content: NativeChunkContent,
}

/// An answer that comes in pieces. Dropping it cancels the stream.
#[derive(uniffi::Object)]
pub struct NativeIncomingStream(Arc<IncomingStream>);

impl NativeIncomingStream {
    pub(crate) fn new(stream: IncomingStream) -> Arc<Self> {
        Arc::new(Self(Arc::new(stream)))
    }
}

#[uniffi::export]
impl NativeIncomingStream {
    /// Who answers.
    pub fn peer(&self) -> String {
        self.0.peer().to_owned()
    }

    /// The request; its id names the stream.
    pub fn id(&self) -> String {
        self.0.id().to_owned()
    }

    /// The number of the next chunk.
    pub fn position(&self) -> u64 {
        self.0.position()
    }

    /// What the sender said about the stream last, as JSON.
    pub fn metadata(&self) -> Option<String> {
        self.0.metadata()
    }

    /// The next chunk, nothing behind the last, or when the stream was left. Safe to cancel.
    pub async fn next(&self) -> Result<Option<NativeChunk>, NativeError> {
        let stream = Arc::clone(&self.0);
        call(async move {
            let chunk = stream.next().await?;
            Ok(chunk
                .map(|chunk| NativeChunk { number: chunk.number, content: chunk.content.into() }))
        })
        .await
    }

    /// Marks every chunk below a number as consumed, in streams that are acknowledged by hand.
    pub fn ack(&self, number: u64) -> Result<(), NativeError> {
        run(|| self.0.ack(number))
    }

    /// Ends the stream; its sender hears why. Again is fine.
    pub async fn cancel(&self, reason: String) -> Result<(), NativeError> {
        let stream = Arc::clone(&self.0);
        call(async move { stream.cancel(reason).await }).await
    }

    /// Stops reading without cancelling; the stream can be resumed by its id.
    pub async fn detach(&self) -> Result<(), NativeError> {
        let stream = Arc::clone(&self.0);
        call(async move { stream.detach().await }).await
    }
}

/// An answer that is given in pieces. Dropped without an end, it fails with `STREAM_ABORTED`.
#[derive(uniffi::Object)]
pub struct NativeOutgoingStream(Arc<OutgoingStream>);

impl NativeOutgoingStream {
    pub(crate) fn new(stream: OutgoingStream) -> Arc<Self> {
        Arc::new(Self(Arc::new(stream)))
    }
}

#[uniffi::export]
impl NativeOutgoingStream {
    /// Who asked.
    pub fn peer(&self) -> String {
        self.0.peer().to_owned()
    }

    /// The request that is answered.
    pub fn id(&self) -> String {
        self.0.id().to_owned()
    }

    /// The number of the next chunk.
    pub fn position(&self) -> Result<u64, NativeError> {
        run(|| self.0.position())
    }

    /// Sends a chunk and returns its number. Waits while there is no room.
    pub async fn send(&self, chunk: NativeChunkContent) -> Result<u64, NativeError> {
        let stream = Arc::clone(&self.0);
        call(async move { stream.send(chunk.into()).await }).await
    }

    /// JSON about the stream; goes out with the next chunk.
    pub async fn set_metadata(&self, metadata: String) -> Result<(), NativeError> {
        let stream = Arc::clone(&self.0);
        call(async move { stream.set_metadata(metadata).await }).await
    }

    /// Waits until everything that was sent is on disk.
    pub async fn flush(&self) -> Result<(), NativeError> {
        let stream = Arc::clone(&self.0);
        call(async move { stream.flush().await }).await
    }

    /// Says that everything was said, and marks the request as handled.
    pub async fn finish(&self) -> Result<(), NativeError> {
        let stream = Arc::clone(&self.0);
        call(async move { stream.finish().await }).await
    }

    /// Says why there will be no more, and marks the request as handled.
    pub async fn fail(
        &self,
        code: String,
        reason: String,
        retryable: bool,
    ) -> Result<(), NativeError> {
        let stream = Arc::clone(&self.0);
        call(async move { stream.fail(&code, &reason, retryable).await }).await
    }

    /// Whether the stream is over.
    pub fn is_stopped(&self) -> Result<bool, NativeError> {
        run(|| self.0.is_stopped())
    }

    /// Returns when the stream is over by its own end.
    pub async fn stopped(&self) -> Result<(), NativeError> {
        let stream = Arc::clone(&self.0);
        call(async move { stream.stopped().await }).await
    }
}
