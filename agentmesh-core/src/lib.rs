#![doc = include_str!("../README.md")]

pub mod codec;
pub mod context;
pub mod error;
pub mod limits;
#[cfg(feature = "getrandom")]
pub mod rng;
pub mod time;

pub mod audit;
pub mod handshake;
pub mod identity;
pub mod keys;
pub mod knock;
#[cfg(feature = "legacy-0-2")]
pub mod legacy;
pub mod prekeys;
pub mod ratchet;
#[cfg(feature = "schema")]
pub mod schema;
pub mod session;
pub mod stream;
pub mod wire;

mod maps;

pub mod engine;
pub mod managers;
pub mod storage;
pub mod values;
pub mod vault;

#[cfg(feature = "client")]
pub mod client;
#[cfg(any(test, feature = "test-utils"))]
pub mod fuzzing;
#[cfg(feature = "hazmat")]
pub mod hazmat;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod redaction;
#[cfg(feature = "client")]
pub mod services;
#[cfg(any(test, feature = "test-utils"))]
pub mod test_utils;
#[cfg(feature = "trust")]
pub mod trust;

pub use context::Context;
pub use error::{Error, ErrorInfo, ErrorKind};
pub use time::Timestamp;
