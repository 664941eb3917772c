//! `GET /org/lookup?domain=`.

use axum::{body::Body, extract::State, response::Response};
use http::{Request, StatusCode};
use serde::Deserialize;

use super::register::domain;
use crate::{
    http::{
        call::Call,
        reply::{self, Refused},
    },
    state::Shared,
    store::organizations,
};

#[derive(Deserialize)]
struct Query {
    domain: String,
}

pub(super) async fn lookup(
    State(shared): State<Shared>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let Query { domain: asked } = call.query()?;
    let why = "Organization not found";
    let not_found = || reply::error(StatusCode::NOT_FOUND, "ORGANIZATION_NOT_FOUND", why);
    let domain = domain(&asked).ok_or_else(not_found)?;
    let found = shared.store.read(move |c| organizations::by_domain(c, &domain)).await;
    let found = found.map_err(|e| reply::internal("an organization could not be read", &e))?;
    Ok(reply::json(StatusCode::OK, found.ok_or_else(not_found)?))
}
