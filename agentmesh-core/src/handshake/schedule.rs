//! What both sides hash and derive (docs/protocol/native.md §4), all keys as received:
//!
//! ```text
//! AD  = SHA-256(lp("agentmesh/0.3 ad") || HS || IKs_B || IKx_B || SPK || lp(OPK or "") || lp(KEM key or ""))
//! sid = SHA-256(lp("agentmesh/0.3 sid") || IKs_B || HS)[..16]
//! SK  = HKDF-SHA-256(salt = 00^32, ikm = FF^32 || DH1 || DH2 || DH3 [|| DH4] [|| SS],
//!                    info = "agentmesh/0.3 " || suite name || 00 || AD, 32 bytes)
//! ```

use super::{SessionId, Suite, x3dh::DhOutputs};
use crate::keys::{
    DhPublicKey, KemPublicKey, Secret, VerifyingKey,
    kdf::{hkdf_sha256, lp_len, sha256},
};

const AD_LABEL: &[u8] = b"agentmesh/0.3 ad";
const SID_LABEL: &[u8] = b"agentmesh/0.3 sid";

/// The responder's public keys that took part.
pub(super) struct ResponderPublic<'a> {
    pub(super) identity: &'a VerifyingKey,
    pub(super) exchange: &'a DhPublicKey,
    pub(super) signed_prekey: &'a DhPublicKey,
    pub(super) one_time: Option<&'a DhPublicKey>,
    pub(super) kem: Option<&'a KemPublicKey>,
}

pub(super) fn associated_data(handshake: &[u8], responder: &ResponderPublic<'_>) -> [u8; 32] {
    let one_time: &[u8] = responder.one_time.map_or(&[], |key| key.as_bytes());
    let kem: &[u8] = responder.kem.map_or(&[], |key| key.as_bytes());
    sha256(&[
        &lp_len(AD_LABEL),
        AD_LABEL,
        handshake,
        responder.identity.as_bytes(),
        responder.exchange.as_bytes(),
        responder.signed_prekey.as_bytes(),
        &lp_len(one_time),
        one_time,
        &lp_len(kem),
        kem,
    ])
}

pub(super) fn session_id(responder: &VerifyingKey, handshake: &[u8]) -> SessionId {
    let hash = sha256(&[&lp_len(SID_LABEL), SID_LABEL, responder.as_bytes(), handshake]);
    let mut id = [0; 16];
    id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    SessionId::from_bytes(id)
}

pub(super) fn shared_secret(
    suite: Suite,
    dh: &DhOutputs,
    kem: Option<&Secret<32>>,
    associated_data: &[u8; 32],
) -> Secret<32> {
    let dh4: &[u8] = dh.dh4.as_ref().map_or(&[], |s| s.as_bytes());
    let kem: &[u8] = kem.map_or(&[], |s| s.as_bytes());
    hkdf_sha256(
        &[0; 32],
        &[&[0xff; 32], dh.dh1.as_bytes(), dh.dh2.as_bytes(), dh.dh3.as_bytes(), dh4, kem],
        &[b"agentmesh/0.3 ", suite.name().as_bytes(), &[0], associated_data],
    )
}
