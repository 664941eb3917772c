//! `GET /auth/oauth/providers` and `POST /auth/oauth/authorize`: the beginning. Only the agent itself can begin for it.

use agentmesh_core::wire::registry::{
    OAuthAuthorizeRequest, OAuthAuthorizeResponse, OAuthProviderInfo, OAuthProvidersResponse,
};
use axum::{body::Body, extract::State, response::Response};
use http::{Request, StatusCode};

use crate::{
    auth::request::PlainProof,
    clock,
    http::{
        call::Call,
        reply::{self, Refused},
    },
    random,
    registry::write,
    state::Shared,
    store::oauth::{self, ATTEMPT_MS, Attempt},
};

pub(super) async fn providers(State(shared): State<Shared>) -> Response {
    let info = |provider: &super::OAuthProvider| OAuthProviderInfo {
        name: provider.name.clone(),
        enabled: true,
        display_name: provider.display_name.clone(),
    };
    let providers = shared.oauth.list().iter().map(info).collect();
    reply::json(StatusCode::OK, OAuthProvidersResponse { providers })
}

pub(super) async fn authorize(
    State(shared): State<Shared>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let request: OAuthAuthorizeRequest = call.json()?;
    let plain = PlainProof {
        amid: &request.amid,
        timestamp: &request.timestamp,
        signature: &request.signature,
    };
    let (proof, _) = write::authorize(&shared, &call, plain).await?;
    let provider = shared.oauth.find(&request.provider).ok_or_else(|| {
        let why = "this registry does not know the provider";
        reply::error(StatusCode::BAD_REQUEST, "UNKNOWN_PROVIDER", why)
    })?;
    let attempt = Attempt {
        state: random::secret()?,
        amid: request.amid.clone(),
        provider: provider.name.clone(),
        verifier: random::secret()?,
        nonce: random::secret()?,
        redirect: format!("{}/v1/auth/oauth/callback", shared.public_url(&call.host)),
    };
    let (stored, now) = (attempt.clone(), clock::now());
    if !write::write(&shared, proof, move |c| oauth::insert(c, &stored, now)).await? {
        let why = "too many attempts of this agent are open";
        return Err(reply::too_many("TOO_MANY_ATTEMPTS", why, ATTEMPT_MS / 1000));
    }
    let url = shared.oauth.authorization_url(provider, &attempt).await.map_err(|error| {
        tracing::warn!(provider = provider.name, %error, "an OAuth provider cannot be used");
        reply::error(StatusCode::BAD_GATEWAY, "PROVIDER_UNAVAILABLE", "the provider cannot be used")
    })?;
    let response = OAuthAuthorizeResponse {
        authorization_url: url,
        state: attempt.state,
        expires_in: ATTEMPT_MS / 1000,
    };
    Ok(reply::json(StatusCode::OK, response))
}
