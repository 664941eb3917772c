//! The one HTTP client: timeouts, proxies, bounded bodies, correlation ids, retries, typed errors.
//!
//! Knows HTTP, JSON bodies and the shape of error answers; does not know the registry's endpoints, nor keys. Logs say
//! which kind of request went where and how it ended, never a body, a header or a query.

mod error;
#[cfg(target_arch = "wasm32")]
mod hosted;
#[cfg(not(target_arch = "wasm32"))]
mod native;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::client::platform::time::{Instant, timeout_at};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use rand_core::Rng;
use serde::de::DeserializeOwned;
use url::Url;

pub use self::error::HttpError;
use self::error::status_error;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use self::error::{reasons, retry_after_seconds};
#[cfg(target_arch = "wasm32")]
use self::hosted::Exchange;
#[cfg(not(target_arch = "wasm32"))]
use self::native::Exchange;
#[cfg(feature = "s3")]
pub(crate) use self::native::raw_client;
#[cfg(feature = "signaling")]
pub(crate) use self::native::streaming_client;
use super::{
    backoff::{Backoff, BackoffConfig},
    platform,
};
#[cfg(not(target_arch = "wasm32"))]
use super::{proxy::ProxyConfig, tls::TlsConfig};
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
    #[cfg(not(target_arch = "wasm32"))]
    pub proxies: ProxyConfig,
    /// Certificates.
    #[cfg(not(target_arch = "wasm32"))]
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
            #[cfg(not(target_arch = "wasm32"))]
            proxies: ProxyConfig::from_env(),
            #[cfg(not(target_arch = "wasm32"))]
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
    exchange: Exchange,
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
        let exchange = Exchange::new(&config)?;
        Ok(Self(Arc::new(Inner {
            exchange,
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

        let mut headers = headers;
        if let Ok(id) = HeaderValue::from_str(&id) {
            headers.insert(REQUEST_ID, id);
        }
        let request = HttpRequest { what, method, url, headers, body };
        let result = match self.receive(request, &host).await {
            Err(error) => Err(error),
            Ok(answer) => match answer.error() {
                Some(error) => Err(error),
                None => {
                    let status = answer.status.as_u16();
                    Ok(HttpResponse { what, status, body: answer.body.into() })
                }
            },
        };
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

    /// One try of a request that must not be repeated by itself, or whose errors say more than their status.
    pub(crate) async fn send_any(&self, request: HttpRequest) -> Result<AnyResponse, HttpError> {
        let host = authority(&request.url);
        self.receive(request, &host).await
    }

    async fn receive(
        &self,
        mut request: HttpRequest,
        host: &str,
    ) -> Result<AnyResponse, HttpError> {
        if request.body.is_some() && !request.headers.contains_key(header::CONTENT_TYPE) {
            let json = HeaderValue::from_static("application/json");
            request.headers.insert(header::CONTENT_TYPE, json);
        }
        let answer = self.0.exchange.send(request, host, &self.0.config).await?;
        self.note_date(&answer.headers);
        Ok(answer)
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
