//! What a message can carry. Whatever the application or a peer wrote prints its length only.

use core::fmt;

use crate::{
    keys::Signature,
    limits::{
        MAX_SCHEMA_NAME, MAX_STREAM_WINDOW_BYTES, MAX_STREAM_WINDOW_FRAMES, MAX_TRACE,
        MIN_STREAM_WINDOW_BYTES,
    },
    wire::{cbor::CborError, id::MessageId},
};

use super::Stage;
#[cfg(doc)]
use crate::{limits::MAX_PARTS, wire::json::check_json};

/// One receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The message.
    pub id: MessageId,
    /// How far it came.
    pub stage: Stage,
}

/// What the application sends. Prints its length only.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Payload {
    /// Nothing.
    #[default]
    None,
    /// JSON text as the application wrote it. In a part it is a piece of such text, cut anywhere between two
    /// characters: check the whole with [`check_json`].
    Json(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Payload {
    /// Bytes of the payload.
    pub const fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Json(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The JSON text, if it is JSON.
    pub fn as_json(&self) -> Option<&str> {
        match self {
            Self::Json(text) => Some(text),
            _ => None,
        }
    }
}

/// JSON text; whether it is valid is checked when the message is sent.
impl From<&str> for Payload {
    fn from(json: &str) -> Self {
        Self::Json(json.to_owned())
    }
}

/// JSON text; whether it is valid is checked when the message is sent.
impl From<String> for Payload {
    fn from(json: String) -> Self {
        Self::Json(json)
    }
}

impl From<serde_json::Value> for Payload {
    fn from(json: serde_json::Value) -> Self {
        Self::Json(json.to_string())
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Json(text) => write!(f, "Json({} bytes)", text.len()),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
        }
    }
}

/// What is said of a payload, and of how it is to be answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers {
    /// A W3C `traceparent`, for distributed tracing. Only the two agents see it.
    pub trace: Option<String>,
    /// Set in a request that wants its answer as a stream: how much of it may be under way at once.
    pub stream: Option<StreamTerms>,
    /// Name of the schema that the payload follows, as the sender says.
    pub schema: Option<String>,
}

impl Headers {
    /// None of them.
    pub const NONE: Self = Self { trace: None, stream: None, schema: None };

    pub(super) fn check(&self) -> Result<(), CborError> {
        if let Some(trace) = &self.trace
            && trace.len() > MAX_TRACE
        {
            return Err(CborError::TooLong {
                field: "trace",
                limit: MAX_TRACE,
                actual: trace.len(),
            });
        }
        if self.stream.is_some_and(|terms| !terms.is_valid()) {
            return Err(CborError::InvalidValue { field: "stream" });
        }
        match self.schema.as_ref().map(String::len) {
            Some(0) => Err(CborError::InvalidValue { field: "schema" }),
            Some(actual) if actual > MAX_SCHEMA_NAME => {
                Err(CborError::TooLong { field: "schema", limit: MAX_SCHEMA_NAME, actual })
            }
            _ => Ok(()),
        }
    }
}

/// How much of a stream its reader holds for itself: the sender sends no more until the reader has consumed some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamTerms {
    /// Frames that may be unconsumed, 1 to [`MAX_STREAM_WINDOW_FRAMES`].
    pub frames: u32,
    /// Bytes that may be unconsumed, [`MIN_STREAM_WINDOW_BYTES`] to [`MAX_STREAM_WINDOW_BYTES`].
    pub bytes: u32,
}

impl StreamTerms {
    /// Whether both are within their bounds.
    pub const fn is_valid(&self) -> bool {
        self.frames >= 1
            && self.frames <= MAX_STREAM_WINDOW_FRAMES
            && self.bytes >= MIN_STREAM_WINDOW_BYTES
            && self.bytes <= MAX_STREAM_WINDOW_BYTES
    }
}

impl Default for StreamTerms {
    /// 16 frames, 256 KiB.
    fn default() -> Self {
        Self { frames: 16, bytes: 256 * 1024 }
    }
}

/// Which piece of a large payload a message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Names the whole; the same in each of its parts.
    pub group: [u8; 16],
    /// This piece, from 0.
    pub index: u32,
    /// Pieces in all, at most [`MAX_PARTS`].
    pub count: u32,
    /// SHA-256 of the whole payload.
    pub sha256: [u8; 32],
}

/// The body of a KNOCK or of an answer to one, and its signature, both as received. Verified by `knock`.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedBody {
    /// The bytes that were signed.
    pub body: Vec<u8>,
    /// Their signature.
    pub signature: Signature,
}

impl fmt::Debug for SignedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedBody({} bytes)", self.body.len())
    }
}
