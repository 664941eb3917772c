//! Bytes and JSON on the wire (`docs/protocol/native.md` §6, §8). No secret type is in scope here, but for the
//! identity that signs a statement.
//!
//! Between two agents: `payload` tells protocols apart, `frame` is what travels in `encrypted_payload`, `control` its
//! signed statements, `plaintext` what a message says once decrypted, in the deterministic CBOR of `cbor`; `stream`,
//! `capability` and `peer_error` are payloads with a meaning of their own. Between an agent and a server: `relay_*` and
//! `registry*`.

pub mod capability;
pub(crate) mod cbor;
pub mod control;
pub mod frame;
pub mod id;
pub mod json;
pub mod payload;
pub mod peer_error;
pub mod plaintext;
pub mod registry;
pub mod registry_auth;
pub mod relay_auth;
pub mod relay_binary;
pub mod relay_error;
pub mod relay_features;
pub mod relay_frame;
pub mod relay_id;
pub mod stream;
pub(crate) mod text_enum;
pub mod version;

pub use cbor::CborError;
