//! What can be set.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use agentmesh_core::services::user_data::store::{
    SkillLayout, UserDataLimits, UserDataStoreConfig,
};

use super::{
    realtime::{AgentBackend, EchoAgent},
    secret::Secret,
};
use crate::ServerError;

/// Shortest key, in bytes.
const MIN_KEY: usize = 16;
/// Shortest secret that signs tokens, in bytes.
const MIN_JWT_SECRET: usize = 32;

/// Whether skills are shown to sandboxes or copied into them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Environment {
    /// They are copied (`r2_load_dev`).
    #[default]
    Development,
    /// A read-only view is mounted (`r2_mount`); where that fails, they are copied (`r2_load_fallback`).
    Production,
}

impl Environment {
    /// As the API says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
        }
    }
}

/// What a message does to a conversation that goes on already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ThreadRule {
    /// A message whose `resume` names another conversation begins that one. Without `resume` the conversation goes on.
    #[default]
    Auto,
    /// `resume` changes nothing, as in the first deployed services.
    V1,
    /// As `Auto`, and a message without `resume` begins a new conversation, as in later ones.
    V2,
}

/// What a session of the realtime channel may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealtimeLimits {
    /// How long a session waits for its client to come back. Default: 15 minutes.
    pub grace: Duration,
    /// How long a hook waits for its answer. Default: 300 seconds.
    pub hook: Duration,
    /// Entries of a session's history; the oldest go. Default: 1,000.
    pub history: usize,
    /// Bytes of a session's history, as JSON. Default: 5 MiB.
    pub history_bytes: usize,
    /// Sessions at a time. Default: 1,000.
    pub sessions: usize,
    /// Messages that wait for their turn in a session. Default: 16.
    pub waiting: usize,
}

impl Default for RealtimeLimits {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(15 * 60),
            hook: Duration::from_secs(300),
            history: 1000,
            history_bytes: 5 << 20,
            sessions: 1000,
            waiting: 16,
        }
    }
}

/// The service that keeps skills, conversations and settings of users, prepares sandboxes and talks to agents in them.
#[derive(Clone)]
pub struct UserDataConfig {
    /// Whether there is such a service. It does not start without `api_key`, `jwt_secret` or `insecure`.
    pub enabled: bool,
    /// The bearer token that may do everything.
    pub api_key: Option<Secret>,
    /// With it, JSON Web Tokens signed by it (HS256) let a user in whose id is their `sub`, to that user's data only.
    pub jwt_secret: Option<Secret>,
    /// Takes any bearer token, and lets clients into the realtime channel without one.
    pub insecure: bool,
    /// Lets clients into the realtime channel without a token, as `insecure` does.
    pub open_realtime: bool,
    /// Where it keeps them. `None`: in `user-data` below the data directory; without one, in memory.
    pub store: Option<UserDataStoreConfig>,
    /// Where skills are written; both layouts are read.
    pub layout: SkillLayout,
    /// What is kept of one user at most.
    pub limits: UserDataLimits,
    /// Whether skills are copied or mounted.
    pub environment: Environment,
    /// Where sandboxes are, one directory a session. What is in it is removed at start and at the end. `None`: `sandboxes`
    /// below the data directory; without one, a temporary directory.
    pub sandboxes: Option<PathBuf>,
    /// Changes that a user may make in a minute; 0 for no limit. Default: 60.
    pub writes_per_minute: u32,
    /// Requests beside changes that a user may make in a minute; 0 for no limit. Default: 600.
    pub reads_per_minute: u32,
    /// Origins of web pages that may use the service. Empty: none.
    pub allowed_origins: Vec<String>,
    /// What sessions may take.
    pub realtime: RealtimeLimits,
    /// What a message does to a conversation that goes on.
    pub thread_rule: ThreadRule,
    /// Lets clients choose `permissionMode: "bypassPermissions"`.
    pub allow_bypass: bool,
    /// Tools run although the client was asked and did not answer, or is not there, as with the deployed services. Without
    /// it they do not.
    pub unattended_tools: bool,
    /// The agent.
    pub agent: Arc<dyn AgentBackend>,
}

impl Default for UserDataConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            api_key: None,
            jwt_secret: None,
            insecure: false,
            open_realtime: false,
            store: None,
            layout: SkillLayout::default(),
            limits: UserDataLimits::default(),
            environment: Environment::default(),
            sandboxes: None,
            writes_per_minute: 60,
            reads_per_minute: 600,
            allowed_origins: Vec::new(),
            realtime: RealtimeLimits::default(),
            thread_rule: ThreadRule::default(),
            allow_bypass: false,
            unattended_tools: false,
            agent: Arc::new(EchoAgent),
        }
    }
}

impl fmt::Debug for UserDataConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserDataConfig")
            .field("enabled", &self.enabled)
            .field("insecure", &self.insecure)
            .field("store", &self.store)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

impl UserDataConfig {
    /// On, for whoever brings any token; no limits a minute.
    pub fn for_development() -> Self {
        Self {
            enabled: true,
            insecure: true,
            writes_per_minute: 0,
            reads_per_minute: 0,
            ..Self::default()
        }
    }

    pub(crate) fn check(&self) -> Result<(), ServerError> {
        if !self.enabled {
            return Ok(());
        }
        let wrong = |setting: &str, problem: &str| {
            let (setting, problem) = (setting.to_owned(), problem.to_owned());
            Err(ServerError::Config { setting, problem })
        };
        let short = |secret: &Option<Secret>, least| {
            secret.as_ref().is_some_and(|secret| secret.expose().len() < least)
        };
        if short(&self.api_key, MIN_KEY) {
            return wrong("API_KEY", "shorter than 16 bytes: others could guess it");
        }
        if short(&self.jwt_secret, MIN_JWT_SECRET) {
            return wrong("USER_DATA_JWT_SECRET", "shorter than 32 bytes: others could guess it");
        }
        if self.api_key.is_none() && self.jwt_secret.is_none() && !self.insecure {
            return wrong(
                "API_KEY",
                "user data would be open to everybody: set it, or ask for that (--user-data-insecure)",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_06_without_a_key_it_does_not_start() {
        let key = |text: &str| Some(Secret::new(text));
        let on = || UserDataConfig { enabled: true, ..UserDataConfig::default() };
        assert!(UserDataConfig::default().check().is_ok());
        assert!(on().check().is_err());
        assert!(UserDataConfig { insecure: true, ..on() }.check().is_ok());
        assert!(UserDataConfig { api_key: key("0123456789abcdef"), ..on() }.check().is_ok());
        assert!(UserDataConfig { api_key: key("short"), ..on() }.check().is_err());
        assert!(UserDataConfig { jwt_secret: key("0123456789abcdef"), ..on() }.check().is_err());
        let shown = format!("{:?}", UserDataConfig { api_key: key("0123456789abcdef"), ..on() });
        assert!(!shown.contains("0123"), "{shown}");
    }
}
