//! `POST /agents/:id/credentials/regenerate`: a new secret, told once, and all that an agent's owner needs with it.

use axum::{
    body::Body,
    extract::{Path, State},
    response::Response,
};
use http::{HeaderMap, Request, StatusCode};
use serde_json::json;

use super::{
    answer::Refusal,
    connect::{agent, missing, service},
    describe,
    env_config::env_config,
    hex,
    install_script::install_script,
    random_bytes,
};
use crate::{clock, http::reply, relay::host, state::Shared, store::aiwm as rows};

/// Replaces an agent's secret.
#[utoipa::path(post, path = "/agents/{id}/credentials/regenerate", tag = "administration",
    params(describe::AgentId), security(("bearer" = [])),
    responses((status = 200, body = describe::Credentials), (status = 400, body = describe::Problem),
        (status = 401, body = describe::Problem), (status = 403, body = describe::Problem),
        (status = 404, body = describe::Problem)))]
pub(super) async fn regenerate(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let aiwm = service(&shared)?;
    let person = aiwm.writer(&headers, "update")?;
    let found = agent(&shared, &id).await?.filter(|agent| person.sees(&agent.org));
    let found = found.ok_or_else(|| missing(&id))?;
    if found.text("type") == Some("managed") {
        let why = "Only autonomous agents have credentials to regenerate";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, why));
    }
    let secret = hex(&random_bytes::<32>()?);
    let hash = aiwm.passwords.hash(secret.clone()).await?;
    let (id, now) = (found.id.clone(), clock::now());
    let job = move |c: &rusqlite::Connection| {
        rows::set_secret(c, &id, &hash)?;
        rows::audit(c, &person.name, "credentials.regenerate", &id, now)
    };
    shared.store.write(job).await?;
    tracing::info!(agent = found.id, "AIWM: credentials were replaced");
    let url = aiwm.config.public_url.clone();
    let url = url.unwrap_or_else(|| shared.public_url(&host(&request)));
    let body = json!({
        "agentId": found.id,
        "secret": secret,
        "envConfig": env_config(&found, &url, &secret),
        "installScript": install_script(&found.id, &url),
    });
    Ok(reply::json(aiwm.created(), body))
}
