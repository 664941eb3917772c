//! The connection to a relay: one task that dials, authenticates, keeps alive and reconnects (docs/protocol/native.md
//! §8 and, for plain 0.2, docs/protocol/relay.md).
//!
//! ```text
//!            ┌────────── pause (full jitter, 2 s doubling to 30 s) ◄──────────┐
//!            ▼                                                                 │
//!   Connecting ── connect frame, `connected` within 10 s ──► Connected ── lost ┤
//!            │                                                   │             │
//!            └───────────── refused, timeout ─────────────────── │ ────────────┘
//!                                        `REPLACED` or code 4006 ▼     close(), handle dropped
//!                                                            Replaced            Closed
//! ```
//! While connected: a `ping` every 20 s; when nothing at all arrives within 10 s of it, the connection counts as deaf
//! and is replaced (deployed relays go deaf without closing). Frames that do not parse are dropped, the connection stays.
//!
//! Knows relay frames and the identity that signs `connect`; does not know what payloads hold, and stores nothing: what
//! was not acknowledged when a connection is lost has to be sent again by the owner of the outbox.

mod actor;
mod connection;
mod convert;
mod error;
mod handshake;
mod message;
mod pause;

use std::{fmt, sync::Arc, time::Duration};

use rand_core::CryptoRng;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use url::Url;

use self::actor::{Actor, Mailbox};
pub use self::{
    error::RelayError,
    message::{Inbound, Outbound, RelayCommand, RelayEvent, RelayPayload},
};
use super::{
    backoff::BackoffConfig,
    platform::{self, Clock, Task},
    subscription::{Subscription, subscription},
    transport::Connector,
};
use crate::{
    identity::Identity,
    wire::{relay_features::Features, relay_frame::PresenceStatus},
};

/// WebSocket close code of a connection that another one of the same agent took over.
pub const CLOSE_REPLACED: u16 = 4006;

/// How the relay is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RelayTransport {
    /// By a WebSocket that stays open.
    #[default]
    WebSocket,
    /// By HTTP requests, one of which waits at the relay: where no socket can be kept, or none gets through. Needs a relay
    /// of ours.
    Polling,
}

/// Settings of a relay connection. The defaults are those of the protocol.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// The relay's `ws` or `wss` address.
    pub url: Url,
    /// Extensions to announce.
    pub features: Features,
    /// For dialing, TLS and the WebSocket handshake together.
    pub connect_timeout: Duration,
    /// Between `connect` and `connected`.
    pub handshake_timeout: Duration,
    /// Between two pings.
    pub ping_interval: Duration,
    /// For a sign of life after a ping.
    pub pong_timeout: Duration,
    /// For one frame to leave this machine.
    pub write_timeout: Duration,
    /// For a proper goodbye.
    pub close_timeout: Duration,
    /// Pauses between attempts.
    pub backoff: BackoffConfig,
    /// A connection that lasted this long was a success: the pauses start small again.
    pub stable_after: Duration,
    /// Commands and events that may wait, each.
    pub queue: usize,
}

impl RelayConfig {
    /// The protocol's defaults for the relay at `url`, announcing every extension.
    pub const fn new(url: Url) -> Self {
        Self {
            url,
            features: Features::ALL,
            connect_timeout: Duration::from_secs(15),
            handshake_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(20),
            pong_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(20),
            close_timeout: Duration::from_secs(1),
            backoff: BackoffConfig::RECONNECT,
            stable_after: Duration::from_secs(10),
            queue: 256,
        }
    }

    /// For [`RelayTransport::Polling`]: text frames only, no pings (a request that waits shows that the relay is there),
    /// and time for a request where a socket needs less.
    pub fn polling(url: Url) -> Self {
        Self {
            features: Features { binary: false, ..Features::ALL },
            handshake_timeout: Duration::from_secs(15),
            ping_interval: Duration::from_secs(24 * 3600),
            close_timeout: Duration::from_secs(4),
            ..Self::new(url)
        }
    }
}

/// What a relay connection works with.
pub struct RelayContext {
    /// Who connects.
    pub identity: Arc<Identity>,
    /// What dials.
    pub connector: Arc<dyn Connector>,
    /// Dates `connect` and `ping`.
    pub clock: Clock,
    /// Jitter and nonces.
    pub rng: Box<dyn CryptoRng + Send>,
}

impl fmt::Debug for RelayContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayContext").field("amid", &self.identity.amid()).finish_non_exhaustive()
    }
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayState {
    /// Dialing or authenticating.
    Connecting,
    /// In use.
    Connected,
    /// Between two attempts.
    Waiting,
    /// Ended, because another connection of the same agent took over.
    Replaced,
    /// Ended by its owner.
    Closed,
}

/// The owner's end of a relay connection. Dropping it ends the connection and its task at once; [`RelayHandle::close`]
/// says goodbye first.
#[derive(Debug)]
pub struct RelayHandle {
    commands: mpsc::Sender<RelayCommand>,
    presence: watch::Sender<Option<PresenceStatus>>,
    state: watch::Receiver<RelayState>,
    stop: CancellationToken,
    task: Task<()>,
}

/// Starts a connection. It dials at once, and keeps dialing until it is closed, dropped or replaced.
///
/// Events have to be read: while their queue is full nothing is read from the relay.
pub fn connect(
    config: RelayConfig,
    context: RelayContext,
) -> (RelayHandle, Subscription<RelayEvent>) {
    let (command_sender, commands) = mpsc::channel(config.queue.max(1));
    let (presence_sender, presence) = watch::channel(None);
    let (publisher, events) = subscription(config.queue);
    let (state_sender, state) = watch::channel(RelayState::Connecting);
    let stop = CancellationToken::new();
    let mailbox =
        Mailbox { commands, presence, events: publisher, state: state_sender, stop: stop.clone() };
    let task = platform::spawn(Actor::new(config, context, mailbox).run());
    (RelayHandle { commands: command_sender, presence: presence_sender, state, stop, task }, events)
}

impl RelayHandle {
    /// Queues a command, waiting for room. Success means queued, not sent.
    ///
    /// Whoever reads the events must not wait here meanwhile: a relay that cannot get rid of its messages reads none of
    /// ours, and only the write timeout would end that. Use [`RelayHandle::try_send`] there.
    ///
    /// # Errors
    /// [`RelayError::NotConnected`], [`RelayError::Replaced`] or [`RelayError::Closed`]. Safe to cancel: a cancelled
    /// command was not queued.
    pub async fn send(&self, command: RelayCommand) -> Result<(), RelayError> {
        self.check()?;
        let permit = self.commands.reserve().await.map_err(|_| self.ended())?;
        // The room may have come from a lost connection, whose queue was thrown away.
        self.check()?;
        permit.send(command);
        Ok(())
    }

    /// Queues a command if there is room now.
    ///
    /// # Errors
    /// As [`RelayHandle::send`], and [`RelayError::Busy`].
    pub fn try_send(&self, command: RelayCommand) -> Result<(), RelayError> {
        self.check()?;
        self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => RelayError::Busy,
            mpsc::error::TrySendError::Closed(_) => self.ended(),
        })
    }

    /// Sets the own presence: on this connection, and again on every later one.
    pub fn set_presence(&self, status: PresenceStatus) {
        self.presence.send_replace(Some(status));
    }

    /// Where the connection stands.
    pub fn state(&self) -> RelayState {
        *self.state.borrow()
    }

    /// Sends what is queued, says goodbye and ends the task. Takes no longer than [`RelayConfig::close_timeout`].
    pub async fn close(self) {
        self.stop.cancel();
        // An error would mean that the task panicked; it is gone either way.
        let _ = self.task.await;
    }

    fn check(&self) -> Result<(), RelayError> {
        match self.state() {
            RelayState::Connected => Ok(()),
            RelayState::Connecting | RelayState::Waiting => Err(RelayError::NotConnected),
            RelayState::Replaced | RelayState::Closed => Err(self.ended()),
        }
    }

    fn ended(&self) -> RelayError {
        if self.state() == RelayState::Replaced { RelayError::Replaced } else { RelayError::Closed }
    }
}

#[cfg(test)]
mod tests;
