//! JSON Web Tokens: HS256 and nothing else, 24 hours.

use std::fmt;

use agentmesh_core::Timestamp;
use http::StatusCode;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{answer::Refusal, settings};
use crate::store::aiwm::Object;

/// Seconds for which an agent's token is good.
pub(super) const LIFETIME: u64 = 86_400;
/// Role of an agent for which nobody chose one.
const DEFAULT_ROLE: &str = "organization.viewer";

/// Signs and verifies.
pub(super) struct Tokens {
    signing: EncodingKey,
    verifying: DecodingKey,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

/// What a token says; tokens of people have roles and an organization, those of agents a type as well.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Claims {
    #[serde(default)]
    pub(super) sub: String,
    #[serde(rename = "type", default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) org_id: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    pub(super) roles: Vec<String>,
    #[serde(default)]
    group_id: String,
    #[serde(default)]
    agent_id: String,
    #[serde(default)]
    user_id: String,
    #[serde(default)]
    iat: u64,
    exp: u64,
    /// How often the agent's secret had been replaced. An extension: a token of an older secret is refused.
    #[serde(default)]
    pub(super) token_version: u64,
}

impl Tokens {
    pub(super) fn new(secret: &[u8]) -> Self {
        Self {
            signing: EncodingKey::from_secret(secret),
            verifying: DecodingKey::from_secret(secret),
        }
    }

    pub(super) fn for_agent(
        &self,
        agent: &Object,
        token_version: u64,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        let iat = now.as_millis() / 1000;
        let claims = Claims {
            sub: agent.id.clone(),
            kind: "agent".to_owned(),
            org_id: agent.org.clone(),
            username: format!("agent:{}", agent.id),
            status: agent.text("status").unwrap_or_default().to_owned(),
            roles: roles(agent),
            group_id: String::new(),
            agent_id: agent.id.clone(),
            user_id: String::new(),
            iat,
            exp: iat + LIFETIME,
            token_version,
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .map_err(|error| Refusal::internal("a token was not signed", &error))
    }

    /// # Errors
    /// 401 if the token is not ours, not signed with HS256, or too old, and in other words if it names nobody.
    pub(super) fn verify(&self, token: &str) -> Result<Claims, Refusal> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.set_required_spec_claims(&["exp"]);
        validation.validate_aud = false;
        let Ok(token) = decode::<Claims>(token, &self.verifying, &validation) else {
            return Err(Refusal::unauthorized());
        };
        if token.claims.sub.is_empty() {
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, "Invalid token payload"));
        }
        Ok(token.claims)
    }
}

fn roles(agent: &Object) -> Vec<String> {
    if let Some(role) = agent.text("role") {
        return vec![role.to_owned()];
    }
    let given = agent.body.get("settings").and_then(Value::as_object);
    let listed = given.and_then(|given| settings::text(given, "auth_roles")).unwrap_or_default();
    let listed = listed.split(',').map(str::trim).filter(|role| !role.is_empty());
    let listed: Vec<_> = listed.map(str::to_owned).collect();
    if listed.is_empty() { vec![DEFAULT_ROLE.to_owned()] } else { listed }
}
