//! The client's side as a state machine: inputs and a time go in, actions come out. No sockets, no clock, no tasks.
//!
//! Opening → open (waiting for a welcome, then ready) → waiting to open again → … → closed. `pending` has the queries,
//! `reading` what a frame means. Times are durations since the client started, so that nobody's clock matters.

mod pending;
mod reading;
#[cfg(test)]
mod tests;
mod timings;

use std::{collections::VecDeque, time::Duration};

use rand_core::CryptoRng;

pub use self::timings::ClientTimings;
use self::{pending::Queries, reading::NORMAL};
use super::{
    AgentWebSocketError, AgentWebSocketEvent, Dialect, MAX_FRAME, Message, MessageKind,
    SessionInfo, id, message::write,
};
use crate::{Timestamp, client::backoff::Backoff, error::words};

/// The caller's name for a query.
pub(super) type Key = u64;

/// The time, twice: since the start for waiting, of the day for messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) elapsed: Duration,
    pub(super) at: Timestamp,
}

/// What the machine is told.
#[derive(Debug)]
pub(super) enum Input {
    Opened,
    OpenFailed(OpenFailure),
    Text(String),
    Binary,
    /// Any sign of life.
    Heard,
    /// The other side closed, or the connection broke.
    Gone {
        code: Option<u16>,
        reason: String,
    },
    Ask(Ask),
    Say(Say),
    Close,
}

/// Why a connection could not be made.
#[derive(Debug)]
pub(super) enum OpenFailure {
    Refused { status: u16, text: String, retry_after: Option<Duration> },
    Network(String),
}

/// A query.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) key: Key,
    pub(super) content: String,
    pub(super) deadline: Duration,
    pub(super) stream: bool,
}

/// A command or feedback: nothing is waited for.
#[derive(Debug)]
pub(super) struct Say {
    pub(super) key: Key,
    pub(super) kind: MessageKind,
    pub(super) content: String,
    pub(super) metadata: Option<serde_json::Value>,
}

/// What the driver has to do.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    Open,
    /// Drop the connection, or the attempt to make one.
    Drop,
    Send(String),
    Ping,
    /// Send a close frame with 1000.
    Close,
    Event(AgentWebSocketEvent),
    /// A piece of an answer.
    Delta(Key, Message),
    /// The last word on a query; `None` for what is only sent.
    Finish(Key, Result<Option<Message>, AgentWebSocketError>),
    /// The machine has ended.
    End,
}

#[derive(Debug)]
enum Phase {
    Opening { until: Duration },
    Open(Open),
    Waiting { until: Duration },
    Closing { until: Duration },
    Closed,
}

/// An open connection.
#[derive(Debug)]
struct Open {
    since: Duration,
    /// While no welcome came: until when one is waited for.
    welcome_until: Option<Duration>,
    heard: Duration,
    /// A ping is out since then.
    pinged: Option<Duration>,
    session: SessionInfo,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Machine {
    timings: ClientTimings,
    phase: Phase,
    queries: Queries,
    backoff: Backoff,
    /// Sessions so far.
    sessions: u64,
    /// Questions and answers for the next session, oldest first, if that was asked for.
    told: VecDeque<(String, String)>,
    actions: Vec<Action>,
}

impl Machine {
    /// Begins to connect.
    pub(super) fn start(timings: ClientTimings, now: Moment) -> Self {
        let mut machine = Self {
            phase: Phase::Closed,
            queries: Queries::new(timings.max_waiting),
            backoff: timings.backoff(),
            sessions: 0,
            told: VecDeque::new(),
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

    pub(super) fn handle(&mut self, input: Input, now: Moment, rng: &mut dyn CryptoRng) {
        match input {
            Input::Opened => self.opened(now),
            Input::OpenFailed(failure) => self.open_failed(failure, now, rng),
            Input::Text(text) => {
                self.heard(now);
                self.read(&text, now);
            }
            Input::Binary => {
                self.heard(now);
                self.event(AgentWebSocketEvent::Unreadable { reason: "a binary frame".into() });
            }
            Input::Heard => self.heard(now),
            Input::Gone { code, reason } => self.gone(code, reason, now, rng),
            Input::Ask(ask) => self.ask(ask, now, rng),
            Input::Say(say) => {
                let (key, result) = (say.key, self.say(&say, now, rng));
                self.finish(key, result.map(|()| None));
            }
            Input::Close => self.close(now),
        }
    }

    /// When [`Machine::tick`] is due.
    pub(super) fn next_wake(&self) -> Option<Duration> {
        let phase = match &self.phase {
            Phase::Opening { until } | Phase::Waiting { until } | Phase::Closing { until } => {
                Some(*until)
            }
            Phase::Open(open) => {
                let ping = match open.pinged {
                    Some(at) => at + self.timings.pong_within,
                    None => open.heard + self.timings.ping_every,
                };
                Some(open.welcome_until.map_or(ping, |welcome| welcome.min(ping)))
            }
            Phase::Closed => None,
        };
        [phase, self.queries.next_deadline()].into_iter().flatten().min()
    }

    /// Whatever is due at `now`.
    pub(super) fn tick(&mut self, now: Moment, rng: &mut dyn CryptoRng) {
        self.expire_queries(now, rng);
        let elapsed = now.elapsed;
        match &mut self.phase {
            Phase::Opening { until } if elapsed >= *until => {
                self.actions.push(Action::Drop);
                let reason = format!("no answer within {} s", self.timings.open.as_secs());
                self.lost(AgentWebSocketError::Connect { reason }, None, now, rng);
            }
            Phase::Waiting { until } if elapsed >= *until => self.open(now),
            Phase::Closing { until } if elapsed >= *until => {
                self.actions.push(Action::Drop);
                self.end(AgentWebSocketError::Closed { reason: "closed by this side".into() });
            }
            Phase::Open(open) => {
                if open.welcome_until.is_some_and(|until| elapsed >= until) {
                    self.ready(now);
                }
                self.keep_alive(now, rng);
            }
            _ => {}
        }
    }

    fn keep_alive(&mut self, now: Moment, rng: &mut dyn CryptoRng) {
        let Phase::Open(open) = &mut self.phase else { return };
        match open.pinged {
            Some(at) if now.elapsed >= at + self.timings.pong_within => {
                self.actions.push(Action::Drop);
                let reason = "the server does not answer pings".to_owned();
                self.lost(AgentWebSocketError::ConnectionLost { reason }, None, now, rng);
            }
            None if now.elapsed >= open.heard + self.timings.ping_every => {
                open.pinged = Some(now.elapsed);
                self.actions.push(Action::Ping);
            }
            _ => {}
        }
    }

    fn open(&mut self, now: Moment) {
        self.phase = Phase::Opening { until: now.elapsed + self.timings.open };
        self.actions.push(Action::Open);
    }

    fn opened(&mut self, now: Moment) {
        if !matches!(self.phase, Phase::Opening { .. }) {
            return;
        }
        self.phase = Phase::Open(Open {
            since: now.elapsed,
            welcome_until: Some(now.elapsed + self.timings.welcome),
            heard: now.elapsed,
            pinged: None,
            session: SessionInfo::default(),
        });
    }

    fn open_failed(&mut self, failure: OpenFailure, now: Moment, rng: &mut dyn CryptoRng) {
        if !matches!(self.phase, Phase::Opening { .. }) {
            return;
        }
        match failure {
            OpenFailure::Refused { status, text, retry_after } => {
                // A page instead of an agent that was there before is a portal or a proxy in trouble, and passes.
                let page = self.sessions > 0 && (200..400).contains(&status);
                if status == 429 || status == 408 || status >= 500 || page {
                    let reason = format!("the server answered with HTTP {status}{}", words(&text));
                    let error = AgentWebSocketError::Connect { reason };
                    self.lost(error, retry_after, now, rng);
                } else {
                    self.end(AgentWebSocketError::Refused { status, text });
                }
            }
            OpenFailure::Network(reason) => {
                self.lost(AgentWebSocketError::Connect { reason }, None, now, rng);
            }
        }
    }

    fn heard(&mut self, now: Moment) {
        if let Phase::Open(open) = &mut self.phase {
            (open.heard, open.pinged) = (now.elapsed, None);
        }
    }

    fn gone(&mut self, code: Option<u16>, reason: String, now: Moment, rng: &mut dyn CryptoRng) {
        if matches!(self.phase, Phase::Open(_) | Phase::Closing { .. }) {
            self.actions.push(Action::Drop);
        }
        match self.phase {
            Phase::Closing { .. } => {
                self.end(AgentWebSocketError::Closed { reason: "closed by this side".into() });
            }
            Phase::Open(_) => {
                let timed_out = reason == reading::SESSION_TIMEOUT;
                if code == Some(NORMAL) && !(timed_out && self.timings.reconnect_on_timeout) {
                    let reason = if reason.is_empty() { "by the server".into() } else { reason };
                    self.fail_all(&AgentWebSocketError::ConnectionLost { reason: reason.clone() });
                    self.end(AgentWebSocketError::Closed { reason });
                } else {
                    let reason = match code {
                        Some(code) => format!("close code {code} {reason}").trim_end().to_owned(),
                        None => reason,
                    };
                    let error = AgentWebSocketError::ConnectionLost { reason };
                    self.lost(error, None, now, rng);
                }
            }
            _ => {}
        }
    }

    /// The connection is no more, or never was; the next attempt follows after a pause.
    fn lost(
        &mut self,
        error: AgentWebSocketError,
        floor: Option<Duration>,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) {
        if let Phase::Open(open) = &self.phase
            && now.elapsed.saturating_sub(open.since) >= self.timings.reset_after
        {
            self.backoff.reset();
        }
        self.queries.fail_sent(&error, &mut self.actions);
        let pause = self.backoff.next_delay(floor, rng);
        self.phase = Phase::Waiting { until: now.elapsed + pause };
        self.event(AgentWebSocketEvent::Disconnected { error, retry_in: pause });
    }

    /// The session can be used: a welcome came, or none will.
    fn ready(&mut self, now: Moment) {
        let Phase::Open(open) = &mut self.phase else { return };
        open.welcome_until = None;
        let session = open.session.clone();
        let first = self.sessions == 0;
        self.sessions += 1;
        self.event(if first {
            AgentWebSocketEvent::Connected(session)
        } else {
            AgentWebSocketEvent::NewSession(session)
        });
        if !first && !self.told.is_empty() {
            self.queries.put_first(pending::summary(&self.told, now.elapsed, &self.timings));
        }
        self.pump(now);
    }

    fn close(&mut self, now: Moment) {
        let error = AgentWebSocketError::Closed { reason: "closed by this side".into() };
        self.fail_all(&error);
        match self.phase {
            Phase::Open(_) => {
                self.actions.push(Action::Close);
                self.phase = Phase::Closing { until: now.elapsed + self.timings.close };
            }
            Phase::Opening { .. } | Phase::Waiting { .. } => {
                self.actions.push(Action::Drop);
                self.end(error);
            }
            Phase::Closing { .. } | Phase::Closed => {}
        }
    }

    fn end(&mut self, error: AgentWebSocketError) {
        self.fail_all(&error);
        self.phase = Phase::Closed;
        self.event(AgentWebSocketEvent::Closed { error });
        self.actions.push(Action::End);
    }

    fn event(&mut self, event: AgentWebSocketEvent) {
        self.actions.push(Action::Event(event));
    }

    fn finish(&mut self, key: Key, result: Result<Option<Message>, AgentWebSocketError>) {
        self.actions.push(Action::Finish(key, result));
    }
}
