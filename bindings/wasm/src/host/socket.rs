//! WebSockets of the platform.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    pin::Pin,
    task::{Context, Poll},
};

use agentmesh_core::client::{
    platform::BoxFuture,
    transport::{BoxSocket, Connector, Incoming, Outgoing, TransportError},
};
use futures_core::Stream;
use futures_util::Sink;
use tokio::sync::mpsc;
use url::Url;
use wasm_bindgen::prelude::*;

use super::{fresh, lent};
use crate::executor::enter;

/// Longer messages than any relay sends.
const MAX_MESSAGE: usize = agentmesh_core::limits::MAX_RELAY_FRAME;

/// Bytes that came and were not read yet. The platform reads as fast as the network brings and cannot be held up, so a connection that
/// brings more is given up: what was not acknowledged comes again over the next one.
const MAX_UNREAD: usize = 16 * MAX_MESSAGE;

/// What happened to a socket.
enum Happened {
    Opened,
    Came(Incoming),
    TooMuch,
    Failed(String),
}

/// What is told to a socket, and how much of that it has not read.
struct Inbox {
    happened: mpsc::UnboundedSender<Happened>,
    unread: Cell<usize>,
}

thread_local! {
    static SOCKETS: RefCell<BTreeMap<u32, Inbox>> = const { RefCell::new(BTreeMap::new()) };
}

fn tell(id: u32, happened: Happened) {
    enter(|| {
        SOCKETS.with_borrow_mut(|sockets| {
            let Some(socket) = sockets.get(&id) else { return };
            let length = match &happened {
                Happened::Came(message) => length(message),
                _ => 0,
            };
            let unread = socket.unread.get().saturating_add(length);
            let enough = unread > MAX_UNREAD;
            socket.unread.set(unread);
            let _ = socket.happened.send(if enough { Happened::TooMuch } else { happened });
            if enough {
                sockets.remove(&id);
            }
        });
    });
}

/// A socket is open.
#[wasm_bindgen(js_name = socketOpened)]
pub fn socket_opened(id: u32) {
    tell(id, Happened::Opened);
}

/// A text message came.
#[wasm_bindgen(js_name = socketText)]
pub fn socket_text(id: u32, text: String) {
    tell(id, Happened::Came(Incoming::Text(text)));
}

/// A binary message came.
#[wasm_bindgen(js_name = socketBytes)]
pub fn socket_bytes(id: u32, bytes: Vec<u8>) {
    tell(id, Happened::Came(Incoming::Binary(bytes.into())));
}

/// The other side closed, with a code if it gave one.
#[wasm_bindgen(js_name = socketClosed)]
pub fn socket_closed(id: u32, code: Option<u16>) {
    tell(id, Happened::Came(Incoming::Close(code)));
}

/// A socket broke, or was never one.
#[wasm_bindgen(js_name = socketFailed)]
pub fn socket_failed(id: u32, reason: String) {
    tell(id, Happened::Failed(reason));
}

/// Opens sockets.
#[derive(Debug)]
pub(super) struct Opener;

impl Connector for Opener {
    fn connect<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<BoxSocket, TransportError>> {
        Box::pin(async move {
            let invalid = |reason: &str| TransportError::InvalidUrl { reason: reason.to_owned() };
            if !matches!(url.scheme(), "ws" | "wss") {
                return Err(invalid("the scheme must be ws or wss"));
            }
            if !url.username().is_empty() || url.password().is_some() {
                return Err(invalid("it holds credentials"));
            }
            let (id, (sender, happened)) = (fresh(), mpsc::unbounded_channel());
            let inbox = Inbox { happened: sender, unread: Cell::new(0) };
            SOCKETS.with_borrow_mut(|sockets| sockets.insert(id, inbox));
            let mut socket = PlatformSocket { id, happened, over: false };
            lent(|lender| lender.open_socket(id, url.to_string()));
            let host = url.host_str().unwrap_or_default().to_owned();
            let reason = match socket.happened.recv().await {
                Some(Happened::Opened) => return Ok(Box::new(socket) as BoxSocket),
                Some(Happened::Failed(reason)) => reason,
                _ => "it was closed at once".to_owned(),
            };
            Err(TransportError::Connect { host, reason })
        })
    }
}

struct PlatformSocket {
    id: u32,
    happened: mpsc::UnboundedReceiver<Happened>,
    over: bool,
}

impl PlatformSocket {
    fn read(&self, length: usize) {
        SOCKETS.with_borrow(|sockets| {
            if let Some(socket) = sockets.get(&self.id) {
                socket.unread.set(socket.unread.get().saturating_sub(length));
            }
        });
    }
}

impl Drop for PlatformSocket {
    fn drop(&mut self) {
        SOCKETS.with_borrow_mut(|sockets| sockets.remove(&self.id));
        lent(|lender| lender.drop_socket(self.id));
    }
}

const fn length(message: &Incoming) -> usize {
    match message {
        Incoming::Text(text) => text.len(),
        Incoming::Binary(bytes) => bytes.len(),
        Incoming::Close(_) => 0,
    }
}

impl Stream for PlatformSocket {
    type Item = Result<Incoming, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let broken = |reason: &str| TransportError::Broken { reason: reason.to_owned() };
        self.happened.poll_recv(cx).map(|happened| {
            let incoming = match happened {
                Some(Happened::Came(message)) if length(&message) > MAX_MESSAGE => {
                    Err(TransportError::TooLong { limit: MAX_MESSAGE })
                }
                Some(Happened::Came(message)) => {
                    self.read(length(&message));
                    Ok(message)
                }
                Some(Happened::TooMuch) => Err(TransportError::TooLong { limit: MAX_UNREAD }),
                Some(Happened::Failed(reason)) => Err(broken(&reason)),
                Some(Happened::Opened) => Err(broken("it was opened twice")),
                None => Err(broken("the platform has forgotten it")),
            };
            self.over = matches!(incoming, Err(_) | Ok(Incoming::Close(_)));
            Some(incoming)
        })
    }
}

/// The platform's own queue takes what is sent.
impl Sink<Outgoing> for PlatformSocket {
    type Error = TransportError;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: Outgoing) -> Result<(), TransportError> {
        lent(|lender| match message {
            Outgoing::Text(text) => lender.send_text(self.id, text),
            Outgoing::Binary(bytes) => lender.send_bytes(self.id, bytes.to_vec()),
        });
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        lent(|lender| lender.close_socket(self.id));
        Poll::Ready(Ok(()))
    }
}
