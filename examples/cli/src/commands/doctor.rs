//! `agentmesh doctor`: what is wrong with this setup, in words. Changes nothing, here or on any server.

use std::{fmt, sync::Arc, time::Duration};

use agentmesh_core::{
    ErrorInfo,
    client::{
        http::HttpConfig,
        platform::Clock,
        proxy::ProxyConfig,
        registry::RegistryClient,
        relay::{self, RelayConfig, RelayContext, RelayEvent},
        tls::TlsConfig,
        transport::ws_native::WsConnector,
    },
    identity::{Amid, Identity},
    prekeys::KnownPeer,
    rng::SystemRng,
    time::{DAY, HOUR},
};
use serde::Serialize;
use tokio::time::timeout;
use url::Url;

use crate::{
    config::Config,
    context::Context,
    endpoints::{self, Endpoints},
    error::{CliError, LOCKED},
    files,
    home::{Home, State},
    opened::Opened,
    output::Output,
};

/// Nobody waits for a doctor for ever.
const PATIENCE: Duration = Duration::from_secs(10);
/// Registries take signatures that are a minute ahead.
const SKEW_FAIL: u64 = 45;
const SKEW_WARN: u64 = 5;
/// Prekeys are renewed after 7 days; 30 days old ones are refused by peers.
const BUNDLE_OLD: u64 = 8 * DAY;
/// A message that waits longer is worth a word.
const STUCK: u64 = HOUR;

pub(super) async fn run(context: Context) -> Result<(), CliError> {
    let mut doctor = Doctor { out: context.out, failures: 0 };
    let home = context.home()?;
    let (config, own) = doctor.home(&home, &context).await?;
    let servers = context.endpoints(&config).await?;
    doctor
        .ok("servers", format!("{} and {}: {}", servers.registry, servers.relay, servers.source))?;
    doctor.way(&servers)?;
    doctor.registry(&servers, own.as_ref()).await?;
    doctor.relay(&servers).await?;
    if doctor.failures > 0 { Err(CliError::unwell(doctor.failures)) } else { Ok(()) }
}

/// What is known of the home's identity: all of it, or the address alone while another process has the store.
enum Own {
    Identity(Identity),
    Address(Amid),
}

impl Own {
    const fn amid(&self) -> Amid {
        match self {
            Self::Identity(identity) => identity.amid(),
            Self::Address(amid) => *amid,
        }
    }
}

struct Doctor {
    out: Output,
    failures: usize,
}

impl Doctor {
    async fn home(
        &mut self,
        home: &Home,
        context: &Context,
    ) -> Result<(Config, Option<Own>), CliError> {
        let shown = home.path().display().to_string();
        match home.state() {
            Err(error) => {
                self.fail("home", &error.message, "put the file back, or use another --home")?;
                return Ok((Config::default(), None));
            }
            Ok(State::Empty) => {
                self.warn(
                    "home",
                    format!("{shown} holds no identity"),
                    "run `agentmesh identity new`",
                )?;
                return Ok((Config::default(), None));
            }
            Ok(State::Store) if files::is_readable_by_others(home.path()) => {
                self.warn(
                    "home",
                    format!("{shown} is open to other users"),
                    &format!("run `chmod 700 {shown}`"),
                )?;
            }
            Ok(State::Store) => self.ok("home", shown)?,
        }
        let config = match Config::load(home) {
            Ok(config) => config,
            Err(error) => {
                self.fail("config", &error.message, "put the file back, or delete it")?;
                Config::default()
            }
        };
        self.key(home)?;
        let own = self.store(home, &config).await?;
        if matches!(own, Some(Own::Identity(_))) {
            self.outbox(context).await?;
        }
        Ok((config, own))
    }

    fn key(&mut self, home: &Home) -> Result<(), CliError> {
        let path = home.key_path();
        let shown = path.display().to_string();
        match home.read_key() {
            Err(error) => self.fail(
                "key",
                &error.message,
                "nothing but a copy of that file helps; or make a new home",
            ),
            Ok(_) if files::is_readable_by_others(&path) => self.fail(
                "key",
                &format!("{shown} can be read by other users"),
                &format!("run `chmod 600 {shown}`"),
            ),
            Ok(_) => self.ok("key", shown),
        }
    }

    async fn store(&mut self, home: &Home, config: &Config) -> Result<Option<Own>, CliError> {
        match home.identity().await {
            Ok(stored) => {
                let amid = stored.identity.amid();
                if config.amid.is_some_and(|noted| noted != amid) {
                    let problem = "the store and config.json belong to different agents";
                    self.fail("store", problem, "put the files of one home back together")?;
                } else {
                    let store = home.store()?;
                    self.ok("store", format!("{store} is whole and holds {amid}"))?;
                }
                Ok(Some(Own::Identity(stored.identity)))
            }
            Err(error) if error.code == LOCKED => {
                let by = error.message.lines().next().unwrap_or_default();
                self.ok("store", format!("{by}; not looked into"))?;
                Ok(config.amid.map(Own::Address))
            }
            Err(error) => {
                let todo = match error.code {
                    "STATE_COPIED" => {
                        "use the other store (--store), or run the same `agentmesh store copy` again"
                    }
                    "STORAGE_NO_CONDITIONAL_WRITES" | "STORAGE_INVALID_URL" => {
                        "use another --store, or other AWS_ variables"
                    }
                    "STORAGE_UNREACHABLE" | "STORAGE_PERMISSION_DENIED" => {
                        "check the AWS_ variables, the network and the permissions"
                    }
                    _ => {
                        "restore the home from a copy, or the identity from a backup into another home"
                    }
                };
                self.fail("store", &error.message, todo)?;
                Ok(None)
            }
        }
    }

    async fn outbox(&mut self, context: &Context) -> Result<(), CliError> {
        let opened = match Opened::offline(context, |_| {}).await {
            Ok(opened) => opened,
            Err(error) => {
                return self.fail("outbox", &error.message, "restore the home from a copy");
            }
        };
        let now = Clock::system().now();
        let items = opened.agent.outbox().await?;
        opened.close().await?;
        let oldest = items.iter().map(|item| now.since(item.queued_at)).max().unwrap_or(0);
        let count = items.len();
        if oldest > STUCK {
            let problem = format!("{count} messages wait, the oldest for {} h", oldest / HOUR);
            return self.warn("outbox", problem, "run `agentmesh outbox`; `--flush` sends them");
        }
        self.ok("outbox", format!("{count} messages wait for their recipients"))
    }

    /// Proxies and certificates, which the environment decides.
    fn way(&mut self, servers: &Endpoints) -> Result<(), CliError> {
        let proxies = ProxyConfig::from_env();
        let through = |url: &str| {
            let proxy = Url::parse(url).ok().and_then(|url| proxies.proxy_for(&url));
            proxy.map_or_else(|| "directly".to_owned(), |proxy| format!("through {proxy}"))
        };
        let (registry, relay) = (through(&servers.registry), through(&servers.relay));
        self.ok("proxy", format!("the registry is reached {registry}, the relay {relay}"))?;
        let trust = TlsConfig::from_env();
        match trust.check() {
            Ok(0) => self.ok("certificates", format!("those trusted are {trust}")),
            Ok(n) => self.ok("certificates", format!("those trusted are {trust}: {n}")),
            Err(problem) => {
                self.fail("certificates", &problem, "mend SSL_CERT_FILE or SSL_CERT_DIR")
            }
        }
    }

    async fn registry(&mut self, servers: &Endpoints, own: Option<&Own>) -> Result<(), CliError> {
        let url = &servers.registry;
        let config = HttpConfig { total_timeout: PATIENCE, attempts: 2, ..HttpConfig::default() };
        let registry = endpoints::anonymous_client(url, config)?;
        match registry.health().await {
            Ok(health) => {
                self.ok(
                    "registry",
                    format!("{url} is {}, {} agents", health.status, health.agents_registered),
                )?;
            }
            Err(error) => {
                let todo = "check the address (--registry), the network and the proxy settings; \
                            for trying things out run `agentmesh dev`";
                return self.fail("registry", &format!("{url}: {error}"), todo);
            }
        }
        self.clock(&registry)?;
        let Some(own) = own else { return Ok(()) };
        if self.registration(&registry, own).await? {
            self.prekeys(&registry, own).await?;
        }
        Ok(())
    }

    fn clock(&mut self, registry: &RegistryClient) -> Result<(), CliError> {
        let Some(offset) = registry.clock_offset_seconds() else {
            return self.warn(
                "clock",
                "the registry does not tell its time".to_owned(),
                "compare it by hand",
            );
        };
        let problem =
            format!("this machine and the registry differ by {} s", offset.unsigned_abs());
        let todo = "set this machine's clock, best by NTP";
        match offset.unsigned_abs() {
            SKEW_FAIL.. => self.fail("clock", &problem, todo),
            SKEW_WARN.. => self.warn("clock", problem, todo),
            _ => self.ok("clock", "agrees with the registry's".to_owned()),
        }
    }

    /// True if the agent is registered.
    async fn registration(
        &mut self,
        registry: &RegistryClient,
        own: &Own,
    ) -> Result<bool, CliError> {
        let amid = own.amid();
        let listing = match registry.lookup(&amid).await {
            Ok(listing) => listing,
            Err(error) => {
                let todo = "run `agentmesh register`; `listen` and `send` do it, too";
                if error.code() == "REGISTRY_AGENT_NOT_FOUND" {
                    self.warn("registration", format!("{amid} is not registered here"), todo)?;
                } else {
                    self.fail("registration", &error.to_string(), "ask who runs the registry")?;
                }
                return Ok(false);
            }
        };
        if let Own::Identity(identity) = own
            && listing.exchange_key != *identity.exchange_key()
        {
            let problem = "the registry has another exchange key of this agent";
            self.fail(
                "registration",
                problem,
                "somebody else registered it, or the key was rotated: ask who runs the registry",
            )?;
            return Ok(true);
        }
        let status = listing.details.status.as_str();
        self.ok("registration", format!("{amid} is registered, {status}"))?;
        Ok(true)
    }

    async fn prekeys(&mut self, registry: &RegistryClient, own: &Own) -> Result<(), CliError> {
        let now = Clock::system().now();
        match registry.inspect_bundle(&KnownPeer::first_contact(own.amid())).await {
            Ok(bundle) => {
                let days = now.since(bundle.created_at()) / DAY;
                if now.since(bundle.created_at()) > BUNDLE_OLD {
                    let problem = format!("the published prekeys are {days} days old");
                    return self.warn(
                        "prekeys",
                        problem,
                        "go online now and then: `agentmesh register` renews them",
                    );
                }
                self.ok("prekeys", format!("published and valid, {days} days old"))
            }
            Err(error) => {
                let todo =
                    "run `agentmesh register`; until then nobody can write to this agent first";
                self.fail("prekeys", &error.to_string(), todo)
            }
        }
    }

    async fn relay(&mut self, servers: &Endpoints) -> Result<(), CliError> {
        let todo = "check the address (--relay), the network and the proxy settings";
        match greet(&servers.relay).await {
            Ok(()) => self.ok("relay", format!("{} lets agents in", servers.relay)),
            Err(problem) => self.fail("relay", &format!("{}: {problem}", servers.relay), todo),
        }
    }

    fn ok(&self, check: &'static str, detail: String) -> Result<(), CliError> {
        self.out.show(&Finding { check, status: "ok", detail, todo: None })
    }

    fn warn(&self, check: &'static str, detail: String, todo: &str) -> Result<(), CliError> {
        self.out.show(&Finding { check, status: "warn", detail, todo: Some(todo) })
    }

    fn fail(&mut self, check: &'static str, detail: &str, todo: &str) -> Result<(), CliError> {
        self.failures += 1;
        self.out.show(&Finding {
            check,
            status: "fail",
            detail: detail.to_owned(),
            todo: Some(todo),
        })
    }
}

/// Connects under an identity made for the occasion: with our own we would throw out a running agent.
async fn greet(url: &str) -> Result<(), String> {
    let url = Url::parse(url).map_err(|e| e.to_string())?;
    let config = RelayConfig::new(url);
    let connector = WsConnector::new(&ProxyConfig::from_env(), config.connect_timeout)
        .map_err(|e| e.to_string())?;
    let clock = Clock::system();
    let context = RelayContext {
        identity: Arc::new(Identity::generate(clock.now(), &mut SystemRng)),
        connector: Arc::new(connector),
        clock,
        rng: Box::new(SystemRng),
    };
    let (handle, mut events) = relay::connect(config, context);
    let greeted = timeout(PATIENCE, async {
        loop {
            match events.next().await {
                Some(RelayEvent::Connected { .. }) => return Ok(()),
                Some(RelayEvent::Disconnected { error, .. }) => return Err(error.to_string()),
                Some(_) => {}
                None => return Err("the connection ended".to_owned()),
            }
        }
    });
    let result = greeted.await.unwrap_or_else(|_| Err("no answer in time".to_owned()));
    drop(events);
    handle.close().await;
    result
}

#[derive(Serialize)]
struct Finding<'a> {
    check: &'static str,
    status: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    todo: Option<&'a str>,
}

impl fmt::Display for Finding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:4}  {:12}  {}", self.status, self.check, self.detail)?;
        match self.todo {
            Some(todo) => write!(f, "\n{:20}→ {todo}", ""),
            None => Ok(()),
        }
    }
}
