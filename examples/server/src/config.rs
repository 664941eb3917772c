//! What can be set before the server starts.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use agentmesh_core::{identity::Amid, services::agent_ws::service::AgentWebSocketConfig};

use crate::{
    AgentWsConfig, AiwmConfig, Faults, IceConfig, JoinKeys, Limits, OAuthProvider, ServerError,
    SignalingLimits, UserDataConfig,
};

/// Whose shapes the HTTP interfaces answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Profile {
    /// The shapes of the published documents.
    #[default]
    Documented,
    /// The shapes of today's public source, where it moved on. Relay and registry have not: they answer the same.
    Head,
}

/// How to run a server. `..Default::default()` gives one on a free port of the loopback interface, in memory.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the database lives; created if absent. `None` keeps everything in memory.
    pub data_dir: Option<PathBuf>,
    /// Whose shapes to answer with.
    pub profile: Profile,
    /// Limits.
    pub limits: Limits,
    /// Faults on demand.
    pub faults: Faults,
    /// The names under which clients reach this server, as in their `Host` header (`relay.example`,
    /// `relay.example:8443`). Signatures that are bound to a server are accepted for these only. Empty: for whatever
    /// name the client used, which is safe only while nobody else's relay or registry can talk to this one.
    pub public_hosts: Vec<String>,
    /// What signaling allows.
    pub signaling: SignalingLimits,
    /// Origins of the web pages that may use signaling; those of all origins if there are none.
    pub signaling_origins: Vec<String>,
    /// Rooms of the signaling service that not everybody may join.
    pub join_keys: JoinKeys,
    /// ICE servers for clients of the signaling service.
    pub ice: IceConfig,
    /// The AIWM service.
    pub aiwm: AiwmConfig,
    /// The agent that answers at `/functions/v1/agent_websocket`.
    pub agent_ws: AgentWsConfig,
    /// The service that keeps what users have for their agents.
    pub user_data: UserDataConfig,
    /// Agents that may revoke any other.
    pub admins: Vec<Amid>,
    /// Where owners of agents can show an account, for the tier `verified`.
    pub oauth_providers: Vec<OAuthProvider>,
    /// A resolver that answers DNS questions over HTTPS in JSON, for the domains of organizations.
    pub dns_url: String,
}

/// The resolver that deployed registries ask.
const DNS_URL: &str = "https://dns.google/resolve";

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data_dir: None,
            profile: Profile::default(),
            limits: Limits::default(),
            faults: Faults::default(),
            public_hosts: Vec::new(),
            signaling: SignalingLimits::default(),
            signaling_origins: Vec::new(),
            join_keys: JoinKeys::default(),
            ice: IceConfig::default(),
            aiwm: AiwmConfig::default(),
            agent_ws: AgentWsConfig::default(),
            user_data: UserDataConfig::default(),
            admins: Vec::new(),
            oauth_providers: Vec::new(),
            dns_url: DNS_URL.to_owned(),
        }
    }
}

impl ServerConfig {
    /// What `agentmesh dev` runs, and tests: loopback, a free port, in memory, no limits per AMID or address.
    pub fn for_development() -> Self {
        let agent = AgentWebSocketConfig { max_sessions_per_ip: 0, ..Default::default() };
        Self {
            limits: Limits::for_development(),
            signaling: SignalingLimits { connects: None, ..SignalingLimits::default() },
            agent_ws: AgentWsConfig { service: Arc::new(agent), ..AgentWsConfig::default() },
            ..Self::default()
        }
    }

    /// Checks what must hold before anything is opened. Services that need a secret on an address that others can
    /// reach add their check here; relay and registry need none, because every agent proves its own key.
    pub(crate) fn check(&self) -> Result<(), ServerError> {
        self.aiwm.check()?;
        self.user_data.check()?;
        if !self.listen.ip().is_loopback() && self.public_hosts.is_empty() {
            tracing::warn!(
                "no public host is configured: a signature made for another server would be accepted here"
            );
        }
        if !self.listen.ip().is_loopback() && self.agent_ws.service.access.tokens.is_empty() {
            tracing::warn!("the agent WebSocket answers everybody: no token is configured for it");
        }
        if !self.listen.ip().is_loopback() && self.user_data.enabled && self.user_data.insecure {
            tracing::warn!("user data are open to everybody who can reach this server");
        }
        self.oauth_providers.iter().try_for_each(|provider| {
            provider.check().map_err(|problem| ServerError::Config {
                setting: format!("OAuth provider {}", provider.name),
                problem,
            })
        })
    }

    /// Whether a signature may name `host`.
    pub(crate) fn is_own_host(&self, host: &str) -> bool {
        self.public_hosts.is_empty()
            || self.public_hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
    }
}
