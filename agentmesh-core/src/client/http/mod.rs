//! The one HTTP client: timeouts, proxies, bounded bodies, correlation ids, retries, typed errors.
//!
//! Knows HTTP, JSON bodies and the shape of error answers; does not know the registry's endpoints, nor keys. Logs say
//! which kind of request went where and how it ended, never a body, a header or a query.

mod error;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use rand_core::Rng;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};
use url::Url;

pub use self::error::HttpError;
use self::error::status_error;
pub(crate) use self::error::{reasons, retry_after_seconds};
use super::{
    backoff::{Backoff, BackoffConfig},
    platform,
    proxy::ProxyConfig,
    tls::{self, TlsConfig},
};
use crate::{Timestamp, error::ErrorInfo, rng::SystemRng, wire::json::Object};

/// Ties a request to the lines about it in the server's log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Bounds and settings of an [`HttpClient`].
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// For the TCP and TLS handshakes.
    pub connect_timeout: Duration,
    /// Between two pieces of an answer.
    pub read_timeout: Duration,
    /// For one try.
    pub try_timeout: Duration,
    /// For all tries of one request together.
    pub total_timeout: Duration,
    /// Tries of one request.
    pub attempts: u32,
    /// Bytes of an answer, decompressed.
    pub max_response: usize,
    /// Pauses between tries.
    pub backoff: BackoffConfig,
    /// Proxies.
    pub proxies: ProxyConfig,
    /// Certificates.
    pub tls: TlsConfig,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(15),
            try_timeout: Duration::from_secs(20),
            total_timeout: Duration::from_secs(45),
            attempts: 5,
            max_response: 4 * 1024 * 1024,
            backoff: BackoffConfig::REQUEST,
            proxies: ProxyConfig::from_env(),
            tls: TlsConfig::from_env(),
        }
    }
}

/// A request, built anew for every try so that each carries a fresh signature.
#[derive(Debug)]
pub(crate) struct HttpRequest {
    /// Its kind, for logs and errors.
    pub(crate) what: &'static str,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    /// JSON, unless the headers say otherwise.
    pub(crate) body: Option<Vec<u8>>,
}

/// A complete answer with a status of 2xx.
pub(crate) struct HttpResponse {
    what: &'static str,
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

/// A complete answer of any status.
pub(crate) struct AnyResponse {
    pub(crate) status: http::StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl AnyResponse {
    /// What a status outside 2xx stands for.
    pub(crate) fn error(&self) -> Option<HttpError> {
        (!self.status.is_success()).then(|| status_error(self.status, &self.headers, &self.body))
    }
}

impl HttpResponse {
    /// Reads the body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        serde_json::from_slice::<Object<T>>(&self.body)
            .map(|read| read.0)
            .map_err(|_| HttpError::Unreadable { what: self.what })
    }
}

/// Sends HTTP requests. Cloning it shares connections and TLS state.
#[derive(Clone)]
pub struct HttpClient(Arc<Inner>);

struct Inner {
    client: reqwest::Client,
    config: HttpConfig,
    id_prefix: u32,
    requests: AtomicU64,
    /// The server's clock minus ours at the last answer, in milliseconds around 2^63; 0 when unknown.
    clock_offset: AtomicU64,
}

/// Zero milliseconds in `Inner::clock_offset`.
const OFFSET_ZERO: u64 = 1 << 63;

impl HttpClient {
    /// Builds the client. It connects when the first request is sent.
    ///
    /// # Errors
    /// [`HttpError::Setup`] if the TLS or HTTP library refuses the settings.
    pub fn new(config: HttpConfig) -> Result<Self, HttpError> {
        let client = build(&config, config.try_timeout)?;
        Ok(Self(Arc::new(Inner {
            client,
            config,
            id_prefix: SystemRng.next_u32(),
            requests: AtomicU64::new(0),
            clock_offset: AtomicU64::new(0),
        })))
    }

    /// Sends a request until it succeeds, fails for good, or tries and time are used up; `build` makes it for each try.
    ///
    /// # Errors
    /// That of the last try. Safe to cancel, but the server may have done what was asked.
    pub(crate) async fn send<E: From<HttpError>>(
        &self,
        mut build: impl FnMut() -> Result<HttpRequest, E>,
    ) -> Result<HttpResponse, E> {
        let config = &self.0.config;
        let deadline = Instant::now() + config.total_timeout;
        let mut backoff = Backoff::new(config.backoff);
        loop {
            let request = build()?;
            let attempt = timeout_at(deadline, self.send_once(request)).await;
            let error = match attempt {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => error,
                Err(_) => return Err(HttpError::Timeout { after: config.total_timeout }.into()),
            };
            let pause = backoff.next_delay(error.retry_after(), &mut SystemRng);
            if !error.is_retryable()
                || backoff.attempts() >= config.attempts
                || Instant::now() + pause >= deadline
            {
                return Err(error.into());
            }
            platform::sleep(pause).await;
        }
    }

    /// One try.
    async fn send_once(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let HttpRequest { what, method, url, headers, body } = request;
        let host = authority(&url);
        let number = self.0.requests.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:08x}-{number}", self.0.id_prefix);
        let started = Instant::now();

        let mut builder = self.0.client.request(method, url).headers(headers);
        if let Ok(id) = HeaderValue::from_str(&id) {
            builder = builder.header(REQUEST_ID, id);
        }
        if let Some(body) = body {
            builder = builder.header(header::CONTENT_TYPE, "application/json").body(body);
        }
        let result = self.exchange(builder, what, &host).await;
        let elapsed_ms = started.elapsed().as_millis();
        match &result {
            Ok(answer) => {
                tracing::debug!(target: "agentmesh", what, host, id, status = answer.status, elapsed_ms, "HTTP request");
            }
            Err(error) => {
                tracing::debug!(target: "agentmesh", what, host, id, code = error.code(), elapsed_ms, "HTTP request failed");
            }
        }
        result
    }

    async fn exchange(
        &self,
        builder: reqwest::RequestBuilder,
        what: &'static str,
        host: &str,
    ) -> Result<HttpResponse, HttpError> {
        let answer = self.receive(builder, host).await?;
        match answer.error() {
            Some(error) => Err(error),
            None => {
                let status = answer.status.as_u16();
                Ok(HttpResponse { what, status, body: answer.body.into() })
            }
        }
    }

    /// One try of a request that must not be repeated by itself, for services whose errors say more in their headers.
    #[cfg(any(feature = "aiwm", feature = "user-data"))]
    pub(crate) async fn send_any(&self, request: HttpRequest) -> Result<AnyResponse, HttpError> {
        let HttpRequest { what: _, method, url, headers, body } = request;
        let host = authority(&url);
        let untyped = !headers.contains_key(header::CONTENT_TYPE);
        let mut builder = self.0.client.request(method, url).headers(headers);
        if let Some(body) = body {
            if untyped {
                builder = builder.header(header::CONTENT_TYPE, "application/json");
            }
            builder = builder.body(body);
        }
        self.receive(builder, &host).await
    }

    async fn receive(
        &self,
        builder: reqwest::RequestBuilder,
        host: &str,
    ) -> Result<AnyResponse, HttpError> {
        let failed = |error| self.network_error(host, error);
        let mut response = builder.send().await.map_err(failed)?;
        self.note_date(response.headers());
        let status = response.status();
        let limit = self.0.config.max_response;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > limit {
                return Err(HttpError::TooLong { limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(AnyResponse { status, headers: response.headers().clone(), body })
    }

    fn network_error(&self, host: &str, error: reqwest::Error) -> HttpError {
        let error = error.without_url();
        let host = host.to_owned();
        if error.is_timeout() && !error.is_connect() {
            HttpError::Timeout { after: self.0.config.try_timeout }
        } else if error.is_connect() {
            HttpError::Connect { host, reason: reasons(&error) }
        } else if error.is_builder() {
            HttpError::InvalidUrl { reason: reasons(&error) }
        } else {
            HttpError::Interrupted { host, reason: reasons(&error) }
        }
    }

    fn note_date(&self, headers: &HeaderMap) {
        let date =
            headers.get(header::DATE).and_then(|date| date.to_str().ok()).and_then(parse_date);
        if let Some(server) = date {
            let ours = platform::Clock::system().now();
            let offset =
                OFFSET_ZERO.saturating_add(server.as_millis()).saturating_sub(ours.as_millis());
            self.0.clock_offset.store(offset, Ordering::Relaxed);
        }
    }

    /// How far the last server that answered is ahead of this machine, in seconds; negative if it is behind. Servers
    /// date their answers to the second, so the value is good to about one.
    pub(crate) fn server_clock_offset_seconds(&self) -> Option<i64> {
        let offset = self.0.clock_offset.load(Ordering::Relaxed);
        (offset != 0).then(|| {
            let ms = i128::from(offset) - i128::from(OFFSET_ZERO);
            i64::try_from(ms / 1000).unwrap_or(i64::MAX)
        })
    }
}

/// The library's client, with our TLS, proxies and timeouts.
fn build(config: &HttpConfig, timeout: Duration) -> Result<reqwest::Client, HttpError> {
    let setup = |reason: String| HttpError::Setup { reason };
    builder(config, timeout, &[b"h2", b"http/1.1"])?.build().map_err(|e| setup(reasons(&e)))
}

fn builder(
    config: &HttpConfig,
    timeout: Duration,
    protocols: &[&[u8]],
) -> Result<reqwest::ClientBuilder, HttpError> {
    let setup = |reason: String| HttpError::Setup { reason };
    let mut tls = tls::client_config(&config.tls).map_err(|e| setup(e.to_string()))?;
    tls.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("agentmesh/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(config.connect_timeout)
        .read_timeout(config.read_timeout)
        .timeout(timeout)
        // A signed request is for the server it was signed for.
        .redirect(reqwest::redirect::Policy::none())
        .tls_backend_preconfigured(tls)
        .no_proxy();
    for proxy in config.proxies.for_http_client() {
        builder = builder.proxy(proxy);
    }
    Ok(builder)
}

/// For answers that go on and on. Each has a connection of its own (HTTP/1.1): one that is dead must not take the next
/// request with it. Idle connections go early, for the same reason.
#[cfg(feature = "signaling")]
pub(crate) fn streaming_client(
    config: &HttpConfig,
    timeout: Duration,
) -> Result<reqwest::Client, HttpError> {
    let builder = builder(config, timeout, &[b"http/1.1"])?.pool_idle_timeout(IDLE);
    builder.build().map_err(|e| HttpError::Setup { reason: reasons(&e) })
}

/// How long a connection of a [`streaming_client`] waits for another request.
#[cfg(feature = "signaling")]
const IDLE: Duration = Duration::from_secs(20);

/// The same for who speaks another protocol over HTTP: answers come as they are.
#[cfg(feature = "s3")]
pub(crate) fn raw_client(
    config: &HttpConfig,
    timeout: Duration,
) -> Result<reqwest::Client, HttpError> {
    build(config, timeout)
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("config", &self.0.config).finish_non_exhaustive()
    }
}

/// Host and port, for errors and logs.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// An HTTP date, which is an RFC 2822 date in GMT.
fn parse_date(text: &str) -> Option<Timestamp> {
    let text = text.replace("GMT", "+0000");
    let date =
        time::OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc2822).ok()?;
    u64::try_from(date.unix_timestamp())
        .ok()
        .map(|s| Timestamp::from_millis(s.saturating_mul(1000)))
}

#[cfg(test)]
mod tests;
