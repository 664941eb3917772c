//! Flags of the agent WebSocket. What is about the agent itself comes from the environment, as the documents say.

use std::{path::PathBuf, sync::Arc};

use agentmesh_core::services::agent_ws::{
    Dialect, SecretText,
    service::{Access, AgentWebSocketConfig, MessageRate},
};
use agentmesh_server::{AgentWsBackend, AgentWsConfig};
use clap::Args;

/// 0 switches a limit off.
#[derive(Args)]
#[command(next_help_heading = "Agent WebSocket (limits: 0 = off)")]
pub(crate) struct AgentWsFlags {
    /// Who answers: auto (OpenRouter if OPENROUTER_API_KEY is set, else echo), echo, openrouter, or the base URL of a
    /// service with the interface of OpenAI's chat completions.
    #[arg(long, value_name = "WHO", default_value = "auto")]
    agent_ws_backend: AgentWsBackend,
    /// File with tokens, one a line, of which clients need one. Without it everybody is answered.
    #[arg(long, value_name = "FILE")]
    agent_ws_token_file: Option<PathBuf>,
    /// Also take a token from the query, where proxies and logs see it.
    #[arg(long, requires = "agent_ws_token_file")]
    agent_ws_token_in_query: bool,
    /// An origin whose pages may connect; repeat for several. Without it all may.
    #[arg(long, value_name = "ORIGIN")]
    agent_ws_origin: Vec<String>,
    /// File with the token for POST /functions/v1/notify_websocket; without it there is no such endpoint.
    #[arg(long, value_name = "FILE")]
    agent_ws_push_token_file: Option<PathBuf>,
    /// Messages that a session may send in a minute; a third of it at once.
    #[arg(long, value_name = "N", default_value_t = 30)]
    agent_ws_messages_per_minute: u32,
    /// Sessions at a time.
    #[arg(long, value_name = "N", default_value_t = AgentWebSocketConfig::default().max_sessions)]
    agent_ws_sessions: usize,
    /// Sessions of an IP address.
    #[arg(long, value_name = "N", default_value_t = AgentWebSocketConfig::default().max_sessions_per_ip)]
    agent_ws_sessions_per_ip: usize,
}

impl AgentWsFlags {
    /// `deployed`: talk as the deployed function does, not as the documents say.
    pub(crate) fn config(self, deployed: bool) -> Result<AgentWsConfig, String> {
        let config =
            AgentWsConfig::from_env(&self.agent_ws_backend, |name| std::env::var(name).ok())
                .map_err(|error| error.to_string())?;
        let of_env = Arc::into_inner(config.service).ok_or("the settings are in use already")?;
        let per_minute = self.agent_ws_messages_per_minute;
        let service = AgentWebSocketConfig {
            dialect: if deployed { Dialect::Deployed } else { Dialect::Documented },
            rate: (per_minute > 0)
                .then(|| MessageRate { burst: (per_minute / 3).max(1), per_minute }),
            max_sessions: self.agent_ws_sessions,
            max_sessions_per_ip: self.agent_ws_sessions_per_ip,
            access: Access {
                tokens: self.agent_ws_token_file.map(tokens).transpose()?.unwrap_or_default(),
                token_in_query: self.agent_ws_token_in_query,
                origins: self.agent_ws_origin,
            },
            ..of_env
        };
        let push_token = match self.agent_ws_push_token_file.map(tokens).transpose()? {
            Some(tokens) => tokens.into_iter().next().map(Arc::new),
            None => None,
        };
        Ok(AgentWsConfig { service: Arc::new(service), push_token, ..config })
    }
}

fn tokens(path: PathBuf) -> Result<Vec<SecretText>, String> {
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let tokens: Vec<_> =
        text.lines().map(SecretText::trimmed).filter(|token| !token.is_empty()).collect();
    if tokens.is_empty() {
        return Err(format!("{} is empty", path.display()));
    }
    Ok(tokens)
}
