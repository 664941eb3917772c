//! X3DH as deployed: `SK = HKDF-SHA-256(salt = 32 zero bytes, ikm = DH1 ‖ DH2 ‖ DH3 [‖ DH4], info = "X3DH", 32)`.

use super::{Bundle, LegacyHandshakeError, X3dhMessage};
use crate::keys::{DhPublicKey, DhSecretKey, KeyError, Secret, kdf};

const INFO: &[u8] = b"X3DH";

impl From<KeyError> for LegacyHandshakeError {
    fn from(_: KeyError) -> Self {
        Self::NonContributory
    }
}

/// The private halves behind a bundle, as a responder needs them.
#[derive(Debug, Clone, Copy)]
pub struct LegacyResponderKeys<'a> {
    /// The exchange key that the bundle named.
    pub exchange: &'a DhSecretKey,
    /// The signed prekey that the message names.
    pub signed_prekey: &'a DhSecretKey,
    /// The one-time prekey that the message names, if it names one.
    pub one_time_prekey: Option<&'a DhSecretKey>,
}

/// What the initiator computes, with the first one-time prekey of the bundle if it has one.
///
/// Verifies nothing: see [`Bundle::verify`].
///
/// # Errors
/// [`LegacyHandshakeError::NonContributory`].
pub fn shared_secret_as_initiator(
    own: &DhSecretKey,
    ephemeral: &DhSecretKey,
    bundle: &Bundle,
) -> Result<Secret<32>, LegacyHandshakeError> {
    let dh1 = own.diffie_hellman(&bundle.signed_prekey)?;
    let dh2 = ephemeral.diffie_hellman(&bundle.identity_key)?;
    let dh3 = ephemeral.diffie_hellman(&bundle.signed_prekey)?;
    let dh4 = bundle.one_time_prekeys.first().map(|(_, key)| ephemeral.diffie_hellman(key));
    Ok(derive([&dh1, &dh2, &dh3], dh4.transpose()?.as_ref()))
}

/// What the responder computes. `keys` must be those that the message names.
///
/// # Errors
/// [`LegacyHandshakeError::NonContributory`]; [`LegacyHandshakeError::UnknownOneTimePrekey`] if the message names a one-time prekey
/// and `keys` has none.
pub fn shared_secret_as_responder(
    keys: LegacyResponderKeys<'_>,
    message: &X3dhMessage,
) -> Result<Secret<32>, LegacyHandshakeError> {
    let agree = |own: &DhSecretKey, peer: &DhPublicKey| own.diffie_hellman(peer);
    let dh1 = agree(keys.signed_prekey, &message.identity_key)?;
    let dh2 = agree(keys.exchange, &message.ephemeral_key)?;
    let dh3 = agree(keys.signed_prekey, &message.ephemeral_key)?;
    let dh4 = match (message.one_time_prekey_id, keys.one_time_prekey) {
        (None, _) => None,
        (Some(_), Some(key)) => Some(agree(key, &message.ephemeral_key)?),
        (Some(id), None) => return Err(LegacyHandshakeError::UnknownOneTimePrekey { id }),
    };
    Ok(derive([&dh1, &dh2, &dh3], dh4.as_ref()))
}

fn derive([dh1, dh2, dh3]: [&Secret<32>; 3], dh4: Option<&Secret<32>>) -> Secret<32> {
    let dh4: &[u8] = dh4.map_or(&[], |dh| dh.as_bytes());
    let ikm: [&[u8]; 4] = [dh1.as_bytes(), dh2.as_bytes(), dh3.as_bytes(), dh4];
    kdf::hkdf_sha256::<32>(&[0; 32], &ikm, &[INFO])
}
