//! The native back end: X25519, Ed25519 and AES-GCM of AWS-LC.
//!
//! AWS-LC can fail to allocate. Where that happens the portable code computes the same, bit for bit.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{self, PrivateKey, X25519},
    error::Unspecified,
    signature::{self, ED25519, Ed25519KeyPair},
};

use super::pure;

/// The library's form of a private key. Making it costs a multiplication, so it is made once, and not before
/// it is needed.
#[derive(Clone, Default)]
pub(crate) struct DhContext(OnceLock<Option<Arc<PrivateKey>>>);

impl DhContext {
    fn key(&self, secret: &[u8; 32]) -> Option<&PrivateKey> {
        self.0
            .get_or_init(|| PrivateKey::from_private_key(&X25519, secret).ok().map(Arc::new))
            .as_deref()
    }

    pub(crate) fn public(&self, secret: &[u8; 32]) -> [u8; 32] {
        self.key(secret)
            .and_then(|key| key.compute_public_key().ok())
            .and_then(|public| public.as_ref().try_into().ok())
            .unwrap_or_else(|| pure::DhContext::default().public(secret))
    }

    pub(crate) fn agree(&self, secret: &[u8; 32], public: &[u8; 32], out: &mut [u8; 32]) {
        let agreed = self.key(secret).ok_or(Unspecified).and_then(|key| {
            let peer = agreement::UnparsedPublicKey::new(&X25519, public);
            agreement::agree(key, peer, Unspecified, |shared| {
                let shared: &[u8; 32] = shared.try_into().map_err(|_| Unspecified)?;
                out.copy_from_slice(shared);
                Ok(())
            })
        });
        // The library also fails where the result is zero; the portable code then says so.
        if agreed.is_err() {
            pure::DhContext::default().agree(secret, public, out);
        }
    }
}

pub(crate) struct SigningPair {
    pair: Option<Ed25519KeyPair>,
    /// Holds the seed, and signs should the library not.
    pure: pure::SigningPair,
}

impl SigningPair {
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok();
        Self { pair, pure: pure::SigningPair::from_seed(seed) }
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        self.pure.public()
    }

    pub(crate) fn sign(&self, parts: &[&[u8]]) -> [u8; 64] {
        self.pair
            .as_ref()
            .and_then(|pair| pair.try_sign(&parts.concat()).ok())
            .and_then(|signature| signature.as_ref().try_into().ok())
            .unwrap_or_else(|| self.pure.sign(parts))
    }

    pub(crate) fn seed(&self) -> &[u8; 32] {
        self.pure.seed()
    }
}

pub(crate) fn ed25519_verify(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    signature::UnparsedPublicKey::new(&ED25519, public).verify(message, signature).is_ok()
}

fn aes256gcm(key: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new)
}

/// The tag; none if the plaintext is too long for the mode.
pub(crate) fn aes256gcm_seal(
    key: &[u8; 32],
    nonce: &[u8; 12],
    aad: &[u8],
    buf: &mut [u8],
) -> Option<[u8; 16]> {
    let Some(cipher) = aes256gcm(key) else {
        return pure::aes256gcm_seal(key, nonce, aad, buf);
    };
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let tag = cipher.seal_in_place_separate_tag(nonce, Aad::from(aad), buf).ok()?;
    tag.as_ref().try_into().ok()
}

/// Opens ciphertext and tag; whether it authenticated.
pub(crate) fn aes256gcm_open(
    key: &[u8; 32],
    nonce: &[u8; 12],
    aad: &[u8],
    sealed: &mut [u8],
) -> bool {
    let Some(cipher) = aes256gcm(key) else {
        return pure::aes256gcm_open(key, nonce, aad, sealed);
    };
    cipher.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), sealed).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn curves_agree_with_the_portable_back_end(
            secret in any::<[u8; 32]>(),
            public in any::<[u8; 32]>(),
            message in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let dh = DhContext::default();
            prop_assert_eq!(dh.public(&secret), pure::DhContext::default().public(&secret));
            let (mut ours, mut theirs) = ([0; 32], [0; 32]);
            dh.agree(&secret, &public, &mut ours);
            pure::DhContext::default().agree(&secret, &public, &mut theirs);
            prop_assert_eq!(ours, theirs);

            let ours = SigningPair::from_seed(&secret);
            let signature = ours.sign(&[&message, b"x"]);
            prop_assert_eq!(signature, ours.pure.sign(&[&message, b"x"]));
            let whole = [&message[..], b"x"].concat();
            for verify in [ed25519_verify, pure::ed25519_verify] {
                prop_assert!(verify(&ours.public(), &whole, &signature));
                prop_assert!(!verify(&ours.public(), &message, &signature));
                prop_assert!(!verify(&public, &whole, &signature));
            }
        }

        #[test]
        fn ciphers_agree_with_the_portable_back_end(
            key in any::<[u8; 32]>(),
            nonce in any::<[u8; 12]>(),
            aad in prop::collection::vec(any::<u8>(), 0..100),
            plaintext in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            let (mut ours, mut theirs) = (plaintext.clone(), plaintext.clone());
            let tag = aes256gcm_seal(&key, &nonce, &aad, &mut ours).unwrap();
            prop_assert_eq!(Some(tag), pure::aes256gcm_seal(&key, &nonce, &aad, &mut theirs));
            prop_assert_eq!(&ours, &theirs);
            ours.extend(tag);
            for open in [aes256gcm_open, pure::aes256gcm_open] {
                let mut sealed = ours.clone();
                prop_assert!(open(&key, &nonce, &aad, &mut sealed));
                prop_assert_eq!(&sealed[..plaintext.len()], &plaintext[..]);
                let mut forged = ours.clone();
                forged[0] ^= 1;
                prop_assert!(!open(&key, &nonce, &aad, &mut forged));
                prop_assert!(!open(&key, &nonce, &aad, &mut [0; 15]));
            }
        }
    }

    #[test]
    fn a_small_order_key_gives_zero() {
        let mut out = [1; 32];
        DhContext::default().agree(&[7; 32], &[0; 32], &mut out);
        assert_eq!(out, [0; 32]);
    }
}
