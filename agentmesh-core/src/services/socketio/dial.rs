//! The WebSocket below a connection: opened with bounds, its frames told apart.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::StreamExt;
use http::HeaderMap;
use tokio_tungstenite::tungstenite::{self, Message, error::CapacityError};
use url::Url;

use super::MAX_RECEIVED;
use crate::client::{
    http::{reasons, retry_after_seconds},
    platform::BoxFuture,
    transport::{
        TransportError,
        ws_native::{NativeSocket, OpenError, WsConnector},
    },
};

/// Characters of a server's words.
const MAX_TEXT: usize = 200;

/// Whom to connect to. The address holds the session's id, so it is not printed.
#[derive(Clone)]
pub(crate) struct Dial {
    pub(crate) connector: Arc<WsConnector>,
    pub(crate) url: Url,
}

/// Why there is no WebSocket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DialFailure {
    /// The host answered with something else.
    Refused { status: u16, text: String, retry_after: Option<Duration> },
    /// It did not answer, or TLS failed.
    Network(String),
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

impl Dial {
    /// Opens a WebSocket; the caller bounds the time.
    pub(crate) fn open(&self) -> BoxFuture<'static, Result<Box<NativeSocket>, DialFailure>> {
        let Self { connector, url } = self.clone();
        Box::pin(async move {
            let opened = connector.open(&url, HeaderMap::new(), MAX_RECEIVED).await;
            opened.map(Box::new).map_err(failure)
        })
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

/// The next frame; never ends while there is no socket.
pub(crate) async fn received(socket: &mut Option<Box<NativeSocket>>) -> Received {
    let Some(socket) = socket else { return std::future::pending().await };
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
            other => DialFailure::Network(reasons(&other)),
        },
        OpenError::Transport(TransportError::InvalidUrl { reason }) => {
            DialFailure::Refused { status: 0, text: reason, retry_after: None }
        }
        OpenError::Transport(other) => DialFailure::Network(other.to_string()),
    }
}

/// A server's words on one line; nothing for a page of HTML.
fn plain(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.starts_with('<') {
        return String::new();
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect()
}
