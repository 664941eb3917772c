//! `POST /agents/:id/connect` and `GET /agents/:id/config`.

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    response::Response,
};
use http::{HeaderMap, Request, StatusCode};

use super::{
    Aiwm,
    answer::Refusal,
    body::{self, Checks},
    describe, is_id, shape,
};
use crate::{
    clock,
    http::{Peer, reply},
    state::{AppState, Shared},
    store::aiwm::{self as rows, Kind, Object},
};

/// Characters of a secret that are looked at: bcrypt takes 72 bytes, the rest is only for a useful refusal.
const MAX_SECRET: usize = 4096;

pub(super) fn missing(id: &str) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, format!("Agent with ID {id} not found"))
}

/// The service; it is there, or its routes would not be.
pub(super) fn service(shared: &AppState) -> Result<&Aiwm, Refusal> {
    shared.aiwm.as_ref().ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "Not Found"))
}

/// An agent by its id.
pub(super) async fn agent(shared: &AppState, id: &str) -> Result<Option<Object>, Refusal> {
    if !is_id(id) {
        return Ok(None);
    }
    let id = id.to_ascii_lowercase();
    Ok(shared.store.read(move |c| rows::find(c, Kind::Agent, &id)).await?)
}

/// An agent with its secret is given a token and its configuration.
#[utoipa::path(post, path = "/agents/{id}/connect", tag = "agents", params(describe::AgentId),
    request_body = describe::Secret,
    responses((status = 200, body = describe::Connected), (status = 400, body = describe::Problem),
        (status = 401, body = describe::Problem), (status = 404, body = describe::Problem),
        (status = 413, body = describe::Problem), (status = 429, body = describe::Problem),
        (status = 503, body = describe::Problem)))]
pub(super) async fn connect(
    State(shared): State<Shared>,
    Extension(Peer(peer)): Extension<Peer>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let aiwm = service(&shared)?;
    let too_many = || Refusal::later(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests", 6);
    // An id has many spellings, and all of them one limit.
    let spelled = id.to_ascii_lowercase();
    if is_id(&id) && !aiwm.limiter.admits(peer.ip(), &spelled, clock::now()) {
        return Err(too_many());
    }
    let body = body::read(request).await?;
    let mut checks = Checks::default();
    let secret = checks.text(&body, "secret", MAX_SECRET);
    checks.done()?;
    if !is_id(&id) {
        return Err(missing(&id));
    }
    let attempt = aiwm.limiter.begin(peer.ip(), clock::now()).ok_or_else(too_many)?;
    let Some(found) = agent(&shared, &id).await? else {
        aiwm.passwords.matches(secret, None).await?;
        return Err(missing(&id));
    };
    let agent_id = found.id.clone();
    let tracked = shared.store.read(move |c| rows::tracking(c, &agent_id)).await?;
    let refuse = |why: &str| Err(Refusal::new(StatusCode::UNAUTHORIZED, why));
    let has_secret = tracked.secret_hash.is_some();
    // The secret first: who does not know it learns nothing of the agent's status.
    let right = match aiwm.passwords.matches(secret, tracked.secret_hash).await {
        Ok(right) => right,
        Err(busy) => {
            attempt.forgive();
            return Err(busy);
        }
    };
    if !has_secret {
        return refuse("Agent has no secret configured");
    }
    if !right {
        tracing::info!(agent = found.id, "AIWM: a connect with a wrong secret");
        return refuse("Invalid credentials");
    }
    attempt.forgive();
    if found.text("status") == Some("suspended") {
        return refuse("Agent is suspended");
    }
    let (now, version) = (clock::now(), tracked.token_version);
    let token = aiwm.tokens.for_agent(&found, version, now)?;
    let job = move |c: &rusqlite::Connection| {
        let current = rows::connected(c, &found.id, version, now)?;
        let with = shape::load(c, &found)?;
        Ok((current, found, with))
    };
    let (current, found, with) = shared.store.write(job).await?;
    if !current {
        return refuse("Invalid credentials");
    }
    Ok(reply::json(aiwm.created(), aiwm.connected(&found, &with, &token)))
}

/// What an agent would be given, for people.
#[utoipa::path(get, path = "/agents/{id}/config", tag = "agents", params(describe::AgentId),
    security(("bearer" = [])), responses((status = 200), (status = 401, body = describe::Problem),
        (status = 403, body = describe::Problem), (status = 404, body = describe::Problem)))]
pub(super) async fn config(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let aiwm = service(&shared)?;
    let person = aiwm.reader(&headers)?;
    let found = agent(&shared, &id).await?.filter(|agent| person.sees(&agent.org));
    let found = found.ok_or_else(|| missing(&id))?;
    let job = move |c: &rusqlite::Connection| {
        let with = shape::load(c, &found)?;
        Ok((found, with))
    };
    let (found, with) = shared.store.read(job).await?;
    Ok(reply::json(StatusCode::OK, aiwm.newer(&found, &with, None)))
}
