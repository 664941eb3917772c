//! The seam between the relay connection and what carries it: text and binary messages in, text and binary messages
//! out. A WebSocket in `ws_native`, a pair of queues in `memory`, requests over HTTP in `poll`; in WebAssembly the platform has its own sockets.
//! Knows no frames; `poll` puts them into JSON as they are.

#[cfg(not(target_arch = "wasm32"))]
mod line;
pub mod memory;
mod poll;
#[cfg(not(target_arch = "wasm32"))]
pub mod ws_native;

use std::{fmt::Debug, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::Sink;
use url::Url;

use super::{http::HttpConfig, platform::BoxFuture};
use crate::error::errors;

errors! {
    /// Why a connection could not be made, or ended.
    pub enum TransportError {
        /// The address is not a WebSocket address.
        #[error("not a WebSocket address: {reason}")]
        InvalidUrl {
            /// What is wrong with it.
            reason: String,
        } = "TRANSPORT_INVALID_URL", InvalidInput, permanent;
        /// The configured proxy cannot be used.
        #[error("proxy: {reason}")]
        Proxy {
            /// What is wrong.
            reason: String,
        } = "TRANSPORT_PROXY", Network, retryable;
        /// The host did not answer, refused the connection, or TLS failed.
        #[error("cannot connect to {host}: {reason}")]
        Connect {
            /// Host and port.
            host: String,
            /// What went wrong.
            reason: String,
        } = "TRANSPORT_CONNECT", Network, retryable;
        /// The host answered, but not with a WebSocket.
        #[error("{host} answered with HTTP {status} instead of a WebSocket")]
        Refused {
            /// Host and port.
            host: String,
            /// The HTTP status.
            status: u16,
            /// Seconds after which the server wants to be asked again.
            retry_after_seconds: Option<u64>,
        } = "TRANSPORT_REFUSED", Network, retryable;
        /// A deadline passed.
        #[error("no progress within {} ms", .after.as_millis())]
        Timeout {
            /// The deadline.
            after: Duration,
        } = "TRANSPORT_TIMEOUT", Timeout, retryable;
        /// The connection broke.
        #[error("the connection broke: {reason}")]
        Broken {
            /// What went wrong.
            reason: String,
        } = "TRANSPORT_BROKEN", Network, retryable;
        /// A message is larger than this side takes.
        #[error("a message exceeds {limit} bytes")]
        TooLong {
            /// The limit.
            limit: usize,
        } = "TRANSPORT_TOO_LONG", Protocol, retryable;
    }
}

/// Whether an address is on this machine, so that what is sent there crosses no network.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => {
            address.is_loopback() || address.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
        }
        None => false,
    }
}

/// Whether what is sent to an address crosses a network unencrypted.
pub fn goes_in_clear(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "ws") && !is_loopback(url)
}

/// What arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Bytes),
    /// The other side closes, with its code if it gave one. Nothing follows.
    Close(Option<u16>),
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Bytes),
}

/// An open connection. Closing the sink sends a proper close; the stream then goes on until the other side closed too.
pub trait Socket:
    Stream<Item = Result<Incoming, TransportError>>
    + Sink<Outgoing, Error = TransportError>
    + Send
    + Unpin
{
}

impl<S> Socket for S where
    S: Stream<Item = Result<Incoming, TransportError>>
        + Sink<Outgoing, Error = TransportError>
        + Send
        + Unpin
{
}

/// An open connection of any kind.
pub type BoxSocket = Box<dyn Socket>;

/// Opens connections. The caller bounds the time.
pub trait Connector: Debug + Send + Sync {
    /// Opens a connection to `url`; dropping the future gives up.
    fn connect<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<BoxSocket, TransportError>>;
}

/// What opens WebSockets on this machine, with the proxies and certificates of HTTP requests.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn connector(
    http: &HttpConfig,
    connect_timeout: Duration,
) -> Result<Arc<dyn Connector>, TransportError> {
    let connector = ws_native::WsConnector::with_tls(&http.proxies, &http.tls, connect_timeout)?;
    Ok(Arc::new(connector))
}

/// What opens connections that poll, on every platform.
pub(super) fn polling(http: &HttpConfig) -> Result<Arc<dyn Connector>, TransportError> {
    Ok(Arc::new(poll::PollConnector::new(http)?))
}

/// What opens WebSockets where the platform has its own.
#[cfg(target_arch = "wasm32")]
#[allow(clippy::unnecessary_wraps, reason = "as where it can fail")]
pub(super) fn connector(_: &HttpConfig, _: Duration) -> Result<Arc<dyn Connector>, TransportError> {
    Ok(super::platform::host().connector())
}
