//! What every back end offers, in plain arrays; no policy.
//!
//! `pure` is dalek and RustCrypto. With feature `aws-lc`, curves and AES-GCM come from the C library, about twice as
//! fast; `pure` then stands in should the library be unable to allocate.

#[cfg(all(feature = "aws-lc", not(target_arch = "wasm32")))]
mod aws_lc;
mod common;
mod pure;
#[cfg(feature = "legacy-0-2")]
mod secretbox;

#[cfg(all(feature = "aws-lc", not(target_arch = "wasm32")))]
use aws_lc as curves;
#[cfg(any(not(feature = "aws-lc"), target_arch = "wasm32"))]
use pure as curves;

pub(super) use common::{HmacState, KemPair, argon2id, kem_encapsulate, sha256};
pub(super) use curves::{DhContext, SigningPair, aes256gcm_open, aes256gcm_seal, ed25519_verify};
#[cfg(feature = "legacy-0-2")]
pub(super) use secretbox::{xsalsa20poly1305_open, xsalsa20poly1305_seal};
