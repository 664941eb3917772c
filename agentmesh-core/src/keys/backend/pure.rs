//! The portable back end: dalek for the curves, RustCrypto for the rest. Runs wherever Rust does.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{AeadInOut, inout::InOutBuf},
};
use ed25519_dalek::ed25519::signature::MultipartSigner;
use hmac::{Hmac, Mac};
use ml_kem::{
    Decapsulate, DecapsulationKey768, EncapsulationKey768, KeyExport, TryKeyInit, array::sizes::U64,
};
use sha2::{Digest, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroize;

use crate::keys::{KEM_CIPHERTEXT_LEN, KEM_PUBLIC_KEY_LEN};

pub(crate) fn x25519_public(secret: &[u8; 32]) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(*secret)).to_bytes()
}

pub(crate) fn x25519(secret: &[u8; 32], public: &[u8; 32], out: &mut [u8; 32]) {
    let shared = StaticSecret::from(*secret).diffie_hellman(&PublicKey::from(*public));
    out.copy_from_slice(shared.as_bytes());
}

pub(crate) struct SigningPair(ed25519_dalek::SigningKey);

impl SigningPair {
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    pub(crate) fn sign(&self, parts: &[&[u8]]) -> [u8; 64] {
        self.0.multipart_sign(parts).to_bytes()
    }

    pub(crate) fn seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

pub(crate) fn ed25519_verify(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    ed25519_dalek::VerifyingKey::from_bytes(public).is_ok_and(|key| {
        key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
    })
}

pub(crate) struct KemPair(DecapsulationKey768);

impl KemPair {
    pub(crate) fn from_seed(seed: &[u8; 64]) -> Self {
        Self(DecapsulationKey768::from_seed((*seed).into()))
    }

    pub(crate) fn public(&self) -> Box<[u8; KEM_PUBLIC_KEY_LEN]> {
        Box::new(self.0.encapsulation_key().to_bytes().into())
    }

    pub(crate) fn decapsulate(&self, ciphertext: &[u8; KEM_CIPHERTEXT_LEN], out: &mut [u8; 32]) {
        let mut shared = self.0.decapsulate(ciphertext.into());
        out.copy_from_slice(&shared);
        shared.zeroize();
    }
}

/// False if the key is not valid.
pub(crate) fn kem_encapsulate(
    public: &[u8; KEM_PUBLIC_KEY_LEN],
    m: &[u8; 32],
    ciphertext: &mut [u8; KEM_CIPHERTEXT_LEN],
    out: &mut [u8; 32],
) -> bool {
    let Ok(key) = <EncapsulationKey768 as TryKeyInit>::new(public.into()) else {
        return false;
    };
    let (sent, mut shared) = key.encapsulate_deterministic(m.into());
    ciphertext.copy_from_slice(&sent);
    out.copy_from_slice(&shared);
    shared.zeroize();
    true
}

pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        Digest::update(&mut hash, part);
    }
    hash.finalize().into()
}

pub(crate) struct HmacState(Hmac<Sha256>);

impl HmacState {
    pub(crate) fn new(key: &[u8]) -> Self {
        let mut block = aes_gcm::aead::array::Array::<u8, U64>::default();
        if let Some(start) = block.get_mut(..key.len()) {
            start.copy_from_slice(key);
        } else {
            let digest = sha256(&[key]);
            block.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        }
        let state = Hmac::new(&block);
        block.as_mut_slice().zeroize();
        Self(state)
    }

    pub(crate) fn mac(&self, parts: &[&[u8]], out: &mut [u8; 32]) {
        self.mac_iter(parts.iter().copied(), out);
    }

    pub(crate) fn mac_iter<'a>(&self, parts: impl Iterator<Item = &'a [u8]>, out: &mut [u8; 32]) {
        let mut mac = self.0.clone();
        parts.for_each(|part| mac.update(part));
        let mut tag = mac.finalize().into_bytes();
        out.copy_from_slice(&tag);
        tag.as_mut_slice().zeroize();
    }
}

/// The tag; none if the plaintext is too long for the mode.
pub(crate) fn aes256gcm_seal(
    key: &[u8; 32],
    nonce: &[u8; 12],
    aad: &[u8],
    buf: &mut [u8],
) -> Option<[u8; 16]> {
    Aes256Gcm::new(key.into())
        .encrypt_inout_detached(nonce.into(), aad, InOutBuf::from(buf))
        .ok()
        .map(Into::into)
}

/// Whether it authenticated; `buf` is decrypted only then.
pub(crate) fn aes256gcm_open(
    key: &[u8; 32],
    nonce: &[u8; 12],
    aad: &[u8],
    buf: &mut [u8],
    tag: &[u8; 16],
) -> bool {
    Aes256Gcm::new(key.into())
        .decrypt_inout_detached(nonce.into(), aad, InOutBuf::from(buf), tag.into())
        .is_ok()
}

/// Memory in KiB, passes, lanes. False if the parameters are refused or there is not enough memory.
pub(crate) fn argon2id(
    passphrase: &[u8],
    salt: &[u8; 16],
    [memory_kib, passes, lanes]: [u32; 3],
    out: &mut [u8; 32],
) -> bool {
    argon2::Params::new(memory_kib, passes, lanes, Some(out.len())).is_ok_and(|params| {
        argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
            .hash_password_into(passphrase, salt, out)
            .is_ok()
    })
}
