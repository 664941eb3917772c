//! Encrypted logs: each event under AES-256-GCM, bound to its place in its chain.
//!
//! ```text
//! audit key = HKDF(salt "agentmesh/0.3 audit", ikm, "audit key"); ikm is the store key, or a key of the caller's
//! chain key = HKDF(salt "agentmesh/0.3 audit", audit key, "chain key" || chain id)
//! key id    = HKDF(salt "agentmesh/0.3 audit", audit key, "key id"), first 8 bytes
//! aad       = "agentmesh/0.3 audit line" || chain id || u64 seq || prev || id 16 || u64 timestamp
//! ```
//!
//! The nonce is random, since a line that a crash cut off is written again with the same number.

use core::fmt;

use base64ct::{Base64, Encoding};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    Timestamp,
    codec::Write,
    keys::{
        Secret,
        aead::{NONCE_LEN, open_in_place, seal_in_place},
        kdf::hkdf_sha256,
    },
    vault::StoreKey,
    wire::id::MessageId,
};

use super::{ChainId, LineHash};

const SALT: &[u8] = b"agentmesh/0.3 audit";
const AAD_LABEL: &[u8] = b"agentmesh/0.3 audit line";

/// The key of an encrypted audit log.
pub struct AuditKey(Secret<32>);

impl AuditKey {
    /// The key that belongs to a store key: who can open the store can read the log.
    pub fn from_store_key(key: &StoreKey) -> Self {
        Self::derive(key.as_bytes())
    }

    /// A key of its own. The caller wipes its own copy.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self::derive(Secret::new(bytes).as_bytes())
    }

    fn derive(ikm: &[u8; 32]) -> Self {
        Self(hkdf_sha256(SALT, &[ikm], &[b"audit key"]))
    }

    /// Tells keys apart, and says nothing about them.
    pub fn id(&self) -> String {
        let id: Secret<8> = hkdf_sha256(SALT, &[self.0.as_bytes()], &[b"key id"]);
        id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn chain_key(&self, chain: &ChainId) -> Secret<32> {
        hkdf_sha256(SALT, &[self.0.as_bytes()], &[b"chain key", chain.as_bytes()])
    }

    /// For a second holder, such as a reader beside the writer.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.duplicate())
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditKey([redacted])")
    }
}

/// Where a line stands: what its encryption is bound to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) chain: ChainId,
    pub(super) seq: u64,
    pub(super) prev: LineHash,
    pub(super) id: MessageId,
    pub(super) timestamp: Timestamp,
}

impl Place {
    fn aad(&self) -> Vec<u8> {
        let mut aad = Vec::with_capacity(AAD_LABEL.len() + 80);
        aad.put(AAD_LABEL);
        aad.put(self.chain.as_bytes());
        aad.put_u64(self.seq);
        aad.put(&self.prev);
        aad.put(self.id.as_bytes());
        aad.put_u64(self.timestamp.as_millis());
        aad
    }
}

/// Nonce and ciphertext, both in base64.
pub(super) fn seal(
    key: &Secret<32>,
    place: &Place,
    plaintext: &Zeroizing<Vec<u8>>,
    rng: &mut dyn CryptoRng,
) -> Option<(String, String)> {
    let mut nonce = [0; NONCE_LEN];
    rng.fill_bytes(&mut nonce);
    let mut buf = plaintext.to_vec();
    seal_in_place(key, &nonce, &place.aad(), &mut buf, 0).ok()?;
    Some((Base64::encode_string(&nonce), Base64::encode_string(&buf)))
}

/// The plaintext, if key and place are right.
pub(super) fn open(
    key: &Secret<32>,
    place: &Place,
    nonce: &str,
    ciphertext: &str,
) -> Option<Zeroizing<Vec<u8>>> {
    let nonce: [u8; NONCE_LEN] = Base64::decode_vec(nonce).ok()?.try_into().ok()?;
    let mut buf = Zeroizing::new(Base64::decode_vec(ciphertext).ok()?);
    open_in_place(key, &nonce, &place.aad(), &mut buf).ok()?;
    Some(buf)
}
