//! What is below a connection: opened with bounds, its frames told apart.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use http::HeaderMap;
use tokio_tungstenite::tungstenite::{
    self, Message,
    error::CapacityError,
    protocol::{CloseFrame, frame::coding::CloseCode},
};
use url::Url;

use super::{MAX_RECEIVED, polling::Polling};
use crate::client::{
    http::{HttpConfig, reasons, retry_after_seconds},
    platform::BoxFuture,
    transport::{
        TransportError,
        ws_native::{NativeSocket, OpenError, WsConnector},
    },
};

/// Characters of a server's words.
const MAX_TEXT: usize = 200;

/// How frames travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    WebSocket,
    Polling,
}

/// Whom to connect to. The addresses hold the session's id, so they are not printed.
#[derive(Clone)]
pub(crate) struct Dial {
    pub(crate) connector: Arc<WsConnector>,
    /// For polling: proxies, certificates, the time for a TCP connection.
    pub(crate) http: HttpConfig,
    pub(crate) socket: Url,
    pub(crate) polling: Url,
}

/// Why there is no connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DialFailure {
    /// The host answered with something else.
    Refused { status: u16, text: String, retry_after: Option<Duration> },
    /// The host is not there.
    Network(String),
    /// It is, but what was asked for broke off, or TLS failed.
    Interrupted(String),
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Text(String),
    /// A frame of the WebSocket itself.
    Alive,
    /// Nothing follows.
    Gone(String),
    /// The server broke the rules.
    Fault(String),
}

/// A connection below Engine.IO.
pub(crate) enum Line {
    Socket(Box<NativeSocket>),
    Polling(Box<Polling>),
}

impl Dial {
    /// Opens a connection; the caller bounds the time.
    pub(crate) fn open(
        &self,
        transport: Transport,
    ) -> BoxFuture<'static, Result<Line, DialFailure>> {
        let Self { connector, http, socket, polling } = self.clone();
        match transport {
            Transport::WebSocket => Box::pin(async move {
                let opened = connector.open(&socket, HeaderMap::new(), MAX_RECEIVED).await;
                opened.map(|socket| Line::Socket(Box::new(socket))).map_err(failure)
            }),
            Transport::Polling => Box::pin(async move {
                let opened = Polling::open(http, polling).await;
                opened.map(|polling| Line::Polling(Box::new(polling)))
            }),
        }
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial").field("host", &self.socket.host_str()).finish_non_exhaustive()
    }
}

impl Line {
    /// Sends a frame; the caller bounds the time. `Err` says why there is no connection any more.
    pub(crate) async fn send(&mut self, frame: &str) -> Result<(), String> {
        match self {
            Self::Socket(socket) => {
                socket.send(Message::text(frame)).await.map_err(|error| reasons(&error))
            }
            Self::Polling(polling) => polling.send(frame).await,
        }
    }

    /// Asks the server to close; the caller bounds the time.
    pub(crate) async fn close(&mut self) -> Result<(), String> {
        match self {
            Self::Socket(socket) => {
                let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                let sent = socket.send(Message::Close(Some(frame))).await;
                sent.map_err(|error| reasons(&error))
            }
            Self::Polling(polling) => polling.close().await,
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Socket(_) => "Socket",
            Self::Polling(_) => "Polling",
        })
    }
}

/// The next frame; never ends while there is no connection. Safe to cancel.
pub(crate) async fn received(line: &mut Option<Line>) -> Received {
    match line {
        None => std::future::pending().await,
        Some(Line::Socket(socket)) => of_socket(socket).await,
        Some(Line::Polling(polling)) => polling.next().await,
    }
}

async fn of_socket(socket: &mut NativeSocket) -> Received {
    match socket.next().await {
        Some(Ok(Message::Text(text))) => Received::Text(text.as_str().to_owned()),
        Some(Ok(Message::Binary(_))) => Received::Fault("a binary frame".into()),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Received::Alive,
        Some(Ok(Message::Close(_))) => Received::Gone("closed by the server".into()),
        Some(Err(tungstenite::Error::Capacity(CapacityError::MessageTooLong {
            max_size, ..
        }))) => Received::Fault(format!("a frame of more than {max_size} bytes")),
        Some(Err(error)) => Received::Gone(reasons(&error)),
        None => Received::Gone("closed without a close frame".into()),
    }
}

fn failure(error: OpenError) -> DialFailure {
    match error {
        OpenError::Handshake { error, .. } => match *error {
            tungstenite::Error::Http(response) => DialFailure::Refused {
                status: response.status().as_u16(),
                text: plain(response.body().as_deref().unwrap_or_default()),
                retry_after: retry_after_seconds(response.headers()).map(Duration::from_secs),
            },
            other => DialFailure::Interrupted(reasons(&other)),
        },
        OpenError::Transport(TransportError::InvalidUrl { reason }) => {
            DialFailure::Refused { status: 0, text: reason, retry_after: None }
        }
        OpenError::Transport(other) => DialFailure::Network(other.to_string()),
    }
}

/// A server's words on one line; nothing for a page of HTML.
pub(super) fn plain(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.starts_with('<') {
        return String::new();
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect()
}
