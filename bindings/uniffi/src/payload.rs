//! What messages and chunks carry.

use agentmesh_facade::{ChunkContent, Payload};

/// The payload of a message.
#[derive(Clone, PartialEq, Eq, uniffi::Enum)]
pub enum NativePayload {
    /// Nothing.
    Empty,
    /// JSON text.
    Json {
        /// The text.
        text: String,
    },
    /// Bytes.
    Bytes {
        /// The bytes.
        bytes: Vec<u8>,
    },
}

impl From<Payload> for NativePayload {
    fn from(payload: Payload) -> Self {
        match payload {
            Payload::None => Self::Empty,
            Payload::Json(text) => Self::Json { text },
            Payload::Bytes(bytes) => Self::Bytes { bytes },
        }
    }
}

impl From<NativePayload> for Payload {
    fn from(payload: NativePayload) -> Self {
        match payload {
            NativePayload::Empty => Self::None,
            NativePayload::Json { text } => Self::Json(text),
            NativePayload::Bytes { bytes } => Self::Bytes(bytes),
        }
    }
}

/// What a chunk of a stream carries.
#[derive(Clone, PartialEq, Eq, uniffi::Enum)]
pub enum NativeChunkContent {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// Bytes.
    Bytes {
        /// The bytes.
        bytes: Vec<u8>,
    },
}

impl From<ChunkContent> for NativeChunkContent {
    fn from(content: ChunkContent) -> Self {
        match content {
            ChunkContent::Text(text) => Self::Text { text },
            ChunkContent::Bytes(bytes) => Self::Bytes { bytes },
        }
    }
}

impl From<NativeChunkContent> for ChunkContent {
    fn from(content: NativeChunkContent) -> Self {
        match content {
            NativeChunkContent::Text { text } => Self::Text(text),
            NativeChunkContent::Bytes { bytes } => Self::Bytes(bytes),
        }
    }
}
