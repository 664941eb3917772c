//! The Diffie-Hellman half, the same in both native suites (docs/protocol/native.md §4):
//!
//! ```text
//! DH1 = X25519(IKx_A, SPK_B)   DH2 = X25519(EK_A, IKx_B)
//! DH3 = X25519(EK_A, SPK_B)    DH4 = X25519(EK_A, OPK_B), if there is an OPK
//! ```

use crate::{
    keys::{DhPublicKey, DhSecretKey, KeyError, Secret},
    prekeys::SignedPreKey,
};

/// The outputs, none of them zero.
pub(super) struct DhOutputs {
    pub(super) dh1: Secret<32>,
    pub(super) dh2: Secret<32>,
    pub(super) dh3: Secret<32>,
    pub(super) dh4: Option<Secret<32>>,
}

/// The responder's keys, seen from the initiator.
pub(super) struct PeerKeys<'a> {
    pub(super) exchange: &'a DhPublicKey,
    pub(super) signed_prekey: &'a DhPublicKey,
    pub(super) one_time: Option<&'a DhPublicKey>,
}

pub(super) fn initiate(
    exchange: &DhSecretKey,
    ephemeral: &DhSecretKey,
    peer: &PeerKeys<'_>,
) -> Result<DhOutputs, KeyError> {
    Ok(DhOutputs {
        dh1: exchange.diffie_hellman(peer.signed_prekey)?,
        dh2: ephemeral.diffie_hellman(peer.exchange)?,
        dh3: ephemeral.diffie_hellman(peer.signed_prekey)?,
        dh4: peer.one_time.map(|key| ephemeral.diffie_hellman(key)).transpose()?,
    })
}

pub(super) fn accept(
    triple: &SignedPreKey,
    one_time: Option<&DhSecretKey>,
    exchange: &DhPublicKey,
    ephemeral: &DhPublicKey,
) -> Result<DhOutputs, KeyError> {
    Ok(DhOutputs {
        dh1: triple.key().diffie_hellman(exchange)?,
        dh2: triple.exchange().diffie_hellman(ephemeral)?,
        dh3: triple.key().diffie_hellman(ephemeral)?,
        dh4: one_time.map(|key| key.diffie_hellman(ephemeral)).transpose()?,
    })
}
