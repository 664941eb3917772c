//! `GET /api-docs`: the interface as OpenAPI, and a page to read and try it, served from the program itself.

mod objects;

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use http::{StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{
    IntoParams, Modify, OpenApi, ToSchema,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};
use utoipa_swagger_ui::{Config, Url};

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

static PAGE: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::new([Url::from("/api-docs-json")])));

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/api-docs", get(async || Redirect::permanent("/api-docs/")))
        .route("/api-docs/", get(async || page("")))
        .route("/api-docs/{*file}", get(async |Path(file): Path<String>| page(&file)))
        .route("/api-docs-json", get(async || axum::Json(Interface::openapi())))
}

fn page(file: &str) -> Response {
    match utoipa_swagger_ui::serve(file, Arc::clone(&PAGE)) {
        Ok(Some(file)) => {
            ([(header::CONTENT_TYPE, file.content_type)], file.bytes.into_owned()).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
