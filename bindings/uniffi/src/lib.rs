//! The native half of the Kotlin and the Swift package: converts arguments, calls `agentmesh-facade`, converts results.
//!
//! Everything that programmers of either language see is written in that language, beside this crate; what UniFFI generates out of
//! it is private to those packages, and its types are called `Native…`. Nothing here calls into the other language: what an
//! application decides or stores is a queue with an asynchronous `next`. Values that are not on the way of every message
//! cross as JSON text, as the facade serialises them. Knows no rules of the protocol.

mod agent;
mod audit;
mod calls;
mod control;
mod error;
mod identity;
mod knock;
mod logs;
mod managers;
mod messages;
mod payload;
mod services;
mod storage;
mod streams;
mod testing;

pub use self::{
    agent::*, audit::*, error::*, identity::*, knock::*, logs::*, managers::*, messages::*,
    payload::*, services::*, storage::*, streams::*, testing::*,
};

uniffi::setup_scaffolding!();

/// Version of the library; the packages have the same.
#[uniffi::export]
pub fn version() -> String {
    agentmesh_facade::VERSION.to_owned()
}
