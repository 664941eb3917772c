//! Who is asking, and proof that it is them. Every write proves possession of the agent's signing key: by the plain
//! signature over a timestamp of 0.2, or by one that is bound to the request or to this relay and works once.

pub(crate) mod request;
mod timestamp;

use agentmesh_core::{
    identity::Amid,
    keys::VerifyingKey,
    wire::registry::{SIGNING_KEY_PREFIX, strip_key_prefix},
};
use base64ct::{Base64, Encoding};

pub(crate) use timestamp::verify_timestamp;

/// Why a proof was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProofError {
    #[error("public key is not an Ed25519 key in base64")]
    MalformedKey,
    #[error("AMID does not belong to the public key")]
    AmidMismatch,
    #[error("timestamp is not RFC 3339 with an offset")]
    MalformedTimestamp,
    #[error("timestamp is more than 5 minutes old or a minute ahead")]
    OutOfWindow,
    #[error("signature does not verify")]
    BadSignature,
}

/// The key in a document, with or without its prefix.
pub(crate) fn signing_key(text: &str) -> Result<VerifyingKey, ProofError> {
    Base64::decode_vec(strip_key_prefix(text, SIGNING_KEY_PREFIX))
        .ok()
        .and_then(|bytes| VerifyingKey::from_slice(&bytes).ok())
        .ok_or(ProofError::MalformedKey)
}

/// The key in a document, if it is the one that `amid` names.
pub(crate) fn signing_key_of(amid: &str, text: &str) -> Result<VerifyingKey, ProofError> {
    let key = signing_key(text)?;
    if amid.parse() == Ok(Amid::of(&key)) { Ok(key) } else { Err(ProofError::AmidMismatch) }
}
