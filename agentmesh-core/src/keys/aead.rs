//! AES-256-GCM with 96-bit nonces and 128-bit tags, in place: one buffer from plaintext to frame and back.

use zeroize::Zeroize;

use super::{KeyError, Secret, backend, stack::cleaned};

/// Length of a nonce.
pub const NONCE_LEN: usize = 12;
/// Length of the tag that follows a ciphertext.
pub const TAG_LEN: usize = 16;

/// Encrypts `buf[from..]` in place and appends the tag. What precedes `from` stays as it is.
///
/// # Errors
/// [`KeyError::PlaintextTooLong`] beyond 64 GiB, or if `from` lies outside the buffer; the buffer is left alone.
pub fn seal_in_place(
    key: &Secret<32>,
    nonce: &[u8; NONCE_LEN],
    aad: &[u8],
    buf: &mut Vec<u8>,
    from: usize,
) -> Result<(), KeyError> {
    // Before encrypting: growing afterwards would be the same, but growing in between would leave plaintext behind.
    buf.reserve(TAG_LEN);
    let plaintext = buf.get_mut(from..).ok_or(KeyError::PlaintextTooLong)?;
    let tag = cleaned(|| backend::aes256gcm_seal(key.as_bytes(), nonce, aad, plaintext))
        .ok_or(KeyError::PlaintextTooLong)?;
    buf.extend_from_slice(&tag);
    Ok(())
}

/// Opens `buf`, ciphertext and tag, in place and cuts it to the plaintext.
///
/// # Errors
/// [`KeyError::BadCiphertext`]; the buffer is then wiped and empty.
pub fn open_in_place(
    key: &Secret<32>,
    nonce: &[u8; NONCE_LEN],
    aad: &[u8],
    buf: &mut Vec<u8>,
) -> Result<(), KeyError> {
    let opened = open_slice(key, nonce, aad, buf).map(|plaintext| plaintext.len());
    match opened {
        Ok(len) => buf.truncate(len),
        Err(_) => buf.zeroize(),
    }
    opened.map(|_| ())
}

/// Opens `sealed`, ciphertext and tag, in place inside a larger buffer; returns the plaintext's part of it.
///
/// # Errors
/// [`KeyError::BadCiphertext`]; what `sealed` holds then is unspecified, but it is no plaintext.
pub fn open_slice<'b>(
    key: &Secret<32>,
    nonce: &[u8; NONCE_LEN],
    aad: &[u8],
    sealed: &'b mut [u8],
) -> Result<&'b mut [u8], KeyError> {
    if !cleaned(|| backend::aes256gcm_open(key.as_bytes(), nonce, aad, sealed)) {
        return Err(KeyError::BadCiphertext);
    }
    match sealed.split_last_chunk_mut::<TAG_LEN>() {
        Some((plaintext, _)) => Ok(plaintext),
        None => Err(KeyError::BadCiphertext),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_behind_a_prefix() {
        let key = Secret::new([1; 32]);
        let mut buf = b"headhello".to_vec();
        seal_in_place(&key, &[2; 12], b"aad", &mut buf, 4).unwrap();
        assert_eq!(buf.len(), 4 + 5 + TAG_LEN);
        assert_eq!(&buf[..4], b"head");
        let mut sealed = buf.split_off(4);
        open_in_place(&key, &[2; 12], b"aad", &mut sealed).unwrap();
        assert_eq!(sealed, b"hello");
    }

    #[test]
    fn opens_inside_a_larger_buffer() {
        let key = Secret::new([1; 32]);
        let mut buf = b"headhello".to_vec();
        seal_in_place(&key, &[2; 12], b"aad", &mut buf, 4).unwrap();
        assert_eq!(open_slice(&key, &[2; 12], b"aad", &mut buf[4..]).unwrap(), b"hello");
        assert_eq!(open_slice(&key, &[2; 12], b"aad", &mut buf[4..]), Err(KeyError::BadCiphertext));
        assert!(open_slice(&key, &[2; 12], b"aad", &mut [0; TAG_LEN - 1]).is_err());
    }

    #[test]
    fn any_change_fails_and_wipes() {
        let key = Secret::new([1; 32]);
        let mut sealed = b"hello".to_vec();
        seal_in_place(&key, &[2; 12], b"aad", &mut sealed, 0).unwrap();
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert_eq!(
                open_in_place(&key, &[2; 12], b"aad", &mut bad),
                Err(KeyError::BadCiphertext)
            );
            assert!(bad.is_empty());
        }
        for (nonce, aad) in [([3; 12], &b"aad"[..]), ([2; 12], b"aae")] {
            let mut bad = sealed.clone();
            assert!(open_in_place(&key, &nonce, aad, &mut bad).is_err());
        }
        assert!(open_in_place(&key, &[2; 12], b"aad", &mut vec![0; TAG_LEN - 1]).is_err());
    }

    #[test]
    fn an_offset_outside_the_buffer_is_an_error() {
        let mut buf = vec![1, 2];
        let sealed = seal_in_place(&Secret::new([1; 32]), &[2; 12], b"", &mut buf, 3);
        assert_eq!(sealed, Err(KeyError::PlaintextTooLong));
        assert_eq!(buf, [1, 2]);
    }
}
