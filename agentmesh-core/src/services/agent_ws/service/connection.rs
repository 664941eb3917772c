//! One connection: gives a session a socket, a clock and a backend. Decides nothing.
//!
//! There is one task a session and no queue of frames: a client that does not read stops its own session, and after ten
//! seconds loses it. The backend's call is a future of this task, so whatever ends the task ends the call.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    sync::mpsc,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use super::{
    ChatError, Deltas, Inner, Seat,
    session::{Effect, Moment, Session},
};
use crate::{client::platform::BoxFuture, services::waiting::if_any};

/// A client that takes nothing for so long is gone.
const WRITE: Duration = Duration::from_secs(10);
/// For the client's half of a close.
const CLOSE: Duration = Duration::from_secs(2);
/// Bytes that are read and thrown away so that a client gets to hear why it is cut off.
const THROWN_AWAY: usize = 4 * 1024 * 1024;
/// Pieces of an answer on their way to the client; the backend waits for more room.
const PIECES: usize = 32;

type Call = BoxFuture<'static, Result<String, ChatError>>;

struct Connection<'a, S> {
    service: &'a Arc<Inner>,
    socket: WebSocketStream<S>,
    session: Session,
    call: Option<Call>,
    called_at: Instant,
    pieces: Option<mpsc::Receiver<String>>,
}

/// What the loop goes on with.
enum Then {
    More,
    /// A close frame was sent; the other half is waited for. `unread`: in raw bytes, for a frame that was not read.
    Close {
        unread: bool,
    },
    /// Nothing can be said any more.
    Gone,
}

enum Woken {
    Received(Option<Result<Message, Error>>),
    Piece(Option<String>),
    Answered(Result<String, ChatError>),
    Pushed(Option<String>),
    Due,
    Stopping,
}

/// Runs a session until it ends.
pub(super) async fn run<S>(service: &Arc<Inner>, socket: WebSocketStream<S>, mut seat: Seat)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (session, welcome) = Session::start(&service.config, seat.id.clone(), now(service));
    let called_at = Instant::now();
    let mut connection =
        Connection { service, socket, session, call: None, called_at, pieces: None };
    tracing::debug!(target: "agentmesh", session = seat.id, "agent WebSocket: session begins");
    let mut then = connection.apply(welcome).await;
    while matches!(then, Then::More) {
        let woken = connection.wait(&mut seat.pushes).await;
        then = connection.handle(woken).await;
    }
    // The call ends before the goodbye does.
    connection.call = None;
    connection.pieces = None;
    if let Then::Close { unread } = then {
        connection.part(unread).await;
    }
    tracing::debug!(target: "agentmesh", session = seat.id, "agent WebSocket: session ends");
}

fn now(service: &Inner) -> Moment {
    Moment { elapsed: service.started.elapsed(), at: service.clock.now() }
}

impl<S> Connection<'_, S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    async fn wait(&mut self, pushes: &mut mpsc::Receiver<String>) -> Woken {
        let wake = self.service.started + self.session.next_wake();
        tokio::select! {
            () = self.service.stopping.cancelled() => Woken::Stopping,
            piece = piece(&mut self.pieces) => Woken::Piece(piece),
            result = if_any(&mut self.call) => Woken::Answered(result),
            received = self.socket.next() => Woken::Received(received),
            pushed = pushes.recv() => Woken::Pushed(pushed),
            () = sleep_until(wake) => Woken::Due,
        }
    }

    async fn handle(&mut self, woken: Woken) -> Then {
        let now = now(self.service);
        let session = &mut self.session;
        let effects = match woken {
            Woken::Received(received) => match received {
                Some(Ok(Message::Text(text))) => {
                    self.service.counters.messages.fetch_add(1, Ordering::Relaxed);
                    session.receive(text.as_str(), now)
                }
                Some(Ok(Message::Binary(_))) => session.receive_binary(now),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                    session.heard(now);
                    Vec::new()
                }
                Some(Ok(Message::Close(_))) => {
                    // The answer to it was put together already, and goes out here.
                    let _ = timeout(CLOSE, self.socket.flush()).await;
                    return Then::Gone;
                }
                Some(Err(error)) => return self.broken(error, now).await,
                None => return Then::Gone,
            },
            Woken::Piece(Some(piece)) => session.piece(&piece, now),
            Woken::Piece(None) => {
                self.pieces = None;
                Vec::new()
            }
            Woken::Answered(result) => {
                let mut effects = Vec::new();
                while let Some(Ok(piece)) = self.pieces.as_mut().map(mpsc::Receiver::try_recv) {
                    effects.extend(session.piece(&piece, now));
                }
                (self.call, self.pieces) = (None, None);
                let counters = &self.service.counters;
                counters.answers.fetch_add(1, Ordering::Relaxed);
                let took = u64::try_from(self.called_at.elapsed().as_millis()).unwrap_or(u64::MAX);
                counters.answer_ms.fetch_add(took, Ordering::Relaxed);
                effects.extend(session.answered(result, now));
                effects
            }
            Woken::Pushed(Some(text)) => session.push(&text, now),
            // The seat keeps a sender; without it there is nothing to wait for.
            Woken::Pushed(None) => return Then::Gone,
            Woken::Due => session.tick(now),
            Woken::Stopping => session.shut_down(now),
        };
        self.apply(effects).await
    }

    /// What the client sent is no WebSocket, or too much of it.
    async fn broken(&mut self, error: Error, now: Moment) -> Then {
        let unread = matches!(error, Error::Capacity(_));
        let effects = match error {
            Error::Capacity(_) => self.session.too_large(now),
            Error::Utf8(_) => vec![Effect::Close { code: 1007, reason: "" }],
            Error::Protocol(
                tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            )
            | Error::Io(_)
            | Error::ConnectionClosed
            | Error::AlreadyClosed => return Then::Gone,
            _ => vec![Effect::Close { code: 1002, reason: "" }],
        };
        match self.apply(effects).await {
            Then::Close { .. } => Then::Close { unread },
            other => other,
        }
    }

    async fn apply(&mut self, effects: Vec<Effect>) -> Then {
        for effect in effects {
            let message = match effect {
                Effect::Send { text, is_error } => {
                    if is_error {
                        self.service.counters.errors.fetch_add(1, Ordering::Relaxed);
                    }
                    Message::text(text)
                }
                Effect::Ping => Message::Ping(bytes::Bytes::from_static(b"a")),
                Effect::Call { request, stream } => {
                    self.begin(request, stream);
                    continue;
                }
                Effect::Abort => {
                    (self.call, self.pieces) = (None, None);
                    continue;
                }
                Effect::Drop => return Then::Gone,
                Effect::Close { code, reason } => {
                    let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
                    return if self.write(Message::Close(Some(frame))).await {
                        Then::Close { unread: false }
                    } else {
                        Then::Gone
                    };
                }
            };
            if !self.write(message).await {
                return Then::Gone;
            }
        }
        Then::More
    }

    fn begin(&mut self, request: super::ChatRequest, stream: bool) {
        let backend = Arc::clone(&self.service.backend);
        let deltas = stream.then(|| {
            let (sender, receiver) = mpsc::channel(PIECES);
            self.pieces = Some(receiver);
            Deltas(sender)
        });
        self.called_at = Instant::now();
        self.call =
            Some(Box::pin(async move { backend.complete(&request, deltas.as_ref()).await }));
    }

    async fn write(&mut self, message: Message) -> bool {
        matches!(timeout(WRITE, self.socket.send(message)).await, Ok(Ok(())))
    }

    /// Waits for the client to have read our last words. Closing with bytes unread would make the system throw those
    /// words away.
    async fn part(&mut self, unread: bool) {
        let until = Instant::now() + CLOSE;
        if !unread {
            let ended = async { while let Some(Ok(_)) = self.socket.next().await {} };
            // Whether in time or not, it ends here.
            let _ = timeout_at(until, ended).await;
            return;
        }
        let io = self.socket.get_mut();
        let (mut left, mut buffer) = (THROWN_AWAY, vec![0; 16 * 1024]);
        while let Ok(Ok(n)) = timeout_at(until, io.read(&mut buffer)).await {
            left = left.saturating_sub(n);
            if n == 0 || left == 0 {
                return;
            }
        }
    }
}

async fn piece(pieces: &mut Option<mpsc::Receiver<String>>) -> Option<String> {
    match pieces {
        Some(pieces) => pieces.recv().await,
        None => std::future::pending().await,
    }
}
