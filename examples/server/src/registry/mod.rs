//! The registry: who exists, with which keys and capabilities (`docs/protocol/registry.md`, `docs/protocol/native.md` §3).
//!
//! Every write proves possession of the agent's key. Nothing here is secret, and nothing here has to be believed:
//! whoever reads checks AMIDs and signatures again.

mod capabilities;
mod lookup;
mod prekey_fetch;
mod prekey_upload;
mod rations;
mod register;
mod search;
mod stats;
mod status;
mod write;

use axum::{
    Router,
    routing::{get, post},
};

pub(crate) use rations::KeyRations;

use crate::state::Shared;

/// The routes below `/v1`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/registry/register", post(register::register))
        .route("/registry/lookup", get(lookup::lookup))
        .route("/registry/search", get(search::search))
        .route("/registry/status", post(status::status))
        .route("/registry/capabilities", post(capabilities::capabilities))
        .route("/registry/prekeys", post(prekey_upload::upload))
        .route("/registry/prekeys/{amid}", get(prekey_fetch::fetch))
        .route("/registry/stats", get(stats::stats))
}

/// Lengths of what agents say about themselves.
pub(crate) mod bounds {
    /// Characters of a display name.
    pub(crate) const NAME: usize = 256;
    /// Characters of an endpoint.
    pub(crate) const URL: usize = 2048;
    /// Capabilities of an agent.
    pub(crate) const CAPABILITIES: usize = 256;
    /// Characters of a capability.
    pub(crate) const CAPABILITY: usize = 256;
    /// Characters of a key or signature of 0.2, with its prefix.
    pub(crate) const KEY: usize = 256;
    /// One-time keys of one kind in an upload.
    pub(crate) const ONE_TIME_KEYS: usize = 500;
    /// One-time keys of an agent, used ones included.
    pub(crate) const ONE_TIME_ROWS: u64 = 4000;
}
