//! The way online and staying there: register, publish prekeys, hold the relay connection, send heartbeats.

mod registering;
mod relaying;

use std::time::Duration;

use crate::client::platform::time::Instant;
use tokio::sync::oneshot;
use url::{ParseError, Url};

use super::{Driver, batch::Job};
use crate::{
    Error,
    client::{
        agent::{AgentConfig, AgentError, Profile},
        backoff::{Backoff, BackoffConfig},
        relay::{RelayEvent, RelayHandle},
        subscription::Subscription,
        transport::goes_in_clear,
    },
    engine::{Input, Request},
    wire::relay_frame::PresenceStatus,
};

/// The relay's queue counts as drained when nothing came for this long after it was connected.
const DRAINED_AFTER: Duration = Duration::from_secs(10);
/// How often that is looked at again while the connection stands.
const DRAINED_AGAIN: Duration = Duration::from_secs(600);
/// How often the registry is given the prekeys again without new ones: its answer tells how many it has left.
const REPUBLISH: Duration = Duration::from_secs(24 * 3600);
/// How long the registry may keep us from the relay.
const DIAL_AFTER: Duration = Duration::from_secs(1);
/// Between two connections made only to fetch what was left at the relay.
const RECONNECT_PAUSE: Duration = Duration::from_secs(5);

type Reply = oneshot::Sender<Result<(), Error>>;

/// What is known of being online.
pub(super) struct Online {
    relay_url: Option<Url>,
    pub(super) relay: Option<RelayHandle>,
    pub(super) events: Option<Subscription<RelayEvent>>,
    has_registry: bool,
    wanted: bool,
    registering: bool,
    registered: bool,
    published: bool,
    connected: bool,
    connected_before: bool,
    /// Messages that the relay had when it was connected, and that have not come yet.
    awaited: u64,
    register_at: Option<Instant>,
    backoff: Backoff,
    heartbeat_at: Option<Instant>,
    drained_at: Option<Instant>,
    reconnect_at: Option<Instant>,
    republish_at: Option<Instant>,
    last_reconnect: Option<Instant>,
    /// When the relay is connected to at the latest, if that is still to be done.
    dial_at: Option<Instant>,
    /// The registry names another exchange key than ours; publishing the bundle mends it where it can be mended.
    other_exchange_key: bool,
    waiting: Vec<Reply>,
}

impl Online {
    pub(super) fn new(relay_url: Option<Url>, has_registry: bool) -> Self {
        Self {
            relay_url,
            relay: None,
            events: None,
            has_registry,
            wanted: false,
            registering: false,
            registered: !has_registry,
            published: !has_registry,
            connected: false,
            connected_before: false,
            awaited: 0,
            register_at: None,
            backoff: Backoff::new(BackoffConfig::RECONNECT),
            heartbeat_at: None,
            drained_at: None,
            reconnect_at: None,
            republish_at: None,
            last_reconnect: None,
            dial_at: None,
            other_exchange_key: false,
            waiting: Vec::new(),
        }
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        [
            self.register_at,
            self.heartbeat_at,
            self.drained_at,
            self.reconnect_at,
            self.republish_at,
            self.dial_at,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(super) const fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// As before the first connection, but for what is known of the registry.
    pub(super) const fn halt(&mut self) {
        self.wanted = false;
        self.connected = false;
        self.register_at = None;
        self.heartbeat_at = None;
        self.drained_at = None;
        self.reconnect_at = None;
        self.republish_at = None;
    }

    pub(super) const fn published(&mut self) {
        self.published = true;
    }

    pub(super) const fn other_exchange_key(&self) -> bool {
        self.other_exchange_key
    }

    /// Registered, prekeys published, connected: as far as there are registry and relay.
    pub(super) const fn is_settled(&self) -> bool {
        self.wanted
            && self.registered
            && self.published
            && (self.connected || self.relay_url.is_none())
    }

    /// Online, and everything has come that waited at the relay.
    pub(super) const fn has_caught_up(&self) -> bool {
        self.is_settled() && self.awaited == 0
    }

    /// Answers those who wait for being online, if that is so.
    pub(super) fn settle(&mut self) {
        if self.is_settled() {
            for reply in self.waiting.drain(..) {
                let _ = reply.send(Ok(()));
            }
        }
    }

    /// Answers those who wait that it will not happen.
    pub(super) fn fail(&mut self, error: &Error) {
        for reply in self.waiting.drain(..) {
            let _ = reply.send(Err(error.clone()));
        }
    }
}

/// The relay's address, if one is configured.
pub(super) fn relay_url(config: &AgentConfig) -> Result<Option<Url>, Error> {
    let Some(text) = &config.relay_url else { return Ok(None) };
    let problem = |problem: String| AgentError::Config { setting: "relay_url", problem };
    let scheme = || problem("a relay's address begins with ws:// or wss://".to_owned());
    let url = Url::parse(text).map_err(|error| match error {
        ParseError::RelativeUrlWithoutBase => scheme(),
        error => problem(error.to_string()),
    })?;
    if !matches!(url.scheme(), "ws" | "wss") || !url.has_host() {
        return Err(scheme().into());
    }
    if goes_in_clear(&url) && !config.allow_insecure {
        return Err(problem(in_clear("wss")).into());
    }
    Ok(Some(url))
}

/// What is wrong with an address that [`goes_in_clear`].
pub(super) fn in_clear(scheme: &str) -> String {
    format!(
        "everybody on the way would see who talks to whom: use {scheme}, or allow insecure connections"
    )
}

impl Driver {
    pub(super) fn go_online(&mut self, profile: Profile, reply: Reply) {
        if let Some(stopped) = self.stopped() {
            let _ = reply.send(Err(stopped));
            return;
        }
        let Profile { display_name, capabilities } = profile;
        self.config.display_name = display_name.or(self.config.display_name.take());
        self.config.capabilities = capabilities.or(self.config.capabilities.take());
        self.online.waiting.retain(|reply| !reply.is_closed());
        self.online.waiting.push(reply);
        if !self.online.wanted {
            self.online.wanted = true;
            self.status.set_offline("still connecting");
            let now = Instant::now();
            self.online.register_at = self.online.has_registry.then_some(now);
            // The registry first: it may tell that this identity is in use elsewhere, and connecting would take the relay
            // away from whoever uses it. A registry that does not answer keeps nobody from the relay.
            let patience = if self.online.has_registry { DIAL_AFTER } else { Duration::ZERO };
            self.online.dial_at = Some(now + patience);
            if !self.online.has_registry {
                self.dial_now();
            }
        }
        self.settle_online();
    }

    /// Connects to the relay, if that was put off until now.
    fn dial_now(&mut self) {
        if self.online.dial_at.take().is_some() && self.stopped().is_none() {
            self.dial();
        }
    }

    /// A new connection, on which the relay sends again what was not acked.
    pub(super) fn reconnect(&mut self) {
        if self.online.relay.is_none() {
            return;
        }
        let earliest = self.online.last_reconnect.map(|at| at + RECONNECT_PAUSE);
        let now = Instant::now();
        self.online.reconnect_at = Some(earliest.map_or(now, |at| at.max(now)));
    }

    /// What is due on the way online and while there.
    pub(super) fn keep_online(&mut self, now: Instant) {
        if self.online.register_at.is_some_and(|at| at <= now) {
            self.online.register_at = None;
            self.register();
        }
        if self.online.heartbeat_at.is_some_and(|at| at <= now) {
            self.online.heartbeat_at = Some(now + self.config.heartbeat);
            self.heartbeat(PresenceStatus::Online);
        }
        if self.online.republish_at.is_some_and(|at| at <= now) {
            self.online.republish_at = Some(now + REPUBLISH);
            self.jobs.request(Request::PublishPrekeys, &self.engine);
        }
        if self.online.dial_at.is_some_and(|at| at <= now) {
            self.dial_now();
        }
        if self.online.reconnect_at.is_some_and(|at| at <= now) {
            self.online.reconnect_at = None;
            self.online.last_reconnect = Some(now);
            self.engine.disconnected();
            self.pending.clear();
            self.online.connected = false;
            // Dropping the handle ends the old connection.
            self.online.events = None;
            self.online.relay = None;
            self.dial();
        }
    }

    /// Inputs that time brings: the relay's queue is drained.
    pub(super) fn timed_inputs(&mut self, jobs: &mut Vec<Job>) {
        if self.online.drained_at.is_some_and(|at| at <= Instant::now()) {
            self.online.drained_at = Some(Instant::now() + DRAINED_AGAIN);
            self.online.awaited = 0;
            if !self.engine.has_left_frames() {
                jobs.push(Job::silent(Input::QueueDrained));
            }
        }
    }
}
