//! `POST /v1/messages` and `GET /v1/inbox`.

use std::{net::IpAddr, sync::Arc, time::Duration};

use agentmesh_core::wire::{relay_error::RelayErrorCode, relay_features::Features};
use axum::{
    Extension, Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    session::{PollSession, WrongCursor},
    sweep::MAX_AGE_MS,
    token::Token,
};
use crate::{
    clock,
    http::{
        Peer,
        call::Call,
        reply::{self, Refused},
    },
    limits::reached,
    relay::{Open, Relay, connection::MAX_CONNECT, link::Link},
    state::Shared,
};

/// Frames of one request.
const MAX_FRAMES: usize = 256;
/// Seconds for which a request for the inbox is parked, at most.
const MAX_WAIT: u64 = 30;

pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/messages", post(messages)).route("/inbox", get(inbox))
}

#[derive(Deserialize)]
struct Posted {
    frames: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Asked {
    cursor: Option<u64>,
    #[serde(default)]
    wait: u64,
}

#[derive(Serialize)]
struct Opened<'a> {
    token: &'a str,
    expires_in_seconds: u64,
    max_wait_seconds: u64,
    inbox: &'a RawValue,
}

async fn messages(
    State(shared): State<Shared>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let relay = &shared.relay;
    if !request.headers().contains_key(header::AUTHORIZATION) {
        return open(relay, peer.ip(), request).await;
    }
    let session = session(relay, request.headers())?;
    let frames = frames(&Call::read(request).await?)?;
    if !session.post(relay, &frames).await {
        return Err(reply::busy("what waits in the inbox has to be fetched first", 1));
    }
    if session.link.is_closing() {
        session.end(relay, relay.uptime_ms());
    }
    Ok(answer(StatusCode::ACCEPTED, Bytes::from_static(b"{}")))
}

async fn inbox(State(shared): State<Shared>, request: Request<Body>) -> Result<Response, Refused> {
    let relay = &shared.relay;
    let session = session(relay, request.headers())?;
    let Asked { cursor, wait } = Call::read(request).await?.query()?;
    let wait = Duration::from_secs(wait.min(max_wait(relay)));
    match session.fetch(relay, cursor, wait).await {
        Ok(body) => Ok(answer(StatusCode::OK, body)),
        Err(WrongCursor { current }) => {
            let why = format!("`cursor` is neither {current} nor the one before");
            Err(reply::error(StatusCode::CONFLICT, "INVALID_CURSOR", why))
        }
    }
}

/// A first request: the proof of `connect`, and what follows it.
async fn open(relay: &Arc<Relay>, ip: IpAddr, request: Request<Body>) -> Result<Response, Refused> {
    let limits = &relay.limits;
    if let Err(seconds) = relay.arrivals.take(ip, limits.connects_per_minute_per_ip, clock::now()) {
        return Err(reply::too_many("RATE_LIMITED", "too many connections", seconds));
    }
    let full = reached(limits.connections, relay.polls.len())
        || relay.visitors.is_full(ip, limits.connections_per_ip);
    if full || relay.stopping.is_cancelled() {
        return Err(reply::busy("too many connections", 5));
    }
    // Before the body is read: so that no more are let in than there is room for.
    let place = Open::new(relay, ip);
    let call = Call::read(request).await?;
    let frames = frames(&call)?;
    let Some((connect, rest)) = frames.split_first() else {
        return Err(refused(
            relay,
            RelayErrorCode::Unauthorized,
            "the first frame has to be a connect",
        ));
    };
    if connect.get().len() > MAX_CONNECT {
        return Err(refused(relay, RelayErrorCode::Unauthorized, "the first frame is too long"));
    }
    let admitted = relay.admit(connect.get(), &call.host, clock::now()).await;
    let admitted = admitted.map_err(|(code, why)| refused(relay, code, why))?;
    if !admitted.features.ack {
        let why = "who polls has to acknowledge: connect with the feature ack";
        return Err(refused(relay, RelayErrorCode::InvalidMessage, why));
    }
    let token = Token::generate()
        .map_err(|error| reply::internal("no random numbers for a token", &error))?;
    let text = token.to_text();
    let link = Arc::new(Link::to_be_polled(
        relay.hub.next_link(),
        admitted.amid.as_str().into(),
        Features { binary: false, ..admitted.features },
        limits.outgoing_bytes,
        relay.uptime_ms(),
    ));
    let agent = relay.enter(&link);
    let session = Arc::new(PollSession::new(token, relay, agent, link, place));
    // From here on the sweeper ends it, whether anybody hears our answer or not.
    relay.polls.insert(&session);
    if relay.stopping.is_cancelled() {
        relay.dismiss(&session.link);
    }
    session.post(relay, rest).await;
    let first = session.fetch(relay, None, Duration::ZERO).await.unwrap_or_default();
    let inbox: Box<RawValue> = serde_json::from_slice(&first)
        .map_err(|error| reply::internal("an answer is no JSON", &error))?;
    let opened = Opened {
        token: &text,
        expires_in_seconds: MAX_AGE_MS / 1000,
        max_wait_seconds: max_wait(relay),
        inbox: &inbox,
    };
    let body = serde_json::to_vec(&opened).unwrap_or_default();
    Ok(answer(StatusCode::CREATED, body.into()))
}

fn refused(relay: &Relay, code: RelayErrorCode, why: impl ToString) -> Refused {
    let why = why.to_string();
    relay.metrics.connects_refused.increment(1);
    tracing::info!(%code, why, "a client that polls was refused");
    let status = match code {
        RelayErrorCode::Unauthorized | RelayErrorCode::InvalidSignature => StatusCode::UNAUTHORIZED,
        RelayErrorCode::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    reply::error(status, code.as_str(), why)
}

/// The session that a request is for.
fn session(relay: &Relay, headers: &HeaderMap) -> Result<Arc<PollSession>, Refused> {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    token.and_then(Token::from_header).and_then(|token| relay.polls.find(&token)).ok_or_else(|| {
        let why = "there is no such session: connect again";
        reply::error(StatusCode::UNAUTHORIZED, "UNKNOWN_SESSION", why)
    })
}

fn frames(call: &Call) -> Result<Vec<Box<RawValue>>, Refused> {
    let Posted { frames } = call.json()?;
    if frames.len() > MAX_FRAMES {
        let why = format!("a request may have {MAX_FRAMES} frames");
        return Err(reply::error(StatusCode::PAYLOAD_TOO_LARGE, "TOO_MANY_FRAMES", why));
    }
    Ok(frames)
}

/// Nobody is parked for so long that it would count as silent.
fn max_wait(relay: &Relay) -> u64 {
    let idle = relay.limits.idle_timeout.as_secs();
    if idle == 0 { MAX_WAIT } else { MAX_WAIT.min(idle / 2) }
}

fn answer(status: StatusCode, body: Bytes) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body).into_response()
}
