//! A connection without a network, for tests: two bounded queues and whatever the test makes of them.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use futures_util::Sink;
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;
use url::Url;

use super::{BoxSocket, Connector, Incoming, Outgoing, TransportError};
use crate::client::platform::BoxFuture;

/// One end of a connection in memory.
///
/// Dropping it without closing looks like a broken connection to the other end.
pub struct MemorySocket {
    incoming: mpsc::Receiver<Incoming>,
    outgoing: PollSender<Incoming>,
    close_code: Option<u16>,
    saw_close: bool,
}

/// Both ends of a connection whose queues hold `capacity` messages.
pub fn pair(capacity: usize) -> (MemorySocket, MemorySocket) {
    let (to_b, from_a) = mpsc::channel(capacity.max(1));
    let (to_a, from_b) = mpsc::channel(capacity.max(1));
    (MemorySocket::new(from_b, to_b), MemorySocket::new(from_a, to_a))
}

impl MemorySocket {
    fn new(incoming: mpsc::Receiver<Incoming>, outgoing: mpsc::Sender<Incoming>) -> Self {
        Self { incoming, outgoing: PollSender::new(outgoing), close_code: None, saw_close: false }
    }

    /// Sets the code that closing this end will send.
    pub const fn set_close_code(&mut self, code: u16) {
        self.close_code = Some(code);
    }
}

fn gone<E>(_: E) -> TransportError {
    TransportError::Broken { reason: "the other end is gone".into() }
}

impl Stream for MemorySocket {
    type Item = Result<Incoming, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.saw_close {
            return Poll::Ready(None);
        }
        self.incoming.poll_recv(cx).map(|message| {
            self.saw_close = matches!(message, None | Some(Incoming::Close(_)));
            Some(message.ok_or(()).map_err(gone))
        })
    }
}

impl Sink<Outgoing> for MemorySocket {
    type Error = TransportError;

    fn poll_ready(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        self.outgoing.poll_reserve(cx).map_err(gone)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Outgoing) -> Result<(), TransportError> {
        let message = match message {
            Outgoing::Text(text) => Incoming::Text(text),
            Outgoing::Binary(bytes) => Incoming::Binary(bytes),
        };
        self.outgoing.send_item(message).map_err(gone)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        if self.outgoing.is_closed() {
            return Poll::Ready(Ok(()));
        }
        match self.outgoing.poll_reserve(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(_)) => return Poll::Ready(Ok(())),
            Poll::Ready(Ok(())) => {}
        }
        let close = Incoming::Close(self.close_code);
        // An end that is gone needs no goodbye.
        let _ = self.outgoing.send_item(close);
        self.outgoing.close();
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for MemorySocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySocket").finish_non_exhaustive()
    }
}

/// Hands each connection that a client opens to a test, through [`MemoryListener`].
#[derive(Debug, Clone)]
pub struct MemoryConnector {
    accepted: mpsc::Sender<MemorySocket>,
    capacity: usize,
}

/// The test's side of a [`MemoryConnector`]. Dropping it makes every later connection fail.
#[derive(Debug)]
pub struct MemoryListener {
    accepted: mpsc::Receiver<MemorySocket>,
}

/// A connector and its listener; queues of each connection hold `capacity` messages.
pub fn listener(capacity: usize) -> (MemoryConnector, MemoryListener) {
    let (sender, receiver) = mpsc::channel(1);
    (MemoryConnector { accepted: sender, capacity }, MemoryListener { accepted: receiver })
}

impl MemoryListener {
    /// The next connection, `None` when every connector is gone.
    pub async fn accept(&mut self) -> Option<MemorySocket> {
        self.accepted.recv().await
    }
}

impl Connector for MemoryConnector {
    fn connect<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<BoxSocket, TransportError>> {
        Box::pin(async move {
            let (ours, theirs) = pair(self.capacity);
            self.accepted.send(theirs).await.map_err(|_| TransportError::Connect {
                host: url.host_str().unwrap_or_default().to_owned(),
                reason: "nobody listens".into(),
            })?;
            let socket: BoxSocket = Box::new(ours);
            Ok(socket)
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::{SinkExt, StreamExt};

    use super::*;

    #[tokio::test]
    async fn carries_both_kinds_and_a_close_code() {
        let (mut a, mut b) = pair(4);
        a.send(Outgoing::Text("x".into())).await.unwrap();
        a.send(Outgoing::Binary(Bytes::from_static(b"y"))).await.unwrap();
        a.set_close_code(4006);
        a.close().await.unwrap();
        assert_eq!(b.next().await, Some(Ok(Incoming::Text("x".into()))));
        assert_eq!(b.next().await, Some(Ok(Incoming::Binary(Bytes::from_static(b"y")))));
        assert_eq!(b.next().await, Some(Ok(Incoming::Close(Some(4006)))));
        assert_eq!(b.next().await, None);
        b.close().await.unwrap();
        assert_eq!(a.next().await, Some(Ok(Incoming::Close(None))));
    }

    #[tokio::test]
    async fn an_end_that_vanishes_is_a_broken_connection() {
        let (mut a, b) = pair(4);
        drop(b);
        assert!(matches!(a.next().await, Some(Err(TransportError::Broken { .. }))));
        assert_eq!(a.next().await, None);
        assert!(a.send(Outgoing::Text("x".into())).await.is_err());
    }
}
