//! Agents: registering, looking them up, searching, and the numbers about all of them.

use serde::{Deserialize, Serialize};

use super::super::{relay_frame::PresenceStatus, text_enum::text_enum};

text_enum! {
    /// How well the registry knows who is behind an agent. Not a cryptographic fact.
    pub enum Tier {
        /// Nobody vouches for it.
        Anonymous = "anonymous";
        /// A person or account was verified.
        Verified = "verified";
        /// An organisation was verified.
        Organization = "organization";
    }
}

/// `POST /registry/register`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterRequest {
    /// Who registers.
    pub amid: String,
    /// Ed25519 key, base64, usually prefixed.
    pub signing_public_key: String,
    /// X25519 key, base64, usually prefixed.
    pub exchange_public_key: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What it can do.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Where it can be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay_endpoint: Option<String>,
    /// Where it can be reached without a relay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct_endpoint: Option<String>,
    /// Proof of a verified account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_token: Option<String>,
    /// RFC 3339.
    pub timestamp: String,
    /// Over the timestamp as sent, base64.
    pub signature: String,
}

/// The answer to [`RegisterRequest`]: 201, or 401 and 409 with `error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterResponse {
    /// Whether the agent is now registered.
    pub success: bool,
    /// Who asked.
    pub amid: String,
    /// The tier it got.
    pub tier: Tier,
    /// Unsigned and never proof of anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One agent, as `lookup` and `search` return it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentLookup {
    /// Who.
    pub amid: String,
    /// What the registry thinks of it.
    #[serde(default = "anonymous")]
    pub tier: Tier,
    /// A name for people.
    #[serde(default, alias = "displayName")]
    pub display_name: Option<String>,
    /// Its organisation.
    #[serde(default)]
    pub organization: Option<String>,
    /// Ed25519 key exactly as registered.
    #[serde(alias = "signingPublicKey")]
    pub signing_public_key: String,
    /// X25519 key exactly as registered.
    #[serde(alias = "exchangePublicKey")]
    pub exchange_public_key: String,
    /// What it can do.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Where it can be reached.
    #[serde(default, alias = "relayEndpoint")]
    pub relay_endpoint: Option<String>,
    /// Where it can be reached without a relay.
    #[serde(default, alias = "directEndpoint")]
    pub direct_endpoint: Option<String>,
    /// Whether it says it can be reached.
    #[serde(default = "offline")]
    pub status: PresenceStatus,
    /// 0 to 1.
    #[serde(default, alias = "reputationScore")]
    pub reputation_score: f64,
    /// Last sign of life, RFC 3339 with 0 to 9 digits of fraction.
    #[serde(default, alias = "lastSeen")]
    pub last_seen: Option<String>,
    /// Unsigned and never proof of anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Marks of the registry's reputation system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<String>>,
    /// How many ratings the score rests on.
    #[serde(default, alias = "ratingsCount", skip_serializing_if = "Option::is_none")]
    pub ratings_count: Option<u64>,
    /// `rated` from 5 ratings on, else `unrated`.
    #[serde(default, alias = "reputationStatus", skip_serializing_if = "Option::is_none")]
    pub reputation_status: Option<String>,
}

const fn anonymous() -> Tier {
    Tier::Anonymous
}

const fn offline() -> PresenceStatus {
    PresenceStatus::Offline
}

/// The query of `GET /registry/search`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SearchQuery {
    /// Exactly this capability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
    /// On the registry's scale: 2 = everybody, 1 = verified and organisations, 0 = nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier_min: Option<u8>,
    /// At least this reputation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reputation_min: Option<f64>,
    /// Exactly this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<PresenceStatus>,
    /// How many, 20 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// How many to skip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Revoked agents as well. Our extension: deployed registries always show them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_revoked: Option<bool>,
}

impl SearchQuery {
    /// The registry's number for agents of at least `tier`. It cannot tell organisations from verified agents: filter
    /// the results for the former.
    pub const fn level_of(tier: &Tier) -> u8 {
        match tier {
            Tier::Verified | Tier::Organization => 1,
            _ => 2,
        }
    }
}

/// The answer to a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchResponse {
    /// By reputation, then by last sign of life.
    pub results: Vec<AgentLookup>,
    /// How many there are on all pages.
    pub total: u64,
    /// The limit used.
    #[serde(default)]
    pub limit: u64,
    /// The offset used.
    #[serde(default)]
    pub offset: u64,
}

/// `POST /registry/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusRequest {
    /// Whose.
    pub amid: String,
    /// The new status.
    pub status: PresenceStatus,
    /// RFC 3339.
    pub timestamp: String,
    /// Over the timestamp, base64.
    pub signature: String,
}

/// `POST /registry/capabilities`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapabilitiesRequest {
    /// Whose.
    pub amid: String,
    /// All of them; the former list is replaced.
    pub capabilities: Vec<String>,
    /// RFC 3339.
    pub timestamp: String,
    /// Over the timestamp, base64.
    pub signature: String,
}

/// `GET /health` below `/v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthResponse {
    /// `healthy`, or `starting`.
    pub status: String,
    /// The protocol spoken.
    #[serde(default)]
    pub version: String,
    /// Agents known.
    #[serde(default, alias = "agentCount")]
    pub agents_registered: u64,
    /// Agents whose status is `online`.
    #[serde(default)]
    pub agents_online: u64,
}

/// `GET /registry/stats`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StatsResponse {
    /// Agents known.
    pub total_agents: u64,
    /// Agents whose status is `online`.
    pub online_agents: u64,
    /// How many of each tier.
    #[serde(default)]
    pub by_tier: std::collections::BTreeMap<String, u64>,
    /// How many of each status.
    #[serde(default)]
    pub by_status: std::collections::BTreeMap<String, u64>,
    /// Mean reputation.
    #[serde(default)]
    pub average_reputation: f64,
}
