//! The relay: WebSocket connections of agents, those that poll instead (`poll`), and the messages between them
//! (`docs/protocol/relay.md` and `docs/protocol/native.md` §7, §8).
//!
//! Knows AMIDs, frames and how long a message is kept. Cannot read a payload.
//!
//! The way of a message: `connection` reads bytes → `websocket` cuts frames → `session` parses and checks limits →
//! `delivery` puts it on the recipient's `outgoing` queue and, if anybody acknowledges, into its `mailbox` and to the
//! store's writer → `settle` hears from the writer or the recipient and tells the sender.

mod agent;
mod arrivals;
mod connect;
mod connection;
mod control;
mod delivery;
mod drain;
mod encode;
mod hub;
mod link;
mod mailbox;
mod outgoing;
pub(crate) mod poll;
mod rate;
mod session;
mod settle;
mod sweeper;
mod upgrade;
pub(crate) mod websocket;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use agentmesh_core::wire::{
    relay_error::RelayErrorCode,
    relay_frame::{PresenceStatus, ServerFrame},
    relay_id::RelayMessageId,
};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use rate::Window;
pub(crate) use upgrade::{Open, host, is_upgrade, upgrade};

use crate::{
    ServerConfig, clock,
    faults::Dice,
    http::visitors::Visitors,
    limits::Limits,
    metrics::Metrics,
    store::{Flushed, Head, Store},
};
use agent::Agent;
use arrivals::Arrivals;
use hub::Hub;
use link::Link;
use poll::Polls;
use websocket::close;

/// What a revoked agent is told.
const REVOKED: &str = "this agent is revoked";

/// What the relay's tasks share.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) hub: Hub,
    pub(crate) store: Arc<Store>,
    pub(crate) config: ServerConfig,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) dice: Dice,
    pub(crate) arrivals: Arrivals,
    /// Clients without a socket.
    pub(crate) polls: Polls,
    /// What each address takes.
    pub(crate) visitors: Arc<Visitors>,
    /// Sockets open, those of HTTP included.
    pub(crate) sockets: Arc<AtomicUsize>,
    /// Every task of the server, so that all have ended when the server has.
    pub(crate) tasks: TaskTracker,
    /// The server is going down.
    pub(crate) stopping: CancellationToken,
    started: Instant,
    /// Milliseconds since then, as of the sweeper's last step: good enough for silence, and free to read.
    uptime_ms: AtomicU64,
    /// Ids for messages of senders that give none: random, then counted.
    own_ids: ([u8; 8], AtomicU64),
}

/// What a relay is made of.
pub(crate) struct Parts {
    pub(crate) config: ServerConfig,
    pub(crate) store: Arc<Store>,
    pub(crate) heads: Vec<Head>,
    pub(crate) flushed: mpsc::UnboundedReceiver<Vec<Flushed>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tasks: TaskTracker,
    /// The task that hears from the store; it ends after the store.
    pub(crate) answers: TaskTracker,
    pub(crate) stopping: CancellationToken,
}

impl Relay {
    /// Starts the relay's own tasks.
    pub(crate) fn start(parts: Parts) -> Result<Arc<Self>, std::io::Error> {
        let Parts { config, store, heads, mut flushed, metrics, tasks, answers, stopping } = parts;
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(std::io::Error::other)?;
        let hub = Hub::new(heads);
        // At most `stored_messages` of them, far from where f64 gets coarse.
        metrics.pending.set(f64::from(u32::try_from(hub.pending()).unwrap_or(u32::MAX)));
        let visitors = Arc::new(Visitors::new(config.limits.connections_per_ip != 0));
        let relay = Arc::new(Self {
            hub,
            store,
            limits: config.limits.clone(),
            dice: Dice::new(config.faults.clone()),
            config,
            metrics,
            arrivals: Arrivals::default(),
            polls: Polls::default(),
            visitors,
            sockets: Arc::default(),
            tasks: tasks.clone(),
            stopping,
            started: Instant::now(),
            uptime_ms: AtomicU64::new(0),
            own_ids: (random, AtomicU64::new(0)),
        });
        let teller = Arc::downgrade(&relay);
        answers.spawn(async move {
            while let Some(batch) = flushed.recv().await {
                let Some(relay) = teller.upgrade() else { return };
                relay.flushed(batch);
            }
        });
        tasks.spawn(sweeper::run(Arc::clone(&relay)));
        Ok(relay)
    }

    /// Milliseconds since the relay started, to the second or so; cannot jump.
    fn uptime_ms(&self) -> u64 {
        self.uptime_ms.load(Ordering::Relaxed)
    }

    fn advance_uptime(&self) {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.uptime_ms.store(ms, Ordering::Relaxed);
    }

    fn own_message_id(&self) -> RelayMessageId {
        let (random, counter) = &self.own_ids;
        let count = counter.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(random.iter().chain(&count)).for_each(|(to, from)| *to = *from);
        RelayMessageId::from_bytes(bytes)
    }

    /// A connection was admitted: it gets what is sent to its agent from now on, and an older one is closed.
    fn enter(&self, link: &Arc<Link>) -> Arc<Agent> {
        let agent = self.hub.get_or_insert(&link.amid);
        let mut state = agent.lock();
        let older = state.link.replace(Arc::clone(link));
        state.mailbox.rewind();
        state.presence = PresenceStatus::Online;
        state.last_seen = clock::now();
        let pending = state.mailbox.len();
        // Before the lock is released, so that nothing can be sent before this.
        link.send(&ServerFrame::Connected {
            session_id: session_id(self.own_ids.0, link.id),
            pending_messages: u64::try_from(pending).unwrap_or(u64::MAX),
            features: link.features,
        });
        if pending > 0 {
            link.put_aside();
        }
        drop(state);
        self.metrics.connects.increment(1);
        self.metrics.connections.increment(1.0);
        tracing::debug!(amid = %link.amid, link = link.id, pending, "connected");
        if let Some(older) = older {
            self.metrics.replaced.increment(1);
            let why = "replaced by a newer connection of this agent";
            older.close(close::REPLACED, Some((RelayErrorCode::Replaced, why)));
        }
        self.flush(link);
        agent
    }

    /// A connection has ended. If a newer one took over, that one stays.
    fn leave(&self, agent: &Agent, link: &Link) {
        let mut state = agent.lock();
        if state.is_current(link) {
            state.link = None;
            state.presence = PresenceStatus::Offline;
            state.last_seen = clock::now();
        }
        drop(state);
        link.outgoing.close();
        self.metrics.connections.decrement(1.0);
        tracing::debug!(amid = %link.amid, link = link.id, "disconnected");
    }

    /// Tells every client to come back later.
    pub(crate) fn dismiss_all(&self) {
        self.hub.for_each(|agent| {
            if let Some(link) = agent.link() {
                self.dismiss(&link);
            }
        });
    }

    /// Ends the connection of an agent that was revoked. What it sent before is delivered.
    pub(crate) fn expel(&self, amid: &str) {
        if let Some(link) = self.hub.get(amid).and_then(|agent| agent.link()) {
            link.close(close::POLICY, Some((RelayErrorCode::Unauthorized, REVOKED)));
        }
    }

    fn dismiss(&self, link: &Link) {
        let why = "the server is going down";
        link.close(close::GOING_AWAY, Some((RelayErrorCode::ShuttingDown, why)));
    }
}

/// A UUID (version 8, ours to lay out): enough of the relay's random number to tell two relays apart, and the
/// connection's number, which is what the log shows.
fn session_id(random: [u8; 8], link: u64) -> String {
    let [a, b, c, d, e, f, g, _] = random;
    format!(
        "{a:02x}{b:02x}{c:02x}{d:02x}-{e:02x}{f:02x}-8{:01x}00-8000-{:012x}",
        g & 15,
        link & 0xffff_ffff_ffff
    )
}
