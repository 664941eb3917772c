//! `GET /auth/oauth/status?state=`, our extension: the agent asks how far it is. Signed as a whole, because the answer names
//! an account.

use axum::{body::Body, extract::State, response::Response};
use http::{Request, StatusCode};
use serde::Deserialize;

use crate::{
    auth::request::{Proof, bound},
    clock,
    http::{
        call::Call,
        reply::{self, Refused},
    },
    registry::write,
    state::Shared,
    store::oauth,
};

#[derive(Deserialize)]
struct Query {
    state: String,
}

pub(super) async fn status(
    State(shared): State<Shared>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let Query { state } = call.query()?;
    let now = clock::now();
    let auth = bound(&call, &shared.config, now).map_err(|why| write::unauthorized(&why))?;
    let auth = auth.ok_or_else(|| {
        let why = "this request has to be signed as a whole";
        reply::error(StatusCode::UNAUTHORIZED, "SIGNED_REQUEST_REQUIRED", why)
    })?;
    let amid = auth.amid().to_string();
    let proof = Proof::Bound(Box::new(auth));
    let found = write::write(&shared, proof, move |c| oauth::status(c, &state, &amid, now));
    let found = found.await?;
    let why = "no such attempt of this agent";
    let found =
        found.ok_or_else(|| reply::error(StatusCode::NOT_FOUND, "ATTEMPT_NOT_FOUND", why))?;
    Ok(reply::json(StatusCode::OK, found))
}
