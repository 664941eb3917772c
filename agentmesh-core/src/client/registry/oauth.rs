//! Becoming a verified agent by way of an account elsewhere: start, send the owner to a browser, wait.

use std::time::Duration;

use crate::client::platform::time::Instant;
use url::Url;

use super::{AnswerError, RegistryClient, RegistryError};
use crate::{
    client::platform,
    error::ErrorInfo,
    wire::registry::{
        OAuthAuthorizeRequest, OAuthAuthorizeResponse, OAuthProviderInfo, OAuthProvidersResponse,
        OAuthState, OAuthStatusResponse,
    },
};

/// Between two questions for the status.
const POLL: Duration = Duration::from_secs(1);

/// An attempt that waits for the account's owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthAttempt {
    /// Where the owner has to go, with a browser. A page of the provider, not of the registry.
    pub authorization_url: Url,
    /// Names the attempt. Whoever has it can finish the attempt, for this agent only.
    pub state: String,
    /// How long it is good.
    pub expires_in: Duration,
}

impl RegistryClient {
    /// The providers that the registry knows.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn oauth_providers(&self) -> Result<Vec<OAuthProviderInfo>, RegistryError> {
        let answer: OAuthProvidersResponse =
            self.get("OAuth providers", "auth/oauth/providers", &[]).await?.json()?;
        Ok(answer.providers)
    }

    /// Begins to show the registry an account of this agent's owner.
    ///
    /// # Errors
    /// [`RegistryError`]; rejected for a provider that the registry does not know or cannot use.
    pub async fn oauth_start(&self, provider: &str) -> Result<OAuthAttempt, RegistryError> {
        let request = |amid, timestamp, signature| OAuthAuthorizeRequest {
            amid,
            provider: provider.to_owned(),
            timestamp,
            signature,
        };
        let answer: OAuthAuthorizeResponse =
            self.post("start OAuth", "auth/oauth/authorize", request).await?.json()?;
        // It is going to be opened in a browser: no other schemes.
        let authorization_url = Url::parse(&answer.authorization_url)
            .ok()
            .filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host())
            .ok_or(AnswerError::UnreadableField { field: "authorization_url" })?;
        let expires_in = Duration::from_secs(answer.expires_in);
        Ok(OAuthAttempt { authorization_url, state: answer.state, expires_in })
    }

    /// How far an attempt is. An extension of our server; deployed registries do not know it.
    ///
    /// # Errors
    /// [`RegistryError`]; not found for an attempt that is not this agent's.
    pub async fn oauth_status(&self, state: &str) -> Result<OAuthStatusResponse, RegistryError> {
        let query = [("state", state.to_owned())];
        Ok(self.get("OAuth status", "auth/oauth/status", &query).await?.json()?)
    }

    /// Waits until an attempt succeeded, and returns which account it was.
    ///
    /// # Errors
    /// [`AnswerError::OAuthFailed`] if provider or owner said no, or nobody came in time;
    /// [`AnswerError::OAuthPending`] after `limit`; what keeps the question from being answered, if that goes on until then.
    pub async fn oauth_wait(&self, state: &str, limit: Duration) -> Result<String, RegistryError> {
        let deadline = Instant::now() + limit;
        loop {
            match self.oauth_status(state).await {
                Ok(OAuthStatusResponse { status, verified_identity, error, .. }) => match status {
                    OAuthState::Verified => return Ok(verified_identity.unwrap_or_default()),
                    OAuthState::Pending => {}
                    status => {
                        let reason = error.unwrap_or_else(|| status.to_string());
                        return Err(AnswerError::OAuthFailed { reason }.into());
                    }
                },
                Err(error) if error.is_retryable() && Instant::now() + POLL < deadline => {}
                Err(error) => return Err(error),
            }
            if Instant::now() + POLL >= deadline {
                return Err(AnswerError::OAuthPending.into());
            }
            platform::sleep(POLL).await;
        }
    }
}
