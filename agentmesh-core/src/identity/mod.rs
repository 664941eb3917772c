//! Who an agent is: its AMID, its key pairs and what they sign (docs/protocol/native.md §2, §3).
//!
//! Knows the identity files of `agentmesh/0.2` and the labels of the native suites. Knows nothing of
//! prekeys, peers or sessions.

mod amid;
pub mod backup;
pub mod did;
mod fingerprint;
mod json;
mod label;
mod record;

use core::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};
use std::sync::Arc;

use base64ct::{Base64, Encoding};
use rand_core::CryptoRng;

use crate::{
    codec::CodecError,
    error::errors,
    keys::{DhPublicKey, DhSecretKey, Secret, Signature, SigningKey, VerifyingKey, kdf},
    time::Timestamp,
};

pub use amid::{Amid, AmidError};
pub use fingerprint::{Fingerprint, SafetyNumber};
pub use label::Label;

errors! {
    /// Why an identity could not be read, or would not sign.
    pub enum IdentityError {
        /// `sign` was given bytes that a native protocol message could consist of.
        #[error("these bytes are reserved for the protocol and are not signed")]
        ReservedInput = "IDENTITY_RESERVED_INPUT", InvalidInput, permanent;
        /// The text is not an identity in JSON.
        #[error("not an identity file (line {line}, column {column})")]
        MalformedJson {
            /// Line of the fault.
            line: usize,
            /// Column of the fault.
            column: usize,
        } = "IDENTITY_MALFORMED_JSON", InvalidInput, permanent;
        /// A field cannot be read: wrong length, bad base64, no date.
        #[error("{field} cannot be read")]
        InvalidField {
            /// The field.
            field: &'static str,
        } = "IDENTITY_INVALID_FIELD", InvalidInput, permanent;
        /// A key carries the prefix of another kind of key.
        #[error("{field} has the prefix of another kind of key")]
        WrongPrefix {
            /// The field.
            field: &'static str,
        } = "IDENTITY_WRONG_PREFIX", InvalidInput, permanent;
        /// The AMID is not that of the signing key.
        #[error("the AMID does not belong to the signing key")]
        AmidMismatch = "IDENTITY_AMID_MISMATCH", InvalidInput, permanent;
        /// A public key is not that of its private key.
        #[error("{field} does not belong to the private key")]
        PublicKeyMismatch {
            /// The field.
            field: &'static str,
        } = "IDENTITY_PUBLIC_KEY_MISMATCH", InvalidInput, permanent;
        /// The stored record does not parse.
        #[error("stored identity: {source}")]
        Record {
            /// Where and why.
            source: CodecError,
        } = "IDENTITY_RECORD", Storage, permanent;
    }
}

/// The public half of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdentityPublic {
    /// Ed25519 identity key; the AMID is its hash.
    pub signing: VerifyingKey,
    /// X25519 exchange key; only a signed bundle vouches for it.
    pub exchange: DhPublicKey,
}

impl IdentityPublic {
    /// The AMID of the signing key.
    pub fn amid(&self) -> Amid {
        Amid::of(&self.signing)
    }
}

/// An agent's private identity: the Ed25519 key that is the agent, and the X25519 key it receives handshakes with.
///
/// ```
/// # #[cfg(feature = "getrandom")] {
/// use agentmesh_core::{Timestamp, identity::Identity, rng::SystemRng};
///
/// let now = Timestamp::from_millis(1_770_206_400_000);
/// let identity = Identity::generate(now, &mut SystemRng);
/// let signature = identity.sign(b"hello")?;
/// assert!(identity.signing_key().verify(b"hello", &signature).is_ok());
///
/// let file = identity.to_json();
/// assert_eq!(Identity::from_json(&file)?.amid(), identity.amid());
/// # }
/// # Ok::<(), agentmesh_core::identity::IdentityError>(())
/// ```
pub struct Identity {
    signing: SigningKey,
    exchange: DhSecretKey,
    amid: Amid,
    created_at: Timestamp,
    /// Milliseconds of the last signed timestamp, so that none is signed twice; one for all generations of the exchange
    /// key.
    last_signed: Arc<AtomicU64>,
}

impl Identity {
    /// A fresh identity.
    pub fn generate(now: Timestamp, rng: &mut dyn CryptoRng) -> Self {
        Self::from_keys(SigningKey::generate(rng), DhSecretKey::generate(rng), now)
    }

    pub(crate) fn from_keys(
        signing: SigningKey,
        exchange: DhSecretKey,
        created_at: Timestamp,
    ) -> Self {
        let amid = Amid::of(signing.verifying_key());
        Self { signing, exchange, amid, created_at, last_signed: Arc::default() }
    }

    /// The same agent with a fresh exchange key. Prekeys have to be rotated and published with it; sessions live on.
    #[must_use]
    pub fn rotate_exchange(&self, rng: &mut dyn CryptoRng) -> Self {
        Self {
            signing: self.signing.duplicate(),
            exchange: DhSecretKey::generate(rng),
            amid: self.amid,
            created_at: self.created_at,
            last_signed: Arc::clone(&self.last_signed),
        }
    }

    /// A copy, visible in the source.
    #[cfg(feature = "client")]
    pub(crate) fn duplicate(&self) -> Self {
        Self {
            signing: self.signing.duplicate(),
            exchange: self.exchange.duplicate(),
            amid: self.amid,
            created_at: self.created_at,
            last_signed: Arc::clone(&self.last_signed),
        }
    }

    /// The agent's name.
    pub const fn amid(&self) -> Amid {
        self.amid
    }

    /// The public identity key.
    pub const fn signing_key(&self) -> &VerifyingKey {
        self.signing.verifying_key()
    }

    /// The public exchange key.
    pub const fn exchange_key(&self) -> &DhPublicKey {
        self.exchange.public_key()
    }

    /// Both public keys.
    pub const fn public(&self) -> IdentityPublic {
        IdentityPublic { signing: *self.signing_key(), exchange: *self.exchange_key() }
    }

    /// When the identity was made.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Signs bytes of the application's choosing.
    ///
    /// # Errors
    /// [`IdentityError::ReservedInput`] if the bytes begin like something the native protocol signs: nobody may
    /// talk an agent into signing a bundle or a KNOCK.
    pub fn sign(&self, message: &[u8]) -> Result<Signature, IdentityError> {
        if label::is_reserved(message) {
            return Err(IdentityError::ReservedInput);
        }
        Ok(self.signing.sign(message))
    }

    /// `S(label, message)`, of a message in parts.
    pub(crate) fn sign_labelled(&self, label: Label, message: &[&[u8]]) -> Signature {
        label.with_parts(message, |parts| self.signing.sign_parts(parts))
    }

    /// The signature over a bare signed prekey that `agentmesh/0.2` knows: no label, no id, no date.
    pub(crate) fn sign_bare_prekey(&self, key: &DhPublicKey) -> Signature {
        self.signing.sign(key.as_bytes())
    }

    /// A timestamp for servers of `agentmesh/0.2` and the base64 of its signature, over exactly that text.
    ///
    /// Written `YYYY-MM-DDTHH:MM:SS.mmm+00:00` with mmm ≠ 000, which both verifiers of the deployed servers accept,
    /// and strictly increasing, so that no two requests share a pair. It can run ahead of `now` by as many
    /// milliseconds as timestamps were drawn within one.
    pub fn sign_timestamp(&self, now: Timestamp) -> (String, String) {
        let next = |last: u64| {
            let ms = now.as_millis().max(last.saturating_add(1));
            if ms.is_multiple_of(1000) { ms + 1 } else { ms }
        };
        let mut last = self.last_signed.load(Ordering::Relaxed);
        let ms = loop {
            let ms = next(last);
            match self.last_signed.compare_exchange_weak(
                last,
                ms,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => break ms,
                Err(actual) => last = actual,
            }
        };
        let text = Timestamp::from_millis(ms).to_rfc3339_signing();
        let signature = self.signing.sign(text.as_bytes());
        (text, Base64::encode_string(signature.as_bytes()))
    }

    /// HMAC-SHA-256 of `info` under the private exchange key, as `agentmesh/0.2` derives local secrets
    /// (its audit key, for one). Changes when the exchange key is rotated.
    pub fn derive_secret(&self, info: &[u8]) -> Secret<32> {
        kdf::hmac_sha256(self.exchange.secret_bytes(), &[info])
    }

    /// The private signing key, for vectors.
    #[cfg(feature = "hazmat")]
    pub(crate) fn seed(&self) -> &[u8; 32] {
        self.signing.seed()
    }

    /// The private exchange key, for prekeys.
    pub(crate) const fn exchange_secret(&self) -> &DhSecretKey {
        &self.exchange
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { signing, exchange, amid, created_at, last_signed: _ } = self;
        f.debug_struct("Identity")
            .field("amid", amid)
            .field("signing", signing)
            .field("exchange", exchange)
            .field("created_at", created_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
