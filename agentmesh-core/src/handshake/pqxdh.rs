//! What suite 3 adds: a secret encapsulated to an ML-KEM-768 key of the responder, a one-time one if there is one
//! (docs/protocol/native.md §4): `(CT, SS) = ML-KEM-768.Encaps(KOPK_B or KPK_B)`.

use super::{HandshakeError, KemKind};
use crate::{
    keys::{KemCiphertext, KemPublicKey, Secret},
    prekeys::PreKeyBundle,
};

/// The initiator's part.
pub(super) struct Encapsulated<'a> {
    pub(super) kind: KemKind,
    pub(super) id: u32,
    pub(super) key: &'a KemPublicKey,
    pub(super) ciphertext: KemCiphertext,
    pub(super) shared: Secret<32>,
}

pub(super) fn encapsulate<'a>(
    peer: &'a PreKeyBundle,
    m: &Secret<32>,
) -> Result<Encapsulated<'a>, HandshakeError> {
    let (kind, (id, key)) = match (peer.one_time_kem(), peer.kem_prekey()) {
        (Some(one_time), _) => (KemKind::OneTime, one_time),
        (None, Some(last_resort)) => (KemKind::LastResort, last_resort),
        (None, None) => return Err(HandshakeError::NoCommonSuite),
    };
    let (ciphertext, shared) = key
        .encapsulate_with(m)
        .map_err(|_| HandshakeError::UnusableKey { field: "the ML-KEM prekey" })?;
    Ok(Encapsulated { kind, id, key, ciphertext, shared })
}
