//! What is the same in every back end: hashes, ML-KEM and Argon2id of RustCrypto.
//!
//! ML-KEM stays here because its randomness is injected, which the C library does not allow.

use hmac::{Hmac, KeyInit, Mac};
use ml_kem::{
    Decapsulate, DecapsulationKey768, EncapsulationKey768, KeyExport, TryKeyInit,
    array::{Array, sizes::U64},
};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use crate::keys::{KEM_CIPHERTEXT_LEN, KEM_PUBLIC_KEY_LEN};

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
        let mut block = Array::<u8, U64>::default();
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
