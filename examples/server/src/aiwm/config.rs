//! What can be set.

use std::fmt;

use super::passwords::SecretCheck;
use crate::ServerError;

/// Shortest secret that signs tokens, in bytes.
const MIN_JWT_SECRET: usize = 32;
/// Shortest token of the administrator.
const MIN_ADMIN_TOKEN: usize = 16;

/// The AIWM service: agents that fetch their configuration and report that they are alive.
#[derive(Clone, Default)]
pub struct AiwmConfig {
    /// Signs tokens, 32 bytes or more. Without it there is no AIWM service: nothing is signed with a key that others
    /// could know.
    pub jwt_secret: Option<String>,
    /// A bearer token that may do everything. People's tokens are JSON Web Tokens signed with `jwt_secret`, which this
    /// server does not issue.
    pub admin_token: Option<String>,
    /// The base URL that agents are told. Otherwise what the request that asks calls this server.
    pub public_url: Option<String>,
    /// An MCP server that agents are told of.
    pub mcp_url: Option<String>,
    /// Keeps the tokens of platforms and of the model's provider out of what agents are given; they are then in the
    /// agent's environment only.
    pub withhold_tokens: bool,
    /// Connects of one agent from one address in a minute; `None` for no limit.
    pub connects_per_minute: Option<u32>,
    /// Origins of web pages that may use the service. Empty: none.
    pub allowed_origins: Vec<String>,
    /// How secrets are kept; there is no other choice than the default outside benches.
    #[doc(hidden)]
    pub secret_check: SecretCheck,
}

impl fmt::Debug for AiwmConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AiwmConfig")
            .field("enabled", &self.jwt_secret.is_some())
            .field("public_url", &self.public_url)
            .field("withhold_tokens", &self.withhold_tokens)
            .field("connects_per_minute", &self.connects_per_minute)
            .field("allowed_origins", &self.allowed_origins)
            .finish_non_exhaustive()
    }
}

impl AiwmConfig {
    /// What documents ask for: ten connects a minute.
    pub const CONNECTS_PER_MINUTE: u32 = 10;

    /// The service with fresh secrets, without a limit. The administrator's token is in `admin_token`.
    ///
    /// # Errors
    /// [`ServerError::Start`] if the system gives no random numbers.
    pub fn for_development() -> Result<Self, ServerError> {
        let random = || {
            let mut bytes = [0_u8; 32];
            getrandom::fill(&mut bytes)
                .map_err(|error| ServerError::Start(std::io::Error::other(error.to_string())))?;
            Ok(super::hex(&bytes))
        };
        Ok(Self { jwt_secret: Some(random()?), admin_token: Some(random()?), ..Self::default() })
    }

    pub(crate) fn check(&self) -> Result<(), ServerError> {
        let wrong = |setting: &str, problem: &str| {
            let (setting, problem) = (setting.to_owned(), problem.to_owned());
            Err(ServerError::Config { setting, problem })
        };
        if self.jwt_secret.as_ref().is_some_and(|secret| secret.len() < MIN_JWT_SECRET) {
            return wrong("JWT_SECRET", "shorter than 32 bytes: others could guess it");
        }
        if self.admin_token.is_some() && self.jwt_secret.is_none() {
            return wrong("AIWM_ADMIN_TOKEN", "is set, but JWT_SECRET is not");
        }
        if self.admin_token.as_ref().is_some_and(|token| token.len() < MIN_ADMIN_TOKEN) {
            return wrong("AIWM_ADMIN_TOKEN", "shorter than 16 bytes: others could guess it");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_that_can_be_guessed_are_refused() {
        let config = |jwt: Option<&str>, admin: Option<&str>| AiwmConfig {
            jwt_secret: jwt.map(str::to_owned),
            admin_token: admin.map(str::to_owned),
            ..AiwmConfig::default()
        };
        let long = "0123456789abcdef0123456789abcdef";
        assert!(config(None, None).check().is_ok());
        assert!(config(Some(long), Some(long)).check().is_ok());
        assert!(config(Some("short"), None).check().is_err());
        assert!(config(None, Some(long)).check().is_err());
        assert!(config(Some(long), Some("short")).check().is_err());
        let shown = format!("{:?}", config(Some(long), Some(long)));
        assert!(!shown.contains(&long[..8]), "{shown}");
    }
}
