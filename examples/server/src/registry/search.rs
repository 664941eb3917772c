//! `GET /registry/search`: agents by capability, tier, reputation and status.

use agentmesh_core::wire::registry::{SearchQuery, SearchResponse};
use axum::{body::Body, extract::State, response::Response};
use http::{Request, StatusCode};

use crate::{
    http::{
        call::Call,
        reply::{self, Refused},
    },
    state::Shared,
    store::agents,
};

/// As the deployed registry.
const DEFAULT_LIMIT: u64 = 20;
/// The deployed registry has no maximum; one answer of ours stays below a megabyte or two.
const MAX_LIMIT: u64 = 1000;

pub(super) async fn search(
    State(shared): State<Shared>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let query: SearchQuery = call.query()?;
    if query.status.as_ref().is_some_and(|status| !status.is_known()) {
        return Err(reply::malformed("status is online, away, offline or dnd"));
    }
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    let offset = query.offset.unwrap_or(0);
    let found = shared.store.read(move |c| agents::search(c, &query, limit, offset)).await;
    let found = found.map_err(|e| reply::internal("agents could not be searched", &e))?;
    let (mut results, total) = found;
    for agent in &mut results {
        agent.relay_endpoint.get_or_insert_with(|| shared.relay_url(&call.host));
    }
    Ok(reply::json(StatusCode::OK, SearchResponse { results, total, limit, offset }))
}
