//! What the service is made of, and how an environment says so.

use std::sync::Arc;

use agentmesh_core::services::agent_ws::{
    AgentWebSocketError, SecretText,
    service::{AgentWebSocketConfig, ChatBackend, EchoBackend, OpenAiBackend, OpenAiConfig},
};

use crate::ServerError;

/// The agent that answers at `/functions/v1/agent_websocket`.
#[derive(Debug, Clone)]
pub struct AgentWsConfig {
    /// Sessions and limits.
    pub service: Arc<AgentWebSocketConfig>,
    /// Who answers.
    pub backend: Arc<dyn ChatBackend>,
    /// With it, `POST /functions/v1/notify_websocket` delivers notifications for whoever presents it. Without, there is
    /// no such endpoint.
    pub push_token: Option<Arc<SecretText>>,
}

impl Default for AgentWsConfig {
    fn default() -> Self {
        Self { service: Arc::default(), backend: Arc::new(EchoBackend), push_token: None }
    }
}

/// Which backend answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentWsBackend {
    /// OpenRouter if the environment has a key, else echo.
    #[default]
    Auto,
    /// What was asked.
    Echo,
    /// OpenRouter, with the key of the environment; without one, every query is answered with an error.
    OpenRouter,
    /// A service with the same interface, by the address that `/chat/completions` is appended to.
    Compatible(String),
}

impl std::str::FromStr for AgentWsBackend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "echo" => Ok(Self::Echo),
            "openrouter" => Ok(Self::OpenRouter),
            url if url.starts_with("http://") || url.starts_with("https://") => {
                Ok(Self::Compatible(url.to_owned()))
            }
            _ => {
                Err("auto, echo, openrouter, or a URL that begins with http:// or https://".into())
            }
        }
    }
}

impl AgentWsConfig {
    /// What an environment says: the variables of the documents (`OPENROUTER_API_KEY`, `MODEL`, `AGENT_NAME`, …).
    ///
    /// # Errors
    /// [`ServerError::Config`] for values that make no sense.
    pub fn from_env(
        backend: &AgentWsBackend,
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ServerError> {
        let service = AgentWebSocketConfig::from_env(&get).map_err(refused)?;
        let key = get("OPENROUTER_API_KEY").map(SecretText::trimmed).filter(|key| !key.is_empty());
        let settings = match backend {
            AgentWsBackend::Auto if key.is_none() => None,
            AgentWsBackend::Echo => None,
            AgentWsBackend::Auto | AgentWsBackend::OpenRouter => {
                let title = Some(format!("Agent {}", service.agent_name));
                Some(OpenAiConfig { title, ..OpenAiConfig::openrouter(key) })
            }
            AgentWsBackend::Compatible(url) => Some(OpenAiConfig::compatible(url, key)),
        };
        let backend: Arc<dyn ChatBackend> = match settings {
            None => Arc::new(EchoBackend),
            Some(settings) => {
                let settings = settings.with_env(&get).map_err(refused)?;
                Arc::new(OpenAiBackend::new(settings).map_err(refused)?)
            }
        };
        Ok(Self { service: Arc::new(service), backend, push_token: None })
    }
}

/// The server's own word for it.
pub(crate) fn refused(error: AgentWebSocketError) -> ServerError {
    match error {
        AgentWebSocketError::Config { setting, problem } => {
            ServerError::Config { setting: setting.to_owned(), problem }
        }
        other => {
            ServerError::Config { setting: "agent WebSocket".into(), problem: other.to_string() }
        }
    }
}
