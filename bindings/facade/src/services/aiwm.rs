//! An agent under a controller: configuration, heartbeats, fallback.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use agentmesh_core::services::aiwm::{
    AgentConfig, AgentStatus, AiwmClient as CoreClient, AiwmEvent, AiwmOptions, AiwmState,
    AiwmSupervisor as CoreSupervisor, Connected, Environment, InstructionSource, Metrics, Platform,
    SecretText, SupervisorOptions, Timing,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Item, ItemStream};
use crate::{FacadeError, owned::Owned};

/// How to reach a controller, without the secret.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ControllerSettings {
    /// Base URL, with its path.
    pub base_url: String,
    /// The agent's id, 24 hexadecimal digits.
    pub agent_id: String,
    /// Whether `http` may reach other machines.
    pub allow_insecure: bool,
}

impl ControllerSettings {
    fn options(self, secret: SecretText) -> Result<AiwmOptions, FacadeError> {
        let mut options = AiwmOptions::new(&self.base_url, &self.agent_id, secret)?;
        options.allow_insecure = self.allow_insecure;
        Ok(options)
    }
}

/// Talks to a controller for one agent, call by call. The supervisor does it by itself.
#[derive(Debug, Clone)]
pub struct AiwmClient(Arc<Owned<CoreClient>>);

/// What a controller gave. Prints neither tokens nor settings.
pub struct AiwmConnected {
    /// Everything but the token. MCP servers in it may hold the token.
    pub answer: Value,
    /// For heartbeats.
    pub token: SecretText,
}

impl fmt::Debug for AiwmConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AiwmConnected").finish_non_exhaustive()
    }
}

impl AiwmClient {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// `AIWM_CONFIG`
    pub fn new(settings: ControllerSettings, secret: SecretText) -> Result<Self, FacadeError> {
        let client = CoreClient::new(settings.options(secret)?)?;
        Ok(Self(Arc::new(Owned::new(client))))
    }

    /// Shows the secret, and gets a token and the configuration.
    ///
    /// # Errors
    /// As the core's `AiwmClient`, here and below; `BINDING_FORKED`.
    pub async fn connect(&self) -> Result<AiwmConnected, FacadeError> {
        let Connected {
            token,
            lifetime,
            instruction,
            tools,
            mcp_servers,
            agent,
            settings,
            deployment,
            other,
        } = self.0.get()?.connect().await?;
        let tools =
            tools.map(|tools| tools.into_iter().map(|tool| tool.fields).collect::<Vec<_>>());
        let answer = json!({
            "lifetime_s": lifetime.as_secs(),
            "instruction": instruction,
            "tools": tools,
            "mcp_servers": mcp_servers,
            "agent": agent,
            "settings": settings,
            "deployment": deployment,
            "other": other,
        });
        Ok(AiwmConnected { answer, token })
    }

    /// Says that the agent is alive: `online`, `busy` or `idle`, and numbers as a JSON object.
    ///
    /// # Errors
    /// `AIWM_AUTH_REJECTED` asks for a new token.
    pub async fn heartbeat(
        &self,
        token: &SecretText,
        status: &str,
        metrics: Option<&str>,
    ) -> Result<(), FacadeError> {
        let metrics: Option<Metrics> = metrics.map(serde_json::from_str).transpose()?;
        Ok(self.0.get()?.heartbeat(token, agent_status(status)?, metrics.as_ref()).await?)
    }

    /// Says that the agent goes.
    ///
    /// # Errors
    /// As above.
    pub async fn disconnect(&self, token: &SecretText, reason: &str) -> Result<(), FacadeError> {
        Ok(self.0.get()?.disconnect(token, reason).await?)
    }
}

/// How a supervisor works.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SupervisorSettings {
    /// A `.env` file beside the environment of the process.
    pub env_file: Option<PathBuf>,
    /// The instruction while the controller gives none.
    pub instruction_file: Option<PathBuf>,
    /// Fails at the start if the controller refuses the agent.
    pub fail_fast: bool,
    /// Between heartbeats.
    pub heartbeat_ms: Option<u64>,
    /// Before the tries after a failed one.
    pub retries_ms: Option<Vec<u64>>,
    /// Between tries while the controller cannot be used.
    pub probe_ms: Option<u64>,
}

/// Keeps an agent connected to its controller. A clone is the same supervisor; it ends at once when the last is dropped.
#[derive(Debug, Clone)]
pub struct AiwmSupervisor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    supervisor: Owned<CoreSupervisor>,
    metrics: Arc<Mutex<Option<Metrics>>>,
}

impl AiwmSupervisor {
    /// Connects, with pauses and tries, and returns with a configuration: the controller's, or a local one. The controller
    /// is that of the settings, or else the one that the environment names (`AIWM_ENABLED` and so on), or none.
    ///
    /// # Errors
    /// `AIWM_CONFIG`; with `fail_fast` whatever the controller refused.
    pub async fn start(
        controller: Option<(ControllerSettings, SecretText)>,
        settings: SupervisorSettings,
    ) -> Result<Self, FacadeError> {
        let environment = Environment::load(settings.env_file.as_deref())?;
        let controller = match controller {
            Some((controller, secret)) => Some(controller.options(secret)?),
            None => AiwmOptions::from_environment(&environment)?,
        };
        let mut options = SupervisorOptions::new(environment);
        let default = Timing::default();
        let ms = Duration::from_millis;
        options.timing = Timing {
            heartbeat: settings.heartbeat_ms.map_or(default.heartbeat, ms),
            retries: settings
                .retries_ms
                .map_or(default.retries, |pauses| pauses.into_iter().map(ms).collect()),
            probe: settings.probe_ms.map_or(default.probe, ms),
            ..default
        };
        options.fail_fast = settings.fail_fast;
        if let Some(file) = settings.instruction_file {
            options.instruction_file = file;
        }
        let metrics = Arc::new(Mutex::new(None));
        let source = Arc::clone(&metrics);
        options.metrics =
            Some(Arc::new(move || source.lock().unwrap_or_else(PoisonError::into_inner).clone()));
        let supervisor = CoreSupervisor::start(controller, options).await?;
        Ok(Self(Arc::new(Inner { supervisor: Owned::new(supervisor), metrics })))
    }

    fn core(&self) -> Result<&CoreSupervisor, FacadeError> {
        self.0.supervisor.get()
    }

    /// The configuration now: an object. **It holds the tokens of the agent's platforms.**
    ///
    /// # Errors
    /// `BINDING_FORKED`, as every method here.
    pub fn config(&self) -> Result<Value, FacadeError> {
        Ok(config_value(&self.core()?.config()))
    }

    /// The state now: `online`, `degraded` and so on.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn state(&self) -> Result<&'static str, FacadeError> {
        Ok(state(self.core()?.state()))
    }

    /// What happens from now on.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn events(&self) -> Result<ItemStream, FacadeError> {
        Ok(ItemStream::events(self.core()?.events(), item))
    }

    /// What the next heartbeat says: `online`, `busy` or `idle`.
    ///
    /// # Errors
    /// `BINDING_ARGUMENT` for anything else.
    pub fn set_status(&self, status: &str) -> Result<(), FacadeError> {
        self.core()?.status().set(agent_status(status)?);
        Ok(())
    }

    /// What was said last.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn status(&self) -> Result<&'static str, FacadeError> {
        Ok(match self.core()?.status().get() {
            AgentStatus::Online => "online",
            AgentStatus::Busy => "busy",
            AgentStatus::Idle => "idle",
        })
    }

    /// Numbers for heartbeats from now on, a JSON object; `None` for none.
    ///
    /// # Errors
    /// `BINDING_ARGUMENT` for what is no object.
    pub fn set_metrics(&self, metrics: Option<&str>) -> Result<(), FacadeError> {
        self.core()?;
        let metrics: Option<Metrics> = metrics.map(serde_json::from_str).transpose()?;
        *self.0.metrics.lock().unwrap_or_else(PoisonError::into_inner) = metrics;
        Ok(())
    }

    /// How the agent stands with its controller, as `GET /health` says it.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn health(&self) -> Result<Value, FacadeError> {
        Ok(serde_json::to_value(self.core()?.health())?)
    }

    /// The counters, by name.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn counters(&self) -> Result<Value, FacadeError> {
        let all = self.core()?.counters().all();
        Ok(all.into_iter().map(|(name, _, value)| (name.to_owned(), Value::from(value))).collect())
    }

    /// The answer to `GET path`, for any HTTP server: status, content type and body for `/health` and `/metrics`, 404 for
    /// others.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn respond(&self, path: &str) -> Result<(u16, String, String), FacadeError> {
        let response = self.core()?.respond(path);
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().to_owned();
        Ok((response.status().as_u16(), kind, response.into_body()))
    }

    /// Stops heartbeats, tells the controller if that takes less than two seconds, wipes token and secret.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub async fn shutdown(&self) -> Result<(), FacadeError> {
        self.core()?.shutdown().await;
        Ok(())
    }
}

fn agent_status(status: &str) -> Result<AgentStatus, FacadeError> {
    Ok(match status {
        "online" => AgentStatus::Online,
        "busy" => AgentStatus::Busy,
        "idle" => AgentStatus::Idle,
        _ => return Err(FacadeError::argument("there is no such status of agents")),
    })
}

const fn state(state: AiwmState) -> &'static str {
    match state {
        AiwmState::Disabled => "disabled",
        AiwmState::Connecting => "connecting",
        AiwmState::Online => "online",
        AiwmState::Degraded => "degraded",
        AiwmState::Gone => "gone",
        AiwmState::Stopped => "stopped",
        _ => "other",
    }
}

fn config_value(config: &AgentConfig) -> Value {
    let source = match config.instruction_source {
        InstructionSource::Controller => Some("controller"),
        InstructionSource::File => Some("file"),
        InstructionSource::None => None,
    };
    let secret = |text: &Option<SecretText>| text.as_ref().map(|text| text.expose().to_owned());
    let platform = |platform: &Platform| json!({"token": secret(&platform.token), "places": platform.places, "bot": platform.bot});
    let tools = config.tools.as_ref();
    let tools = tools.map(|tools| tools.iter().map(|tool| &tool.fields).collect::<Vec<_>>());
    let variables: serde_json::Map<String, Value> = config
        .variables()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    json!({
        "instruction": config.instruction,
        "instruction_source": source,
        "tools": tools,
        "model": config.model,
        "max_turns": config.max_turns,
        "permission_mode": config.permission_mode,
        "resume": config.resume,
        "oauth_token": secret(&config.oauth_token),
        "discord": platform(&config.discord),
        "telegram": platform(&config.telegram),
        "auth_roles": config.auth_roles,
        "name": config.name,
        "mcp_servers": config.mcp_servers,
        "settings": config.settings,
        "variables": variables,
    })
}

fn item(event: AiwmEvent) -> Item {
    match event {
        AiwmEvent::State(now) => Item::new("state", json!({"state": state(now)})),
        AiwmEvent::ConfigUpdated(config) => {
            Item::new("config_updated", json!({"config": config_value(&config)}))
        }
        AiwmEvent::AgentDeleted => Item::new("agent_deleted", json!({})),
        AiwmEvent::ConnectFailed(error) => {
            Item::new("connect_failed", json!({"error": FacadeError::from(error).to_value()}))
        }
        AiwmEvent::Lagged(missed) => Item::new("lagged", json!({"missed": missed})),
        _ => Item::new("other", json!({})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_controller_everything_is_local() {
        let directory = tempfile::tempdir().unwrap();
        let env = directory.path().join(".env");
        std::fs::write(&env, "CLAUDE_MODEL=m\nDISCORD_TOKEN=hush\n").unwrap();
        let settings = SupervisorSettings { env_file: Some(env), ..SupervisorSettings::default() };
        let supervisor = crate::block_on(AiwmSupervisor::start(None, settings)).unwrap();
        assert_eq!(supervisor.state().unwrap(), "disabled");
        let config = supervisor.config().unwrap();
        assert_eq!((&config["model"], &config["discord"]["token"]), (&"m".into(), &"hush".into()));
        assert!(!format!("{supervisor:?}").contains("hush"));
        supervisor.set_status("idle").unwrap();
        assert_eq!(supervisor.status().unwrap(), "idle");
        assert_eq!(supervisor.set_status("asleep").unwrap_err().code, "BINDING_ARGUMENT");
        assert_eq!(supervisor.respond("/health").unwrap().0, 200);
        crate::block_on(async move { supervisor.shutdown().await }).unwrap();
    }
}
