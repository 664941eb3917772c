//! `POST /org/verify`: the server looks for the record. Only the organization's admin can have it look.

use agentmesh_core::{
    identity::Amid,
    wire::registry::{OrgVerifyRequest, OrgVerifyResponse, Tier},
};
use axum::{body::Body, extract::State, response::Response};
use http::{Request, StatusCode};

use super::RECORD_PREFIX;
use crate::{
    auth::{
        request::{PlainProof, prove},
        signing_key,
    },
    authority::Subject,
    clock,
    http::{
        call::Call,
        reply::{self, Refused},
    },
    registry::write,
    state::Shared,
    store::organizations::{self, Organization},
};

pub(super) async fn verify(
    State(shared): State<Shared>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let request: OrgVerifyRequest = call.json()?;
    let organization = find(&shared, &request.organization_id).await?;
    let key = admin_key(&organization, &request.admin_amid)?;
    let plain = PlainProof {
        amid: &request.admin_amid,
        timestamp: &request.timestamp,
        signature: &request.signature,
    };
    let now = clock::now();
    let proof = prove(&call, &shared.config, plain, &key, now);
    let proof = proof.map_err(|why| write::unauthorized(&why))?;
    // Before anything is asked of others, and whatever they answer, the proof is used up.
    write::write(&shared, proof, |_| Ok(())).await?;
    if organization.verified {
        return Ok(answer(true, organization.certificate, None));
    }
    if now >= organization.challenge_expires_at {
        return Ok(answer(false, None, Some("the challenge has expired; register again".into())));
    }
    let name = format!("{RECORD_PREFIX}{}", organization.domain);
    match shared.dns.txt(&name).await {
        Ok(records) if records.contains(&organization.challenge) => {}
        Ok(records) => {
            let why = match records.len() {
                0 => format!("no TXT record at {name}"),
                n => format!("{n} TXT records at {name}, none with the challenge"),
            };
            return Ok(answer(false, None, Some(why)));
        }
        Err(error) => return Ok(answer(false, None, Some(format!("{name}: {error}")))),
    }
    let subject = Subject {
        key: &key,
        tier: &Tier::Organization,
        organization: Some(&organization.name),
        domain: Some(&organization.domain),
    };
    let certificate = shared.authority.issue(subject, now);
    let certificate =
        certificate.map_err(|e| reply::internal("no certificate for an organization", &e))?;
    let (id, stored) = (organization.id.clone(), certificate.clone());
    let set = move |c: &rusqlite::Connection| organizations::set_verified(c, &id, &stored, now);
    let written = shared.store.write(set).await;
    let first =
        written.map_err(|e| reply::internal("an organization could not be verified", &e))?;
    if !first {
        return Ok(answer(false, None, Some("the domain belongs to another organization".into())));
    }
    tracing::info!(domain = organization.domain, "organization verified");
    Ok(answer(true, Some(certificate), None))
}

fn answer(verified: bool, root_certificate: Option<String>, error: Option<String>) -> Response {
    let response = OrgVerifyResponse { success: true, verified, root_certificate, error };
    reply::json(StatusCode::OK, response)
}

/// The organization, or 404.
pub(super) async fn find(shared: &Shared, id: &str) -> Result<Organization, Refused> {
    let id = id.to_owned();
    let found = shared.store.read(move |c| organizations::by_id(c, &id)).await;
    let found = found.map_err(|e| reply::internal("an organization could not be read", &e))?;
    let why = "Organization not found";
    found.ok_or_else(|| reply::failure(StatusCode::NOT_FOUND, "ORGANIZATION_NOT_FOUND", why))
}

/// The admin's key, if `amid` is the admin.
pub(super) fn admin_key(
    organization: &Organization,
    amid: &str,
) -> Result<agentmesh_core::keys::VerifyingKey, Refused> {
    let key = signing_key(&organization.admin_key).ok();
    key.filter(|key| organization.admin == amid && amid.parse() == Ok(Amid::of(key))).ok_or_else(
        || {
            let why = "only the organization's admin may do this";
            reply::failure(StatusCode::UNAUTHORIZED, "NOT_ADMIN", why)
        },
    )
}
