//! The client as a state machine (signaling protocol §2.1): inputs and a time go in, actions come out. No sockets, no
//! clock, no tasks.
//!
//! Connecting → awaiting `joined` → online → waiting to resume → connecting …, until it leaves, is superseded, or the
//! server refuses for good. `reading` has what events mean, `outbound` the signals that wait. Times are durations since
//! the client started.

mod outbound;
mod reading;
#[cfg(test)]
mod tests;

use std::time::Duration;

use rand_core::CryptoRng;

use self::outbound::Outbound;
pub(super) use self::outbound::{Outcome, Outgoing};
use super::{PeerId, SessionCredentials, SignalingError, SignalingEvent, SignalingTimings};
use crate::client::backoff::{Backoff, BackoffConfig};
use crate::{error::words, services::sse::SseEvent};

/// Events kept while a new stream has not said `joined`.
const MAX_BUFFERED: usize = 64;

/// The caller's name for a signal.
pub(super) type Key = u64;

/// What the machine is told.
#[derive(Debug)]
pub(super) enum Input {
    /// The stream is open; the server takes credentials in headers if it says so.
    Opened {
        header_auth: bool,
    },
    OpenFailed(OpenFailure),
    /// Any bytes of the stream.
    Heard,
    Event(SseEvent),
    /// What the server asks to wait before reconnecting.
    Retry(Duration),
    /// The stream is over.
    Ended(SignalingError),
    Send(Outgoing),
    /// What became of a try.
    Posted(Key, Outcome),
    /// Leave, and wait so long for the server.
    Leave(Duration),
    /// The server has answered to the leave, or never will.
    Left,
}

/// Why a stream could not be opened.
#[derive(Debug)]
pub(super) enum OpenFailure {
    Status {
        status: u16,
        text: String,
        retry_after: Option<Duration>,
    },
    /// Will not change by itself.
    Fatal(SignalingError),
    Network(String),
}

/// What the driver has to do.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    /// Open a stream, with [`Machine::credentials`] if there are any.
    Open,
    /// Drop the stream, or the attempt to open one.
    Drop,
    /// Send a signal once, as who this client is now.
    Post {
        key: Key,
        to: PeerId,
        signal: std::sync::Arc<str>,
    },
    /// Tell the server that this client leaves.
    PostLeave,
    Event(SignalingEvent),
    /// The last word on a signal.
    Finish(Key, Result<(), SignalingError>),
    /// The machine has ended.
    End,
}

#[derive(Debug)]
enum Phase {
    Connecting { until: Duration },
    AwaitJoined { until: Duration, buffered: Vec<SseEvent> },
    Online { since: Duration, heard: Duration },
    Waiting { until: Duration },
    Leaving { until: Duration },
    Closed,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Machine {
    timings: SignalingTimings,
    phase: Phase,
    /// Who this client is, as soon as the server said so.
    credentials: Option<SessionCredentials>,
    /// Who the server took it for until it refused the credentials.
    lost: Option<PeerId>,
    ice_servers: super::IceServers,
    /// The last roster without this client.
    peers: Vec<PeerId>,
    /// There was a roster since this client got its id.
    seen_roster: bool,
    outbound: Outbound,
    backoff: Backoff,
    /// Since when there was no stream that held; `None` while there is one.
    away_since: Option<Duration>,
    /// The quick attempt after a loss was made, and no stream has held since.
    hurried: bool,
    /// The server of this stream takes credentials in headers.
    header_auth: bool,
    /// `retry:` of the server.
    floor: Option<Duration>,
    actions: Vec<Action>,
}

impl Machine {
    /// Begins to connect, as a session of before if there is one.
    pub(super) fn start(
        timings: SignalingTimings,
        session: Option<SessionCredentials>,
        now: Duration,
    ) -> Self {
        let mut machine = Self {
            phase: Phase::Closed,
            credentials: session,
            lost: None,
            ice_servers: super::IceServers::default(),
            peers: Vec::new(),
            seen_roster: false,
            outbound: Outbound::new(&timings, now),
            backoff: Backoff::new(timings.backoff),
            away_since: None,
            hurried: false,
            header_auth: false,
            floor: None,
            actions: Vec::new(),
            timings,
        };
        machine.open(now);
        machine
    }

    /// What there is to do, in this order.
    pub(super) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Who this client is, once it joined.
    pub(super) const fn credentials(&self) -> Option<&SessionCredentials> {
        self.credentials.as_ref()
    }

    pub(super) fn handle(&mut self, input: Input, now: Duration, rng: &mut dyn CryptoRng) {
        match input {
            Input::Opened { header_auth } => self.opened(header_auth, now),
            Input::OpenFailed(failure) => self.open_failed(failure, now, rng),
            Input::Heard => {
                if let Phase::Online { heard, .. } = &mut self.phase {
                    *heard = now;
                }
            }
            Input::Event(event) => self.event_came(event, now, rng),
            Input::Retry(floor) => self.floor = Some(floor),
            Input::Ended(error) => {
                if matches!(self.phase, Phase::AwaitJoined { .. } | Phase::Online { .. }) {
                    self.lost(error, None, now, rng);
                }
            }
            Input::Send(send) => self.send(send, now),
            Input::Posted(key, outcome) => self.posted(key, outcome, now, rng),
            Input::Leave(within) => self.leave(within, now),
            Input::Left => {
                if matches!(self.phase, Phase::Leaving { .. }) {
                    self.end(SignalingError::Closed);
                }
            }
        }
        self.pump(now);
    }

    /// When [`Machine::tick`] is due.
    pub(super) fn next_wake(&self) -> Option<Duration> {
        let phase = match &self.phase {
            Phase::Connecting { until }
            | Phase::AwaitJoined { until, .. }
            | Phase::Waiting { until }
            | Phase::Leaving { until } => Some(*until),
            Phase::Online { heard, .. } => Some(*heard + self.timings.idle),
            Phase::Closed => None,
        };
        let ready = self.is_online().then(|| self.outbound.next_ready()).flatten();
        [phase, self.outbound.next_deadline(), ready].into_iter().flatten().min()
    }

    /// Whatever is due at `now`.
    pub(super) fn tick(&mut self, now: Duration, rng: &mut dyn CryptoRng) {
        self.outbound.expire(now, self.timings.send, &mut self.actions);
        match &self.phase {
            Phase::Connecting { until } if now >= *until => {
                let reason = format!("no answer within {} ms", self.timings.open.as_millis());
                self.lost(SignalingError::Connect { reason }, None, now, rng);
            }
            Phase::AwaitJoined { until, .. } if now >= *until => {
                let reason = "the stream does not begin".to_owned();
                self.lost(SignalingError::StreamLost { reason }, None, now, rng);
            }
            Phase::Online { heard, .. } if now >= *heard + self.timings.idle => {
                let reason = format!("silent for {} ms", self.timings.idle.as_millis());
                self.lost(SignalingError::StreamLost { reason }, None, now, rng);
            }
            Phase::Waiting { until } if now >= *until => self.open(now),
            Phase::Leaving { until } if now >= *until => self.end(SignalingError::Closed),
            _ => {}
        }
        self.pump(now);
    }

    const fn is_online(&self) -> bool {
        matches!(self.phase, Phase::Online { .. })
    }

    fn open(&mut self, now: Duration) {
        self.phase = Phase::Connecting { until: now + self.timings.open };
        self.actions.push(Action::Open);
    }

    fn opened(&mut self, header_auth: bool, now: Duration) {
        if !matches!(self.phase, Phase::Connecting { .. }) {
            return;
        }
        self.header_auth = header_auth;
        if let Some(credentials) = &mut self.credentials {
            credentials.header_auth = header_auth;
        }
        let until = now + self.timings.joined;
        self.phase = Phase::AwaitJoined { until, buffered: Vec::new() };
    }

    fn open_failed(&mut self, failure: OpenFailure, now: Duration, rng: &mut dyn CryptoRng) {
        if !matches!(self.phase, Phase::Connecting { .. }) {
            return;
        }
        match failure {
            OpenFailure::Fatal(error) => self.end(error),
            OpenFailure::Network(reason) => {
                self.lost(SignalingError::Connect { reason }, None, now, rng);
            }
            OpenFailure::Status { status: 403, .. } if self.credentials.is_some() => {
                let lost = self.credentials.take().map(|credentials| credentials.id);
                self.fail_identity();
                if let Some(id) = &lost {
                    self.event(SignalingEvent::IdentityLost { id: id.clone() });
                }
                self.lost = lost;
                self.open(now);
            }
            OpenFailure::Status { status: 401 | 403, text, .. } => {
                self.end(SignalingError::Unauthorized { text });
            }
            OpenFailure::Status { status, text, retry_after } => {
                if matches!(status, 204 | 408 | 409 | 425 | 429 | 500..) {
                    let reason = format!("the server answered with HTTP {status}{}", words(&text));
                    self.lost(SignalingError::Connect { reason }, retry_after, now, rng);
                } else {
                    self.end(SignalingError::Refused { status, text });
                }
            }
        }
    }

    /// There is no stream now; the next attempt follows after a pause.
    fn lost(
        &mut self,
        error: SignalingError,
        asked: Option<Duration>,
        now: Duration,
        rng: &mut dyn CryptoRng,
    ) {
        self.actions.push(Action::Drop);
        let was_online = self.is_online();
        if let Phase::Online { since, .. } = self.phase
            && now.saturating_sub(since) >= self.timings.reset_after
        {
            self.backoff.reset();
            self.hurried = false;
            self.away_since = None;
        }
        let away = now.saturating_sub(*self.away_since.get_or_insert(now));
        let floor = asked.max(self.floor);
        let pause = if was_online && !self.hurried {
            // The server keeps the session for a while only.
            self.hurried = true;
            let quick = self.timings.first_pause;
            Backoff::new(BackoffConfig { base: quick, max: quick }).next_delay(floor, rng)
        } else {
            if self.timings.attempts.is_some_and(|most| self.backoff.attempts() + 1 >= most) {
                self.end(error);
                return;
            }
            // Whoever was away for a moment is not to wait for many: a crowd that lost a server together would have
            // stragglers for long after the others are back.
            self.backoff.next_delay_within(away * 2, floor, rng)
        };
        self.phase = Phase::Waiting { until: now + pause };
        self.event(SignalingEvent::Disconnected { error, retry_in: pause });
    }

    fn send(&mut self, send: Outgoing, now: Duration) {
        let refusal = match &self.phase {
            Phase::Closed | Phase::Leaving { .. } => Some(SignalingError::Closed),
            _ if self.credentials.is_none() || !self.seen_joined() => {
                Some(SignalingError::NotJoined)
            }
            _ => None,
        };
        let key = send.key;
        let queued = match refusal {
            Some(error) => Err(error),
            None => self.outbound.queue(send, now),
        };
        if let Err(error) = queued {
            self.actions.push(Action::Finish(key, Err(error)));
        }
    }

    /// A session of before counts only after the server took it.
    fn seen_joined(&self) -> bool {
        self.is_online() || self.seen_roster
    }

    fn posted(&mut self, key: Key, outcome: Outcome, now: Duration, rng: &mut dyn CryptoRng) {
        let refused = self.outbound.posted(key, outcome, now, &mut self.actions);
        if let Some(error) = refused.filter(|_| self.is_online()) {
            // The credentials are dead, or the session moved: whoever connects finds out.
            self.lost(error, None, now, rng);
        }
    }

    /// Sends what may be sent now.
    fn pump(&mut self, now: Duration) {
        if self.is_online() {
            self.outbound.pump(now, &mut self.actions);
        }
    }

    fn leave(&mut self, within: Duration, now: Duration) {
        match &mut self.phase {
            Phase::Closed => {}
            Phase::Leaving { until } => *until = (*until).min(now + within),
            _ if self.credentials.is_some() => {
                self.outbound.fail_all(&SignalingError::Closed, &mut self.actions);
                self.phase = Phase::Leaving { until: now + within };
                self.actions.push(Action::PostLeave);
            }
            _ => self.end(SignalingError::Closed),
        }
    }

    /// Signals that wait were for peers who knew this client by its id.
    fn fail_identity(&mut self) {
        self.outbound.fail_all(&SignalingError::IdentityChanged, &mut self.actions);
        self.seen_roster = false;
    }

    fn end(&mut self, error: SignalingError) {
        self.outbound.fail_all(&error, &mut self.actions);
        self.actions.push(Action::Drop);
        self.credentials = None;
        self.phase = Phase::Closed;
        self.event(SignalingEvent::Closed { error });
        self.actions.push(Action::End);
    }

    fn event(&mut self, event: SignalingEvent) {
        self.actions.push(Action::Event(event));
    }
}
