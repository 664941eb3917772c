//! AES-256-GCM, in place.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{AeadInOut, inout::InOutBuf},
};

/// The tag; none if the plaintext is too long for the mode.
pub fn seal(key: &[u8; 32], nonce: &[u8; 12], aad: &[u8], buf: &mut [u8]) -> Option<[u8; 16]> {
    Aes256Gcm::new(key.into())
        .encrypt_inout_detached(nonce.into(), aad, InOutBuf::from(buf))
        .ok()
        .map(Into::into)
}

/// Opens ciphertext and tag; whether it authenticated. Decrypts only then.
pub fn open(key: &[u8; 32], nonce: &[u8; 12], aad: &[u8], sealed: &mut [u8]) -> bool {
    sealed.split_last_chunk_mut::<16>().is_some_and(|(buf, tag)| {
        Aes256Gcm::new(key.into())
            .decrypt_inout_detached(nonce.into(), aad, InOutBuf::from(buf), (&*tag).into())
            .is_ok()
    })
}
