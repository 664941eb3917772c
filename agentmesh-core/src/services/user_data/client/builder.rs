//! What can be set before the client is used.

use std::{sync::Arc, time::Duration};

use url::{ParseError, Url};

use super::{
    super::{RetryPolicy, SecretText, UserDataError},
    Inner, UserDataClient,
};
use crate::client::{
    http::{HttpClient, HttpConfig},
    proxy::ProxyConfig,
    tls::TlsConfig,
    transport::{goes_in_clear, ws_native::WsConnector},
};

/// Bytes of an answer: a conversation of the largest size that servers take, and a good deal more around it.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// For a TCP connection and TLS.
const CONNECT: Duration = Duration::from_secs(10);

/// How long one try of a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Most requests: 10 seconds.
    pub request: Duration,
    /// `setup` and `destroy_sandbox`, which start and stop machines: 30 seconds.
    pub setup: Duration,
    /// Skills, conversations and settings on their way up: 60 seconds.
    pub upload: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { request: seconds(10), setup: seconds(30), upload: seconds(60) }
    }
}

/// Settings of a [`UserDataClient`].
#[derive(Debug)]
pub struct UserDataBuilder {
    base_url: String,
    key: Option<SecretText>,
    timeouts: Timeouts,
    retry: RetryPolicy,
    proxies: ProxyConfig,
    tls: TlsConfig,
    allow_insecure: bool,
}

impl UserDataBuilder {
    pub(super) fn new(base_url: String) -> Self {
        Self {
            base_url,
            key: None,
            timeouts: Timeouts::default(),
            retry: RetryPolicy::default(),
            proxies: ProxyConfig::from_env(),
            tls: TlsConfig::from_env(),
            allow_insecure: false,
        }
    }

    /// The key for `Authorization: Bearer`. An empty one counts as none.
    #[must_use]
    pub fn api_key(mut self, key: SecretText) -> Self {
        self.key = Some(key).filter(|key| !key.is_empty());
        self
    }

    /// Time limits, instead of the defaults.
    #[must_use]
    pub const fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// When requests are sent again, instead of after 0.5, 1 and 2 seconds.
    #[must_use]
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Proxies, instead of those of the environment.
    #[must_use]
    pub fn proxies(mut self, proxies: ProxyConfig) -> Self {
        self.proxies = proxies;
        self
    }

    /// Certificates, instead of those that the environment says.
    #[must_use]
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = tls;
        self
    }

    /// Allows `http` to other machines. Everybody on the way then reads the key, and whatever is stored.
    #[must_use]
    pub const fn allow_insecure(mut self, allow: bool) -> Self {
        self.allow_insecure = allow;
        self
    }

    /// The client. It connects when it is first used.
    ///
    /// # Errors
    /// [`UserDataError::Config`] for a URL, key or time limit that cannot be used, or `http` to another machine.
    pub fn build(self) -> Result<UserDataClient, UserDataError> {
        let url = |problem: &str| UserDataError::config("URL", problem);
        let base = Url::parse(self.base_url.trim()).map_err(|error| match error {
            ParseError::RelativeUrlWithoutBase => url("it has to begin with https:// or http://"),
            error => url(&error.to_string()),
        })?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(url("neither http nor https"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(url("it must hold no credentials"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(url("a base URL has no query and no fragment"));
        }
        if goes_in_clear(&base) && !self.allow_insecure {
            return Err(url("http would show the key to everybody on the way; use https"));
        }
        if let Some(key) = &self.key
            && !key.expose().bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(UserDataError::config("API key", "it is not fit for a header"));
        }
        let Timeouts { request, setup, upload } = self.timeouts;
        let longest = request.max(setup).max(upload);
        if request.is_zero() || setup.is_zero() || upload.is_zero() {
            return Err(UserDataError::config("timeouts", "they must be more than nothing"));
        }
        let config = HttpConfig {
            connect_timeout: CONNECT,
            read_timeout: longest,
            try_timeout: longest,
            total_timeout: longest,
            attempts: 1,
            max_response: MAX_ANSWER,
            proxies: self.proxies.clone(),
            tls: self.tls.clone(),
            ..HttpConfig::default()
        };
        let http = HttpClient::new(config.clone())
            .map_err(|error| UserDataError::config("HTTP", error.to_string()))?;
        let connector = WsConnector::with_tls(&self.proxies, &self.tls, CONNECT)
            .map_err(|error| UserDataError::config("TLS", error.to_string()))?;
        Ok(UserDataClient(Arc::new(Inner {
            http,
            connector: Arc::new(connector),
            polling: config,
            base,
            key: self.key,
            timeouts: self.timeouts,
            retry: self.retry,
        })))
    }
}
