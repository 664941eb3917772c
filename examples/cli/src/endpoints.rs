//! Which registry and relay to use: what was given, else what the home used before, else a development server of this
//! user that answers, else the public ones.

use std::{fmt, time::Duration};

use agentmesh_core::{
    Timestamp,
    client::{
        http::{HttpClient, HttpConfig},
        platform::Clock,
        registry::RegistryClient,
        transport::goes_in_clear,
    },
    identity::Identity,
    rng::SystemRng,
};
use url::Url;

use crate::{config::Config, dev_hint::DevHint, error::CliError, output::Output};

pub(crate) const PUBLIC_REGISTRY: &str = "https://agentmesh.online/v1";
pub(crate) const PUBLIC_RELAY: &str = "wss://relay.agentmesh.online/v1/connect";
/// A development server is on this machine: it answers at once or not at all.
const DEV_PATIENCE: Duration = Duration::from_secs(2);

/// Registry and relay, and who said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoints {
    pub(crate) registry: String,
    pub(crate) relay: String,
    pub(crate) source: Source,
}

/// Where the addresses come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A flag or the environment.
    Given,
    /// The home registered there before.
    Home,
    /// A running `agentmesh dev`.
    Dev,
    /// Nobody said anything.
    Public,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Given => "as given",
            Self::Home => "as this home used before",
            Self::Dev => "the running `agentmesh dev`",
            Self::Public => "the public default",
        })
    }
}

/// What was given by flag or environment; empty counts as not given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    pub(crate) registry: Option<String>,
    pub(crate) relay: Option<String>,
    pub(crate) allow_insecure: bool,
}

impl Endpoints {
    /// Decides. Says on standard error when it was a development server.
    pub(crate) async fn resolve(
        given: &Given,
        config: &Config,
        out: Output,
    ) -> Result<Self, CliError> {
        let found = Self::find(given, config, out).await?;
        for url in [&found.registry, &found.relay] {
            if Url::parse(url).is_ok_and(|url| goes_in_clear(&url)) && !given.allow_insecure {
                return Err(CliError::usage(format!(
                    "{url} is not encrypted, so everybody on the way would see who talks to whom: \
                     use https and wss, or give --allow-insecure"
                )));
            }
        }
        Ok(found)
    }

    async fn find(given: &Given, config: &Config, out: Output) -> Result<Self, CliError> {
        if let Some(endpoints) = from_given(given, config)? {
            return Ok(endpoints);
        }
        let dev = DevHint::read();
        if let Some(registry) = &config.registry {
            if let Some(dev) = dev.filter(|dev| dev.registry != *registry) {
                out.note(format_args!(
                    "an `agentmesh dev` is at {}, but this home belongs to {registry}; give --registry to change",
                    dev.registry
                ));
            }
            let relay = config.relay.clone().map_or_else(|| relay_beside(registry), Ok)?;
            return Ok(Self { registry: registry.clone(), relay, source: Source::Home });
        }
        if let Some(dev) = dev {
            if answers(&dev.registry).await {
                out.note(format_args!(
                    "using the `agentmesh dev` at {} (process {})",
                    dev.registry, dev.pid
                ));
                return Ok(Self { registry: dev.registry, relay: dev.relay, source: Source::Dev });
            }
            out.note(format_args!(
                "the `agentmesh dev` that was at {} does not answer; using {PUBLIC_REGISTRY}",
                dev.registry
            ));
        }
        Ok(Self {
            registry: PUBLIC_REGISTRY.to_owned(),
            relay: PUBLIC_RELAY.to_owned(),
            source: Source::Public,
        })
    }
}

/// What was given, with the missing half from the home or from the same host.
fn from_given(given: &Given, config: &Config) -> Result<Option<Endpoints>, CliError> {
    let said = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let registry = said(&given.registry).map(|text| complete(&text, "http", "/v1")).transpose()?;
    let relay = said(&given.relay).map(|text| complete(&text, "ws", "/v1/connect")).transpose()?;
    let (registry, relay) = match (registry, relay) {
        (None, None) => return Ok(None),
        (Some(registry), Some(relay)) => (registry, relay),
        (Some(registry), None) => {
            let same = config.registry.as_ref() == Some(&registry);
            let known = config.relay.clone().filter(|_| same);
            let relay = known.map_or_else(|| relay_beside(&registry), Ok)?;
            (registry, relay)
        }
        (None, Some(relay)) => {
            let same = config.relay.as_ref() == Some(&relay);
            let known = config.registry.clone().filter(|_| same);
            let registry = known.map_or_else(|| registry_beside(&relay), Ok)?;
            (registry, relay)
        }
    };
    Ok(Some(Endpoints { registry, relay, source: Source::Given }))
}

/// A URL out of what somebody typed: `127.0.0.1:18787` will do. `plain` is the scheme without TLS, for loopback only.
fn complete(text: &str, plain: &str, path: &str) -> Result<String, CliError> {
    let text = text.trim();
    let bad = |problem: &dyn fmt::Display| CliError::usage(format!("{text}: {problem}"));
    let with_scheme = if text.contains("://") {
        text.to_owned()
    } else {
        let url = Url::parse(&format!("{plain}://{text}")).map_err(|e| bad(&e))?;
        let secure = if is_loopback(&url) { "" } else { "s" };
        format!("{plain}{secure}://{text}")
    };
    let mut url = Url::parse(&with_scheme).map_err(|e| bad(&e))?;
    let scheme_fits = url.scheme() == plain || url.scheme().strip_suffix('s') == Some(plain);
    if !scheme_fits || !url.has_host() {
        return Err(bad(&format_args!("must begin with {plain}:// or {plain}s://")));
    }
    if url.path() == "/" {
        url.set_path(path);
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The relay of a server that is both, as ours.
fn relay_beside(registry: &str) -> Result<String, CliError> {
    if registry == PUBLIC_REGISTRY {
        return Ok(PUBLIC_RELAY.to_owned());
    }
    beside(registry, "ws", "/v1/connect")
}

/// The registry of a server that is both, as ours.
fn registry_beside(relay: &str) -> Result<String, CliError> {
    if relay == PUBLIC_RELAY {
        return Ok(PUBLIC_REGISTRY.to_owned());
    }
    beside(relay, "http", "/v1")
}

fn beside(url: &str, plain: &str, path: &str) -> Result<String, CliError> {
    let parsed = Url::parse(url).map_err(|e| CliError::usage(format!("{url}: {e}")))?;
    let secure = if matches!(parsed.scheme(), "https" | "wss") { "s" } else { "" };
    let port = parsed.port().map(|port| format!(":{port}")).unwrap_or_default();
    let host = parsed.host_str().unwrap_or_default();
    Ok(format!("{plain}{secure}://{host}{port}{path}"))
}

/// Whether a registry answers right now.
async fn answers(registry: &str) -> bool {
    let config = HttpConfig {
        connect_timeout: DEV_PATIENCE,
        try_timeout: DEV_PATIENCE,
        total_timeout: DEV_PATIENCE,
        attempts: 1,
        ..HttpConfig::default()
    };
    match anonymous_client(registry, config) {
        Ok(client) => client.health().await.is_ok(),
        Err(_) => false,
    }
}

/// A registry client that says nothing about who asks: its identity is made for the occasion.
pub(crate) fn anonymous_client(
    registry: &str,
    config: HttpConfig,
) -> Result<RegistryClient, CliError> {
    let clock = Clock::system();
    let now: Timestamp = clock.now();
    let identity = Identity::generate(now, &mut SystemRng);
    let http = HttpClient::new(config).map_err(agentmesh_core::Error::from)?;
    let client = RegistryClient::new(registry, identity.into(), http, clock);
    Ok(client.map_err(agentmesh_core::Error::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(registry: Option<&str>, relay: Option<&str>) -> Given {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Given { registry: owned(registry), relay: owned(relay), allow_insecure: false }
    }

    fn pair(given: Given, config: &Config) -> Option<(String, String)> {
        from_given(&given, config).unwrap().map(|found| (found.registry, found.relay))
    }

    fn owned(registry: &str, relay: &str) -> Option<(String, String)> {
        Some((registry.to_owned(), relay.to_owned()))
    }

    #[test]
    fn one_half_gives_the_other() {
        let config = Config::default();
        let local = owned("http://127.0.0.1:18787/v1", "ws://127.0.0.1:18787/v1/connect");
        assert_eq!(pair(given(Some("127.0.0.1:18787"), None), &config), local);
        assert_eq!(pair(given(Some("http://127.0.0.1:18787/v1/"), Some("")), &config), local);
        assert_eq!(pair(given(None, Some("127.0.0.1:18787")), &config), local);
        assert_eq!(
            pair(given(Some("mesh.example"), None), &config),
            owned("https://mesh.example/v1", "wss://mesh.example/v1/connect")
        );
        assert_eq!(
            pair(given(Some(PUBLIC_REGISTRY), None), &config),
            owned(PUBLIC_REGISTRY, PUBLIC_RELAY)
        );
        assert_eq!(
            pair(given(None, Some(PUBLIC_RELAY)), &config),
            owned(PUBLIC_REGISTRY, PUBLIC_RELAY)
        );
        assert_eq!(pair(given(Some(" "), None), &config), None);
    }

    #[test]
    fn the_homes_own_pair_is_remembered() {
        let mut config = Config::default();
        config.registry = Some("https://a.example/v1".to_owned());
        config.relay = Some("wss://b.example/x".to_owned());
        assert_eq!(
            pair(given(Some("https://a.example/v1"), None), &config),
            owned("https://a.example/v1", "wss://b.example/x")
        );
        assert_eq!(
            pair(given(None, Some("wss://b.example/x")), &config),
            owned("https://a.example/v1", "wss://b.example/x")
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for (registry, relay) in [
            (Some("ftp://a.example"), None),
            (Some("http://"), None),
            (None, Some("http://a.example")),
        ] {
            let error = from_given(&given(registry, relay), &Config::default()).unwrap_err();
            assert_eq!(error.exit, crate::error::Exit::Usage);
        }
    }
}
