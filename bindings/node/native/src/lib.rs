//! The native half of the npm package `@agentmesh/sdk`: converts arguments, calls `agentmesh-facade`, converts results.
//!
//! Everything that JavaScript programmers see is written in TypeScript, beside this crate; this module is private to it. Values that
//! are not on the way of every message cross as JSON text. Knows no rules of the protocol.

// Built for tests, which other crates' tests can cause, nothing is told to Node, so nothing seems to be used.
#![cfg_attr(test, allow(dead_code))]

mod agent;
mod bridge;
#[cfg(feature = "command")]
mod command;
mod control;
mod error;
mod identity;
mod knock;
mod managers;
mod messages;
mod payload;
#[cfg(feature = "server")]
mod server;
mod services;
mod storage;
mod streams;
mod testing;

use agentmesh_facade::FacadeError;
use napi_derive::napi;

/// Version of the module; the package has the same.
#[napi]
pub const VERSION: &str = agentmesh_facade::VERSION;

/// A value as JSON text.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<String, FacadeError> {
    Ok(serde_json::to_string(value)?)
}

/// Settings out of JSON text; the defaults if there is none.
pub(crate) fn settings<T>(text: Option<&str>) -> napi::Result<T>
where
    T: serde::de::DeserializeOwned + Default,
{
    let read = text.map(serde_json::from_str).transpose();
    Ok(read.map_err(|e| error::thrown(e.into()))?.unwrap_or_default())
}
