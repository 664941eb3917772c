//! Which model, where, and with whose key.

use std::time::Duration;

use super::super::{
    super::{AgentWebSocketError, SecretText},
    config::number,
};
use crate::client::proxy::ProxyConfig;

/// Where OpenRouter is.
const OPENROUTER: &str = "https://openrouter.ai/api/v1";
/// As deployed functions say it.
pub(super) const NO_KEY: &str =
    "OpenRouter API key is not configured. Please set the OPENROUTER_API_KEY environment variable.";

/// Settings of an [`OpenAiBackend`](super::OpenAiBackend). They come from the operator, never from clients.
#[derive(Debug)]
pub struct OpenAiConfig {
    /// What errors call the service.
    pub provider: String,
    /// The address that `/chat/completions` is appended to.
    pub base_url: String,
    /// The key (`OPENROUTER_API_KEY`). OpenRouter needs one; a model on this machine does not.
    pub api_key: Option<SecretText>,
    /// Whether nothing is asked without a key.
    pub needs_key: bool,
    /// The model (`MODEL`, else `OPENROUTER_MODEL`).
    pub model: String,
    /// How freely it answers (`TEMPERATURE`).
    pub temperature: f64,
    /// How long its answers get at most (`MAX_TOKENS`).
    pub max_tokens: u32,
    /// Sent as `HTTP-Referer`.
    pub referer: Option<String>,
    /// Sent as `X-Title`.
    pub title: Option<String>,
    /// For the TCP and TLS handshakes.
    pub connect_timeout: Duration,
    /// For the whole answer, retries included.
    pub timeout: Duration,
    /// Proxies.
    pub proxies: ProxyConfig,
}

impl OpenAiConfig {
    /// OpenRouter, with the documented defaults.
    pub fn openrouter(api_key: Option<SecretText>) -> Self {
        Self {
            provider: "OpenRouter".into(),
            needs_key: true,
            ..Self::compatible(OPENROUTER, api_key)
        }
    }

    /// Another service with the same interface, such as `http://127.0.0.1:11434/v1`.
    pub fn compatible(base_url: impl Into<String>, api_key: Option<SecretText>) -> Self {
        Self {
            provider: "Model".into(),
            base_url: base_url.into(),
            api_key,
            needs_key: false,
            model: "openai/gpt-4-turbo".into(),
            temperature: 0.7,
            max_tokens: 1500,
            referer: None,
            title: None,
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(60),
            proxies: ProxyConfig::from_env(),
        }
    }

    /// The same, with what an environment says of model, temperature and length. Empty variables count as absent.
    ///
    /// # Errors
    /// [`AgentWebSocketError::Config`] for numbers that are none.
    pub fn with_env(
        mut self,
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, AgentWebSocketError> {
        let get = |name| get(name).filter(|value| !value.trim().is_empty());
        if let Some(model) = get("MODEL").or_else(|| get("OPENROUTER_MODEL")) {
            self.model = model;
        }
        if let Some(temperature) = get("TEMPERATURE") {
            self.temperature = number("TEMPERATURE", &temperature)?;
            if !(0.0..=2.0).contains(&self.temperature) {
                let problem = "it must be between 0 and 2".to_owned();
                return Err(AgentWebSocketError::Config { setting: "TEMPERATURE", problem });
            }
        }
        if let Some(tokens) = get("MAX_TOKENS") {
            self.max_tokens = number("MAX_TOKENS", &tokens)?;
        }
        Ok(self)
    }

    pub(super) fn key_is_missing(&self) -> bool {
        self.needs_key && self.api_key.as_ref().is_none_or(SecretText::is_empty)
    }
}
