//! An agent opened from a home, as most commands need it.

use agentmesh_core::{
    client::{Agent, AgentConfig, AuditOptions},
    identity::backup::Restored,
    knock::{Decision, Policy},
};

use crate::{config::Config, context::Context, endpoints::Endpoints, error::CliError, home::Home};

/// Whether an identity may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Create {
    /// There must be one.
    No,
    /// If the home is absent or empty.
    IfEmpty,
}

/// An agent and the home it lives in.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) agent: Agent,
    pub(crate) home: Home,
    pub(crate) config: Config,
}

impl Opened {
    /// Opens the home's agent without any server; for what is on disk.
    pub(crate) async fn offline(
        context: &Context,
        adjust: impl FnOnce(&mut AgentConfig),
    ) -> Result<Self, CliError> {
        let home = context.home()?;
        let config = Config::load(&home)?;
        let undecided = |agent: &mut AgentConfig| {
            leave_knocks_undecided(agent);
            adjust(agent);
        };
        open(home, config, None, Create::No, undecided).await
    }

    /// Opens the home's agent for these servers. It is not online yet.
    pub(crate) async fn with_servers(
        context: &Context,
        home: Home,
        config: Config,
        create: Create,
        adjust: impl FnOnce(&mut AgentConfig),
    ) -> Result<(Self, Endpoints), CliError> {
        // A damaged home is found before anything goes over the network.
        home.state()?;
        let endpoints = context.endpoints(&config).await?;
        let opened = open(home, config, Some(&endpoints), create, adjust).await?;
        Ok((opened, endpoints))
    }

    /// Remembers where the home is registered now.
    pub(crate) fn remember(&mut self, endpoints: &Endpoints) -> Result<(), CliError> {
        let registry = Some(endpoints.registry.clone());
        let relay = Some(endpoints.relay.clone());
        if self.config.registry != registry || self.config.relay != relay {
            (self.config.registry, self.config.relay) = (registry, relay);
            self.config.save(&self.home)?;
        }
        Ok(())
    }

    /// Goes offline and writes what is left to write.
    pub(crate) async fn close(self) -> Result<(), CliError> {
        self.agent.close().await.map_err(|error| self.home.explain(error))
    }
}

/// KNOCKs that wait or come while a command runs that does not decide about them stay undecided until one does.
pub(crate) fn leave_knocks_undecided(config: &mut AgentConfig) {
    config.policy = accept_all();
    config.knock_handler = Some(std::sync::Arc::new(|_| Box::pin(async { Decision::Later })));
}

/// Everybody may open a session, for as long as they like.
pub(crate) fn accept_all() -> Policy {
    let mut policy = Policy::permissive();
    policy.max_session_ttl = u64::MAX;
    policy.max_concurrent_sessions = u32::MAX;
    policy
}

/// Makes an identity, or takes the given one, into a home that has none.
pub(crate) async fn create(home: Home, restored: Option<Restored>) -> Result<Opened, CliError> {
    let config = Config::load(&home)?;
    if let Some(amid) = config.amid {
        return Err(exists(&home, &amid.to_string()));
    }
    let store = home.open_store(true).await?;
    let mut builder = Agent::builder()
        .config(agent_config(&config, None))
        .audit_log(home.audit_path(), AuditOptions::default());
    if let Some(restored) = restored {
        builder = builder.restored(restored);
    }
    let created = builder.storage(store).store_key_file(home.key_path()).create_new().await;
    finish(home, config, created)
}

async fn open(
    home: Home,
    config: Config,
    endpoints: Option<&Endpoints>,
    create: Create,
    adjust: impl FnOnce(&mut AgentConfig),
) -> Result<Opened, CliError> {
    // A home that had an identity never gets another one, however empty its store looks.
    let create = create == Create::IfEmpty && config.amid.is_none();
    let store = home.open_store(create).await?;
    let mut agent_config = agent_config(&config, endpoints);
    adjust(&mut agent_config);
    let builder = Agent::builder()
        .config(agent_config)
        .storage(store)
        .store_key_file(home.key_path())
        .audit_log(home.audit_path(), AuditOptions::default());
    let opened = if create { builder.open_or_create().await } else { builder.load().await };
    finish(home, config, opened)
}

fn finish(
    home: Home,
    mut config: Config,
    agent: Result<Agent, agentmesh_core::Error>,
) -> Result<Opened, CliError> {
    let agent = agent.map_err(|error| home.explain(error))?;
    match config.amid {
        Some(amid) if amid != agent.amid() => {
            let problem = format!(
                "holds {}, but config.json says {amid}: files of two homes are mixed",
                agent.amid()
            );
            Err(CliError::home(&home.store_path(), problem))
        }
        Some(_) => Ok(Opened { agent, home, config }),
        None => {
            config.amid = Some(agent.amid());
            config.save(&home)?;
            Ok(Opened { agent, home, config })
        }
    }
}

fn agent_config(config: &Config, endpoints: Option<&Endpoints>) -> AgentConfig {
    AgentConfig {
        registry_url: endpoints.map(|e| e.registry.clone()),
        relay_url: endpoints.map(|e| e.relay.clone()),
        display_name: config.display_name.clone(),
        capabilities: config.capabilities.clone(),
        // Whether it may be was decided when the addresses were.
        allow_insecure: true,
        ..AgentConfig::default()
    }
}

/// The home is taken.
pub(crate) fn exists(home: &Home, amid: &str) -> CliError {
    CliError::home(home.path(), format!("is the home of {amid} already; nothing was changed"))
}
