//! `GET /api-docs`: the interface as OpenAPI, and a page to read and try it, served from the program itself.

mod objects;
#[cfg(feature = "api-page")]
mod page;

use axum::{Router, routing::get};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{
    IntoParams, Modify, OpenApi, ToSchema,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

use self::objects::Objects;
use super::{connect, credentials, heartbeat};
use crate::state::Shared;

/// An agent.
#[derive(Serialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct AgentId {
    /// 24 hexadecimal digits.
    id: String,
}

/// What an agent connects with.
#[derive(Serialize, ToSchema)]
pub(super) struct Secret {
    #[schema(min_length = 1, max_length = 4096)]
    secret: String,
}

/// An agent's configuration, with a token for 24 hours.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connected {
    token: String,
    instruction: String,
    tools: Vec<Map<String, Value>>,
    agent: Map<String, Value>,
    settings: Map<String, Value>,
    /// The same as `token`.
    access_token: String,
    /// Seconds.
    expires_in: u64,
    token_type: String,
    mcp_servers: Map<String, Value>,
    instruction_object: Map<String, Value>,
}

/// An agent is alive.
#[derive(Serialize, ToSchema)]
pub(super) struct Heartbeat {
    /// `online`, `busy` or `idle`.
    status: String,
    /// At most 16 KiB.
    metrics: Option<Map<String, Value>>,
}

/// Done.
#[derive(Serialize, ToSchema)]
pub(super) struct Success {
    success: bool,
}

/// A new secret, told once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Credentials {
    agent_id: String,
    secret: String,
    env_config: String,
    install_script: String,
}

/// Why a request was refused.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Problem {
    status_code: u16,
    message: String,
    timestamp: String,
    path: String,
    correlation_id: String,
    errors: Option<Vec<String>>,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "AIWM", description = "Agents fetch their configuration and report that they are alive."),
    paths(
        connect::connect, heartbeat::heartbeat, heartbeat::disconnect, connect::config, credentials::regenerate,
    ),
    modifiers(&Bearer, &Objects)
)]
struct Interface;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        openapi
            .components
            .get_or_insert_default()
            .security_schemes
            .insert("bearer".to_owned(), scheme.into());
    }
}

/// Where the description is, as JSON.
const DESCRIPTION: &str = "/api-docs-json";

pub(super) fn routes() -> Router<Shared> {
    let description = get(async || axum::Json(Interface::openapi()));
    let routes = Router::new().route(DESCRIPTION, description);
    #[cfg(feature = "api-page")]
    let routes = routes.merge(page::routes());
    #[cfg(not(feature = "api-page"))]
    let routes =
        routes.route("/api-docs", get(async || axum::response::Redirect::temporary(DESCRIPTION)));
    routes
}
