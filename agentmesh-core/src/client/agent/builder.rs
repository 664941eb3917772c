//! Describing an agent, and opening it.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use zeroize::Zeroizing;

#[cfg(doc)]
use super::Agent;
use super::{AgentError, StreamConfig, audit::AuditPlan};
#[cfg(feature = "schema")]
use crate::schema::SchemaRegistry;
use crate::{
    Error,
    client::{
        http::HttpConfig,
        platform::{BoxFuture, Clock},
        rate_limit::RateLimits,
        relay::RelayTransport,
        trace::TraceParent,
    },
    engine::EngineConfig,
    identity::{Amid, Identity, backup::Restored},
    knock::{Decision, KnockInfo, Policy},
    storage::Storage,
    vault::StoreKey,
    wire::capability::{Agreement, Proposal},
};

/// Decides on KNOCKs that the policy lets through.
pub type KnockHandler = Arc<dyn Fn(KnockInfo) -> BoxFuture<'static, Decision> + Send + Sync>;

/// Where the trace context of what is going on comes from; asked for every message that names none itself.
pub type TraceSource = Arc<dyn Fn() -> Option<TraceParent> + Send + Sync>;

/// Has a say in what is granted to a peer that asks for capabilities: gets the peer, what it wants and what would be
/// granted, and returns what is. Must not wait.
pub type NegotiationHandler = Arc<dyn Fn(Amid, &Proposal, Agreement) -> Agreement + Send + Sync>;

/// Settings of an agent. All have defaults but the store.
#[derive(Clone)]
pub struct AgentConfig {
    /// Base URL of the registry. Default: `https://agentmesh.online/v1`. `None` works offline with what is pinned.
    pub registry_url: Option<String>,
    /// URL of the relay. Default: `wss://relay.agentmesh.online/v1/connect`. `None` stays offline.
    pub relay_url: Option<String>,
    /// How the relay is reached. Default: [`RelayTransport::WebSocket`].
    pub relay_transport: RelayTransport,
    /// Shown in the registry.
    pub display_name: Option<String>,
    /// What the agent can do: for searches, and granted to peers that ask for it. Default: whatever the registry has
    /// already, and nothing is granted; `Some` of nothing erases it.
    pub capabilities: Option<Vec<String>>,
    /// Asked about what is granted. Default: what `capabilities` offer.
    pub capability_handler: Option<NegotiationHandler>,
    /// Schemas that payloads are checked against. Default: [`SchemaRegistry::standard`].
    #[cfg(feature = "schema")]
    pub schemas: SchemaRegistry,
    /// How streams are sent.
    pub streams: StreamConfig,
    /// Who may open sessions. Default: [`Policy::verified`].
    pub policy: Policy,
    /// A file with the policy, in place of [`policy`](Self::policy); read again whenever it changes. From the moment
    /// that it is missing or not understood, all KNOCKs are rejected. Default: none.
    pub policy_file: Option<PathBuf>,
    /// How often that file is looked at. Default: 2 s.
    pub policy_poll: Duration,
    /// How fast messages may be sent. Default: [`RateLimits::off`].
    pub rate_limits: RateLimits,
    /// Asked after the policy accepted; see [`AgentBuilder::on_knock`].
    pub knock_handler: Option<KnockHandler>,
    /// How long the handler may take; after that the KNOCK is rejected. Default: 30 s.
    pub knock_timeout: Duration,
    /// How long the registry's word that a peer is not revoked counts, where the policy asks for it. Default: 5 minutes.
    pub revocation_ttl: Duration,
    /// How long [`Agent::connect`] waits. Default: 30 s.
    pub connect_timeout: Duration,
    /// Messages handed to the application and not acknowledged, at most. Default: 256.
    pub delivery_window: usize,
    /// Commands and frames handled with one commit, at most. Default: 256.
    pub max_batch: usize,
    /// How often the registry is told that the agent is online. Default: 5 minutes.
    pub heartbeat: Duration,
    /// Timeouts of HTTP requests; proxies and certificates of all connections.
    pub http: HttpConfig,
    /// Whether registry and relay may be reached unencrypted on other machines. Default: no; on loopback they always may.
    pub allow_insecure: bool,
    /// The trace context that goes with messages, inside their ciphertext. Default: none.
    pub trace_source: Option<TraceSource>,
    /// Suites, bounds and so on.
    pub engine: EngineConfig,
    /// Where the time comes from.
    pub clock: Clock,
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            registry_url: Some("https://agentmesh.online/v1".to_owned()),
            relay_url: Some("wss://relay.agentmesh.online/v1/connect".to_owned()),
            relay_transport: RelayTransport::WebSocket,
            display_name: None,
            capabilities: None,
            capability_handler: None,
            #[cfg(feature = "schema")]
            schemas: SchemaRegistry::standard(),
            streams: StreamConfig::default(),
            policy: Policy::verified(),
            policy_file: None,
            policy_poll: Duration::from_secs(2),
            rate_limits: RateLimits::off(),
            knock_handler: None,
            knock_timeout: Duration::from_secs(30),
            revocation_ttl: Duration::from_secs(300),
            connect_timeout: Duration::from_secs(30),
            delivery_window: 256,
            max_batch: 256,
            heartbeat: Duration::from_secs(300),
            http: HttpConfig::default(),
            allow_insecure: false,
            trace_source: None,
            engine: EngineConfig::default(),
            clock: Clock::system(),
        }
    }
}

impl fmt::Debug for AgentConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentConfig")
            .field("registry_url", &self.registry_url)
            .field("relay_url", &self.relay_url)
            .field("capabilities", &self.capabilities)
            .field("policy", &self.policy)
            .field("policy_file", &self.policy_file)
            .finish_non_exhaustive()
    }
}

pub(super) enum KeySource {
    Key(StoreKey),
    File(PathBuf),
    Variable(String),
    Passphrase(Zeroizing<String>),
}

/// Builds an [`Agent`]; start with [`Agent::builder`].
#[derive(Default)]
pub struct AgentBuilder {
    pub(super) config: AgentConfig,
    pub(super) storage: Option<Arc<dyn Storage>>,
    pub(super) key: Option<KeySource>,
    pub(super) identity_key: Option<String>,
    pub(super) identity: Option<Identity>,
    pub(super) continuation: Option<Vec<u8>>,
    pub(super) audit: Option<AuditPlan>,
}

impl fmt::Debug for AgentBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentBuilder")
            .field("config", &self.config)
            .field("storage", &self.storage)
            .finish_non_exhaustive()
    }
}

impl AgentBuilder {
    /// Replaces all settings at once.
    #[must_use]
    pub fn config(mut self, config: AgentConfig) -> Self {
        self.config = config;
        self
    }

    /// Where state is kept. Required.
    #[must_use]
    pub fn storage(mut self, storage: impl Storage + 'static) -> Self {
        self.storage = Some(Arc::new(storage));
        self
    }

    /// The key that seals what is stored. This or one of the other `store_key_` methods is required.
    #[must_use]
    pub fn store_key(mut self, key: StoreKey) -> Self {
        self.key = Some(KeySource::Key(key));
        self
    }

    /// A file with the key that seals what is stored. It is created, readable by its owner only, together with a
    /// new identity; if it is missing while the store holds an identity, opening fails.
    #[must_use]
    pub fn store_key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.key = Some(KeySource::File(path.into()));
        self
    }

    /// An environment variable with the key that seals what is stored: 32 bytes in base64, as in a key file. It is
    /// never created, and read when the agent is opened.
    #[must_use]
    pub fn store_key_variable(mut self, name: impl Into<String>) -> Self {
        self.key = Some(KeySource::Variable(name.into()));
        self
    }

    /// A passphrase for the key that seals what is stored. The key itself is made together with a new identity and kept
    /// in the store, locked with Argon2id ([`passphrase`](crate::vault::passphrase), which also changes it). Opening takes a
    /// tenth of a second, and 64 MiB of memory, for it.
    #[must_use]
    pub fn store_key_passphrase(mut self, passphrase: impl Into<String>) -> Self {
        self.key = Some(KeySource::Passphrase(Zeroizing::new(passphrase.into())));
        self
    }

    /// Lets registry and relay be reached unencrypted, over `http` and `ws`, on other machines too. Messages stay
    /// end-to-end encrypted, but everybody on the way sees who talks to whom. Without, that is for loopback only.
    #[must_use]
    pub const fn allow_insecure(mut self, allow: bool) -> Self {
        self.config.allow_insecure = allow;
        self
    }

    /// What the identity is called in its store, 1 to 256 bytes. Default: the environment variable `AGENT_IDENTITY_KEY`,
    /// else `agent-identity`. If neither names one, an identity is opened whatever it is called.
    #[must_use]
    pub fn identity_key(mut self, key: impl Into<String>) -> Self {
        self.identity_key = Some(key.into());
        self
    }

    /// The identity for a new store, such as one out of a backup. Without, a new one is generated.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// What a backup held, for a new store. The agent that the backup is of must not run any more: once this one is
    /// online, the other is told that it was replaced, and stays offline.
    #[must_use]
    pub fn restored(mut self, restored: Restored) -> Self {
        self.identity = Some(restored.identity);
        self.continuation = restored.continuation;
        self
    }

    /// Base URL of the registry.
    #[must_use]
    pub fn registry_url(mut self, url: impl Into<String>) -> Self {
        self.config.registry_url = Some(url.into());
        self
    }

    /// URL of the relay.
    #[must_use]
    pub fn relay_url(mut self, url: impl Into<String>) -> Self {
        self.config.relay_url = Some(url.into());
        self
    }

    /// How the relay is reached: [`RelayTransport::Polling`] where no socket can be kept. Everything else is the same.
    #[must_use]
    pub const fn relay_transport(mut self, transport: RelayTransport) -> Self {
        self.config.relay_transport = transport;
        self
    }

    /// Shown in the registry.
    #[must_use]
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.config.display_name = Some(name.into());
        self
    }

    /// What the agent can do.
    #[must_use]
    pub fn capabilities(
        mut self,
        capabilities: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.config.capabilities = Some(capabilities.into_iter().map(Into::into).collect());
        self
    }

    /// The largest payload taken from a peer, in bytes. Default: 16 MiB; at most 64 MiB.
    #[must_use]
    pub const fn max_payload(mut self, bytes: usize) -> Self {
        self.config.engine.max_payload = bytes;
        self
    }

    /// Who may open sessions.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.config.policy = policy;
        self
    }

    /// A file that says who may open sessions; see [`AgentConfig::policy_file`]. Opening the agent fails if it cannot
    /// be read or is not understood.
    #[must_use]
    pub fn policy_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.policy_file = Some(path.into());
        self
    }

    /// How often the policy's file is looked at.
    #[must_use]
    pub const fn policy_poll(mut self, every: Duration) -> Self {
        self.config.policy_poll = every;
        self
    }

    /// Whether peers that publish no native bundle may be spoken to in `agentmesh/0.2`, and their KNOCKs are put before the
    /// policy, which has to allow them as well ([`Policy::allow_legacy`]). Off unless it is set.
    #[cfg(feature = "legacy-0-2")]
    #[must_use]
    pub const fn allow_legacy(mut self, allow: bool) -> Self {
        self.config.engine.allow_legacy = allow;
        self
    }

    /// How fast messages may be sent; beyond, [`Agent::send`] fails with [`AgentError::RateLimited`].
    #[must_use]
    pub const fn rate_limits(mut self, limits: RateLimits) -> Self {
        self.config.rate_limits = limits;
        self
    }

    /// Where the trace context of messages comes from that name none ([`SendOptions::trace`](super::SendOptions::trace)):
    /// the application's tracing backend. It travels inside the ciphertext.
    #[must_use]
    pub fn trace_source(
        mut self,
        source: impl Fn() -> Option<TraceParent> + Send + Sync + 'static,
    ) -> Self {
        self.config.trace_source = Some(Arc::new(source));
        self
    }

    /// Asked about every KNOCK that the policy accepts, but for those of peers that it lists by address
    /// ([`Policy::allowed_amids`]): their first message, which comes with the KNOCK, is handed on without waiting for
    /// anybody. [`Decision::Later`] leaves a KNOCK for [`Agent::decide`]; one of a peer that speaks 0.2 is rejected
    /// instead, because such a peer does not wait.
    #[must_use]
    pub fn on_knock<F, Fut>(mut self, handler: F) -> Self
    where
        F: Fn(KnockInfo) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Decision> + Send + 'static,
    {
        self.config.knock_handler = Some(Arc::new(move |knock| Box::pin(handler(knock))));
        self
    }

    /// Has a say in what is granted to peers that ask for capabilities.
    #[must_use]
    pub fn on_negotiation<F>(mut self, handler: F) -> Self
    where
        F: Fn(Amid, &Proposal, Agreement) -> Agreement + Send + Sync + 'static,
    {
        self.config.capability_handler = Some(Arc::new(handler));
        self
    }

    /// Schemas that payloads are checked against.
    #[cfg(feature = "schema")]
    #[must_use]
    pub fn schemas(mut self, schemas: SchemaRegistry) -> Self {
        self.config.schemas = schemas;
        self
    }
}

pub(super) fn missing(setting: &'static str, problem: &str) -> Error {
    AgentError::Config { setting, problem: problem.to_owned() }.into()
}
