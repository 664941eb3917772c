//! What a message of type `stream` carries: chunks of an answer, or the word that no more are wanted
//! (`docs/protocol/native.md` §6.3).
//!
//! | key | field | CBOR |
//! |---|---|---|
//! | 1 | first | uint: the number of the first chunk here, counted from 0 over the whole stream |
//! | 2 | chunks | array of tstr or bstr; absent if there are none |
//! | 3 | end | uint: 0 finished, 1 failed, 2 failed and worth another try |
//! | 4, 5 | code and words of a failure | tstr |
//! | 6 | metadata | tstr, JSON |
//! | 7 | cancel | tstr: the reader's reason; alone |
//!
//! Either 1 is there or 7. Which stream it is, the message says (`in_reply_to`); whether it comes from the right side,
//! the reader checks. Knows neither windows nor order.

use core::fmt;

use super::{
    cbor::{CborError, Decoder, Encoder},
    json::check_json,
    peer_error::PeerError,
};
use crate::limits::{
    MAX_ERROR_CODE, MAX_ERROR_TEXT, MAX_PLAINTEXT_ENTRIES, MAX_STREAM_CHUNK, MAX_STREAM_CHUNKS,
    MAX_STREAM_FRAME, MAX_STREAM_METADATA,
};

/// Chunks of a stream are numbered below this: every language has integers of this size.
const MAX_CHUNK_NUMBER: u64 = 1 << 53;

/// One piece of a stream: a token, mostly. Prints its length only.
#[derive(Clone, PartialEq, Eq)]
pub enum ChunkContent {
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl ChunkContent {
    /// Bytes of it.
    pub const fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether it is empty; an empty chunk is a chunk all the same.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text, if it is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bytes(_) => None,
        }
    }
}

impl From<&str> for ChunkContent {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for ChunkContent {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<u8>> for ChunkContent {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl fmt::Debug for ChunkContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
        }
    }
}

/// How a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEnd {
    /// Everything was said.
    Finished,
    /// The sender could not go on. Code, words and whether another try may help; details do not travel.
    Failed(PeerError),
}

/// Consecutive chunks of a stream, from its sender. One without chunks says that the sender is still there.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct StreamFrame {
    /// The number of the first chunk, which is how many came before it.
    pub first: u64,
    /// The chunks.
    pub chunks: Vec<ChunkContent>,
    /// Set in the last frame.
    pub end: Option<StreamEnd>,
    /// JSON about the stream, such as the name of a model or what was used up.
    pub metadata: Option<String>,
}

impl StreamFrame {
    /// The number that the chunk after this frame has.
    pub fn next(&self) -> u64 {
        self.first + self.chunks.len() as u64
    }
}

impl fmt::Debug for StreamFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamFrame")
            .field("first", &self.first)
            .field("chunks", &self.chunks.len())
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// The body of a message of type `stream`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamBody {
    /// From the stream's sender.
    Frame(StreamFrame),
    /// From its reader: no more, please.
    Cancel {
        /// Why, for whoever reads logs. May be empty.
        reason: String,
    },
}

impl StreamBody {
    /// The one encoding. What this accepts, [`StreamBody::decode`] accepts.
    ///
    /// # Errors
    /// [`CborError::TooLong`] or [`CborError::InvalidValue`] for a field beyond its limit.
    pub fn encode(&self) -> Result<Vec<u8>, CborError> {
        let mut out = Encoder::default();
        match self {
            Self::Cancel { reason } => {
                check_len(reason, MAX_ERROR_TEXT, "cancel")?;
                out.map(1).uint(7).text(reason);
            }
            Self::Frame(frame) => encode_frame(frame, &mut out)?,
        }
        let bytes = out.finish();
        if bytes.len() > MAX_STREAM_FRAME {
            let actual = bytes.len();
            return Err(CborError::TooLong {
                field: "stream frame",
                limit: MAX_STREAM_FRAME,
                actual,
            });
        }
        Ok(bytes)
    }

    /// Reads a body.
    ///
    /// # Errors
    /// [`CborError`]: anything but the one encoding, a field missing or beyond its limit, metadata that is not JSON.
    pub fn decode(bytes: &[u8]) -> Result<Self, CborError> {
        if bytes.len() > MAX_STREAM_FRAME {
            let actual = bytes.len();
            return Err(CborError::TooLong {
                field: "stream frame",
                limit: MAX_STREAM_FRAME,
                actual,
            });
        }
        Fields::read(bytes)?.into_body()
    }
}

fn encode_frame(frame: &StreamFrame, out: &mut Encoder) -> Result<(), CborError> {
    let StreamFrame { first, chunks, end, metadata } = frame;
    check_frame(*first, chunks, metadata.as_deref())?;
    let failure = match end {
        Some(StreamEnd::Failed(error)) => Some(error),
        _ => None,
    };
    let entries = 1
        + usize::from(!chunks.is_empty())
        + usize::from(end.is_some())
        + 2 * usize::from(failure.is_some())
        + usize::from(metadata.is_some());
    out.map(entries).uint(1).uint(*first);
    if !chunks.is_empty() {
        out.uint(2).array(chunks.len());
        for chunk in chunks {
            match chunk {
                ChunkContent::Text(text) => out.text(text),
                ChunkContent::Bytes(bytes) => out.bytes(bytes),
            };
        }
    }
    if end.is_some() {
        out.uint(3).uint(failure.map_or(0, |error| 1 + u64::from(error.retryable)));
    }
    if let Some(PeerError { code, message, .. }) = failure {
        check_len(code, MAX_ERROR_CODE, "error code")?;
        check_len(message, MAX_ERROR_TEXT, "error message")?;
        out.uint(4).text(code).uint(5).text(message);
    }
    if let Some(metadata) = metadata {
        out.uint(6).text(metadata);
    }
    Ok(())
}

/// What holds of every frame, in both directions.
fn check_frame(
    first: u64,
    chunks: &[ChunkContent],
    metadata: Option<&str>,
) -> Result<(), CborError> {
    if chunks.len() > MAX_STREAM_CHUNKS {
        let actual = chunks.len();
        return Err(CborError::TooLong { field: "chunks", limit: MAX_STREAM_CHUNKS, actual });
    }
    if first.saturating_add(chunks.len() as u64) > MAX_CHUNK_NUMBER {
        return Err(CborError::InvalidValue { field: "first" });
    }
    for chunk in chunks {
        if chunk.len() > MAX_STREAM_CHUNK {
            let actual = chunk.len();
            return Err(CborError::TooLong { field: "chunk", limit: MAX_STREAM_CHUNK, actual });
        }
    }
    if let Some(metadata) = metadata {
        check_len(metadata, MAX_STREAM_METADATA, "metadata")?;
        check_json(metadata).map_err(|_| CborError::InvalidValue { field: "metadata" })?;
    }
    Ok(())
}

fn check_len(text: &str, limit: usize, field: &'static str) -> Result<(), CborError> {
    if text.len() > limit {
        return Err(CborError::TooLong { field, limit, actual: text.len() });
    }
    Ok(())
}

/// The map as read.
#[derive(Default)]
struct Fields {
    first: Option<u64>,
    chunks: Vec<ChunkContent>,
    end: Option<u64>,
    code: Option<String>,
    message: Option<String>,
    metadata: Option<String>,
    cancel: Option<String>,
}

impl Fields {
    fn read(bytes: &[u8]) -> Result<Self, CborError> {
        let mut fields = Self::default();
        let mut input = Decoder::new(bytes);
        let mut entries = input.map(MAX_PLAINTEXT_ENTRIES, "stream body")?;
        while let Some(key) = entries.next(&mut input)? {
            match key {
                1 => fields.first = Some(input.uint("first")?),
                2 => fields.chunks = chunks(&mut input)?,
                3 => fields.end = Some(input.uint("end")?),
                4 => fields.code = Some(input.text(MAX_ERROR_CODE, "error code")?.to_owned()),
                5 => fields.message = Some(input.text(MAX_ERROR_TEXT, "error message")?.to_owned()),
                6 => {
                    fields.metadata = Some(input.text(MAX_STREAM_METADATA, "metadata")?.to_owned());
                }
                7 => fields.cancel = Some(input.text(MAX_ERROR_TEXT, "cancel")?.to_owned()),
                _ => input.skip()?,
            }
        }
        input.finish()?;
        Ok(fields)
    }

    fn into_body(self) -> Result<StreamBody, CborError> {
        let Self { first, chunks, end, code, message, metadata, cancel } = self;
        let Some(first) = first else {
            let reason = cancel.ok_or(CborError::Missing { field: "first" })?;
            let alone = chunks.is_empty() && end.is_none() && metadata.is_none();
            if !(alone && code.is_none() && message.is_none()) {
                return Err(CborError::Missing { field: "first" });
            }
            return Ok(StreamBody::Cancel { reason });
        };
        if cancel.is_some() {
            return Err(CborError::InvalidValue { field: "cancel" });
        }
        let end = match (end, code, message) {
            (None, None, None) => None,
            (Some(0), None, None) => Some(StreamEnd::Finished),
            (Some(1), Some(code), Some(message)) => {
                Some(StreamEnd::Failed(PeerError::new(code, message)))
            }
            (Some(2), Some(code), Some(message)) => {
                Some(StreamEnd::Failed(PeerError::new(code, message).retryable()))
            }
            _ => return Err(CborError::InvalidValue { field: "end" }),
        };
        check_frame(first, &chunks, metadata.as_deref())?;
        Ok(StreamBody::Frame(StreamFrame { first, chunks, end, metadata }))
    }
}

fn chunks(input: &mut Decoder<'_>) -> Result<Vec<ChunkContent>, CborError> {
    let count = input.array(MAX_STREAM_CHUNKS, "chunks")?;
    if count == 0 {
        return Err(CborError::InvalidValue { field: "chunks" });
    }
    let mut chunks = Vec::with_capacity(count);
    for _ in 0..count {
        chunks.push(if input.is_text() {
            ChunkContent::Text(input.text(MAX_STREAM_CHUNK, "chunk")?.to_owned())
        } else {
            ChunkContent::Bytes(input.bytes(MAX_STREAM_CHUNK, "chunk")?.to_owned())
        });
    }
    Ok(chunks)
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
