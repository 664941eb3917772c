//! The message key: AES-256-GCM for one message.
//!
//! The nonce is random although the key is used once: a state that was restored from a backup derives the same
//! key again, and must not repeat the nonce with it.

use core::fmt;

use crate::keys::{KeyError, Secret, aead, aead::NONCE_LEN};

/// The key of one message.
pub(crate) struct MessageKey(Secret<32>);

impl MessageKey {
    pub(crate) const fn new(key: Secret<32>) -> Self {
        Self(key)
    }

    /// Encrypts `buffer[from..]` in place and appends the tag. Taken by value: a key seals once.
    pub(crate) fn seal(
        self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        buffer: &mut Vec<u8>,
        from: usize,
    ) -> Result<(), KeyError> {
        aead::seal_in_place(&self.0, nonce, aad, buffer, from)
    }

    /// Decrypts `ciphertext || tag` in place; returns the plaintext's part of it.
    pub(crate) fn open<'b>(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        buffer: &'b mut [u8],
    ) -> Result<&'b mut [u8], KeyError> {
        aead::open_slice(&self.0, nonce, aad, buffer)
    }

    /// A copy for a candidate, which may turn out to be forged.
    pub(crate) fn duplicate(&self) -> Self {
        Self(self.0.duplicate())
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageKey([redacted])")
    }
}
