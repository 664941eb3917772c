//! What every request passes: the counters, the bounds for its address, and faults.

use axum::{
    Extension,
    body::Body,
    extract::{MatchedPath, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{Request, StatusCode, header};
use hyper::body::Body as _;

use super::{Peer, metered::Meter, reply};
use crate::{clock, state::Shared};

/// Counts a request by its route's pattern, never by its path, which names agents.
pub(super) async fn observe(
    State(shared): State<Shared>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("other", MatchedPath::as_str);
    let limit = shared.config.limits.requests_per_minute_per_ip;
    let response = if let Err(seconds) = shared.relay.visitors.ask(peer.ip(), limit, clock::now()) {
        let why = "too many requests from this address";
        reply::too_many("RATE_LIMITED", why, seconds).into_response()
    } else if request.headers().get_all(header::HOST).iter().count() > 1 {
        // Whoever stands in front of us may have gone by the other one.
        reply::refused(StatusCode::BAD_REQUEST, "more than one Host").into_response()
    } else if route.starts_with("/v1/registry") && shared.relay.dice.refuses_http() {
        reply::too_many("RATE_LIMITED", "a fault was ordered", 1).into_response()
    } else if request.body().is_end_stream() {
        next.run(request).await
    } else {
        let meter = Meter::new(shared.relay.visitors.hold(peer.ip()));
        let response = next.run(request.map(|body| meter.measure(body))).await;
        if meter.is_overdrawn() {
            reply::busy("too much is being sent at once", 1).into_response()
        } else {
            response
        }
    };
    shared.metrics.http(route, response.status().as_u16());
    response
}
