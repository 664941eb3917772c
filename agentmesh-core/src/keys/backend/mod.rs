//! What every back end offers, in plain arrays; no policy. `pure` is dalek and RustCrypto.

mod pure;

pub(super) use pure::{
    HmacState, KemPair, SigningPair, aes256gcm_open, aes256gcm_seal, argon2id, ed25519_verify,
    kem_encapsulate, sha256, x25519, x25519_public,
};
