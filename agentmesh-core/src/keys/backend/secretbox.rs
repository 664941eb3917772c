//! XSalsa20-Poly1305 of RustCrypto, the same in every back end: no C library here has it.

use crypto_secretbox::{AeadInPlace, KeyInit, XSalsa20Poly1305};

/// The tag; none if the plaintext is too long for the mode.
pub(crate) fn xsalsa20poly1305_seal(
    key: &[u8; 32],
    nonce: &[u8; 24],
    buf: &mut [u8],
) -> Option<[u8; 16]> {
    XSalsa20Poly1305::new(key.into())
        .encrypt_in_place_detached(nonce.into(), &[], buf)
        .ok()
        .map(Into::into)
}

/// Opens the ciphertext; whether it authenticated. Decrypts only then.
pub(crate) fn xsalsa20poly1305_open(
    key: &[u8; 32],
    nonce: &[u8; 24],
    tag: &[u8; 16],
    buf: &mut [u8],
) -> bool {
    XSalsa20Poly1305::new(key.into())
        .decrypt_in_place_detached(nonce.into(), &[], buf, tag.into())
        .is_ok()
}
