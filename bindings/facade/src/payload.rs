//! What messages carry, as the bindings pass it on.

use agentmesh_core::wire::plaintext::Payload as CorePayload;

/// The payload of a message. JSON stays text: each language has a faster parser for its own values than this one.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Payload {
    /// Nothing.
    #[default]
    None,
    /// JSON text. Whether it is JSON is checked when it is sent; what was received is.
    Json(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// Its length only.
impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Json(text) => write!(f, "Json({} bytes)", text.len()),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
        }
    }
}

impl From<CorePayload> for Payload {
    fn from(payload: CorePayload) -> Self {
        match payload {
            CorePayload::None => Self::None,
            CorePayload::Json(text) => Self::Json(text),
            CorePayload::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

impl From<Payload> for CorePayload {
    fn from(payload: Payload) -> Self {
        match payload {
            Payload::None => Self::None,
            Payload::Json(text) => Self::Json(text),
            Payload::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}
