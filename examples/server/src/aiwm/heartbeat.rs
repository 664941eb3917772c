//! `POST /agents/:id/heartbeat` and `POST /agents/:id/disconnect`: what an agent says with its token.

use axum::{
    body::Body,
    extract::{Path, State},
    response::Response,
};
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};

use super::{
    answer::Refusal,
    body::{self, Checks},
    connect::{agent, missing, service},
    describe,
    principal::Principal,
};
use crate::{
    clock,
    state::{AppState, Shared},
    store::aiwm::{self as rows, Object},
};

/// What an agent may say of itself.
const STATUSES: [&str; 3] = ["online", "busy", "idle"];
/// Bytes of metrics, as compact JSON.
const MAX_METRICS: usize = 16 * 1024;

/// The agent that `id` names, if the token is its own, not older than its secret, and it is not suspended.
async fn own_agent(shared: &AppState, id: &str, headers: &HeaderMap) -> Result<Object, Refusal> {
    let principal = service(shared)?.principal(headers)?;
    let found = agent(shared, id).await?.ok_or_else(|| missing(id))?;
    let claims = match principal {
        Principal::Agent(claims) if claims.sub == found.id => claims,
        _ => {
            let why = "This token does not belong to the agent";
            return Err(Refusal::new(StatusCode::FORBIDDEN, why));
        }
    };
    let agent_id = found.id.clone();
    let tracked = shared.store.read(move |c| rows::tracking(c, &agent_id)).await?;
    if tracked.token_version != claims.token_version {
        return Err(Refusal::unauthorized());
    }
    if found.text("status") == Some("suspended") {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "Agent is suspended"));
    }
    Ok(found)
}

/// An agent is alive.
#[utoipa::path(post, path = "/agents/{id}/heartbeat", tag = "agents", params(describe::AgentId),
    request_body = describe::Heartbeat, security(("bearer" = [])),
    responses((status = 200, body = describe::Success), (status = 400, body = describe::Problem),
        (status = 401, body = describe::Problem), (status = 403, body = describe::Problem),
        (status = 404, body = describe::Problem), (status = 413, body = describe::Problem)))]
pub(super) async fn heartbeat(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let found = own_agent(&shared, &id, &headers).await?;
    let body = body::read(request).await?;
    let mut checks = Checks::default();
    checks.one_of(&body, "status", &STATUSES);
    checks.optional(&body, "metrics", "an object", Value::is_object);
    checks.done()?;
    let metrics = body.get("metrics").cloned().unwrap_or_default();
    if metrics.to_string().len() > MAX_METRICS {
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "metrics are over 16 KiB"));
    }
    let reported = json!({"status": body.get("status"), "metrics": metrics});
    tracing::debug!(agent = found.id, "AIWM: heartbeat");
    shared.store.write(move |c| rows::beaten(c, &found.id, &reported, clock::now())).await?;
    Ok(service(&shared)?.success())
}

/// An agent goes.
#[utoipa::path(post, path = "/agents/{id}/disconnect", tag = "agents", params(describe::AgentId),
    security(("bearer" = [])), responses((status = 200, body = describe::Success),
        (status = 401, body = describe::Problem), (status = 403, body = describe::Problem),
        (status = 404, body = describe::Problem)))]
pub(super) async fn disconnect(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let found = own_agent(&shared, &id, &headers).await?;
    let body = body::read(request).await?;
    let mut checks = Checks::default();
    checks.optional(&body, "reason", "a string", Value::is_string);
    checks.done()?;
    shared.store.write(move |c| rows::disconnected(c, &found.id)).await?;
    Ok(service(&shared)?.success())
}
