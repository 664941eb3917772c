//! What a handshake leaves behind, the same on both ends.

use crate::{handshake::SessionId, keys::Secret};

/// The shared secret and what it is bound to. A session is made from it, once.
#[derive(Debug)]
pub struct Established {
    /// SK.
    pub shared_secret: Secret<32>,
    /// AD: the hash of the whole transcript.
    pub associated_data: [u8; 32],
    /// sid.
    pub session_id: SessionId,
}
