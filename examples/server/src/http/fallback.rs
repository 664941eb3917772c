//! Paths that no service has.

use axum::{
    Extension,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{Request, StatusCode, header};
use serde_json::json;

use super::{Peer, reply};
use crate::{
    relay::{is_upgrade, upgrade},
    state::Shared,
};

/// The path that clients are told of. A relay of 0.2 takes any other as well.
const CONNECT: &str = "/v1/connect";

/// A WebSocket, or 404: below `/v1` with an empty body, as the deployed registries answer, elsewhere in JSON.
pub(super) async fn fallback(
    State(shared): State<Shared>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request<Body>,
) -> Response {
    if is_upgrade(request.headers()) {
        return upgrade(&shared.relay, request, peer);
    }
    if request.uri().path() == CONNECT {
        let wanted = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "websocket")];
        return (StatusCode::UPGRADE_REQUIRED, wanted, "this is a WebSocket").into_response();
    }
    if matches!(request.uri().path().strip_prefix("/v1"), Some(rest) if rest.is_empty() || rest.starts_with('/'))
    {
        return StatusCode::NOT_FOUND.into_response();
    }
    reply::json(StatusCode::NOT_FOUND, json!({"error": "Not found"}))
}
