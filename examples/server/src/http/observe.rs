//! What every request passes: the counter, and faults.

use axum::{
    body::Body,
    extract::{MatchedPath, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::Request;

use super::reply;
use crate::state::Shared;

/// Counts a request by its route's pattern, never by its path, which names agents.
pub(super) async fn observe(
    State(shared): State<Shared>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("other", MatchedPath::as_str);
    let response = if route.starts_with("/v1/registry") && shared.relay.dice.refuses_http() {
        reply::too_many("RATE_LIMITED", "a fault was ordered", 1).into_response()
    } else {
        next.run(request).await
    };
    shared.metrics.http(route, response.status().as_u16());
    response
}
