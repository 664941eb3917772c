//! Bytes and JSON on the wire. No secret type is in scope here.

pub mod registry;
pub mod registry_auth;
pub mod relay_auth;
pub mod relay_binary;
pub mod relay_error;
pub mod relay_features;
pub mod relay_frame;
pub mod relay_id;
mod text_enum;
