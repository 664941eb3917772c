//! `GET /auth/oauth/callback?code=&state=`: the owner's browser comes back.

use agentmesh_core::wire::registry::{OAuthCallbackResponse, Tier};
use axum::{body::Body, extract::State, response::Response};
use http::{Request, StatusCode};
use serde::Deserialize;

use super::provider::MAX_CODE;
use crate::{
    auth::signing_key,
    authority::Subject,
    clock,
    http::{
        call::Call,
        reply::{self, Refused},
    },
    state::Shared,
    store::{
        agents,
        oauth::{self, Attempt, Outcome},
        revocations,
    },
};

#[derive(Deserialize)]
struct Query {
    state: String,
    code: Option<String>,
    /// What the provider says instead of a code.
    error: Option<String>,
}

pub(super) async fn callback(
    State(shared): State<Shared>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let Query { state, code, error } = call.query()?;
    let now = clock::now();
    // Once: whatever happens next, the same state does not come this far again.
    let taken = shared.store.write(move |c| oauth::take(c, &state, now)).await;
    let taken = taken.map_err(|e| reply::internal("an OAuth attempt could not be read", &e))?;
    let Some(attempt) = taken else {
        let why = "this attempt is unknown, over or used; begin again";
        return Ok(answer(StatusCode::BAD_REQUEST, None, Err(why.into())));
    };
    let code = code.filter(|code| !code.is_empty() && code.len() <= MAX_CODE);
    let identity = match (code, error) {
        (Some(code), None) => identity(&shared, &attempt, &code).await,
        _ => Err("the provider did not confirm the account".to_owned()),
    };
    let result = match identity {
        Ok(identity) => promote(&shared, &attempt, &identity).await?,
        Err(error) => {
            tracing::info!(provider = attempt.provider, error, "an account was not verified");
            let outcome = Outcome::Failed { error: error.clone() };
            let failed = attempt.clone();
            let written = shared.store.write(move |c| oauth::finish(c, &failed, &outcome)).await;
            written.map_err(|e| reply::internal("an OAuth attempt could not be written", &e))?;
            Err(error)
        }
    };
    Ok(answer(StatusCode::OK, Some(attempt), result))
}

/// The account behind the code: `provider:subject`.
async fn identity(shared: &Shared, attempt: &Attempt, code: &str) -> Result<String, String> {
    let provider = shared.oauth.find(&attempt.provider);
    let provider = provider.ok_or("the provider is not known any more")?;
    let subject = shared.oauth.subject(provider, attempt, code).await;
    subject.map(|subject| format!("{}:{subject}", provider.name)).map_err(|e| e.to_string())
}

/// The agent becomes verified, with a certificate that says so.
async fn promote(
    shared: &Shared,
    attempt: &Attempt,
    identity: &str,
) -> Result<Result<(String, String), String>, Refused> {
    let amid = attempt.amid.clone();
    let key = shared.store.read(move |c| agents::signing_key(c, &amid)).await;
    let key = key.map_err(|e| reply::internal("an agent could not be read", &e))?;
    let Some(key) = key.and_then(|key| signing_key(&key).ok()) else {
        return Ok(Err("the agent is not registered any more".into()));
    };
    let now = clock::now();
    let subject = Subject { key: &key, tier: &Tier::Verified, organization: None, domain: None };
    let certificate = shared.authority.issue(subject, now);
    let certificate =
        certificate.map_err(|e| reply::internal("no certificate for an agent", &e))?;
    let (attempt, identity) = (attempt.clone(), identity.to_owned());
    let written = shared.store.write(move |connection| {
        if revocations::is_revoked(connection, &attempt.amid)? {
            let error = "the agent is revoked".to_owned();
            oauth::finish(connection, &attempt, &Outcome::Failed { error: error.clone() })?;
            return Ok(Err(error));
        }
        oauth::set_verified(connection, &attempt.amid, &identity, &certificate)?;
        oauth::finish(connection, &attempt, &Outcome::Verified { identity: identity.clone() })?;
        Ok(Ok((identity, certificate)))
    });
    written.await.map_err(|e| reply::internal("an agent could not be verified", &e))
}

fn answer(
    status: StatusCode,
    attempt: Option<Attempt>,
    result: Result<(String, String), String>,
) -> Response {
    let success = result.is_ok();
    let (verified_identity, certificate, error) = match result {
        Ok((identity, certificate)) => (Some(identity), Some(certificate), None),
        Err(error) => (None, None, Some(error)),
    };
    let (amid, provider) = attempt.map(|a| (a.amid, a.provider)).unzip();
    let response =
        OAuthCallbackResponse { success, amid, provider, verified_identity, certificate, error };
    reply::json(status, response)
}
