//! What a handshake leaves behind, the same on both ends.

use crate::{handshake::SessionId, keys::Secret};

/// The shared secret and what it is bound to. A session is made from it, once.
#[derive(Debug, PartialEq, Eq)]
pub struct Established {
    /// SK, the ratchet's first root key.
    pub shared_secret: Secret<32>,
    /// AD: the hash of the whole transcript, which every message of the session authenticates.
    pub associated_data: [u8; 32],
    /// sid, the session's name.
    pub session_id: SessionId,
}
