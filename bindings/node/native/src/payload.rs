//! Payloads and chunks: nothing, bytes, or text, which is JSON in payloads and itself in chunks.

use agentmesh_facade::{ChunkContent, Payload};
use napi::bindgen_prelude::{Either, Uint8Array};

/// Text or bytes.
pub(crate) type Content = Either<String, Uint8Array>;

pub(crate) fn payload(content: Option<Content>) -> Payload {
    match content {
        None => Payload::None,
        Some(Either::A(text)) => Payload::Json(text),
        Some(Either::B(bytes)) => Payload::Bytes(bytes.to_vec()),
    }
}

pub(crate) fn content(payload: Payload) -> Option<Content> {
    match payload {
        Payload::None => None,
        Payload::Json(text) => Some(Either::A(text)),
        Payload::Bytes(bytes) => Some(Either::B(bytes.into())),
    }
}

pub(crate) fn chunk(content: Content) -> ChunkContent {
    match content {
        Either::A(text) => ChunkContent::Text(text),
        Either::B(bytes) => ChunkContent::Bytes(bytes.to_vec()),
    }
}

pub(crate) fn chunk_content(chunk: ChunkContent) -> Content {
    match chunk {
        ChunkContent::Text(text) => Either::A(text),
        ChunkContent::Bytes(bytes) => Either::B(bytes.into()),
    }
}
