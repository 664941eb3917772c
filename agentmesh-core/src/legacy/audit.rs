//! Encrypted audit entries of the deployed SDK, read and written.
//!
//! AES-256-GCM without associated data: id and date beside a ciphertext are not authenticated.

use core::fmt;

use rand_core::CryptoRng;

use super::{LegacyFormatError, ecma::Value};
use crate::{
    identity::Identity,
    keys::{KeyError, Secret, aead, kdf},
};

const SECRET: &[u8] = b"agentmesh_audit_key";
const INFO: &[u8] = b"audit_encryption_key";
/// The order in which events are written.
const FIELDS: [&str; 10] = [
    "id",
    "type",
    "severity",
    "timestamp",
    "amid",
    "peerAmid",
    "sessionId",
    "message",
    "metadata",
    "error",
];

/// What an identity's audit entries are encrypted under.
pub struct LegacyAuditKey(Secret<32>);

/// One encrypted entry: nonce, and ciphertext with its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyAuditEntry {
    /// 12 bytes.
    pub nonce: [u8; aead::NONCE_LEN],
    /// Body and tag.
    pub ciphertext: Vec<u8>,
}

impl LegacyAuditKey {
    /// The key of `identity`; another one after its exchange key was rotated.
    pub fn of(identity: &Identity) -> Self {
        let secret = identity.derive_secret(SECRET);
        Self(kdf::hkdf_sha256::<32>(&[0; 32], &[secret.as_bytes()], &[INFO]))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Encrypts an event's JSON.
    ///
    /// # Errors
    /// [`KeyError::PlaintextTooLong`].
    pub fn seal(&self, event: &str, rng: &mut dyn CryptoRng) -> Result<LegacyAuditEntry, KeyError> {
        let mut nonce = [0; aead::NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        let mut ciphertext = event.as_bytes().to_vec();
        aead::seal_in_place(&self.0, &nonce, &[], &mut ciphertext, 0)?;
        Ok(LegacyAuditEntry { nonce, ciphertext })
    }

    /// The JSON of an event.
    ///
    /// # Errors
    /// [`KeyError::BadCiphertext`], also for what is no text.
    pub fn open(&self, entry: &LegacyAuditEntry) -> Result<String, KeyError> {
        let mut event = entry.ciphertext.clone();
        aead::open_in_place(&self.0, &entry.nonce, &[], &mut event)?;
        String::from_utf8(event).map_err(|_| KeyError::BadCiphertext)
    }
}

impl fmt::Debug for LegacyAuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LegacyAuditKey([redacted])")
    }
}

/// An event's JSON with its fields in the order in which the deployed SDK encrypts them; others are left out.
///
/// # Errors
/// [`LegacyFormatError`].
pub fn audit_event_json(event: &str) -> Result<String, LegacyFormatError> {
    let event = Value::parse(event, "audit event")?;
    let member = |name: &&str| Some(((*name).to_owned(), event.member(name)?.clone()));
    Ok(Value::Object(FIELDS.iter().filter_map(member).collect()).to_text())
}
