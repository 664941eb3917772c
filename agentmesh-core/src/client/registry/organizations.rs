//! Organizations: registering one, proving its domain, taking agents in.

use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};

use super::{AnswerError, RegistryClient, RegistryError};
use crate::wire::registry::{
    DnsChallenge, EXCHANGE_KEY_PREFIX, OrgAgentRequest, OrgAgentResponse, OrgRegisterRequest,
    OrgRegisterResponse, OrgRole, OrgStatement, OrgVerifyRequest, OrgVerifyResponse,
    OrganizationLookup, SIGNING_KEY_PREFIX,
};

/// An organization that was registered and has to prove its domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrganization {
    /// Its id.
    pub id: String,
    /// What to put into the DNS before [`RegistryClient::org_verify`].
    pub challenge: DnsChallenge,
}

/// What an agent hands to the admin of an organization that it wants to belong to. Made by
/// [`RegistryClient::org_consent`], good for a day, as JSON or any other way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgConsent {
    /// Which organization.
    pub organization_id: String,
    /// The agent.
    pub agent_amid: String,
    /// Its signing key.
    pub agent_signing_public_key: String,
    /// Its exchange key.
    pub agent_exchange_public_key: String,
    /// When it consented, RFC 3339.
    pub timestamp: String,
    /// Its [`OrgStatement`], base64.
    pub agent_signature: String,
}

impl OrgConsent {
    fn statement(&self) -> OrgStatement<'_> {
        OrgStatement {
            organization_id: &self.organization_id,
            agent_amid: &self.agent_amid,
            agent_signing_public_key: &self.agent_signing_public_key,
            agent_exchange_public_key: &self.agent_exchange_public_key,
            timestamp: &self.timestamp,
        }
    }
}

impl RegistryClient {
    /// Registers an organization with this agent as its admin.
    ///
    /// # Errors
    /// [`RegistryError`]; a conflict if the domain is taken.
    pub async fn org_register(
        &self,
        name: &str,
        domain: &str,
    ) -> Result<NewOrganization, RegistryError> {
        let key = Base64::encode_string(self.identity().signing_key().as_bytes());
        let request = |admin_amid, timestamp, signature| OrgRegisterRequest {
            name: name.to_owned(),
            domain: domain.to_owned(),
            admin_amid,
            admin_signing_public_key: format!("{SIGNING_KEY_PREFIX}{key}"),
            timestamp,
            signature,
        };
        let answer: OrgRegisterResponse =
            self.post("register organization", "org/register", request).await?.json()?;
        match answer {
            OrgRegisterResponse {
                success: true,
                organization_id: Some(id),
                dns_challenge: Some(challenge),
                ..
            } => Ok(NewOrganization { id, challenge }),
            _ => Err(AnswerError::NotAccepted { what: "the organization" }.into()),
        }
    }

    /// Has the registry look into the DNS. `verified` in the answer says what it found, and `error` why not.
    ///
    /// # Errors
    /// [`RegistryError`]; none of them for a record that is not there yet.
    pub async fn org_verify(&self, id: &str) -> Result<OrgVerifyResponse, RegistryError> {
        let request = |admin_amid, timestamp, signature| OrgVerifyRequest {
            organization_id: id.to_owned(),
            admin_amid,
            timestamp,
            signature,
        };
        Ok(self.post("verify organization", "org/verify", request).await?.json()?)
    }

    /// This agent's consent to belong to an organization, for its admin. Nothing is sent.
    pub fn org_consent(&self, organization_id: &str) -> OrgConsent {
        let identity = &self.identity();
        let key = |prefix: &str, bytes: &[u8]| format!("{prefix}{}", Base64::encode_string(bytes));
        let mut consent = OrgConsent {
            organization_id: organization_id.to_owned(),
            agent_amid: identity.amid().to_string(),
            agent_signing_public_key: key(SIGNING_KEY_PREFIX, identity.signing_key().as_bytes()),
            agent_exchange_public_key: key(EXCHANGE_KEY_PREFIX, identity.exchange_key().as_bytes()),
            timestamp: self.now().to_rfc3339_signing(),
            agent_signature: String::new(),
        };
        let signature = consent.statement().sign(OrgRole::Agent, identity);
        consent.agent_signature = Base64::encode_string(signature.as_bytes());
        consent
    }

    /// Takes an agent into the organization that this one is the admin of. Returns the agent's certificate, if the
    /// registry issues one.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn org_add_agent(
        &self,
        consent: &OrgConsent,
        display_name: Option<&str>,
        capabilities: &[String],
    ) -> Result<Option<String>, RegistryError> {
        let signature = consent.statement().sign(OrgRole::Admin, &self.identity());
        let request = |admin_amid, _, _| OrgAgentRequest {
            organization_id: consent.organization_id.clone(),
            agent_amid: consent.agent_amid.clone(),
            agent_signing_public_key: consent.agent_signing_public_key.clone(),
            agent_exchange_public_key: consent.agent_exchange_public_key.clone(),
            display_name: display_name.map(str::to_owned),
            capabilities: capabilities.to_vec(),
            admin_amid,
            admin_signature: Base64::encode_string(signature.as_bytes()),
            agent_signature: Some(consent.agent_signature.clone()),
            timestamp: consent.timestamp.clone(),
        };
        let answer: OrgAgentResponse =
            self.post("add agent to organization", "org/agents", request).await?.json()?;
        if answer.success {
            Ok(answer.agent_certificate)
        } else {
            Err(AnswerError::NotAccepted { what: "the agent" }.into())
        }
    }

    /// What the registry says about the organization of a domain.
    ///
    /// # Errors
    /// [`RegistryError`]; not found if it knows none.
    pub async fn organization(&self, domain: &str) -> Result<OrganizationLookup, RegistryError> {
        let query = [("domain", domain.to_owned())];
        Ok(self.get("look up organization", "org/lookup", &query).await?.json()?)
    }
}
