//! Reading revocations: of one agent, of many, of all.

use agentmesh_core::{
    time::HOUR,
    wire::registry::{
        BulkRevocationRequest, BulkRevocationResponse, MAX_BULK_REVOCATIONS, RevocationList,
    },
};
use axum::{body::Body, extract::State, response::Response};
use http::{Request, StatusCode};
use serde::Deserialize;

use crate::{
    clock,
    http::{
        call::Call,
        reply::{self, Refused},
    },
    state::Shared,
    store::revocations,
};

const DEFAULT_LIMIT: u64 = 1000;
const MAX_LIMIT: u64 = 10_000;
/// Names longer than any AMID are not looked up.
const MAX_AMID: usize = 64;

#[derive(Deserialize)]
struct One {
    amid: String,
}

/// `GET /registry/revocation?amid=`. If the database fails, so does the answer: it never says "not revoked" by accident.
pub(super) async fn one(
    State(shared): State<Shared>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let One { amid } = call.query()?;
    check(&amid)?;
    let status = shared.store.read(move |c| revocations::status(c, &amid)).await;
    let status = status.map_err(|e| reply::internal("a revocation could not be read", &e))?;
    Ok(reply::json(StatusCode::OK, status))
}

/// `POST /registry/revocations/bulk`.
pub(super) async fn bulk(
    State(shared): State<Shared>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let BulkRevocationRequest { amids } = call.json()?;
    if amids.len() > MAX_BULK_REVOCATIONS {
        let why = format!("at most {MAX_BULK_REVOCATIONS} agents at a time");
        return Err(reply::error(StatusCode::BAD_REQUEST, "TOO_MANY_AGENTS", why));
    }
    amids.iter().try_for_each(|amid| check(amid))?;
    let found = shared.store.read(move |connection| {
        amids
            .iter()
            .map(|amid| revocations::status(connection, amid))
            .collect::<rusqlite::Result<Vec<_>>>()
    });
    let revocations =
        found.await.map_err(|e| reply::internal("revocations could not be read", &e))?;
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let response = BulkRevocationResponse {
        total_checked: count(revocations.len()),
        total_revoked: count(revocations.iter().filter(|status| status.revoked).count()),
        revocations,
    };
    Ok(reply::json(StatusCode::OK, response))
}

#[derive(Deserialize)]
struct Page {
    limit: Option<u64>,
    offset: Option<u64>,
}

/// `GET /registry/revocations?limit=&offset=`.
pub(super) async fn list(
    State(shared): State<Shared>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let Page { limit, offset } = call.query()?;
    let (limit, offset) = (limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT), offset.unwrap_or(0));
    let found = shared.store.read(move |c| revocations::list(c, limit, offset)).await;
    let (revocations, total) =
        found.map_err(|e| reply::internal("revocations could not be read", &e))?;
    let now = clock::now();
    let response = RevocationList {
        revocations,
        total,
        last_updated: Some(now.to_rfc3339_millis()),
        next_update: Some(now.plus_millis(HOUR).to_rfc3339_millis()),
    };
    Ok(reply::json(StatusCode::OK, response))
}

fn check(amid: &str) -> Result<(), Refused> {
    if amid.len() <= MAX_AMID { Ok(()) } else { Err(reply::malformed("an AMID is too long")) }
}
