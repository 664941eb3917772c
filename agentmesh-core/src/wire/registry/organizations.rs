//! Organizations: a domain, proven by a DNS record, whose admin vouches for agents.

use serde::{Deserialize, Serialize};

use crate::{
    identity::{Identity, Label},
    keys::{KeyError, Signature, VerifyingKey, kdf},
};

/// `POST /org/register`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgRegisterRequest {
    /// The organization's name.
    pub name: String,
    /// Its domain.
    pub domain: String,
    /// Who acts for it.
    pub admin_amid: String,
    /// The admin's Ed25519 key, base64, usually prefixed.
    pub admin_signing_public_key: String,
    /// RFC 3339.
    pub timestamp: String,
    /// The admin's, over the timestamp, base64.
    pub signature: String,
}

/// What to put into the DNS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsChallenge {
    /// `TXT`.
    pub record_type: String,
    /// `_agentmesh.` and the domain.
    pub record_name: String,
    /// `agentmesh-verify=` and a random value.
    pub record_value: String,
    /// Until when it counts, RFC 3339.
    pub expires_at: String,
}

/// The answer to [`OrgRegisterRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgRegisterResponse {
    /// Whether it was registered.
    pub success: bool,
    /// The organization's id.
    #[serde(default)]
    pub organization_id: Option<String>,
    /// What proves the domain.
    #[serde(default)]
    pub dns_challenge: Option<DnsChallenge>,
    /// Why not.
    #[serde(default)]
    pub error: Option<String>,
}

/// `POST /org/verify`: look into the DNS now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgVerifyRequest {
    /// Which.
    pub organization_id: String,
    /// Its admin.
    pub admin_amid: String,
    /// RFC 3339.
    pub timestamp: String,
    /// The admin's, over the timestamp, base64.
    pub signature: String,
}

/// The answer to [`OrgVerifyRequest`]; 200 also if the record is not there (yet).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgVerifyResponse {
    /// Whether it could be looked at.
    pub success: bool,
    /// Whether the domain is proven.
    #[serde(default)]
    pub verified: bool,
    /// The organization's certificate.
    #[serde(default)]
    pub root_certificate: Option<String>,
    /// Why not.
    #[serde(default)]
    pub error: Option<String>,
}

/// Who makes an [`OrgStatement`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrgRole {
    /// The organization's admin takes the agent in.
    Admin,
    /// The agent wants to be taken in.
    Agent,
}

/// What admin and agent sign before the agent belongs to the organization: which agent, with which keys, to which
/// organization, as of when. In 0.2 no signature was verified here, so nothing deployed signs anything that could be
/// relied on.
///
/// ```text
/// S("org-agent", lp("admin" or "agent") || lp(organization id) || lp(amid) || lp(signing key) || lp(exchange key) || lp(timestamp))
/// ```
/// all of them as they stand in the request.
#[derive(Debug, Clone, Copy)]
pub struct OrgStatement<'a> {
    /// Which organization.
    pub organization_id: &'a str,
    /// The agent.
    pub agent_amid: &'a str,
    /// Its signing key.
    pub agent_signing_public_key: &'a str,
    /// Its exchange key.
    pub agent_exchange_public_key: &'a str,
    /// RFC 3339.
    pub timestamp: &'a str,
}

impl OrgStatement<'_> {
    fn with_parts<T>(&self, role: OrgRole, f: impl FnOnce(&[&[u8]]) -> T) -> T {
        let role = match role {
            OrgRole::Admin => "admin",
            OrgRole::Agent => "agent",
        };
        let texts = [
            role,
            self.organization_id,
            self.agent_amid,
            self.agent_signing_public_key,
            self.agent_exchange_public_key,
            self.timestamp,
        ];
        let lengths = texts.map(|text| kdf::lp_len(text.as_bytes()));
        let parts: Vec<&[u8]> = texts
            .iter()
            .zip(&lengths)
            .flat_map(|(text, length)| [&length[..], text.as_bytes()])
            .collect();
        f(&parts)
    }

    /// Signs as `role`.
    pub fn sign(&self, role: OrgRole, identity: &Identity) -> Signature {
        self.with_parts(role, |parts| identity.sign_labelled(Label::OrgAgent, parts))
    }

    /// Verifies what the holder of `key` signed as `role`.
    ///
    /// # Errors
    /// [`KeyError::BadSignature`].
    pub fn verify(
        &self,
        role: OrgRole,
        key: &VerifyingKey,
        signature: &Signature,
    ) -> Result<(), KeyError> {
        self.with_parts(role, |parts| key.verify_labelled(Label::OrgAgent, parts, signature))
    }
}

/// `POST /org/agents`: the admin takes an agent into the organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgAgentRequest {
    /// Into which.
    pub organization_id: String,
    /// The agent.
    pub agent_amid: String,
    /// Its Ed25519 key, base64, usually prefixed.
    pub agent_signing_public_key: String,
    /// Its X25519 key, base64, usually prefixed.
    pub agent_exchange_public_key: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What it can do.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// The organization's admin.
    pub admin_amid: String,
    /// The admin's [`OrgStatement`], base64.
    pub admin_signature: String,
    /// The agent's [`OrgStatement`], base64: nobody is made a member without knowing. Absent in 0.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_signature: Option<String>,
    /// RFC 3339; the admin's word is of now.
    pub timestamp: String,
}

/// The answer to [`OrgAgentRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgAgentResponse {
    /// Whether the agent belongs to the organization now.
    pub success: bool,
    /// The agent's certificate.
    #[serde(default)]
    pub agent_certificate: Option<String>,
    /// Why not.
    #[serde(default)]
    pub error: Option<String>,
}

/// `GET /org/lookup?domain=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationLookup {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its domain.
    pub domain: String,
    /// Whether the domain was proven.
    pub verified: bool,
    /// Agents that belong to it.
    #[serde(default)]
    pub agent_count: u64,
    /// When it was registered, RFC 3339.
    #[serde(default)]
    pub created_at: Option<String>,
}
