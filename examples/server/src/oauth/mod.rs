//! OAuth: an agent's owner logs in at a provider that this server knows, and the agent is `verified` from then on
//! (`docs/protocol/registry.md`).
//!
//! Authorization code with PKCE (S256); the state is random, good once and for ten minutes; OpenID Connect providers are
//! discovered, and their ID tokens verified with issuer, audience, nonce and signature. Nothing of the provider's tokens is
//! kept.

mod authorize;
mod callback;
mod config;
mod id_token;
mod provider;
mod status;

use axum::{
    Router,
    routing::{get, post},
};

pub use config::{OAuthEndpoints, OAuthProvider};
pub(crate) use provider::Providers;

use crate::state::Shared;

/// The routes below `/v1`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/auth/oauth/providers", get(authorize::providers))
        .route("/auth/oauth/authorize", post(authorize::authorize))
        .route("/auth/oauth/callback", get(callback::callback))
        .route("/auth/oauth/status", get(status::status))
}
