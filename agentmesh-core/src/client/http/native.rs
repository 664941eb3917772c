//! Requests by reqwest, with our TLS, proxies and timeouts.

use std::time::Duration;

use super::{AnyResponse, HttpConfig, HttpError, HttpRequest, reasons};
use crate::client::tls;

/// Sends requests, one try each.
pub(super) struct Exchange(reqwest::Client);

impl Exchange {
    pub(super) fn new(config: &HttpConfig) -> Result<Self, HttpError> {
        build(config, config.try_timeout).map(Self)
    }

    pub(super) async fn send(
        &self,
        request: HttpRequest,
        host: &str,
        config: &HttpConfig,
    ) -> Result<AnyResponse, HttpError> {
        let HttpRequest { what: _, method, url, headers, body } = request;
        let failed = |error| network_error(host, config, error);
        let mut builder = self.0.request(method, url).headers(headers);
        if let Some(body) = body {
            builder = builder.body(body);
        }
        let mut response = builder.send().await.map_err(failed)?;
        let status = response.status();
        let limit = config.max_response;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > limit {
                return Err(HttpError::TooLong { limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(AnyResponse { status, headers: response.headers().clone(), body })
    }
}

fn network_error(host: &str, config: &HttpConfig, error: reqwest::Error) -> HttpError {
    let error = error.without_url();
    let host = host.to_owned();
    if error.is_timeout() && !error.is_connect() {
        HttpError::Timeout { after: config.try_timeout }
    } else if error.is_connect() {
        HttpError::Connect { host, reason: reasons(&error) }
    } else if error.is_builder() {
        HttpError::InvalidUrl { reason: reasons(&error) }
    } else {
        HttpError::Interrupted { host, reason: reasons(&error) }
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
