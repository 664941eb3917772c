//! `/api/connect`, `/api/signal`, `/api/leave`.

use std::{sync::Arc, time::Duration};

use agentmesh_core::services::signaling::RoomName;
use axum::{
    Extension, Router,
    body::Body,
    extract::State,
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::any,
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::json;
use tokio::time::timeout;

use super::{
    body::{BodyError, Members},
    cors,
    hub::ConnectError,
    query::Query,
    room::{Attempt, Claim, Refusal},
    stream::EventStream,
};
use crate::{http::Peer, http::reply, state::Shared};

/// Bytes of a request's body.
const MAX_BODY: usize = 64 * 1024;
/// A slow client must not hold a request for ever.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Tells clients that they need not put their token into the URL.
const FEATURES: (&str, &str) = ("x-signal-features", "header-auth");
const SESSION_HEADER: &str = "x-session-id";
const ATTEMPT_HEADER: &str = "x-attempt";
const JOIN_KEY_HEADER: &str = "x-join-key";

pub(crate) fn routes(shared: &Shared) -> Router<Shared> {
    Router::new()
        .route("/connect", any(connect))
        .route("/signal", any(signal))
        .route("/leave", any(leave))
        .fallback(async || answer(StatusCode::NOT_FOUND, "Not found"))
        .layer(from_fn_with_state(Arc::clone(shared), cors::cors))
}

/// An error in the shape of this service.
fn answer(status: StatusCode, error: &str) -> Response {
    reply::json(status, json!({"error": error}))
}

fn success() -> Response {
    reply::json(StatusCode::OK, json!({"success": true}))
}

fn missing() -> Response {
    answer(StatusCode::BAD_REQUEST, "Missing required parameters")
}

fn unauthorized() -> Response {
    answer(StatusCode::FORBIDDEN, "Unauthorized: invalid session token")
}

fn too_fast() -> Response {
    let mut response =
        answer(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests: signaling rate limit exceeded");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Unauthorized => unauthorized(),
            Self::TooFast => too_fast(),
            Self::NoRecipient => answer(StatusCode::NOT_FOUND, "Recipient not found"),
            Self::Stale => answer(StatusCode::CONFLICT, "A newer stream of this session is open"),
        }
    }
}

impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        match self {
            Self::Malformed => answer(StatusCode::BAD_REQUEST, "Invalid JSON body"),
            Self::Missing => missing(),
        }
    }
}

/// Verbs that the path does not have.
fn other_verb(method: &Method, wanted: &Method) -> Option<Response> {
    if method == wanted {
        return None;
    }
    let mut response = answer(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
    if let Ok(allowed) = HeaderValue::from_str(&format!("{wanted}, OPTIONS")) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    Some(response)
}

/// The query, and the room that it names.
fn room(request: &Request<Body>) -> Result<(Query, String), Box<Response>> {
    let query = Query::parse(request.uri().query().unwrap_or_default()).ok_or_else(missing)?;
    let room = query.get("room").and_then(RoomName::parse).ok_or_else(missing)?.into();
    Ok((query, room))
}

/// Who the client says it is: by headers, or by the query as the seed has it.
fn claim(headers: &HeaderMap, query: &Query) -> Option<Claim> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let id = text(SESSION_HEADER).or_else(|| query.get("session_id"))?.to_owned();
    let bearer = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let token = bearer.or_else(|| query.get("token")).map(str::to_owned);
    Some(Claim { id, token, attempt: text(ATTEMPT_HEADER).and_then(attempt) })
}

/// `PROCESS/NUMBER`.
fn attempt(text: &str) -> Option<Attempt> {
    let (process, number) = text.rsplit_once('/').filter(|(process, _)| process.len() <= 64)?;
    Some(Attempt { process: process.to_owned(), number: number.parse().ok()? })
}

/// Whether the client may join the room: by a header, or by the query for who can set none.
fn has_key(shared: &Shared, request: &Request<Body>, query: &Query, room: &str) -> bool {
    let header = request.headers().get(JOIN_KEY_HEADER).and_then(|key| key.to_str().ok());
    shared.config.join_keys.admit(room, header.or_else(|| query.get("join_key")))
}

async fn connect(
    State(shared): State<Shared>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request<Body>,
) -> Response {
    if let Some(response) = other_verb(request.method(), &Method::GET) {
        return response;
    }
    let (query, room) = match room(&request) {
        Ok(parsed) => parsed,
        Err(response) => return *response,
    };
    let hub = &shared.signaling;
    let now = hub.now();
    if !hub.admits(peer.ip(), now) {
        return too_fast();
    }
    if !has_key(&shared, &request, &query, &room) {
        return answer(StatusCode::FORBIDDEN, "Unauthorized: invalid join key");
    }
    let attached = match hub.connect(&room, claim(request.headers(), &query), now) {
        Ok(attached) => attached,
        Err(ConnectError::Unauthorized) => return unauthorized(),
        Err(ConnectError::Stale) => return Refusal::Stale.into_response(),
        Err(ConnectError::RoomFull) => {
            return answer(StatusCode::TOO_MANY_REQUESTS, "The room is full");
        }
        Err(ConnectError::TooManyRooms) => {
            return answer(StatusCode::SERVICE_UNAVAILABLE, "Too many rooms");
        }
        Err(ConnectError::NoRandomness) => {
            return answer(StatusCode::SERVICE_UNAVAILABLE, "Try again later");
        }
    };
    let stream = EventStream { hub: Arc::clone(hub), room, attached };
    let headers = [
        (header::CONTENT_TYPE.as_str(), "text/event-stream"),
        (header::CACHE_CONTROL.as_str(), "no-cache, no-transform"),
        (header::CONNECTION.as_str(), "keep-alive"),
        (header::REFERRER_POLICY.as_str(), "no-referrer"),
        ("x-accel-buffering", "no"),
        FEATURES,
    ];
    (headers, Body::from_stream(stream)).into_response()
}

async fn read(request: Request<Body>) -> Result<Vec<u8>, Box<Response>> {
    let body = Limited::new(request.into_body(), MAX_BODY).collect();
    let late = || answer(StatusCode::REQUEST_TIMEOUT, "The body took too long");
    match timeout(BODY_TIMEOUT, body).await {
        Err(_) => Err(Box::new(late())),
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => {
            Err(Box::new(answer(StatusCode::PAYLOAD_TOO_LARGE, "Payload too large")))
        }
        Ok(Err(_)) => Err(Box::new(BodyError::Malformed.into_response())),
    }
}

async fn signal(State(shared): State<Shared>, request: Request<Body>) -> Response {
    if let Some(response) = other_verb(request.method(), &Method::POST) {
        return response;
    }
    let room = match room(&request) {
        Ok((_, room)) => room,
        Err(response) => return *response,
    };
    let body = match read(request).await {
        Ok(body) => body,
        Err(response) => return *response,
    };
    let parsed = Members::parse(&body).and_then(|members| {
        let text = |name| members.string(name);
        Ok((text("sender")?, text("to")?, text("token")?, members.value("signal")?))
    });
    let (sender, to, token, signal) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return error.into_response(),
    };
    let hub = &shared.signaling;
    match hub.signal(&room, &sender, &token, &to, &signal, hub.now()) {
        Ok(()) => success(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn leave(
    State(shared): State<Shared>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request<Body>,
) -> Response {
    if let Some(response) = other_verb(request.method(), &Method::POST) {
        return response;
    }
    let room = match room(&request) {
        Ok((_, room)) => room,
        Err(response) => return *response,
    };
    let body = match read(request).await {
        Ok(body) => body,
        Err(response) => return *response,
    };
    let parsed = Members::parse(&body)
        .and_then(|members| Ok((members.string("sender")?, members.string("token")?)));
    let (sender, token) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return error.into_response(),
    };
    if !shared.signaling.admits(peer.ip(), shared.signaling.now()) {
        return too_fast();
    }
    match shared.signaling.leave(&room, &sender, &token) {
        Ok(()) => success(),
        Err(refusal) => refusal.into_response(),
    }
}
