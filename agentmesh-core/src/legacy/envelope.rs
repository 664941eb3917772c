//! One encrypted message on the wire.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::{
    LegacyFormatError,
    text::{PublicKey, base64, malformed, unbase64},
};
use crate::{keys::DhPublicKey, limits::MAX_RELAY_FRAME, wire::json::Object};

/// What stands beside a ciphertext, unauthenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvelopeHeader {
    /// The sender's ratchet key.
    pub ratchet_key: DhPublicKey,
    /// How many messages the sender's previous chain had; a hint, since nothing authenticates it.
    pub pn: u64,
    /// The message's number in its chain.
    pub n: u64,
}

/// An encrypted message. `session_id` is the sender's own name for the session and means nothing to anybody else.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The sender's local session id.
    pub session_id: String,
    /// Which key it was encrypted under.
    pub header: EnvelopeHeader,
    /// Nonce, tag and body.
    pub ciphertext: Vec<u8>,
}

#[derive(Serialize)]
struct Out<'a> {
    session_id: &'a str,
    r#type: &'static str,
    header: HeaderOut,
    ciphertext: String,
}

#[derive(Serialize)]
struct HeaderOut {
    dh_public_key: String,
    pn: u64,
    n: u64,
}

#[derive(Deserialize)]
struct In {
    session_id: String,
    r#type: String,
    header: Object<HeaderIn>,
    ciphertext: String,
}

#[derive(Deserialize)]
struct HeaderIn {
    dh_public_key: PublicKey,
    pn: u64,
    n: u64,
}

const WHAT: &str = "envelope";

impl EnvelopeHeader {
    /// Reads a header by itself.
    ///
    /// # Errors
    /// [`LegacyFormatError::Malformed`], also for numbers that are negative or no integers.
    pub fn from_json(json: &str) -> Result<Self, LegacyFormatError> {
        let Object(read): Object<HeaderIn> = serde_json::from_str(json).map_err(malformed(WHAT))?;
        Ok(read.into())
    }
}

impl From<HeaderIn> for EnvelopeHeader {
    fn from(read: HeaderIn) -> Self {
        Self { ratchet_key: read.dh_public_key.0, pn: read.pn, n: read.n }
    }
}

impl Envelope {
    /// Compact JSON, members in the deployed order.
    pub fn to_json(&self) -> String {
        let out = Out {
            session_id: &self.session_id,
            r#type: "encrypted",
            header: HeaderOut {
                dh_public_key: base64(self.header.ratchet_key.as_bytes()),
                pn: self.header.pn,
                n: self.header.n,
            },
            ciphertext: base64(&self.ciphertext),
        };
        serde_json::to_string(&out).unwrap_or_default()
    }

    /// Reads an envelope.
    ///
    /// # Errors
    /// [`LegacyFormatError::Malformed`], also for a ratchet key that has not 32 bytes, for numbers that are negative or no
    /// integers; [`LegacyFormatError::InvalidValue`] if the type is not `encrypted` or the ciphertext no base64;
    /// [`LegacyFormatError::TooLong`].
    pub fn from_json(json: &str) -> Result<Self, LegacyFormatError> {
        if json.len() > MAX_RELAY_FRAME {
            return Err(LegacyFormatError::TooLong {
                what: WHAT,
                limit: MAX_RELAY_FRAME,
                actual: json.len(),
            });
        }
        let Object(read): Object<In> = serde_json::from_str(json).map_err(malformed(WHAT))?;
        let invalid = |field| LegacyFormatError::InvalidValue { what: WHAT, field };
        if read.r#type != "encrypted" {
            return Err(invalid("type"));
        }
        Ok(Self {
            session_id: read.session_id,
            header: read.header.0.into(),
            ciphertext: unbase64(&read.ciphertext).ok_or_else(|| invalid("ciphertext"))?,
        })
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("session_id", &self.session_id)
            .field("header", &self.header)
            .field("bytes", &self.ciphertext.len())
            .finish()
    }
}
