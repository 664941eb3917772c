//! Bodies of the registry's HTTP interface: 0.2 (`docs/protocol/registry.md`) and the native fields of
//! `docs/protocol/native.md` §3. One file for each group of requests.
//!
//! Plain data. Reads what deployed registries and clients write: snake_case and camelCase, one or many one-time
//! prekeys, dates with any number of digits, keys with or without a prefix. Writes the documented shapes. Does not
//! verify anything: that is the business of who holds keys.

mod agents;
mod certificate;
mod oauth;
mod organizations;
mod prekeys;
mod reputation;
mod revocation;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::{
    agents::{
        AgentLookup, CapabilitiesRequest, HealthResponse, RegisterRequest, RegisterResponse,
        SearchQuery, SearchResponse, StatsResponse, StatusRequest, Tier,
    },
    certificate::LegacyCertificate,
    oauth::{
        OAuthAuthorizeRequest, OAuthAuthorizeResponse, OAuthCallbackResponse, OAuthProviderInfo,
        OAuthProvidersResponse, OAuthState, OAuthStatusResponse,
    },
    organizations::{
        DnsChallenge, OrgAgentRequest, OrgAgentResponse, OrgRegisterRequest, OrgRegisterResponse,
        OrgRole, OrgStatement, OrgVerifyRequest, OrgVerifyResponse, OrganizationLookup,
    },
    prekeys::{
        NativeBundleJson, NativeStock, NativeUpload, OneTimePrekeyJson, PrekeyResponse,
        PrekeyUpload, PrekeyUploadResponse, SignedPrekeyJson,
    },
    reputation::{
        FeedbackResponse, LeaderboardEntry, LeaderboardResponse, RATING_TAGS, RatingRequest,
        RatingResponse, ReputationScore, SessionOutcome, SessionReport,
    },
    revocation::{
        BulkRevocationRequest, BulkRevocationResponse, MAX_BULK_REVOCATIONS, Revocation,
        RevocationList, RevocationReason, RevocationStatus, RevokeRequest, RevokeResponse,
    },
};

/// Prefix of Ed25519 keys in 0.2 documents.
pub const SIGNING_KEY_PREFIX: &str = "ed25519:";
/// Prefix of X25519 keys in 0.2 documents.
pub const EXCHANGE_KEY_PREFIX: &str = "x25519:";

/// A key without `prefix`, which may be absent.
///
/// A *different* prefix is left in place, so that decoding the base64 fails instead of taking one kind of key for
/// the other.
pub fn strip_key_prefix<'a>(key: &'a str, prefix: &str) -> &'a str {
    key.strip_prefix(prefix).unwrap_or(key)
}

/// `{"success":true}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuccessResponse {
    /// Whether it was done.
    pub success: bool,
}

/// The body of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong, for people.
    pub error: String,
    /// What went wrong, for programs (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}
