//! The channel as a state machine: inputs and a time go in, actions come out. No sockets, no clock, no tasks.
//!
//! Opening (the connection, and being let in) → joined → waiting to open again → … → closed. `opening` is the first of
//! these, `reading` has what events mean, `ordering` what applications want, `turns`, `calls` and `hooks` what is under
//! way. Times are durations since the channel was made.

mod calls;
mod hooks;
mod opening;
mod ordering;
mod reading;
mod seen;
#[cfg(test)]
mod tests;
mod timings;
mod turns;

use std::{fmt, time::Duration};

use rand_core::CryptoRng;
use zeroize::Zeroizing;

pub use self::timings::ChannelTimings;
use self::{calls::Calls, hooks::Hooks, seen::Seen, turns::Turns};
use super::{
    AgentOptions, ChannelEvent, ChannelMessage, HookAnswer, HookPolicy, HookRequest, Object,
    TurnEnd, TurnOptions, TurnPart,
};
use crate::{
    client::backoff::Backoff,
    services::{
        socketio::{Connection, DialFailure, Happened, OutFrame, Received, Transport},
        user_data::{SecretText, UserDataError},
    },
};

/// The caller's name for something that it waits for.
pub(super) type Key = u64;

/// What the machine is told.
#[derive(Debug)]
pub(super) enum Input {
    Opened,
    OpenFailed(DialFailure),
    Received(Received),
    Ordered(Key, Order),
    /// What somebody says to a hook.
    Decided(u64, Option<HookAnswer>),
    /// JSON with the token that a new setup issued.
    Renewed(Result<Option<SecretText>, UserDataError>),
    Close,
}

/// What an application wants.
#[derive(Debug)]
pub(super) enum Order {
    Send(String, TurnOptions),
    Start(AgentOptions),
    Interrupt(Option<String>),
    History,
    Clear,
    Diagnostics,
}

/// What it gets.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Done,
    History(Vec<ChannelMessage>),
    Diagnostics(Object),
    Turn(TurnEnd),
}

/// What the driver has to do.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    Open(Transport),
    /// Set the session up again.
    Renew,
    /// Drop the connection, or the attempt to make one, and stop asking about hooks.
    Drop,
    Send(OutFrame),
    /// Close the connection.
    Close,
    Event(ChannelEvent),
    Part(Key, TurnPart),
    /// The last word on an order.
    Finish(Key, Result<Answer, UserDataError>),
    /// Ask the handler about a hook.
    Ask(u64, HookRequest),
    /// The machine has ended.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening { until: Duration, by: Transport },
    Joined { since: Duration },
    Waiting { until: Duration },
    Renewing,
    Closing { until: Duration },
    Closed,
}

/// How the channel is opened.
pub(in super::super) struct Terms {
    pub(in super::super) namespace: String,
    /// JSON with a token.
    pub(in super::super) auth: Option<Zeroizing<String>>,
    /// Whether a setup issued that token, and can issue another.
    pub(in super::super) renews: bool,
    pub(in super::super) hooks: HookPolicy,
    pub(in super::super) timings: ChannelTimings,
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms")
            .field("namespace", &self.namespace)
            .field("auth", &self.auth.is_some())
            .field("hooks", &self.hooks)
            .finish_non_exhaustive()
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Machine {
    terms: Terms,
    phase: Phase,
    /// How the next connection is tried first.
    transport: Transport,
    connection: Option<Connection>,
    turns: Turns,
    calls: Calls,
    hooks: Hooks,
    seen: Seen,
    /// The agent's id for the conversation.
    conversation: Option<String>,
    /// Counts the failures in a row.
    backoff: Backoff,
    joined_before: bool,
    /// Set up again, and not let in since.
    renewed: bool,
    /// Joined again, and whether the server still has the session is not known yet.
    rejoining: bool,
    taken_over: bool,
    /// When to ask again whether the agent is still at work.
    recheck: Option<Duration>,
    actions: Vec<Action>,
}

impl Machine {
    /// Begins to connect.
    pub(super) fn start(terms: Terms, now: Duration) -> Self {
        let mut machine = Self {
            phase: Phase::Closed,
            transport: Transport::WebSocket,
            connection: None,
            turns: Turns::default(),
            calls: Calls::default(),
            hooks: Hooks::default(),
            seen: Seen::default(),
            conversation: None,
            backoff: terms.timings.backoff(),
            terms,
            joined_before: false,
            renewed: false,
            rejoining: false,
            taken_over: false,
            recheck: None,
            actions: Vec::new(),
        };
        machine.open(now);
        machine
    }

    /// What there is to do, in this order.
    pub(super) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    pub(super) fn handle(&mut self, input: Input, now: Duration, rng: &mut dyn CryptoRng) {
        match input {
            Input::Opened => self.opened(now),
            Input::OpenFailed(failure) => self.open_failed(failure, now, rng),
            Input::Received(Received::Text(text)) => self.frame(&text, now, rng),
            Input::Received(Received::Alive) => {}
            Input::Received(Received::Gone(reason) | Received::Fault(reason)) => {
                self.gone(reason, now, rng);
            }
            Input::Ordered(key, order) => self.ordered(key, order, now),
            Input::Decided(ack, answer) => self.decided(ack, answer),
            Input::Renewed(result) => self.renewed(result, now, rng),
            Input::Close => self.close(now),
        }
        self.flush();
    }

    /// When [`Machine::tick`] is due.
    pub(super) fn next_wake(&self) -> Option<Duration> {
        let phase = match self.phase {
            Phase::Opening { until, .. } | Phase::Waiting { until } | Phase::Closing { until } => {
                Some(until)
            }
            Phase::Joined { .. } => self.connection.as_ref().and_then(Connection::dead_at),
            Phase::Renewing | Phase::Closed => None,
        };
        let turns = self.turns.next_deadline(self.terms.timings.turn);
        [phase, turns, self.calls.next_deadline(), self.hooks.next_deadline(), self.recheck]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whatever is due at `now`.
    pub(super) fn tick(&mut self, now: Duration, rng: &mut dyn CryptoRng) {
        for key in self.calls.expired(now) {
            self.finish(key, Err(UserDataError::Timeout { after: self.terms.timings.call }));
        }
        let after = self.terms.timings.turn;
        for key in self.turns.expire(after, now) {
            self.finish(key, Err(UserDataError::TurnTimeout { after }));
        }
        for hook in self.hooks.expired(now) {
            let answer = self.terms.hooks.answer(&hook.request);
            self.answer_hook(hook.ack, hook.request, answer, true);
        }
        if self.recheck.is_some_and(|at| now >= at) {
            self.recheck = None;
            self.check_turns(now);
        }
        match self.phase {
            Phase::Opening { until, .. } if now >= until => self.not_let_in(now, rng),
            Phase::Waiting { until } if now >= until => self.open(now),
            Phase::Closing { until } if now >= until => self.end(closed_by_us()),
            Phase::Joined { .. } => {
                let dead = self.connection.as_ref().and_then(Connection::dead_at);
                if dead.is_some_and(|dead| now >= dead) {
                    self.gone("the server is silent".to_owned(), now, rng);
                }
            }
            _ => {}
        }
        self.flush();
    }

    fn frame(&mut self, text: &str, now: Duration, rng: &mut dyn CryptoRng) {
        let Some(connection) = &mut self.connection else { return };
        let happened = match connection.receive(text, now) {
            Ok(happened) => happened,
            Err(fault) => return self.gone(format!("the server sent {fault}"), now, rng),
        };
        if matches!(self.phase, Phase::Closing { .. }) {
            return;
        }
        match happened {
            None => {}
            Some(Happened::Joined) => self.joined(now),
            Some(Happened::Refused { message }) => self.refused(message),
            Some(Happened::Event { name, args, ack }) => self.read(&name, args, ack, now),
            Some(Happened::Closed) => self.gone("closed by the server".to_owned(), now, rng),
            Some(Happened::Left) if self.taken_over => self.end(UserDataError::TakenOver),
            Some(Happened::Left) => {
                let reason = "the server ended the connection".to_owned();
                self.end(UserDataError::Closed { reason });
            }
        }
    }

    fn gone(&mut self, reason: String, now: Duration, rng: &mut dyn CryptoRng) {
        match self.phase {
            Phase::Closing { .. } => self.end(closed_by_us()),
            Phase::Joined { since } => {
                if now >= since + self.terms.timings.reset_after {
                    self.backoff.reset();
                }
                self.lost(UserDataError::ConnectionLost { reason }, None, now, rng);
            }
            Phase::Opening { .. } => {
                if !self.falls_back(now) {
                    self.lost(UserDataError::Connect { reason }, None, now, rng);
                }
            }
            Phase::Waiting { .. } | Phase::Renewing | Phase::Closed => {}
        }
    }

    /// The connection is no more; the next attempt follows, unless there were enough. Turns wait for it.
    fn lost(
        &mut self,
        error: UserDataError,
        floor: Option<Duration>,
        now: Duration,
        rng: &mut dyn CryptoRng,
    ) {
        if self.backoff.attempts() >= self.terms.timings.attempts {
            return self.end(error);
        }
        if matches!(self.phase, Phase::Opening { .. }) {
            self.transport = Transport::WebSocket;
        }
        self.actions.push(Action::Drop);
        self.connection = None;
        self.recheck = None;
        self.hooks.clear();
        for key in self.calls.take_all() {
            self.finish(key, Err(error.clone()));
        }
        let retry_in = self.backoff.next_delay(floor, rng);
        self.phase = Phase::Waiting { until: now + retry_in };
        self.event(ChannelEvent::Disconnected { error, retry_in });
    }

    fn close(&mut self, now: Duration) {
        self.give_up(&closed_by_us());
        match (&self.phase, &mut self.connection) {
            (Phase::Closing { .. } | Phase::Closed, _) => {}
            (_, Some(connection)) if connection.is_joined() => {
                connection.leave();
                self.flush();
                self.actions.push(Action::Close);
                self.phase = Phase::Closing { until: now + self.terms.timings.close };
            }
            _ => self.end(closed_by_us()),
        }
    }

    fn end(&mut self, error: UserDataError) {
        if self.phase == Phase::Closed {
            return;
        }
        self.actions.push(Action::Drop);
        self.connection = None;
        self.give_up(&error);
        self.phase = Phase::Closed;
        self.event(ChannelEvent::Closed { error });
        self.actions.push(Action::End);
    }

    /// Nobody gets anything any more.
    fn give_up(&mut self, error: &UserDataError) {
        self.recheck = None;
        self.hooks.clear();
        for key in self.turns.take_all().into_iter().chain(self.calls.take_all()) {
            self.finish(key, Err(error.clone()));
        }
    }

    fn flush(&mut self) {
        if let Some(connection) = &mut self.connection {
            self.actions.extend(connection.take_frames().into_iter().map(Action::Send));
        }
    }

    fn event(&mut self, event: ChannelEvent) {
        self.actions.push(Action::Event(event));
    }

    fn finish(&mut self, key: Key, result: Result<Answer, UserDataError>) {
        self.actions.push(Action::Finish(key, result));
    }
}

fn closed_by_us() -> UserDataError {
    UserDataError::Closed { reason: "closed by this side".to_owned() }
}
