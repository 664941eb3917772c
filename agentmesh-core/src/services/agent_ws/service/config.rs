//! What can be set, with the names that deployed functions read from their environment.

use std::time::Duration;

use super::{
    super::{AgentWebSocketError, Dialect, LONGEST, MAX_FRAME},
    admission::Access,
};

/// How many messages a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRate {
    /// At once.
    pub burst: u32,
    /// A minute.
    pub per_minute: u32,
}

/// What becomes of `human_feedback`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FeedbackMode {
    /// It goes into the history, and is confirmed.
    #[default]
    Record,
    /// It is asked like a query, as the documents and deployed functions do.
    Query,
}

/// Settings of a service. The defaults are those of the documents.
#[derive(Debug)]
pub struct AgentWebSocketConfig {
    /// What the agent calls itself (`AGENT_NAME`).
    pub agent_name: String,
    /// What the model is told about itself (`SYSTEM_PROMPT`).
    pub system_prompt: String,
    /// How to talk. [`Dialect::Unknown`] is no choice.
    pub dialect: Dialect,
    /// A session without any message for longer is closed (`SESSION_TIMEOUT`, in minutes).
    pub session_timeout: Duration,
    /// How often that is looked at.
    pub sweep_every: Duration,
    /// Messages of both sides that the model is told (`MAX_HISTORY`).
    pub max_history: usize,
    /// Bytes of them all.
    pub max_history_bytes: usize,
    /// Bytes of a message that comes in.
    pub max_message: usize,
    /// Queries of a session that wait.
    pub max_waiting: usize,
    /// Messages that a session may send; `None` for any number.
    pub rate: Option<MessageRate>,
    /// Sessions at a time; 0 for any number.
    pub max_sessions: usize,
    /// Sessions of one address; 0 for any number.
    pub max_sessions_per_ip: usize,
    /// For the backend's answer.
    pub call_timeout: Duration,
    /// How often a client is pinged, and how long it has to answer.
    pub ping_every: Duration,
    /// See `ping_every`.
    pub pong_within: Duration,
    /// Whether `command` messages are commands (`COMMANDS=off`: queries, as the documents and deployed functions do).
    pub commands: bool,
    /// What becomes of `human_feedback` (`FEEDBACK=query`).
    pub feedback: FeedbackMode,
    /// Who gets in.
    pub access: Access,
}

impl Default for AgentWebSocketConfig {
    fn default() -> Self {
        Self {
            agent_name: "agent_websocket".into(),
            system_prompt:
                "You are a helpful agent. People and programs talk to you over a WebSocket.".into(),
            dialect: Dialect::Documented,
            session_timeout: Duration::from_secs(30 * 60),
            sweep_every: Duration::from_secs(5 * 60),
            max_history: 50,
            max_history_bytes: 512 * 1024,
            max_message: MAX_FRAME,
            max_waiting: 16,
            rate: Some(MessageRate { burst: 10, per_minute: 30 }),
            max_sessions: 1000,
            max_sessions_per_ip: 20,
            call_timeout: Duration::from_secs(60),
            ping_every: Duration::from_secs(30),
            pong_within: Duration::from_secs(10),
            commands: true,
            feedback: FeedbackMode::Record,
            access: Access::default(),
        }
    }
}

impl AgentWebSocketConfig {
    /// The defaults with what an environment says: `AGENT_NAME`, `SYSTEM_PROMPT`, `SESSION_TIMEOUT`, `MAX_HISTORY`,
    /// `COMMANDS`, `FEEDBACK`. Empty variables count as absent.
    ///
    /// # Errors
    /// [`AgentWebSocketError::Config`] for numbers that are none.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Result<Self, AgentWebSocketError> {
        let get = |name| get(name).filter(|value| !value.trim().is_empty());
        let mut config = Self::default();
        if let Some(name) = get("AGENT_NAME") {
            config.agent_name = name;
        }
        if let Some(prompt) = get("SYSTEM_PROMPT") {
            config.system_prompt = prompt;
        }
        if let Some(minutes) = get("SESSION_TIMEOUT") {
            let minutes: u64 = number("SESSION_TIMEOUT", &minutes)?;
            config.session_timeout = Duration::from_secs(minutes.saturating_mul(60));
        }
        if let Some(count) = get("MAX_HISTORY") {
            config.max_history = number("MAX_HISTORY", &count)?;
        }
        config.commands = get("COMMANDS").is_none_or(|value| value != "off");
        if get("FEEDBACK").is_some_and(|value| value == "query") {
            config.feedback = FeedbackMode::Query;
        }
        config.check().map(|()| config)
    }

    pub(super) fn check(&self) -> Result<(), AgentWebSocketError> {
        let wrong = |setting, problem: &str| {
            Err(AgentWebSocketError::Config { setting, problem: problem.to_owned() })
        };
        for (setting, value) in [
            ("session_timeout", self.session_timeout),
            ("sweep_every", self.sweep_every),
            ("call_timeout", self.call_timeout),
            ("ping_every", self.ping_every),
            ("pong_within", self.pong_within),
        ] {
            if value.is_zero() || value > 30 * LONGEST {
                return wrong(setting, "it must be more than nothing and at most 30 days");
            }
        }
        if self.max_history == 0 || self.max_message < 256 {
            return wrong("max_history", "a conversation needs room for a message");
        }
        if self.dialect == Dialect::Unknown {
            return wrong("dialect", "a server has to know how it talks");
        }
        Ok(())
    }
}

/// A number of the environment.
pub(super) fn number<T: std::str::FromStr>(
    setting: &'static str,
    text: &str,
) -> Result<T, AgentWebSocketError> {
    text.trim().parse().map_err(|_| AgentWebSocketError::Config {
        setting,
        problem: "it must be a number".to_owned(),
    })
}
