//! `POST /org/register`: somebody claims a domain, and is told how to prove it.

use agentmesh_core::{
    time::DAY,
    wire::registry::{DnsChallenge, OrgRegisterRequest, OrgRegisterResponse},
};
use axum::{body::Body, extract::State, response::Response};
use http::{Request, StatusCode};

use super::{RECORD_PREFIX, VALUE_PREFIX};
use crate::{
    auth::{
        request::{PlainProof, prove},
        signing_key_of,
    },
    clock,
    http::{
        call::Call,
        reply::{self, Refused},
    },
    random,
    registry::{bounds, write},
    state::Shared,
    store::organizations::{self, Inserted, Organization},
};

/// How long a challenge is good.
const CHALLENGE_AGE: u64 = DAY;

pub(super) async fn register(
    State(shared): State<Shared>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let request: OrgRegisterRequest = call.json()?;
    let key = signing_key_of(&request.admin_amid, &request.admin_signing_public_key)
        .map_err(|why| write::unauthorized(&why.into()))?;
    let plain = PlainProof {
        amid: &request.admin_amid,
        timestamp: &request.timestamp,
        signature: &request.signature,
    };
    let now = clock::now();
    let proof = prove(&call, &shared.config, plain, &key, now);
    let proof = proof.map_err(|why| write::unauthorized(&why))?;
    write::check_length("name", &request.name, bounds::NAME)?;
    if request.name.trim().is_empty() || request.name.contains(char::is_control) {
        let why = "an organization needs a name";
        return Err(reply::failure(StatusCode::BAD_REQUEST, "INVALID_NAME", why));
    }
    let domain = domain(&request.domain).ok_or_else(|| {
        reply::failure(StatusCode::BAD_REQUEST, "INVALID_DOMAIN", "this is not a domain name")
    })?;
    let organization = Organization {
        id: random::id()?,
        name: request.name,
        admin: request.admin_amid,
        admin_key: request.admin_signing_public_key,
        challenge: format!("{VALUE_PREFIX}{}", random::secret()?),
        challenge_expires_at: now.plus_millis(CHALLENGE_AGE),
        verified: false,
        certificate: None,
        domain,
    };
    let response = OrgRegisterResponse {
        success: true,
        organization_id: Some(organization.id.clone()),
        dns_challenge: Some(DnsChallenge {
            record_type: "TXT".into(),
            record_name: format!("{RECORD_PREFIX}{}", organization.domain),
            record_value: organization.challenge.clone(),
            expires_at: organization.challenge_expires_at.to_rfc3339_millis(),
        }),
        error: None,
    };
    let add = move |c: &rusqlite::Connection| organizations::insert(c, &organization, now);
    match write::write(&shared, proof, add).await? {
        Inserted::Yes => Ok(reply::json(StatusCode::CREATED, response)),
        Inserted::Taken => {
            let why = "the domain belongs to another organization";
            Err(reply::failure(StatusCode::CONFLICT, "DOMAIN_TAKEN", why))
        }
        Inserted::TooMany => {
            let why = "too many domains of this agent wait for their proof";
            Err(reply::too_many("TOO_MANY_CLAIMS", why, CHALLENGE_AGE / 1000))
        }
    }
}

/// A host name of at least two labels, in lower case.
pub(super) fn domain(text: &str) -> Option<String> {
    let domain = text.trim_end_matches('.').to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // With the record's prefix it has to be a name as well.
    let fits = domain.len() <= 240 && domain.contains('.') && domain.split('.').all(label);
    let is_address = domain.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    (fits && !is_address).then_some(domain)
}

#[cfg(test)]
mod tests {
    use super::domain;

    #[test]
    fn takes_host_names_only() {
        assert_eq!(domain("Example.ORG."), Some("example.org".into()));
        assert_eq!(domain("a-b.xn--bcher-kva.example"), Some("a-b.xn--bcher-kva.example".into()));
        for bad in [
            "",
            "org",
            ".",
            "a..b",
            "-a.b",
            "a-.b",
            "a b.c",
            "a.b/c",
            "a.b:8",
            "bücher.example",
            "127.0.0.1",
            &format!("{}.org", "a".repeat(64)),
            &"a.".repeat(200),
            "a.b?name=c",
        ] {
            assert_eq!(domain(bad), None, "{bad}");
        }
    }
}
