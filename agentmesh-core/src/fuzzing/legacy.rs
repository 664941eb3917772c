//! What peers of 0.2 send, and files that it left behind.

use super::text;
use crate::{
    Timestamp,
    legacy::{
        Bundle, Envelope, LegacyAnswer, LegacyKnock, LegacyPrekeys, LegacyRatchet, LegacyRequest,
        LegacySession, X3dhMessage, canonical_json,
    },
};

pub(super) fn envelope(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Ok(envelope) = Envelope::from_json(text) {
        assert_eq!(Envelope::from_json(&envelope.to_json()), Ok(envelope));
    }
}

pub(super) fn json(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let _ = (LegacyKnock::from_json(text), LegacyAnswer::from_json(text));
    let _ = (LegacyRequest::parse(text), Bundle::from_json(text), X3dhMessage::from_json(text));
    let _ = (LegacySession::from_json(text), LegacyPrekeys::from_json(text));
    let _ = LegacyRatchet::from_json(text, Timestamp::from_millis(0));
    // The canonical form of a canonical form is itself.
    if let Ok(canonical) = canonical_json(text) {
        assert_eq!(canonical_json(&canonical).as_ref(), Ok(&canonical));
    }
}
