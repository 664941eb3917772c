//! The task of one connection: upgraded socket, first frame, then frames until it ends.
//!
//! States: waiting for `connect` (10 s) → open → closing (our close frame is out; the client gets a second to answer).
//! Timers: the sweeper pings and times out open connections; nothing here ticks.

use std::{
    future::{Future, pending, poll_fn},
    io,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use agentmesh_core::{
    limits::MAX_RELAY_FRAME,
    wire::{relay_error::RelayErrorCode, relay_frame::ServerFrame},
};
use tokio::{
    io::AsyncWriteExt,
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};
use tokio_util::io::poll_read_buf;

use super::{
    Relay,
    connect::Admitted,
    link::Link,
    outgoing::Outgoing,
    session::{Next, Session},
    websocket::{Decoder, Event, Input, Opcode, close, write_close, write_frame},
};
use crate::{clock, http::visitors::Held};

/// A first frame is a few hundred bytes.
pub(super) const MAX_CONNECT: usize = 16 * 1024;
/// A payload far over the limit is still read, so that the error can say which message it was.
const MAX_MESSAGE: usize = MAX_RELAY_FRAME + 64 * 1024;
/// Reads begin small and grow while they come back full.
const READ_MIN: usize = 4 * 1024;
const READ_MAX: usize = 64 * 1024;
/// Unfinished input that is not counted against its address: an ordinary message.
const FREE: usize = 128 * 1024;
/// How long a sender waits for a recipient that is there but slow.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// How long a client may take to answer our close frame.
const FAREWELL: Duration = Duration::from_secs(1);

/// A socket after the WebSocket upgrade.
#[derive(Debug)]
pub(crate) struct Upgraded {
    pub(crate) stream: TcpStream,
    /// What the client sent right behind its upgrade request.
    pub(crate) read: Vec<u8>,
    /// What the client called us.
    pub(crate) host: String,
    pub(crate) ip: IpAddr,
}

/// The reading side of a connection.
struct Reader {
    socket: OwnedReadHalf,
    input: Input,
    decoder: Decoder,
    size: usize,
    held: Held,
}

impl Reader {
    /// Counts what is unfinished against the client's address. False if that has too much of it already.
    fn count(&mut self) -> bool {
        let held = self.input.unread().len().saturating_add(self.decoder.collected());
        let held = if held > FREE { held } else { 0 };
        held == self.held.bytes() || self.held.set(held)
    }

    /// Reads once. An idle connection holds no buffer while it waits.
    async fn fill(&mut self) -> io::Result<usize> {
        let n = poll_fn(|cx| {
            let buffer = self.input.spare(self.size);
            let poll = poll_read_buf(Pin::new(&mut self.socket), cx, buffer);
            if poll.is_pending() && self.input.is_empty() {
                self.input.release();
            }
            poll
        })
        .await?;
        if n >= self.size {
            self.size = (self.size * 2).min(READ_MAX);
        } else if n < self.size / 4 {
            self.size = (self.size / 2).max(READ_MIN);
        }
        Ok(n)
    }

    /// Reads on until the client has closed, too: closing a socket with unread input resets it, and a reset can
    /// overtake what we said last.
    async fn until_closed(&mut self) {
        loop {
            match self.decoder.next(&mut self.input) {
                Ok(Some(Event::Close)) => return,
                Ok(Some(_)) => {}
                Ok(None) => {
                    if !self.fill().await.is_ok_and(|n| n > 0) {
                        return;
                    }
                }
                Err(_) => {
                    self.input.release();
                    if !self.fill().await.is_ok_and(|n| n > 0) {
                        return;
                    }
                }
            }
        }
    }
}

/// Runs a connection to its end.
pub(crate) async fn run(relay: Arc<Relay>, upgraded: Upgraded) {
    let Upgraded { stream, read, host, ip } = upgraded;
    let (socket, write) = stream.into_split();
    let mut reader = Reader {
        socket,
        input: Input::new(read),
        decoder: Decoder::new(MAX_CONNECT),
        size: READ_MIN,
        held: relay.visitors.hold(ip),
    };
    let Some((admitted, write)) = Box::pin(greet(&relay, &mut reader, write, &host, ip)).await
    else {
        return;
    };
    let link = Arc::new(Link::new(
        relay.hub.next_link(),
        admitted.amid.as_str().into(),
        admitted.features,
        Outgoing::new(write, relay.limits.outgoing_bytes),
        relay.uptime_ms(),
    ));
    let agent = relay.enter(&link);
    if relay.stopping.is_cancelled() {
        // Nobody else will tell a connection that came in between.
        relay.dismiss(&link);
    }
    let session = Session::new(Arc::clone(&relay), Arc::clone(&agent), Arc::clone(&link));
    let mut connection = Connection { reader, session, reads: true };
    connection.run().await;
    relay.leave(&agent, &link);
    drop(agent);
    farewell(&relay, connection.reader, &link).await;
}

/// Waits for the first frame and admits its sender, or says why not and closes.
async fn greet(
    relay: &Arc<Relay>,
    reader: &mut Reader,
    mut write: OwnedWriteHalf,
    host: &str,
    ip: IpAddr,
) -> Option<(Admitted, OwnedWriteHalf)> {
    let limit = relay.limits.connect_timeout;
    let first = async {
        if limit.is_zero() {
            first_text(reader, &mut write).await
        } else {
            let late = || Err(Some("no connect frame in time"));
            timeout(limit, first_text(reader, &mut write)).await.unwrap_or_else(|_| late())
        }
    };
    let first = tokio::select! {
        first = first => first,
        () = relay.stopping.cancelled() => Err(None),
    };
    let refusal = match first {
        Ok(text) => match relay.admit(&text, host, clock::now()).await {
            Ok(admitted) => {
                reader.decoder.set_limit(MAX_MESSAGE);
                return Some((admitted, write));
            }
            Err(refusal) => refusal,
        },
        Err(Some(why)) => (RelayErrorCode::Unauthorized, why.to_owned()),
        Err(None) => return None,
    };
    relay.metrics.connects_refused.increment(1);
    let (code, why) = refusal;
    tracing::info!(%ip, %code, why, "a connection was refused");
    let frame = ServerFrame::error(code, why).to_json();
    let mut out = Vec::new();
    write_frame(&mut out, Opcode::Text, &[frame.as_bytes()]);
    write_close(&mut out, close::POLICY, "");
    let parting = async {
        if write.write_all(&out).await.is_ok() {
            reader.until_closed().await;
        }
    };
    let _ = timeout(FAREWELL, parting).await;
    None
}

/// The first text frame; `Err(None)` if there is nobody to tell what is wrong.
async fn first_text(
    reader: &mut Reader,
    write: &mut OwnedWriteHalf,
) -> Result<String, Option<&'static str>> {
    loop {
        while let Some(event) = reader
            .decoder
            .next(&mut reader.input)
            .map_err(|_| Some("the first frame is not a WebSocket frame"))?
        {
            match event {
                Event::Text(text) => return Ok(text.to_owned()),
                Event::Ping(payload) => {
                    let mut out = Vec::new();
                    write_frame(&mut out, Opcode::Pong, &[payload]);
                    write.write_all(&out).await.map_err(|_| None)?;
                }
                Event::Pong => {}
                Event::Close => return Err(None),
                Event::Binary(_) => return Err(Some("the first frame has to be text")),
                Event::TooLong => return Err(Some("the first frame is too long")),
            }
        }
        if reader.fill().await.map_err(|_| None)? == 0 {
            return Err(None);
        }
    }
}

struct Connection {
    reader: Reader,
    session: Session,
    /// Whether the client is still read; not after half-open was ordered.
    reads: bool,
}

impl Connection {
    async fn run(&mut self) {
        loop {
            let next = self.work();
            self.session.end();
            if self.is_over() {
                return;
            }
            if let Next::Room(link) = next {
                self.wait_for(&link).await;
                continue;
            }
            if self.session.relay.store.is_busy() {
                self.unless_closing(|session| {
                    let relay = Arc::clone(&session.relay);
                    async move { relay.store.caught_up().await }
                })
                .await;
            }
            let Session { relay, agent, link, .. } = &self.session;
            if let Err(error) = relay.drain(agent, link).await {
                tracing::error!(%error, "stored messages could not be read");
                let why = "the relay's store failed";
                link.close(close::GOING_AWAY, Some((RelayErrorCode::InternalError, why)));
            }
            if !self.wait().await {
                return;
            }
        }
    }

    /// Works off what was read.
    fn work(&mut self) -> Next {
        self.session.begin();
        let mut next = self.session.deliver_held();
        while matches!(next, Next::Frame) && !self.session.link.is_closing() {
            let Self { reader, session, reads } = self;
            next = match reader.decoder.next(&mut reader.input) {
                Ok(None) => return Next::Frame,
                Ok(Some(Event::Text(text))) => session.on_text(text),
                Ok(Some(Event::Binary(bytes))) => session.on_binary(bytes),
                Ok(Some(Event::Ping(payload))) => {
                    let pong = |out: &mut Vec<u8>| write_frame(out, Opcode::Pong, &[payload]);
                    session.link.outgoing.append(pong);
                    Next::Frame
                }
                Ok(Some(Event::Pong)) => Next::Frame,
                Ok(Some(Event::Close)) => {
                    session.link.close(close::NORMAL, None);
                    Next::Frame
                }
                Ok(Some(Event::TooLong)) => {
                    session.on_too_long();
                    Next::Frame
                }
                Err(violation) => {
                    session.link.close(violation.0, None);
                    Next::Frame
                }
            };
            if session.relay.dice.kills_connection() {
                *reads = false;
                return Next::Frame;
            }
        }
        next
    }

    fn is_over(&self) -> bool {
        let link = &self.session.link;
        link.is_closing() || link.outgoing.is_broken()
    }

    /// Waits until the next frame's recipient has room; beyond patience, messages for it are put aside.
    async fn wait_for(&mut self, link: &Arc<Link>) {
        let link = Arc::clone(link);
        self.unless_closing(|_| async move {
            if timeout(PATIENCE, link.outgoing.room()).await.is_err() {
                link.outgoing.set_stalled();
            }
        })
        .await;
    }

    /// Waits for `f`, but not when this connection is to be closed. Its own socket goes on being written.
    async fn unless_closing<F: Future<Output = ()>>(&mut self, f: impl FnOnce(&Session) -> F) {
        let future = f(&self.session);
        tokio::pin!(future);
        loop {
            let Session { relay, link, .. } = &self.session;
            if self.is_over() {
                return;
            }
            tokio::select! {
                () = &mut future => return,
                () = link.outgoing.writable(), if link.outgoing.is_blocked() => {
                    relay.handed_over(link, link.outgoing.resume());
                }
                () = link.outgoing.woken() => {}
            }
        }
    }

    /// Waits for the socket or for somebody else to have something for it. False when the client is gone.
    async fn wait(&mut self) -> bool {
        let Self { reader, session, reads } = self;
        let Session { relay, link, .. } = &*session;
        let outgoing = &link.outgoing;
        if !*reads {
            // Half open: the client hears and is heard no more, until somebody closes.
            while !link.is_closing() {
                outgoing.woken().await;
            }
            return false;
        }
        if !reader.count() {
            tracing::debug!("an address sends too much at once");
            return false;
        }
        // A client that does not read its answers is not asked for more.
        let may_read = outgoing.has_room_for_answers();
        tokio::select! {
            // In this order, because a client that always has something to say must not keep us from answering. What
            // wakes us otherwise is looked at in every round.
            biased;
            () = outgoing.writable(), if outgoing.is_blocked() => {
                relay.handed_over(link, outgoing.resume());
                true
            }
            read = reader.fill(), if may_read => match read {
                Ok(n) if n > 0 => {
                    link.last_heard.store(relay.uptime_ms(), Ordering::Relaxed);
                    true
                }
                _ => false,
            },
            () = outgoing.woken() => true,
        }
    }
}

/// Lets the client read our close frame and answer it.
async fn farewell(relay: &Relay, mut reader: Reader, link: &Link) {
    if !link.is_closing() || link.outgoing.is_broken() {
        return;
    }
    let write_rest = async {
        loop {
            relay.flush(link);
            if link.outgoing.is_empty() || link.outgoing.is_broken() {
                break;
            }
            link.outgoing.writable().await;
            relay.handed_over(link, link.outgoing.resume());
        }
        pending::<()>().await;
    };
    let both = async {
        tokio::select! { () = write_rest => {}, () = reader.until_closed() => {} }
    };
    let _ = timeout(FAREWELL, both).await;
}
