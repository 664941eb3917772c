//! What can be set before the client starts.

use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderValue, header};
use tokio::sync::{mpsc, watch};
use url::Url;
use zeroize::Zeroizing;

use super::{
    super::{AgentWebSocketError, ClientTimings, SecretText},
    AgentWebSocketClient, EVENTS, Inner, ORDERS, State,
    driver::{self, Driver},
};
use crate::client::{
    platform::{Clock, spawn},
    proxy::ProxyConfig,
    subscription::Fanout,
    transport::ws_native::WsConnector,
};

/// Settings of an [`AgentWebSocketClient`].
#[derive(Debug)]
pub struct AgentWebSocketBuilder {
    url: String,
    bearer: Option<SecretText>,
    timings: ClientTimings,
    proxies: ProxyConfig,
    clock: Clock,
}

impl AgentWebSocketBuilder {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            bearer: None,
            timings: ClientTimings::default(),
            proxies: ProxyConfig::from_env(),
            clock: Clock::system(),
        }
    }

    /// A token for `Authorization: Bearer`. Deployed functions want one unless they were deployed without.
    #[must_use]
    pub fn bearer(mut self, token: SecretText) -> Self {
        self.bearer = Some(token);
        self
    }

    /// Waits and limits, instead of the defaults.
    #[must_use]
    pub fn timings(mut self, timings: ClientTimings) -> Self {
        self.timings = timings;
        self
    }

    /// Proxies, instead of those of the environment.
    #[must_use]
    pub fn proxies(mut self, proxies: ProxyConfig) -> Self {
        self.proxies = proxies;
        self
    }

    /// The time of day, instead of the system's.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Starts the client and waits for the first session.
    ///
    /// # Errors
    /// [`AgentWebSocketError::Config`], and whatever the first attempt failed with: then nothing is tried again.
    pub async fn connect(self) -> Result<AgentWebSocketClient, AgentWebSocketError> {
        let client = self.start()?;
        client.first().await.map(|()| client)
    }

    /// Starts the client and returns at once: it connects when it can, and queries wait until then.
    ///
    /// Needs a tokio runtime around it.
    ///
    /// # Errors
    /// [`AgentWebSocketError::Config`].
    pub fn start(self) -> Result<AgentWebSocketClient, AgentWebSocketError> {
        self.timings.check()?;
        let config = |setting, problem: String| AgentWebSocketError::Config { setting, problem };
        let url = Url::parse(&self.url).map_err(|error| config("url", error.to_string()))?;
        if !matches!(url.scheme(), "ws" | "wss") || !url.username().is_empty() {
            let problem = "it must begin with ws:// or wss:// and hold no credentials";
            return Err(config("url", problem.to_owned()));
        }
        let connector = WsConnector::new(&self.proxies, self.timings.open)
            .map_err(|error| config("TLS", error.to_string()))?;
        let mut headers = HeaderMap::new();
        if let Some(token) = self.bearer.filter(|token| !token.is_empty()) {
            let value =
                HeaderValue::from_str(&Zeroizing::new(format!("Bearer {}", token.expose())));
            let mut value =
                value.map_err(|_| config("bearer", "it is not fit for a header".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let events = Arc::new(Fanout::new(EVENTS));
        let first_events = Mutex::new(Some(events.subscribe()));
        let (orders, ordered) = mpsc::channel(ORDERS);
        let (publish, state) = watch::channel(State::default());
        let query_deadline = self.timings.query;
        let dial = driver::Dial { connector: Arc::new(connector), url, headers };
        let driver = Driver::new(dial, self.timings, self.clock, events.clone(), publish);
        let inner = Inner {
            orders,
            events,
            first_events,
            state,
            query_deadline,
            _driver: spawn(driver.run(ordered)),
        };
        Ok(AgentWebSocketClient(Arc::new(inner)))
    }
}
