//! `GET /registry/prekeys/{amid}`: what is needed to open a session with an agent that may be absent.

use std::sync::Arc;

use agentmesh_core::wire::registry::PrekeyResponse;
use axum::{
    body::Body,
    extract::{Path, State},
    response::Response,
};
use http::{Request, StatusCode};

use super::write::unauthorized;
use crate::{
    auth::request::{Proof, bound},
    clock,
    http::{
        call::Call,
        reply::{self, Refused},
    },
    state::Shared,
    store::{prekeys, revocations},
};

enum Fetched {
    Prekeys(Box<PrekeyResponse>),
    Nothing,
    Revoked,
}

pub(super) async fn fetch(
    State(shared): State<Shared>,
    Path(amid): Path<String>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let now = clock::now();
    let auth = bound(&call, &shared.config, now).map_err(|why| unauthorized(&why))?;
    let limit = shared.config.limits.one_time_keys_per_hour;
    let rations = Arc::clone(&shared);
    let fetched = shared.store.write(move |connection| {
        let mut with_one_time = false;
        if let Some(auth) = auth {
            let requester = auth.amid();
            if let Err(why) = Proof::Bound(Box::new(auth)).redeem(connection)? {
                return Ok(Err(why));
            }
            // After the proof counts, so that nobody uses up another's share.
            with_one_time = amid
                .parse()
                .is_ok_and(|target| rations.rations.take(requester, target, limit, now));
        }
        if revocations::is_revoked(connection, &amid)? {
            return Ok(Ok(Fetched::Revoked));
        }
        let found = prekeys::fetch(connection, &amid, with_one_time, now)?;
        Ok(Ok(found.map_or(Fetched::Nothing, |found| Fetched::Prekeys(Box::new(found)))))
    });
    match fetched.await {
        Ok(Ok(Fetched::Prekeys(response))) => Ok(reply::json(StatusCode::OK, response)),
        Ok(Ok(Fetched::Revoked)) => {
            let why = "this agent is revoked";
            Err(reply::error(StatusCode::NOT_FOUND, "AGENT_REVOKED", why))
        }
        Ok(Ok(Fetched::Nothing)) => {
            let why = "No prekeys for this agent";
            Err(reply::error(StatusCode::NOT_FOUND, "PREKEYS_NOT_FOUND", why))
        }
        Ok(Err(why)) => Err(unauthorized(&why)),
        Err(error) => Err(reply::internal("prekeys could not be read", &error)),
    }
}
