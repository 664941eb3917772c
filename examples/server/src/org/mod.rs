//! Organizations: a domain whose owner proved it by a DNS record, and the agents that its admin took in
//! (`docs/protocol/registry.md`).

mod agents;
mod dns;
mod lookup;
mod register;
mod verify;

use axum::{
    Router,
    routing::{get, post},
};

pub(crate) use dns::DnsClient;

use crate::state::Shared;

/// The routes below `/v1`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/org/register", post(register::register))
        .route("/org/verify", post(verify::verify))
        .route("/org/agents", post(agents::add))
        .route("/org/lookup", get(lookup::lookup))
}

/// What comes before the domain in the record's name.
const RECORD_PREFIX: &str = "_agentmesh.";
/// What comes before the challenge in the record's value.
const VALUE_PREFIX: &str = "agentmesh-verify=";
