//! Typed primitives: X25519, Ed25519, ML-KEM-768, SHA-256 with HMAC and HKDF, AES-256-GCM,
//! Argon2id (docs/protocol/native.md §1, §2), and secretbox for the suite `legacy-0.2`.
//!
//! The only room that touches the crypto crates, and of it only `backend`: exchanging the implementation
//! means exchanging that file. Knows what makes a key acceptable (small-order points, the modulus check,
//! strict signatures); knows nothing of identities, labels or protocols.

pub mod aead;
mod backend;
mod ed25519;
pub mod kdf;
mod mlkem;
pub mod passphrase;
mod secret;
#[cfg(feature = "legacy-0-2")]
pub mod secretbox;
mod stack;
mod x25519;

pub use ed25519::{Signature, SigningKey, VerifyingKey};
pub use mlkem::{
    KEM_CIPHERTEXT_LEN, KEM_PUBLIC_KEY_LEN, KemCiphertext, KemPublicKey, KemSecretKey,
};
pub use secret::Secret;
pub use x25519::{DhPublicKey, DhSecretKey};

use crate::error::errors;

errors! {
    /// Why a primitive refused its input.
    pub enum KeyError {
        /// A key, signature or ciphertext of the wrong length.
        #[error("expected {expected} bytes, got {actual}")]
        Length {
            /// Bytes wanted.
            expected: usize,
            /// Bytes given.
            actual: usize,
        } = "KEY_LENGTH", InvalidInput, permanent;
        /// A signing key that is not the canonical encoding of a point of large order; no signature of it is accepted.
        #[error("not a usable Ed25519 public key")]
        InvalidVerifyingKey = "KEY_INVALID_VERIFYING_KEY", InvalidInput, permanent;
        /// The Diffie-Hellman result was all zero: the peer's key has small order.
        #[error("the peer's X25519 key does not contribute to the shared secret")]
        NonContributory = "KEY_NON_CONTRIBUTORY", Protocol, permanent;
        /// An ML-KEM key that fails the modulus check of FIPS 203 §7.2.
        #[error("not a valid ML-KEM-768 public key")]
        InvalidKemKey = "KEY_INVALID_KEM_KEY", InvalidInput, permanent;
        /// The signature is not one by this key over these bytes.
        #[error("the signature does not verify")]
        BadSignature = "KEY_BAD_SIGNATURE", Authentication, permanent;
        /// The ciphertext, its key, nonce or associated data is not what was sealed.
        #[error("the ciphertext does not authenticate")]
        BadCiphertext = "KEY_BAD_CIPHERTEXT", Authentication, permanent;
        /// Argon2id with less than is safe, or more than anybody should have to spend.
        #[error("the cost is out of bounds")]
        PassphraseCost = "KEY_PASSPHRASE_COST", InvalidInput, permanent;
        /// Not enough memory for Argon2id.
        #[error("not enough memory")]
        OutOfMemory = "KEY_OUT_OF_MEMORY", Internal, retryable;
        /// More bytes than AES-GCM can seal under one nonce.
        #[error("the plaintext is too long to be sealed")]
        PlaintextTooLong = "KEY_PLAINTEXT_TOO_LONG", InvalidInput, permanent;
    }
}

/// Writes bytes as lower-case hex, for the `Debug` of public values.
pub(crate) fn fmt_hex(bytes: &[u8], f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
    // By digits: formatting a byte takes ten times as long, and session ids are written for every message.
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.into_iter().try_for_each(|digit| {
        core::fmt::Write::write_char(f, char::from_digit(digit.into(), 16).unwrap_or('?'))
    })
}

/// `bytes` as an array, or an error that names both lengths.
pub(crate) fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], KeyError> {
    bytes.try_into().map_err(|_| KeyError::Length { expected: N, actual: bytes.len() })
}

#[cfg(test)]
mod eddsa_cases;
#[cfg(test)]
mod rfc;
#[cfg(test)]
mod wycheproof;
