//! `POST /registry/revoke`, and who may.

use agentmesh_core::wire::registry::{Revocation, RevokeRequest, RevokeResponse};
use axum::{body::Body, extract::State, response::Response};
use http::{Request, StatusCode};
use rusqlite::Connection;

use super::{bounds, write};
use crate::{
    auth::request::PlainProof,
    clock,
    http::{
        call::Call,
        reply::{self, Refused},
    },
    random,
    state::Shared,
    store::{agents, organizations, revocations},
};

enum Outcome {
    Revoked,
    Before,
    NoAgent,
    NotAllowed,
}

pub(super) async fn revoke(
    State(shared): State<Shared>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let request: RevokeRequest = call.json()?;
    if !request.reason.is_known() {
        return Err(reply::malformed("not a reason that this registry knows"));
    }
    write::check_length("notes", request.notes.as_deref().unwrap_or_default(), bounds::NOTES)?;
    let plain = PlainProof {
        amid: &request.revoker_amid,
        timestamp: &request.timestamp,
        signature: &request.signature,
    };
    let proof = write::authorize_signer(&shared, &call, plain).await?;
    let is_admin = shared.config.admins.iter().any(|amid| amid.to_string() == request.revoker_amid);
    let (id, now) = (random::id()?, clock::now());
    let revocation = Revocation {
        id: id.clone(),
        amid: request.amid.clone(),
        reason: request.reason,
        revoked_by: request.revoker_amid.clone(),
        revoked_at: now.to_rfc3339_millis(),
        notes: request.notes,
    };
    let written = write::write(&shared, proof, move |connection| {
        if agents::signing_key(connection, &revocation.amid)?.is_none() {
            return Ok(Outcome::NoAgent);
        }
        let Revocation { amid, revoked_by, .. } = &revocation;
        if !(is_admin || amid == revoked_by || acts_for(connection, revoked_by, amid)?) {
            return Ok(Outcome::NotAllowed);
        }
        let new = revocations::insert(connection, &revocation, now)?;
        Ok(if new { Outcome::Revoked } else { Outcome::Before })
    });
    let refused = |status, code, why| Err(reply::failure(status, code, why));
    match written.await? {
        Outcome::Revoked => {
            tracing::info!(amid = request.amid, by = request.revoker_amid, "revoked");
            shared.relay.expel(&request.amid);
            let response = RevokeResponse { success: true, revocation_id: Some(id), error: None };
            Ok(reply::json(StatusCode::OK, response))
        }
        Outcome::Before => {
            refused(StatusCode::CONFLICT, "REVOKED_BEFORE", "this agent is revoked already")
        }
        Outcome::NoAgent => refused(StatusCode::NOT_FOUND, "AGENT_NOT_FOUND", "Agent not found"),
        Outcome::NotAllowed => refused(
            StatusCode::FORBIDDEN,
            "NOT_ALLOWED",
            "only the agent itself, its organization's admin or an admin of the registry may do this",
        ),
    }
}

/// Whether `admin` is the admin of the verified organization that `amid` belongs to.
fn acts_for(connection: &Connection, admin: &str, amid: &str) -> rusqlite::Result<bool> {
    let Some(id) = organizations::id_of_agent(connection, amid)? else { return Ok(false) };
    let organization = organizations::by_id(connection, &id)?;
    Ok(organization.is_some_and(|o| o.verified && o.admin == admin))
}
