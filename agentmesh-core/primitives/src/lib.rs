//! What every message and every record goes through, of RustCrypto, in plain arrays. Private to `agentmesh-core`, which has the types.
//!
//! These crates are generic, so what they do is compiled where their types are named. Packages for WebAssembly build `agentmesh-core` for
//! size, and AES-GCM, built like that, takes three times as long. So it is named here, and a profile builds this crate for speed.

mod aead;
mod mac;

pub use aead::{open, seal};
pub use mac::{HmacState, sha256};
