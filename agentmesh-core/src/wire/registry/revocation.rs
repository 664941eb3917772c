//! Revocation: an agent, or who runs the registry, says that an AMID must not be trusted any more.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::super::text_enum::text_enum;

/// AMIDs in one bulk request at most.
pub const MAX_BULK_REVOCATIONS: usize = 100;

text_enum! {
    /// Why an AMID was revoked.
    pub enum RevocationReason {
        /// Somebody else has its key, or may have it.
        KeyCompromise = "key_compromise";
        /// It broke the registry's rules.
        PolicyViolation = "policy_violation";
        /// Another AMID took its place.
        Superseded = "superseded";
        /// It is out of service.
        CessationOfOperation = "cessation_of_operation";
        /// It lost what it was entitled to.
        PrivilegeWithdrawn = "privilege_withdrawn";
        /// Who runs the registry wants it so.
        AdminRequest = "admin_request";
        /// None of these.
        Other = "other";
    }
}

/// `POST /registry/revoke`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeRequest {
    /// Whom to revoke.
    pub amid: String,
    /// Why.
    pub reason: RevocationReason,
    /// Words for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// Who revokes, and signs: the agent itself, an admin of the registry, or the admin of its organization.
    pub revoker_amid: String,
    /// RFC 3339.
    pub timestamp: String,
    /// The revoker's, over the timestamp, base64.
    pub signature: String,
}

/// The answer to [`RevokeRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeResponse {
    /// Whether it is revoked now.
    pub success: bool,
    /// The revocation's id.
    #[serde(default)]
    pub revocation_id: Option<String>,
    /// Why not.
    #[serde(default)]
    pub error: Option<String>,
}

/// A revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Its id.
    #[serde(default)]
    pub id: String,
    /// Who was revoked.
    pub amid: String,
    /// Why.
    pub reason: RevocationReason,
    /// By whom.
    #[serde(default, alias = "revokedBy")]
    pub revoked_by: String,
    /// When, RFC 3339.
    #[serde(default, alias = "revokedAt")]
    pub revoked_at: String,
    /// Words for people.
    #[serde(default)]
    pub notes: Option<String>,
}

/// `GET /registry/revocation?amid=`, and an element of a bulk answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationStatus {
    /// Who was asked about.
    pub amid: String,
    /// Whether it is revoked. Without a default: an answer that does not say so is no answer.
    pub revoked: bool,
    /// How it was revoked.
    #[serde(default)]
    pub revocation: Option<Revocation>,
}

/// `POST /registry/revocations/bulk`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkRevocationRequest {
    /// At most [`MAX_BULK_REVOCATIONS`].
    pub amids: Vec<String>,
}

/// The answer to [`BulkRevocationRequest`]: registries send a list; the published types of some clients say a map from
/// AMID to status, and either is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkRevocationResponse {
    /// One for each AMID asked about.
    #[serde(deserialize_with = "list_or_map")]
    pub revocations: Vec<RevocationStatus>,
    /// How many were looked at.
    #[serde(default)]
    pub total_checked: u64,
    /// How many of them are revoked.
    #[serde(default)]
    pub total_revoked: u64,
}

fn list_or_map<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<RevocationStatus>, D::Error> {
    #[derive(Deserialize)]
    struct Unnamed {
        revoked: bool,
        #[serde(default)]
        revocation: Option<Revocation>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        List(Vec<RevocationStatus>),
        Map(BTreeMap<String, Unnamed>),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::List(list) => list,
        Either::Map(map) => map
            .into_iter()
            .map(|(amid, Unnamed { revoked, revocation })| RevocationStatus {
                amid,
                revoked,
                revocation,
            })
            .collect(),
    })
}

/// `GET /registry/revocations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationList {
    /// A page of them, newest first.
    pub revocations: Vec<Revocation>,
    /// How many there are on all pages.
    #[serde(default)]
    pub total: u64,
    /// When the list was made, RFC 3339.
    #[serde(default)]
    pub last_updated: Option<String>,
    /// When it should be fetched again, RFC 3339.
    #[serde(default)]
    pub next_update: Option<String>,
}
