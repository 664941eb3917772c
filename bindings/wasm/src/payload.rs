//! Payloads and chunks: nothing, bytes, or text, which is JSON in payloads and itself in chunks.

use agentmesh_facade::{ChunkContent, Payload};
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};

use crate::bridge::Value;

fn bytes(value: &JsValue) -> Vec<u8> {
    value.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec).unwrap_or_default()
}

#[allow(clippy::needless_pass_by_value, reason = "as exported functions have it")]
pub(crate) fn payload(content: JsValue) -> Payload {
    match content.as_string() {
        Some(text) => Payload::Json(text),
        None if content.is_null() || content.is_undefined() => Payload::None,
        None => Payload::Bytes(bytes(&content)),
    }
}

/// A payload on its way to JavaScript.
pub(crate) struct Said(pub(crate) Payload);

impl Value for Said {
    fn js(self) -> JsValue {
        match self.0 {
            Payload::None => JsValue::NULL,
            Payload::Json(text) => text.js(),
            Payload::Bytes(bytes) => bytes.js(),
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "as exported functions have it")]
pub(crate) fn chunk(content: JsValue) -> ChunkContent {
    content.as_string().map_or_else(|| ChunkContent::Bytes(bytes(&content)), ChunkContent::Text)
}

impl Value for ChunkContent {
    fn js(self) -> JsValue {
        match self {
            Self::Text(text) => text.js(),
            Self::Bytes(bytes) => bytes.js(),
        }
    }
}
