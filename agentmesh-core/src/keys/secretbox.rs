//! NaCl's secretbox, XSalsa20-Poly1305, as `agentmesh/0.2` puts it on the wire: nonce, tag, body.
//!
//! No associated data: whatever goes beside the ciphertext is not authenticated by it.

use zeroize::Zeroizing;

use super::{KeyError, Secret, backend, stack::cleaned};

/// Length of a nonce.
pub const NONCE_LEN: usize = 24;
/// Length of the tag, which precedes the body.
pub const TAG_LEN: usize = 16;
/// Bytes that a ciphertext has more than its plaintext.
pub const OVERHEAD: usize = NONCE_LEN + TAG_LEN;

/// `nonce || tag || body`. The nonce must be unique for the key; random ones are.
///
/// # Errors
/// [`KeyError::PlaintextTooLong`] beyond 256 GiB.
pub fn seal(
    key: &Secret<32>,
    nonce: &[u8; NONCE_LEN],
    plaintext: &[u8],
) -> Result<Vec<u8>, KeyError> {
    let mut out = Vec::with_capacity(OVERHEAD + plaintext.len());
    out.extend_from_slice(nonce);
    out.extend_from_slice(&[0; TAG_LEN]);
    out.extend_from_slice(plaintext);
    let (head, body) = out.split_at_mut_checked(OVERHEAD).ok_or(KeyError::PlaintextTooLong)?;
    let tag = cleaned(|| backend::xsalsa20poly1305_seal(key.as_bytes(), nonce, body))
        .ok_or(KeyError::PlaintextTooLong)?;
    head.iter_mut().skip(NONCE_LEN).zip(tag).for_each(|(to, from)| *to = from);
    Ok(out)
}

/// The plaintext of `nonce || tag || body`.
///
/// # Errors
/// [`KeyError::BadCiphertext`], also if it is shorter than nonce and tag.
pub fn open(key: &Secret<32>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(KeyError::BadCiphertext)?;
    let (tag, body) = rest.split_first_chunk::<TAG_LEN>().ok_or(KeyError::BadCiphertext)?;
    let mut plaintext = Zeroizing::new(body.to_vec());
    if cleaned(|| backend::xsalsa20poly1305_open(key.as_bytes(), nonce, tag, &mut plaintext)) {
        Ok(plaintext)
    } else {
        Err(KeyError::BadCiphertext)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::rfc::hex;

    /// The example of NaCl, which libsodium tests as `secretbox.c` and `secretbox7.c` do.
    #[test]
    fn known_answer_of_nacl() {
        let key =
            Secret::new(hex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389"));
        let nonce = hex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37");
        let plaintext: [u8; 131] =
            hex("be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffc
             e5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb31
             0e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde
             048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f93776384864
             5e0705");
        let expected: [u8; 147] =
            hex("f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce
             48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c972
             71d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae
             90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b3
             7973f622a43d14a6599b1f654cb45a74e355a5");
        let sealed = seal(&key, &nonce, &plaintext).unwrap();
        assert_eq!(sealed[..NONCE_LEN], nonce);
        assert_eq!(sealed[NONCE_LEN..], expected);
        assert_eq!(open(&key, &sealed).unwrap()[..], plaintext);
        println!("vectors: libsodium secretbox: 1");
    }

    #[test]
    fn any_change_fails() {
        let key = Secret::new([1; 32]);
        for plaintext in [&b""[..], b"hello"] {
            let sealed = seal(&key, &[2; 24], plaintext).unwrap();
            assert_eq!(open(&key, &sealed).unwrap()[..], *plaintext);
            for at in 0..sealed.len() {
                let mut bad = sealed.clone();
                bad[at] ^= 1;
                assert_eq!(open(&key, &bad), Err(KeyError::BadCiphertext), "byte {at}");
                assert!(open(&key, &sealed[..at]).is_err(), "cut to {at}");
            }
            assert!(open(&Secret::new([3; 32]), &sealed).is_err());
        }
    }
}
