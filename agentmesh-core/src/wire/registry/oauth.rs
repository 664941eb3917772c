//! OAuth: an agent shows the registry an account somewhere else, and becomes `verified`.

use serde::{Deserialize, Serialize};

use super::super::text_enum::text_enum;

/// `GET /auth/oauth/providers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuthProvidersResponse {
    /// Those that the registry knows.
    pub providers: Vec<OAuthProviderInfo>,
}

/// A provider of accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuthProviderInfo {
    /// Its name in requests.
    pub name: String,
    /// Whether it can be used.
    #[serde(default)]
    pub enabled: bool,
    /// Its name for people.
    #[serde(default, alias = "displayName")]
    pub display_name: String,
}

/// `POST /auth/oauth/authorize`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuthAuthorizeRequest {
    /// Who wants to be verified.
    pub amid: String,
    /// With which provider's account; in any case.
    pub provider: String,
    /// RFC 3339.
    pub timestamp: String,
    /// Over the timestamp, base64.
    pub signature: String,
}

/// The answer to [`OAuthAuthorizeRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuthAuthorizeResponse {
    /// Where the account's owner has to go, with a browser.
    pub authorization_url: String,
    /// Names this attempt.
    pub state: String,
    /// Seconds until it is void.
    #[serde(default)]
    pub expires_in: u64,
}

/// What the account's owner is shown in the end: `GET /auth/oauth/callback?code=&state=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuthCallbackResponse {
    /// Whether the agent is verified.
    pub success: bool,
    /// The agent.
    #[serde(default)]
    pub amid: Option<String>,
    /// The provider.
    #[serde(default)]
    pub provider: Option<String>,
    /// Which account, as the provider names it.
    #[serde(default)]
    pub verified_identity: Option<String>,
    /// The agent's certificate.
    #[serde(default)]
    pub certificate: Option<String>,
    /// Why not.
    #[serde(default)]
    pub error: Option<String>,
}

text_enum! {
    /// How far an attempt is.
    pub enum OAuthState {
        /// The owner has not come back yet.
        Pending = "pending";
        /// The agent is verified.
        Verified = "verified";
        /// The provider or the owner said no.
        Failed = "failed";
        /// Nobody came in time.
        Expired = "expired";
    }
}

/// `GET /auth/oauth/status?state=`, our extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuthStatusResponse {
    /// How far it is.
    pub status: OAuthState,
    /// The agent.
    pub amid: String,
    /// The provider.
    pub provider: String,
    /// Which account.
    #[serde(default)]
    pub verified_identity: Option<String>,
    /// Why not.
    #[serde(default)]
    pub error: Option<String>,
}
