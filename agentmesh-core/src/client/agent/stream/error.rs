//! What can go wrong with a stream.

use crate::{error::errors, wire::peer_error::PeerError};

errors! {
    /// Why a stream ended, or did not begin.
    pub enum StreamError {
        /// The reader wants no more.
        #[error("the reader cancelled the stream")]
        Cancelled {
            /// Its words.
            reason: String,
        } = "STREAM_CANCELLED", Closed, permanent;
        /// The peer could not go on, or answered with an error instead of a stream.
        #[error("the peer ended the stream with an error: {error}")]
        Failed {
            /// What it said. The words are the peer's.
            error: Box<PeerError>,
        } = "STREAM_FAILED", Protocol, permanent;
        /// Nothing came for too long, not even a sign that the sender is there. The stream is not over: reading goes on
        /// with the next call, and dropping the stream cancels it.
        #[error("nothing has come for {} s", after.as_secs())]
        Idle {
            /// For how long.
            after: core::time::Duration,
        } = "STREAM_IDLE", Timeout, retryable;
        /// The reader consumed nothing for too long.
        #[error("the reader consumed nothing for too long")]
        Stalled = "STREAM_STALLED", Timeout, retryable;
        /// Chunks before this one are gone: they were consumed, and receipted, before.
        #[error("chunks below {first} were consumed before and are gone")]
        Gap {
            /// The first one that can be had.
            first: u64,
        } = "STREAM_GAP", NotFound, permanent;
        /// There is no such stream, or it has ended.
        #[error("there is no such stream")]
        Unknown = "STREAM_UNKNOWN", NotFound, permanent;
        /// The message asks for no stream. Answer it with a response.
        #[error("the message asks for no stream")]
        NotAsked = "STREAM_NOT_ASKED", InvalidInput, permanent;
        /// The stream is open already: the request is being answered, or was sent before. To read on, resume it.
        #[error("the stream is open already")]
        Busy = "STREAM_BUSY", Conflict, permanent;
        /// A chunk longer than a frame takes.
        #[error("a chunk of {actual} bytes exceeds the limit of {limit}")]
        ChunkTooLong {
            /// The limit in bytes.
            limit: usize,
            /// The chunk's length.
            actual: usize,
        } = "STREAM_CHUNK_TOO_LONG", InvalidInput, permanent;
        /// Metadata that is not JSON, or too long, or a window out of bounds.
        #[error("{what} is not valid")]
        Invalid {
            /// What it is.
            what: &'static str,
        } = "STREAM_INVALID", InvalidInput, permanent;
        /// The peer sends more than it was granted, or contradicts itself.
        #[error("the peer does not keep to the stream's window")]
        Violation = "STREAM_VIOLATION", Protocol, permanent;
    }
}
