//! The root key: `(RK', CK) = HKDF-SHA-256(salt = RK, ikm = DH, info = "agentmesh/0.3 root", 64)`, split 32/32.

use core::fmt;

use crate::{
    keys::{DhPublicKey, DhSecretKey, KeyError, Secret, kdf},
    ratchet::chain_key::ChainKey,
};

const INFO: &[u8] = b"agentmesh/0.3 root";

/// What both parties share between turns; never encrypts anything itself.
pub(crate) struct RootKey(Secret<32>);

impl RootKey {
    pub(crate) const fn new(key: Secret<32>) -> Self {
        Self(key)
    }

    /// A turn: mixes a fresh agreement in, and begins a chain with it.
    pub(crate) fn turn(
        &self,
        own: &DhSecretKey,
        remote: &DhPublicKey,
    ) -> Result<(Self, ChainKey), KeyError> {
        #[cfg(test)]
        super::work::count_agreement();
        let shared = own.diffie_hellman(remote)?;
        let (root, chain) =
            kdf::hkdf_sha256::<64>(self.0.as_bytes(), &[shared.as_bytes()], &[INFO]).split();
        Ok((Self(root), ChainKey::new(chain)))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey([redacted])")
    }
}
