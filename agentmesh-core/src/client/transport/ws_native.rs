//! WebSockets over tokio: `ws` and `wss`, straight or through an HTTP proxy (CONNECT).
//!
//! tungstenite frames, rustls encrypts, hyper-util dials (happy eyeballs) and tunnels. Knows no relay frames.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use futures_util::Sink;
use hyper_util::client::legacy::connect::{HttpConnector, proxy::Tunnel};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    tungstenite::{self, Message, protocol::WebSocketConfig},
};
use tower_service::Service;
use url::Url;

use super::{BoxSocket, Connector, Incoming, Outgoing, TransportError};
use crate::{
    client::{
        http::{reasons, retry_after_seconds},
        platform::BoxFuture,
        proxy::{ProxyConfig, ProxyMatcher},
        tls,
    },
    limits::MAX_RELAY_FRAME,
};

/// Read buffer a connection. tungstenite allocates it at once; its default of 128 KiB is for servers of few clients.
const READ_BUFFER: usize = 8 * 1024;
/// Bytes gathered before they are written without being asked to.
const WRITE_BUFFER: usize = 64 * 1024;

/// Opens WebSockets. One instance serves any number of connections and shares the TLS configuration among them.
pub struct WsConnector {
    dialer: HttpConnector,
    proxies: ProxyMatcher,
    tls: Arc<rustls::ClientConfig>,
}

impl WsConnector {
    /// A connector that uses `proxies`, and waits at most `connect_timeout` for each TCP connection.
    ///
    /// # Errors
    /// [`TransportError::Connect`] if TLS cannot be set up at all, which is a bug in the build.
    pub fn new(proxies: &ProxyConfig, connect_timeout: Duration) -> Result<Self, TransportError> {
        let mut dialer = HttpConnector::new();
        // It connects to `https` addresses as well: TLS is put on top here.
        dialer.enforce_http(false);
        dialer.set_nodelay(true);
        dialer.set_keepalive(Some(Duration::from_secs(60)));
        dialer.set_connect_timeout(Some(connect_timeout));
        let mut tls = tls::client_config()
            .map_err(|e| TransportError::Connect { host: String::new(), reason: e.to_string() })?;
        // WebSockets are HTTP/1.1.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { dialer, proxies: proxies.matcher(), tls: Arc::new(tls) })
    }

    async fn dial(&self, address: &::http::Uri, host: &str) -> Result<TcpStream, TransportError> {
        let Some(proxy) = self.proxies.proxy_for(address) else {
            let socket = self.dialer.clone().call(address.clone()).await;
            return Ok(socket.map_err(|e| cannot_connect(host, &e))?.into_inner());
        };
        if proxy.uri().scheme_str() != Some("http") {
            let scheme = proxy.uri().scheme_str().unwrap_or_default();
            return Err(TransportError::Proxy {
                reason: format!("{scheme} proxies are not supported, only http ones"),
            });
        }
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.dialer.clone());
        if let Some(credentials) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        let socket = tunnel.call(with_port(address)?).await;
        Ok(socket.map_err(|e| TransportError::Proxy { reason: reasons(&e) })?.into_inner())
    }
}

impl Connector for WsConnector {
    fn connect<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<BoxSocket, TransportError>> {
        Box::pin(async move {
            let address = http_address(url)?;
            let host = address.authority().map(ToString::to_string).unwrap_or_default();
            let tcp = self.dial(&address, &host).await?;
            let connector = tokio_tungstenite::Connector::Rustls(self.tls.clone());
            let config = WebSocketConfig::default()
                .read_buffer_size(READ_BUFFER)
                .write_buffer_size(WRITE_BUFFER)
                .max_message_size(Some(MAX_RELAY_FRAME))
                .max_frame_size(Some(MAX_RELAY_FRAME));
            let shaken =
                client_async_tls_with_config(url.as_str(), tcp, Some(config), Some(connector));
            let (inner, _) = shaken.await.map_err(|e| handshake_error(&host, e))?;
            let socket: BoxSocket = Box::new(WsSocket { inner, closed: false });
            Ok(socket)
        })
    }
}

impl fmt::Debug for WsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsConnector").finish_non_exhaustive()
    }
}

/// The same host and port with the scheme that dialers and proxy rules know. Credentials in the address are refused:
/// they would end up in logs.
fn http_address(url: &Url) -> Result<::http::Uri, TransportError> {
    let invalid = |reason: &str| TransportError::InvalidUrl { reason: reason.to_owned() };
    let scheme = match url.scheme() {
        "ws" => "http",
        "wss" => "https",
        _ => return Err(invalid("the scheme must be ws or wss")),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("it holds credentials"));
    }
    let host = url.host_str().ok_or_else(|| invalid("there is no host"))?;
    let authority = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    ::http::Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query("/")
        .build()
        .map_err(|_| invalid("the host is not valid"))
}

/// CONNECT wants a port.
fn with_port(address: &::http::Uri) -> Result<::http::Uri, TransportError> {
    if address.port().is_some() {
        return Ok(address.clone());
    }
    let port = if address.scheme_str() == Some("https") { 443 } else { 80 };
    let host = address.host().unwrap_or_default();
    ::http::Uri::builder()
        .scheme("http")
        .authority(format!("{host}:{port}"))
        .path_and_query("/")
        .build()
        .map_err(|_| TransportError::InvalidUrl { reason: "the host is not valid".into() })
}

fn cannot_connect(host: &str, error: &dyn std::error::Error) -> TransportError {
    TransportError::Connect { host: host.to_owned(), reason: reasons(error) }
}

fn handshake_error(host: &str, error: tungstenite::Error) -> TransportError {
    match error {
        tungstenite::Error::Http(response) => TransportError::Refused {
            host: host.to_owned(),
            status: response.status().as_u16(),
            retry_after_seconds: retry_after_seconds(response.headers()),
        },
        other => cannot_connect(host, &other),
    }
}

fn broken(error: tungstenite::Error) -> TransportError {
    match error {
        tungstenite::Error::Capacity(tungstenite::error::CapacityError::MessageTooLong {
            max_size,
            ..
        }) => TransportError::TooLong { limit: max_size },
        other => TransportError::Broken { reason: reasons(&other) },
    }
}

struct WsSocket {
    inner: WebSocketStream<MaybeTlsStream<TcpStream>>,
    closed: bool,
}

impl Stream for WsSocket {
    type Item = Result<Incoming, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.closed {
                return Poll::Ready(None);
            }
            let incoming = match ready!(Pin::new(&mut self.inner).poll_next(cx)) {
                // tungstenite answers pings itself, on the next read.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Text(text))) => Ok(Incoming::Text(text.as_str().to_owned())),
                Some(Ok(Message::Binary(bytes))) => Ok(Incoming::Binary(bytes)),
                Some(Ok(Message::Close(frame))) => {
                    Ok(Incoming::Close(frame.map(|frame| frame.code.into())))
                }
                Some(Err(tungstenite::Error::ConnectionClosed)) | None => {
                    Err(TransportError::Broken { reason: "closed without a close frame".into() })
                }
                Some(Err(error)) => Err(broken(error)),
            };
            self.closed = matches!(incoming, Err(_) | Ok(Incoming::Close(_)));
            return Poll::Ready(Some(incoming));
        }
    }
}

impl Sink<Outgoing> for WsSocket {
    type Error = TransportError;

    fn poll_ready(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        Pin::new(&mut self.inner).poll_ready(cx).map_err(broken)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Outgoing) -> Result<(), TransportError> {
        let message = match message {
            Outgoing::Text(text) => Message::Text(text.into()),
            Outgoing::Binary(bytes) => Message::Binary(bytes),
        };
        Pin::new(&mut self.inner).start_send(message).map_err(broken)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        Pin::new(&mut self.inner).poll_flush(cx).map_err(broken)
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        Pin::new(&mut self.inner).poll_close(cx).map_err(broken)
    }
}

#[cfg(test)]
#[path = "ws_native_tests.rs"]
mod tests;
