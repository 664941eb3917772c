//! The session id: both ends compute it from the handshake, nobody assigns it.

use core::{fmt, str::FromStr};

use super::HandshakeError;
use crate::{
    codec::CodecError,
    keys::{KeyError, exactly, fmt_hex},
};

/// `SHA-256(lp("agentmesh/0.3 sid") || IKs_B || HS)[..16]`, printed as hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// An id as it stands in a frame or record.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// A slice of exactly 16 bytes.
    ///
    /// # Errors
    /// [`KeyError::Length`].
    pub fn from_slice(bytes: &[u8]) -> Result<Self, KeyError> {
        exactly(bytes).map(Self)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_hex(&self.0, f)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

impl FromStr for SessionId {
    type Err = HandshakeError;

    /// 32 lower-case hex digits.
    fn from_str(text: &str) -> Result<Self, HandshakeError> {
        let malformed = HandshakeError::from(CodecError::InvalidValue { field: "session id" });
        if text.len() != 32 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(malformed);
        }
        u128::from_str_radix(text, 16).map(|id| Self(id.to_be_bytes())).map_err(|_| malformed)
    }
}
