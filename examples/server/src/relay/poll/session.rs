//! One client without a socket: what it posts is worked off like what comes from a socket, what is for it waits until it
//! asks.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use agentmesh_core::{limits::MAX_RELAY_FRAME, wire::relay_error::RelayErrorCode};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::{
    sync::{Mutex as TaskMutex, watch},
    time::{Instant, sleep_until, timeout},
};

use super::{
    frames::{Frames, split},
    token::Token,
};
use crate::relay::{
    Open, Relay,
    agent::Agent,
    connection::PATIENCE,
    link::Link,
    session::{Next, Session},
    websocket::close,
};

/// See the module.
pub(super) struct PollSession {
    pub(super) token: Token,
    pub(super) link: Arc<Link>,
    /// When it began, in the relay's milliseconds.
    pub(super) began_at: u64,
    agent: Arc<Agent>,
    /// One request at a time posts.
    input: TaskMutex<Session>,
    /// One request at a time fetches: the newest.
    output: TaskMutex<Output>,
    newest: watch::Sender<u64>,
    /// A fault was ordered: the session stays, and nothing happens on it.
    dead: AtomicBool,
    /// What it takes of its address and of the relay; then, when it gave that back.
    place: Mutex<Result<Open, u64>>,
}

/// What the client has been told.
#[derive(Debug, Default)]
struct Output {
    /// The number of the last answer with something in it.
    cursor: u64,
    /// That answer, until the client says that it has it.
    last: Option<Bytes>,
    closed: Option<u16>,
    /// Why the session ended, for a client that did not ask meanwhile.
    parting: Option<Frames>,
}

/// The client names an answer that is neither the last nor the one before.
#[derive(Debug)]
pub(super) struct WrongCursor {
    pub(super) current: u64,
}

#[derive(Serialize)]
struct Answer<'a> {
    cursor: u64,
    frames: &'a [Box<RawValue>],
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<u16>,
}

impl fmt::Debug for PollSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollSession").field("link", &self.link.id).finish_non_exhaustive()
    }
}

impl PollSession {
    pub(super) fn new(
        token: Token,
        relay: &Arc<Relay>,
        agent: Arc<Agent>,
        link: Arc<Link>,
        place: Open,
    ) -> Self {
        let session = Session::new(Arc::clone(relay), Arc::clone(&agent), Arc::clone(&link));
        relay.metrics.poll_sessions.increment(1.0);
        Self {
            token,
            link,
            began_at: relay.uptime_ms(),
            agent,
            input: TaskMutex::new(session),
            output: TaskMutex::default(),
            newest: watch::Sender::new(0),
            dead: AtomicBool::new(false),
            place: Mutex::new(Ok(place)),
        }
    }

    /// Works off frames of the client, in order. False if it has to take what waits for it first.
    pub(super) async fn post(&self, relay: &Relay, frames: &[Box<RawValue>]) -> bool {
        let mut session = self.input.lock().await;
        self.hear(relay);
        if self.is_dead() {
            return true;
        }
        if !self.link.outgoing.has_room_for_answers() {
            return false;
        }
        session.begin();
        // A request that was given up may have left something.
        let mut next = session.deliver_held();
        let mut frames = frames.iter();
        loop {
            if let Next::Room(slow) = next {
                session.end();
                if timeout(PATIENCE, slow.outgoing.room()).await.is_err() {
                    slow.outgoing.set_stalled();
                }
                next = session.deliver_held();
                continue;
            }
            let Some(frame) = frames.next().filter(|_| !self.link.is_closing()) else { break };
            next = if frame.get().len() > MAX_RELAY_FRAME {
                session.on_too_long();
                Next::Frame
            } else {
                session.on_text(frame.get())
            };
            if relay.dice.kills_connection() {
                self.dead.store(true, Ordering::Relaxed);
                break;
            }
        }
        session.end();
        if relay.store.is_busy() {
            relay.store.caught_up().await;
        }
        true
    }

    /// What waits for the client, or what comes within `wait`; nothing if a newer request asks. The answer before is given
    /// again to who says that it did not get it.
    pub(super) async fn fetch(
        &self,
        relay: &Arc<Relay>,
        cursor: Option<u64>,
        wait: Duration,
    ) -> Result<Bytes, WrongCursor> {
        let deadline = Instant::now() + wait;
        self.newest.send_modify(|newest| *newest += 1);
        let mut newest = self.newest.subscribe();
        let mut output = self.output.lock().await;
        let current = output.cursor;
        match (cursor, &output.last) {
            (Some(cursor), Some(last)) if cursor.checked_add(1) == Some(current) => {
                self.hear(relay);
                return Ok(last.clone());
            }
            (Some(cursor), _) if cursor != current => return Err(WrongCursor { current }),
            _ => output.last = None,
        }
        loop {
            self.hear(relay);
            if !self.is_dead() {
                self.fill(relay).await;
                if let Some(answer) = output.take(&self.link) {
                    return Ok(answer);
                }
            }
            tokio::select! {
                () = self.link.outgoing.woken() => {}
                _ = newest.changed() => break,
                () = sleep_until(deadline) => break,
            }
        }
        self.hear(relay);
        Ok(output.nothing())
    }

    /// Puts what the mailbox holds on the queue, as far as there is room.
    async fn fill(&self, relay: &Arc<Relay>) {
        if let Err(error) = relay.drain(&self.agent, &self.link).await {
            tracing::error!(%error, "stored messages could not be read");
            let why = "the relay's store failed";
            self.link.close(close::GOING_AWAY, Some((RelayErrorCode::InternalError, why)));
        }
    }

    /// Leaves the relay, once; says when that was.
    pub(super) fn end(&self, relay: &Relay, now: u64) -> u64 {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(since) = *place {
            return since;
        }
        *place = Err(now);
        drop(place);
        // Who is fetching at this moment takes it all.
        if let Ok(mut output) = self.output.try_lock() {
            output.part(&self.link);
        }
        relay.leave(&self.agent, &self.link);
        relay.metrics.poll_sessions.decrement(1.0);
        now
    }

    fn hear(&self, relay: &Relay) {
        if !self.is_dead() {
            self.link.last_heard.store(relay.uptime_ms(), Ordering::Relaxed);
        }
    }

    fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }
}

impl Output {
    /// The next answer, if there is something to say.
    fn take(&mut self, link: &Link) -> Option<Bytes> {
        let waiting = self.parting.take().unwrap_or_else(|| split(&link.outgoing.take()));
        let Frames { texts, closed } = waiting;
        if texts.is_empty() && closed.is_none() {
            return self.closed.is_some().then(|| self.nothing());
        }
        self.closed = closed;
        self.cursor += 1;
        let answer = self.answer(&texts);
        self.last = Some(answer.clone());
        Some(answer)
    }

    /// Keeps nothing of an ended session but its last word: what was not acknowledged is in the mailbox.
    fn part(&mut self, link: &Link) {
        let Frames { mut texts, closed } = split(&link.outgoing.take());
        self.last = None;
        if closed.is_some() {
            texts.drain(..texts.len().saturating_sub(1));
            self.parting = Some(Frames { texts, closed });
        }
    }

    fn nothing(&self) -> Bytes {
        self.answer(&[])
    }

    fn answer(&self, frames: &[Box<RawValue>]) -> Bytes {
        let answer = Answer { cursor: self.cursor, frames, closed: self.closed };
        // Numbers and JSON that is there already: nothing that could fail.
        serde_json::to_vec(&answer).unwrap_or_default().into()
    }
}
