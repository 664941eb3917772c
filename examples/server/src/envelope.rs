//! A message as the relay holds it: who, what kind, when, and bytes that mean nothing here.

use std::{fmt, sync::Arc};

use agentmesh_core::{
    Timestamp,
    wire::{relay_frame::RelayMessageType, relay_id::RelayMessageId},
};
use base64ct::{Base64, Encoding};

/// What was sent, in the form it came in; the other form is made when a recipient wants it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Payload {
    /// The inside of a JSON string, as it stands between the quotes, escapes and all.
    Json(Box<str>),
    /// The bytes of a binary frame.
    Frame(Box<[u8]>),
}

impl Payload {
    /// Bytes held.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Json(text) => text.len(),
            Self::Frame(bytes) => bytes.len(),
        }
    }

    /// As the inside of a JSON string.
    pub(crate) fn to_json(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Self::Json(text) => (&**text).into(),
            Self::Frame(bytes) => Base64::encode_string(bytes).into(),
        }
    }

    /// As bytes, if it is base64.
    pub(crate) fn to_frame(&self) -> Option<std::borrow::Cow<'_, [u8]>> {
        match self {
            Self::Json(text) => Base64::decode_vec(text).ok().map(Into::into),
            Self::Frame(bytes) => Some((&**bytes).into()),
        }
    }
}

/// Payloads are nobody's business, logs included.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.len())
    }
}

/// A message under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// Who sent it, as authenticated.
    pub(crate) from: Arc<str>,
    /// The sender's id for it, or one of ours if the sender gives none.
    pub(crate) id: RelayMessageId,
    /// A hint.
    pub(crate) kind: RelayMessageType,
    /// When it came.
    pub(crate) time: Timestamp,
    /// What it is.
    pub(crate) payload: Payload,
}

impl Envelope {
    /// Memory it takes, roughly.
    pub(crate) fn size(&self) -> usize {
        self.payload.len() + 128
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_between_forms_and_shows_nothing() {
        let frame = Payload::Frame(Box::new([3, 2, 255]));
        assert_eq!(frame.to_json(), "AwL/");
        let json = Payload::Json("AwL/".into());
        assert_eq!(json.to_frame().as_deref(), Some(&[3, 2, 255][..]));
        assert_eq!(Payload::Json("{\\\"a\\\":1}".into()).to_frame(), None);
        assert_eq!(format!("{json:?}"), "Payload(4 bytes)");
    }
}
