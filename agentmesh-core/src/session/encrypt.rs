//! From plaintext to `sid 16 | header 42 | nonce 12 | ciphertext | tag 16`, in one buffer.

use rand_core::CryptoRng;

use crate::{
    keys::aead::{NONCE_LEN, TAG_LEN},
    limits::MAX_PLAINTEXT,
    ratchet::{HEADER_LEN, Prepared},
    session::{EncryptError, Session, padding},
    time::Timestamp,
};

const SESSION_ID_LEN: usize = 16;
/// Bytes of a message in front of its ciphertext: session id, header and nonce.
pub const MESSAGE_PREFIX_LEN: usize = SESSION_ID_LEN + HEADER_LEN + NONCE_LEN;
/// Longest plaintext: padding takes at least one byte of the last block.
const LONGEST: usize = MAX_PLAINTEXT - 1;

impl Session {
    /// Encrypts `plaintext`; returns what a kind-2 frame holds from the session id on.
    ///
    /// Store the session before the result leaves the machine.
    ///
    /// # Errors
    /// [`EncryptError::Expired`] and [`EncryptError::Exhausted`] ask for a new handshake, [`EncryptError::TooLong`] for
    /// parts.
    pub fn encrypt(
        &mut self,
        plaintext: &[u8],
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, EncryptError> {
        let mut message = Vec::new();
        self.encrypt_into(plaintext, &mut message, now, rng)?;
        Ok(message)
    }

    /// Like [`Session::encrypt`], but appends to `out`, which may hold the start of a frame.
    ///
    /// # Errors
    /// As [`Session::encrypt`]; `out` is then as it was.
    pub fn encrypt_into(
        &mut self,
        plaintext: &[u8],
        out: &mut Vec<u8>,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), EncryptError> {
        let start = out.len();
        out.reserve(MESSAGE_PREFIX_LEN + padding::padded_len(plaintext.len()) + TAG_LEN);
        out.resize(start + MESSAGE_PREFIX_LEN, 0);
        out.extend_from_slice(plaintext);
        let result = self.encrypt_in_place(out, start, now, rng);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    /// Encrypts where the plaintext lies. `buffer[start..]` holds room of [`MESSAGE_PREFIX_LEN`] bytes and then the
    /// plaintext; it becomes the message. With `padded length + 16` bytes to spare nothing is copied.
    ///
    /// # Errors
    /// As [`Session::encrypt`], and [`EncryptError::NoRoom`] if the buffer is shorter than that; it is then as it was.
    pub fn encrypt_in_place(
        &mut self,
        buffer: &mut Vec<u8>,
        start: usize,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), EncryptError> {
        let from = start.checked_add(MESSAGE_PREFIX_LEN).ok_or(EncryptError::NoRoom)?;
        let len = buffer.len().checked_sub(from).ok_or(EncryptError::NoRoom)?;
        if len > LONGEST {
            return Err(EncryptError::TooLong { limit: LONGEST, actual: len });
        }
        if self.is_expired(now) {
            return Err(EncryptError::Expired);
        }
        let Prepared { header, key, after } = self.ratchet.prepare(rng)?;
        let header = header.encode(self.suite.id());
        let mut nonce = [0; NONCE_LEN];
        rng.fill_bytes(&mut nonce);

        buffer.reserve(padding::padded_len(len) - len + TAG_LEN);
        padding::pad(buffer, from);
        key.seal(&nonce, &self.aad(&header), buffer, from).map_err(|_| EncryptError::Internal)?;
        let prefix = buffer.get_mut(start..from).ok_or(EncryptError::Internal)?;
        let fields = self.id.as_bytes().iter().chain(&header).chain(&nonce);
        prefix.iter_mut().zip(fields).for_each(|(to, from)| *to = *from);
        self.ratchet.commit_sent(after);
        Ok(())
    }
}

#[cfg(test)]
impl Session {
    /// What a broken or malicious peer could send: authentic, but padded as it likes.
    pub(super) fn encrypt_unpadded(&mut self, padded: &[u8], rng: &mut dyn CryptoRng) -> Vec<u8> {
        let Prepared { header, key, after } = self.ratchet.prepare(rng).unwrap();
        let header = header.encode(self.suite.id());
        let nonce = [7; NONCE_LEN];
        let mut out = [self.id.as_bytes(), &header[..], &nonce].concat();
        let from = out.len();
        out.extend_from_slice(padded);
        key.seal(&nonce, &self.aad(&header), &mut out, from).unwrap();
        self.ratchet.commit_sent(after);
        out
    }
}
