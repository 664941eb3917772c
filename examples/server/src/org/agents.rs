//! `POST /org/agents`: the admin takes an agent in. It takes the signatures of both over the same statement, and the keys have
//! to be those of the AMID; in 0.2 neither was checked, and anybody could promote anybody.

use agentmesh_core::{
    Timestamp,
    keys::Signature,
    limits::AUTH_MAX_AHEAD,
    time::DAY,
    wire::registry::{
        OrgAgentRequest, OrgAgentResponse, OrgRole, OrgStatement, RegisterRequest, Tier,
    },
};
use axum::{body::Body, extract::State, response::Response};
use base64ct::{Base64, Encoding};
use http::{Request, StatusCode};

use super::verify::{admin_key, find};
use crate::{
    auth::{request::bound, signing_key_of},
    authority::Subject,
    clock,
    http::{
        call::Call,
        reply::{self, Refused},
    },
    registry::{exchange_key, write},
    state::Shared,
    store::{
        agents,
        organizations::{self, Organization},
        revocations,
    },
};

/// How old an agent's consent may be: it has to reach the admin first.
const CONSENT_AGE: u64 = DAY;

enum Added {
    Yes,
    Revoked,
    OtherOrganization,
}

fn failed(status: StatusCode, code: &str, why: &str) -> Refused {
    reply::failure(status, code, why)
}

pub(super) async fn add(
    State(shared): State<Shared>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let request: OrgAgentRequest = call.json()?;
    let organization = find(&shared, &request.organization_id).await?;
    let admin = admin_key(&organization, &request.admin_amid)?;
    let now = clock::now();
    // The statement is the proof; a header, if there is one, has to be good as well.
    bound(&call, &shared.config, now).map_err(|why| write::unauthorized(&why))?;
    let invalid = |why: &str| failed(StatusCode::UNAUTHORIZED, "INVALID_SIGNATURE", why);
    let agent = signing_key_of(&request.agent_amid, &request.agent_signing_public_key)
        .map_err(|why| invalid(&why.to_string()))?;
    check_time(&request.timestamp, now)?;
    let statement = OrgStatement {
        organization_id: &request.organization_id,
        agent_amid: &request.agent_amid,
        agent_signing_public_key: &request.agent_signing_public_key,
        agent_exchange_public_key: &request.agent_exchange_public_key,
        timestamp: &request.timestamp,
    };
    let signed = |role, key, text: Option<&str>| {
        let signature = text.and_then(signature);
        signature.is_some_and(|signature| statement.verify(role, key, &signature).is_ok())
    };
    if !signed(OrgRole::Admin, &admin, Some(&request.admin_signature)) {
        return Err(invalid("the admin's signature does not verify"));
    }
    if !signed(OrgRole::Agent, &agent, request.agent_signature.as_deref()) {
        return Err(invalid("the agent has not consented"));
    }
    if !organization.verified {
        let why = "the organization's domain is not verified";
        return Err(failed(StatusCode::BAD_REQUEST, "ORGANIZATION_NOT_VERIFIED", why));
    }
    if exchange_key(&request.agent_exchange_public_key).is_none() {
        let why = "agent_exchange_public_key is not an X25519 key in base64";
        return Err(failed(StatusCode::BAD_REQUEST, "INVALID_KEY", why));
    }
    write::check_capabilities(&request.capabilities)?;
    let name = request.display_name.as_deref().unwrap_or_default();
    write::check_length("display_name", name, crate::registry::bounds::NAME)?;
    let subject = Subject {
        key: &agent,
        tier: &Tier::Organization,
        organization: Some(&organization.name),
        domain: None,
    };
    let certificate = shared.authority.issue(subject, now);
    let certificate =
        certificate.map_err(|e| reply::internal("no certificate for an agent", &e))?;
    let stored = certificate.clone();
    let written = shared.store.write(move |c| take_in(c, request, &organization, &stored, now));
    match written.await.map_err(|e| reply::internal("an agent could not be taken in", &e))? {
        Added::Yes => {
            let agent_certificate = Some(certificate);
            let response = OrgAgentResponse { success: true, agent_certificate, error: None };
            Ok(reply::json(StatusCode::CREATED, response))
        }
        Added::Revoked => {
            Err(failed(StatusCode::FORBIDDEN, "AGENT_REVOKED", "the agent or the admin is revoked"))
        }
        Added::OtherOrganization => Err(failed(
            StatusCode::CONFLICT,
            "OTHER_ORGANIZATION",
            "the agent belongs to another organization",
        )),
    }
}

/// An agent that was never here is registered on the way; one that was keeps what it said of itself.
fn take_in(
    connection: &rusqlite::Connection,
    request: OrgAgentRequest,
    organization: &Organization,
    certificate: &str,
    now: Timestamp,
) -> rusqlite::Result<Added> {
    let amid = request.agent_amid;
    if revocations::is_revoked(connection, &amid)?
        || revocations::is_revoked(connection, &request.admin_amid)?
    {
        return Ok(Added::Revoked);
    }
    if organizations::id_of_agent(connection, &amid)?.is_some_and(|id| id != organization.id) {
        return Ok(Added::OtherOrganization);
    }
    let registration = RegisterRequest {
        amid: amid.clone(),
        signing_public_key: request.agent_signing_public_key,
        exchange_public_key: request.agent_exchange_public_key,
        display_name: request.display_name,
        capabilities: request.capabilities,
        relay_endpoint: None,
        direct_endpoint: None,
        verification_token: None,
        timestamp: String::new(),
        signature: String::new(),
    };
    agents::insert(connection, &registration, now)?;
    organizations::add_agent(connection, organization, &amid, certificate)?;
    Ok(Added::Yes)
}

fn signature(text: &str) -> Option<Signature> {
    Signature::from_slice(&Base64::decode_vec(text).ok()?).ok()
}

fn check_time(text: &str, now: Timestamp) -> Result<(), Refused> {
    let time = Timestamp::parse_rfc3339(text);
    let fresh = time
        .is_some_and(|time| now.since(time) <= CONSENT_AGE && time.since(now) <= AUTH_MAX_AHEAD);
    let why = "timestamp is more than a day old or a minute ahead";
    if fresh {
        Ok(())
    } else {
        Err(failed(StatusCode::UNAUTHORIZED, "TIMESTAMP_OUT_OF_WINDOW", why))
    }
}
