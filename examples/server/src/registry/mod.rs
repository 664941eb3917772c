//! The registry: who exists, with which keys and capabilities (`docs/protocol/registry.md`, `docs/protocol/native.md` §3).
//!
//! Every write proves possession of the agent's key. Nothing here is secret, and nothing here has to be believed:
//! whoever reads checks AMIDs and signatures again.

mod authority;
mod capabilities;
mod did;
mod lookup;
mod prekey_fetch;
mod prekey_upload;
mod rations;
mod register;
mod reputation;
mod revocations;
mod revoke;
mod search;
mod stats;
mod status;
pub(crate) mod write;

use axum::{
    Router,
    routing::{get, post},
};

pub(crate) use did::exchange_key;
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
        .route("/registry/did/{amid}", get(did::did))
        .route("/registry/authority", get(authority::authority))
        .route("/registry/revoke", post(revoke::revoke))
        .route("/registry/revocation", get(revocations::one))
        .route("/registry/revocations/bulk", post(revocations::bulk))
        .route("/registry/revocations", get(revocations::list))
        .route("/registry/reputation", post(reputation::submit))
        .route("/registry/reputation/feedback", post(reputation::feedback))
        .route("/registry/reputation/session", post(reputation::session))
        .route("/registry/reputation/score", get(reputation::score))
        .route("/registry/reputation/leaderboard", get(reputation::leaderboard))
}

/// Lengths of what agents say about themselves.
pub(crate) mod bounds {
    /// Characters of a display name.
    pub(crate) const NAME: usize = 256;
    /// Characters of the notes on a revocation.
    pub(crate) const NOTES: usize = 2048;
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
