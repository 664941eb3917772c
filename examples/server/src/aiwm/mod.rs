//! AIWM: agents fetch their configuration with a secret and report that they are alive; people administer them.
//!
//! `connect` and `heartbeat` are what agents call, `admin` and `credentials` what people call; `answer` and `body` are
//! the HTTP around them, `tokens`, `passwords` and `principal` say who is who. Rows are in `store/aiwm.rs`.
//! Not end-to-end encrypted: who runs the server reads every instruction and every token in an agent's settings.

mod admin;
mod answer;
mod body;
mod config;
mod connect;
mod credentials;
mod describe;
mod env_config;
mod heartbeat;
mod install_script;
mod limiter;
mod listing;
mod objects;
mod passwords;
mod principal;
mod settings;
mod shape;
mod tokens;

use std::{fmt, fmt::Write, sync::Arc};

use agentmesh_core::{Timestamp, keys::kdf::sha256};
use axum::{
    Router,
    middleware::from_fn_with_state,
    response::Response,
    routing::{get, post},
};
use http::StatusCode;
use serde_json::{Value, json};

pub use self::{config::AiwmConfig, passwords::SecretCheck};
use crate::{
    Profile, ServerError,
    http::reply,
    metrics::Metrics,
    random,
    state::Shared,
    store::{Store, aiwm as rows},
};
use limiter::Limiter;
use passwords::Passwords;
use tokens::Tokens;

/// An agent that was not heard of for so long is offline: three heartbeats.
const ONLINE_MS: u64 = 180_000;

/// The service's state, but for what is in the database.
pub(crate) struct Aiwm {
    config: AiwmConfig,
    head: bool,
    tokens: Tokens,
    passwords: Passwords,
    limiter: Limiter,
    admin_hash: Option<[u8; 32]>,
}

impl fmt::Debug for Aiwm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aiwm").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Aiwm {
    /// `None` if the service is not configured.
    pub(crate) fn open(
        config: &AiwmConfig,
        profile: Profile,
        metrics: &Metrics,
    ) -> Result<Option<Self>, ServerError> {
        let Some(secret) = &config.jwt_secret else { return Ok(None) };
        let other = |error: String| ServerError::Start(std::io::Error::other(error));
        let passwords =
            Passwords::new(secret, config.secret_check, metrics.aiwm_secret_checks.clone())
                .map_err(|error| other(error.to_string()))?;
        Ok(Some(Self {
            head: profile == Profile::Head,
            tokens: Tokens::new(secret.as_bytes()),
            passwords,
            limiter: Limiter::new(config.connects_per_minute),
            admin_hash: config.admin_token.as_ref().map(|token| sha256(&[token.as_bytes()])),
            config: config.clone(),
        }))
    }

    /// What the four calls succeed with: the documents say 200, deployed controllers answer 201.
    const fn created(&self) -> StatusCode {
        if self.head { StatusCode::CREATED } else { StatusCode::OK }
    }

    fn success(&self) -> Response {
        reply::json(self.created(), json!({"success": true}))
    }
}

/// The part of `GET /health` about this service.
pub(crate) async fn health(aiwm: Option<&Aiwm>, store: &Store, now: Timestamp) -> Value {
    if aiwm.is_none() {
        return json!({"enabled": false});
    }
    let since = Timestamp::from_millis(now.as_millis().saturating_sub(ONLINE_MS));
    match store.read(move |c| rows::health(c, since)).await {
        Ok((agents, online)) => json!({"enabled": true, "agents": agents, "online": online}),
        Err(_) => json!({"enabled": true, "error": "the database does not answer"}),
    }
}

/// All routes of the service, each with its own answers for what it does not have.
pub(crate) fn routes(shared: &Shared) -> Router<Shared> {
    let agents = admin::routes(rows::Kind::Agent)
        .route("/{id}/connect", post(connect::connect))
        .route("/{id}/heartbeat", post(heartbeat::heartbeat))
        .route("/{id}/disconnect", post(heartbeat::disconnect))
        .route("/{id}/config", get(connect::config))
        .route("/{id}/credentials/regenerate", post(credentials::regenerate));
    let finish = |routes: Router<Shared>| {
        routes
            .fallback(answer::unknown)
            .method_not_allowed_fallback(answer::wrong_verb)
            .layer(from_fn_with_state(Arc::clone(shared), answer::finish))
    };
    Router::new()
        .nest("/agents", finish(agents))
        .nest("/instructions", finish(admin::routes(rows::Kind::Instruction)))
        .nest("/tools", finish(admin::routes(rows::Kind::Tool)))
        .nest("/nodes", finish(admin::routes(rows::Kind::Node)))
        .merge(describe::routes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether this is the form of an id, so that the database need not be asked.
fn is_id(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A fresh id of 24 hexadecimal digits.
fn new_id() -> Result<String, answer::Refusal> {
    Ok(hex(&random_bytes::<12>()?))
}

fn random_bytes<const N: usize>() -> Result<[u8; N], answer::Refusal> {
    random::bytes().map_err(|_| {
        answer::Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
    })
}
