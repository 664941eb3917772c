//! What is the same in every back end: hashes, ML-KEM and Argon2id of RustCrypto.
//!
//! ML-KEM stays here because its randomness is injected, which the C library does not allow.

pub(crate) use agentmesh_primitives::{HmacState, sha256};
use ml_kem::{Decapsulate, DecapsulationKey768, EncapsulationKey768, KeyExport, TryKeyInit};
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
