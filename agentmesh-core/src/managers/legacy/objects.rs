//! The managers' objects, which serve every suite, as the objects of 0.2, and back.

use super::super::{Bundle, Envelope, EnvelopeHeader, ManagerError, X3dhMessage};
use crate::{keys::DhPublicKey, legacy};

/// Bytes of a ciphertext that is looked at: twice what the deployed SDK can serialise.
const MAX_CIPHERTEXT: usize = 256 * 1024;

const MALFORMED_ENVELOPE: ManagerError = ManagerError::Malformed { what: "envelope" };

pub(super) fn bundle(of: &Bundle) -> Result<legacy::Bundle, ManagerError> {
    // Only the first is ever used, but a bundle with others that are none is not one of 0.2.
    let one_time = of.one_time_prekeys.iter().map(|one| {
        let key = DhPublicKey::from_slice(&one.key);
        key.map(|key| (one.id, key)).map_err(|_| ManagerError::Malformed { what: "bundle" })
    });
    Ok(legacy::Bundle {
        identity_key: of.identity_key,
        signed_prekey: of.signed_prekey,
        signed_prekey_signature: of.signed_prekey_signature,
        signed_prekey_id: of.signed_prekey_id,
        one_time_prekeys: one_time.collect::<Result<_, _>>()?,
        uploaded_at: of.uploaded_at,
    })
}

pub(super) const fn message(of: &X3dhMessage) -> legacy::X3dhMessage {
    legacy::X3dhMessage {
        identity_key: of.identity_key,
        ephemeral_key: of.ephemeral_key,
        signed_prekey_id: of.signed_prekey_id,
        one_time_prekey_id: of.one_time_prekey_id,
    }
}

pub(super) const fn message_to_send(of: &legacy::X3dhMessage) -> X3dhMessage {
    X3dhMessage {
        identity_key: of.identity_key,
        ephemeral_key: of.ephemeral_key,
        signed_prekey_id: of.signed_prekey_id,
        one_time_prekey_id: of.one_time_prekey_id,
        native: None,
    }
}

pub(super) fn envelope(of: &Envelope) -> Result<legacy::Envelope, ManagerError> {
    if of.suite.is_some() || of.ciphertext.len() > MAX_CIPHERTEXT {
        return Err(MALFORMED_ENVELOPE);
    }
    let EnvelopeHeader { dh_public_key, pn, n } = of.header;
    Ok(legacy::Envelope {
        session_id: of.session_id.clone(),
        header: legacy::EnvelopeHeader { ratchet_key: dh_public_key, pn: pn.into(), n: n.into() },
        ciphertext: of.ciphertext.clone(),
    })
}

pub(super) fn envelope_to_send(of: legacy::Envelope) -> Result<Envelope, ManagerError> {
    let number = |n: u64| u32::try_from(n).map_err(|_| MALFORMED_ENVELOPE);
    let legacy::EnvelopeHeader { ratchet_key, pn, n } = of.header;
    let header = EnvelopeHeader { dh_public_key: ratchet_key, pn: number(pn)?, n: number(n)? };
    Ok(Envelope::new(of.session_id, None, header, of.ciphertext))
}
