//! `GET /registry/lookup?amid=`: what an agent said about itself when it registered.

use axum::{body::Body, extract::State, response::Response};
use http::{Request, StatusCode};
use serde::Deserialize;

use super::write::not_found;
use crate::{
    clock,
    http::{
        call::Call,
        reply::{self, Refused},
    },
    state::Shared,
    store::agents,
};

#[derive(Deserialize)]
struct Query {
    amid: String,
}

pub(super) async fn lookup(
    State(shared): State<Shared>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let Query { amid } = call.query()?;
    let now = clock::now();
    let found = shared.store.read(move |c| agents::lookup(c, &amid, now)).await;
    let found = found.map_err(|e| reply::internal("an agent could not be read", &e))?;
    let mut agent = found.ok_or_else(not_found)?;
    agent.relay_endpoint.get_or_insert_with(|| shared.relay_url(&call.host));
    Ok(reply::json(StatusCode::OK, agent))
}
