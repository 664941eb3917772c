//! The Double Ratchet: two parties that share a secret turn it into one key a message.
//!
//! ```text
//! (RK', CK) = HKDF-SHA-256(salt = RK, ikm = X25519(own, remote), info = "agentmesh/0.3 root", 64 bytes)
//! MK        = HMAC-SHA-256(CK, 01)
//! CK'       = HMAC-SHA-256(CK, 02)
//! ```
//!
//! Every change of state is computed beside the state and taken over in a second step: sending by
//! `DoubleRatchet::prepare` and `DoubleRatchet::commit_sent`, receiving by `DoubleRatchet::candidate` and
//! `DoubleRatchet::commit_received`. Whoever calls authenticates the frame in between, so a forged, damaged or
//! repeated frame cannot move anything.
//!
//! Knows keys, and nothing of identities, sessions, frames, storage or addresses. `docs/protocol/native.md` §5.

mod chain_key;
mod double_ratchet;
mod header;
mod message_key;
mod receive;
mod record;
mod root_key;
mod skipped;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod work;

pub use self::header::{HEADER_LEN, Header};
pub(crate) use self::{
    double_ratchet::{DoubleRatchet, Prepared, RatchetError},
    receive::{Candidate, Refusal, Step},
};

/// One turn of a root key, for the vectors.
#[cfg(test)]
pub(crate) fn vector_turn(
    root: crate::keys::Secret<32>,
    own: &crate::keys::DhSecretKey,
    remote: &crate::keys::DhPublicKey,
) -> ([u8; 32], chain_key::ChainKey) {
    let (root, chain) = root_key::RootKey::new(root).turn(own, remote).unwrap();
    (*root.as_bytes(), chain)
}
