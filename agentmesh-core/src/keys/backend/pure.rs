//! The portable back end: dalek for the curves, RustCrypto for AES-GCM. Runs wherever Rust does.

pub(crate) use agentmesh_primitives::{open as aes256gcm_open, seal as aes256gcm_seal};
use ed25519_dalek::ed25519::signature::MultipartSigner;
use x25519_dalek::{PublicKey, StaticSecret};

/// What a private key is worth preparing for several agreements: nothing here.
#[derive(Clone, Default)]
pub(crate) struct DhContext(());

impl DhContext {
    pub(crate) fn public(&self, secret: &[u8; 32]) -> [u8; 32] {
        PublicKey::from(&StaticSecret::from(*secret)).to_bytes()
    }

    pub(crate) fn agree(&self, secret: &[u8; 32], public: &[u8; 32], out: &mut [u8; 32]) {
        let shared = StaticSecret::from(*secret).diffie_hellman(&PublicKey::from(*public));
        out.copy_from_slice(shared.as_bytes());
    }
}

pub(crate) struct SigningPair(ed25519_dalek::SigningKey);

impl SigningPair {
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    pub(crate) fn sign(&self, parts: &[&[u8]]) -> [u8; 64] {
        self.0.multipart_sign(parts).to_bytes()
    }

    pub(crate) fn seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

#[cfg(any(test, not(feature = "aws-lc"), target_arch = "wasm32"))]
pub(crate) fn ed25519_verify(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    ed25519_dalek::VerifyingKey::from_bytes(public).is_ok_and(|key| {
        key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
    })
}
