//! Flags of the user-data service. Its secrets come from the environment: other users see a process's arguments.

use std::{path::PathBuf, time::Duration};

use agentmesh_core::services::user_data::store::{
    SkillLayout, UserDataLimits, UserDataStoreConfig,
};
use agentmesh_server::{Environment, RealtimeLimits, Secret, ThreadRule, UserDataConfig};
use clap::{Args, ValueEnum};

/// The service is on if there is a secret for it, or if it was asked for.
#[derive(Args)]
#[command(
    next_help_heading = "User data (on if the environment has API_KEY or USER_DATA_JWT_SECRET; limits: 0 = off)"
)]
pub(crate) struct UserDataFlags {
    /// Offer the service. Without API_KEY or USER_DATA_JWT_SECRET, the server does not start.
    #[arg(long)]
    user_data: bool,
    /// Take any bearer token, and none in the realtime channel: everybody reads and writes everything.
    #[arg(long)]
    user_data_insecure: bool,
    /// Where it is kept: file:DIR, memory: or s3://BUCKET/PREFIX [default: user-data in the data directory]
    #[arg(long, value_name = "URL")]
    user_data_store: Option<String>,
    /// Where skills are written; both layouts are read.
    #[arg(long, value_enum, default_value_t)]
    user_data_layout: LayoutFlag,
    /// development copies skills into sandboxes, production shows them a read-only view.
    #[arg(long, value_enum, env = "ENVIRONMENT", default_value_t)]
    user_data_environment: EnvironmentFlag,
    /// Where sandboxes are; emptied at start [default: sandboxes in the data directory]
    #[arg(long, value_name = "DIR")]
    user_data_sandboxes: Option<PathBuf>,
    /// Changes that a user may make in a minute.
    #[arg(long, value_name = "N", default_value_t = UserDataConfig::default().writes_per_minute)]
    user_data_writes_per_minute: u32,
    /// Other requests that a user may make in a minute.
    #[arg(long, value_name = "N", default_value_t = UserDataConfig::default().reads_per_minute)]
    user_data_reads_per_minute: u32,
    /// Skills that a user may have.
    #[arg(long, value_name = "N", default_value_t = UserDataLimits::default().skills)]
    user_data_skills: usize,
    /// Origin of web pages that may use the service; repeat for several.
    #[arg(long, value_name = "ORIGIN")]
    user_data_allowed_origin: Vec<String>,
    /// Realtime sessions at a time.
    #[arg(long, value_name = "N", default_value_t = RealtimeLimits::default().sessions)]
    user_data_sessions: usize,
    /// How long a realtime session waits for its client to come back.
    #[arg(long, value_name = "SECONDS", default_value_t = RealtimeLimits::default().grace.as_secs())]
    user_data_grace_seconds: u64,
    /// What a message does to the conversation: auto (begins another if `resume` names one), v1 (nothing), v2 (also
    /// if it has no `resume`).
    #[arg(long, value_enum, default_value_t)]
    thread_rule: ThreadFlag,
    /// Let clients choose permissionMode "bypassPermissions".
    #[arg(long)]
    user_data_allow_bypass: bool,
    /// Let tools run although the client was asked and did not answer within five minutes, or is not there.
    #[arg(long)]
    user_data_unattended_tools: bool,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum LayoutFlag {
    /// users/USER/skills/NAME
    #[default]
    Flat,
    /// users/USER/skills/NAME/SKILL.md
    Nested,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum EnvironmentFlag {
    #[default]
    Development,
    Production,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum ThreadFlag {
    #[default]
    Auto,
    V1,
    V2,
}

impl UserDataFlags {
    pub(crate) fn config(self) -> Result<UserDataConfig, String> {
        let secret = |name: &str| {
            let value = std::env::var(name).ok().filter(|text| !text.trim().is_empty());
            value.map(Secret::new)
        };
        let api_key = secret("API_KEY");
        let jwt_secret = secret("USER_DATA_JWT_SECRET");
        let layout = match self.user_data_layout {
            LayoutFlag::Flat => SkillLayout::Flat,
            LayoutFlag::Nested => SkillLayout::Nested,
        };
        let limits = UserDataLimits {
            skills: if self.user_data_skills == 0 { usize::MAX } else { self.user_data_skills },
            ..UserDataLimits::default()
        };
        let store = self.user_data_store.as_deref().map(UserDataStoreConfig::from_url).transpose();
        let store = store.map_err(|error| error.to_string())?;
        let defaults = UserDataConfig::default();
        Ok(UserDataConfig {
            enabled: self.user_data
                || self.user_data_insecure
                || api_key.is_some()
                || jwt_secret.is_some(),
            api_key,
            jwt_secret,
            insecure: self.user_data_insecure,
            open_realtime: false,
            store,
            layout,
            limits,
            environment: match self.user_data_environment {
                EnvironmentFlag::Development => Environment::Development,
                EnvironmentFlag::Production => Environment::Production,
            },
            sandboxes: self.user_data_sandboxes,
            writes_per_minute: self.user_data_writes_per_minute,
            reads_per_minute: self.user_data_reads_per_minute,
            allowed_origins: self.user_data_allowed_origin,
            realtime: RealtimeLimits {
                grace: Duration::from_secs(self.user_data_grace_seconds),
                sessions: if self.user_data_sessions == 0 {
                    usize::MAX
                } else {
                    self.user_data_sessions
                },
                ..defaults.realtime
            },
            thread_rule: match self.thread_rule {
                ThreadFlag::Auto => ThreadRule::Auto,
                ThreadFlag::V1 => ThreadRule::V1,
                ThreadFlag::V2 => ThreadRule::V2,
            },
            allow_bypass: self.user_data_allow_bypass,
            unattended_tools: self.user_data_unattended_tools,
            agent: defaults.agent,
        })
    }
}
