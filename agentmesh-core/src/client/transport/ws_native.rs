//! WebSockets over tokio: `ws` and `wss`, on whatever way `line` finds to the host.
//!
//! tungstenite frames, rustls encrypts. Knows no relay frames.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use ::http::HeaderMap;
use futures_core::Stream;
use futures_util::Sink;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    tungstenite::{self, Message, client::IntoClientRequest, protocol::WebSocketConfig},
};
use url::Url;

use super::{
    BoxSocket, Connector, Incoming, Outgoing, TransportError,
    line::{Dialer, Line},
};
use crate::{
    client::{
        http::{reasons, retry_after_seconds},
        platform::BoxFuture,
        proxy::ProxyConfig,
        tls::{self, TlsConfig},
    },
    limits::MAX_RELAY_FRAME,
};

/// Read buffer a connection. tungstenite allocates it at once; its default of 128 KiB is for servers of few clients.
const READ_BUFFER: usize = 8 * 1024;
/// Bytes gathered before they are written without being asked to.
const WRITE_BUFFER: usize = 64 * 1024;

/// Opens WebSockets. One instance serves any number of connections and shares the TLS configuration among them.
pub struct WsConnector {
    dialer: Dialer,
    tls: Arc<rustls::ClientConfig>,
}

impl WsConnector {
    /// A connector that uses `proxies`, trusts the certificates that the environment says
    /// ([`TlsConfig::from_env`]), and waits at most `connect_timeout` for each TCP connection.
    ///
    /// # Errors
    /// [`TransportError::Connect`] if TLS cannot be set up at all, which is a bug in the build.
    pub fn new(proxies: &ProxyConfig, connect_timeout: Duration) -> Result<Self, TransportError> {
        Self::with_tls(proxies, &TlsConfig::from_env(), connect_timeout)
    }

    /// As [`new`](Self::new), with certificates of the caller's choice.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_tls(
        proxies: &ProxyConfig,
        trust: &TlsConfig,
        connect_timeout: Duration,
    ) -> Result<Self, TransportError> {
        let bug = |e: rustls::Error| TransportError::Connect {
            host: String::new(),
            reason: e.to_string(),
        };
        let dialer = Dialer::new(proxies, trust, connect_timeout).map_err(bug)?;
        let mut tls = tls::client_config(trust).map_err(bug)?;
        // WebSockets are HTTP/1.1.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { dialer, tls: Arc::new(tls) })
    }
}

/// Why [`WsConnector::open`] failed.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// Before the upgrade was asked for.
    Transport(TransportError),
    /// While it was.
    Handshake {
        /// Host and port.
        host: String,
        /// What went wrong. It may hold the server's answer.
        error: Box<tungstenite::Error>,
    },
}

impl From<OpenError> for TransportError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Transport(error) => error,
            OpenError::Handshake { host, error } => handshake_error(&host, *error),
        }
    }
}

/// A WebSocket over TCP or TLS.
pub(crate) type NativeSocket = WebSocketStream<MaybeTlsStream<Line>>;

impl WsConnector {
    /// Opens a WebSocket whose messages have at most `limit` bytes, with `headers` in the request for it.
    pub(crate) async fn open(
        &self,
        url: &Url,
        headers: HeaderMap,
        limit: usize,
    ) -> Result<NativeSocket, OpenError> {
        let address = http_address(url).map_err(OpenError::Transport)?;
        let host = address.authority().map(ToString::to_string).unwrap_or_default();
        let line = self.dialer.dial(&address, &host).await.map_err(OpenError::Transport)?;
        let connector = tokio_tungstenite::Connector::Rustls(self.tls.clone());
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        let failed = |error| OpenError::Handshake { host: host.clone(), error: Box::new(error) };
        let mut request = url.as_str().into_client_request().map_err(failed)?;
        request.headers_mut().extend(headers);
        let shaken = client_async_tls_with_config(request, line, Some(config), Some(connector));
        let (socket, _) = shaken.await.map_err(failed)?;
        Ok(socket)
    }
}

impl Connector for WsConnector {
    fn connect<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<BoxSocket, TransportError>> {
        Box::pin(async move {
            let inner = self.open(url, HeaderMap::new(), MAX_RELAY_FRAME).await?;
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
    inner: NativeSocket,
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
