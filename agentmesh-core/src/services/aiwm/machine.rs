//! What to do when: connecting with pauses, heartbeats, refreshing, probing. A state machine without I/O: events and a
//! time go in, actions come out. Times are durations since the machine began, on a monotonic clock.

use std::time::Duration;

/// The pauses. The defaults are those of the documents; tests shorten them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// Between heartbeats: 60 s.
    pub heartbeat: Duration,
    /// Before the tries after a failed one: 1, 2 and 4 s.
    pub retries: Vec<Duration>,
    /// Percent by which such a pause may be longer, so that agents do not come in step: 20.
    pub jitter_percent: u32,
    /// Between tries while the controller cannot be used: 5 minutes.
    pub probe: Duration,
    /// Longest time after which a token is replaced: 23 h.
    pub refresh: Duration,
    /// How long before its end a token is replaced: 1 h.
    pub refresh_margin: Duration,
    /// Shortest time after which a token is replaced: 60 s.
    pub refresh_floor: Duration,
    /// For the last call at the end: 2 s.
    pub farewell: Duration,
    /// Whether to go on asking for an agent that was deleted: no.
    pub probe_when_gone: bool,
}

impl Default for Timing {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            heartbeat: seconds(60),
            retries: vec![seconds(1), seconds(2), seconds(4)],
            jitter_percent: 20,
            probe: seconds(300),
            refresh: seconds(23 * 3600),
            refresh_margin: seconds(3600),
            refresh_floor: seconds(60),
            farewell: seconds(2),
            probe_when_gone: false,
        }
    }
}

/// Where an agent stands with its controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AiwmState {
    /// AIWM is not enabled: everything is local.
    Disabled,
    /// The first tries.
    Connecting,
    /// Heartbeats go out.
    Online,
    /// The controller cannot be used; the configuration is the last one, or local.
    Degraded,
    /// The controller does not know the agent any more.
    Gone,
    /// Ended.
    Stopped,
}

/// How a connect failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// May be better soon.
    Temporary { retry_after: Option<Duration> },
    /// Will not be better without somebody doing something.
    Refused,
}

/// How a heartbeat failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missed {
    Unauthorized,
    NotFound,
    /// Network, 5xx, 400: the next one may do.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    Start,
    /// Time passed.
    Wake,
    Connected {
        lifetime: Duration,
    },
    ConnectFailed(Failure),
    Beaten,
    BeatFailed(Missed),
    Stop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Connect,
    Beat,
    Disconnect,
    /// The state is another.
    Enter(AiwmState),
}

/// Why there is a connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Start,
    Probe,
    Refresh,
    /// The controller did not take the token.
    Renew,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Machine {
    timing: Timing,
    state: AiwmState,
    /// The present series of tries, and how many of its pauses are used up.
    purpose: Purpose,
    retries: usize,
    connecting: bool,
    beating: bool,
    next_connect: Option<Duration>,
    next_beat: Option<Duration>,
    token_ends: Option<Duration>,
    renewed: Option<Duration>,
}

impl Machine {
    pub(super) const fn new(timing: Timing) -> Self {
        Self {
            timing,
            state: AiwmState::Connecting,
            purpose: Purpose::Start,
            retries: 0,
            connecting: false,
            beating: false,
            next_connect: None,
            next_beat: None,
            token_ends: None,
            renewed: None,
        }
    }

    /// When [`Input::Wake`] is due.
    pub(super) fn next_wake(&self) -> Option<Duration> {
        [self.next_connect, self.next_beat].into_iter().flatten().min()
    }

    /// `dice` is between 0 and 1, for jitter.
    pub(super) fn handle(&mut self, now: Duration, input: Input, dice: f64) -> Vec<Action> {
        let mut out = Vec::new();
        if self.state == AiwmState::Stopped {
            return out;
        }
        match input {
            Input::Start => self.connect(&mut out, Purpose::Start),
            Input::Wake => self.wake(now, &mut out),
            Input::Connected { lifetime } => self.connected(now, lifetime, &mut out),
            Input::ConnectFailed(failure) => self.connect_failed(now, failure, dice, &mut out),
            Input::Beaten => self.beating = false,
            Input::BeatFailed(missed) => self.beat_failed(now, missed, &mut out),
            Input::Stop => {
                if self.token_ends.is_some() && self.state != AiwmState::Gone {
                    out.push(Action::Disconnect);
                }
                (self.next_connect, self.next_beat) = (None, None);
                self.enter(AiwmState::Stopped, &mut out);
            }
        }
        out
    }

    fn enter(&mut self, state: AiwmState, out: &mut Vec<Action>) {
        if self.state != state {
            self.state = state;
            out.push(Action::Enter(state));
        }
    }

    /// Begins a series of tries, unless one is under way.
    fn connect(&mut self, out: &mut Vec<Action>, purpose: Purpose) {
        if self.connecting {
            return;
        }
        (self.purpose, self.retries, self.next_connect) = (purpose, 0, None);
        self.connecting = true;
        out.push(Action::Connect);
    }

    fn wake(&mut self, now: Duration, out: &mut Vec<Action>) {
        // After the machine slept, the token comes first: a heartbeat with it would only be refused.
        let ended = self.token_ends.is_some_and(|end| now >= end);
        if self.state == AiwmState::Online && ended && !self.connecting {
            self.next_beat = None;
            if self.purpose == Purpose::Refresh && self.next_connect.is_some_and(|at| at > now) {
                self.token_ends = None;
                return self.enter(AiwmState::Degraded, out);
            }
            self.connect(out, Purpose::Renew);
        } else if self.next_connect.is_some_and(|at| now >= at) && !self.connecting {
            if self.state == AiwmState::Online && self.purpose == Purpose::Start {
                self.connect(out, Purpose::Refresh);
            } else {
                self.next_connect = None;
                self.connecting = true;
                out.push(Action::Connect);
            }
        }
        if let Some(at) = self.next_beat.filter(|at| now >= *at) {
            self.next_beat = Some(next_tick(at, self.timing.heartbeat, now));
            self.beat(out);
        }
    }

    /// Unless one is under way: then this one is skipped.
    fn beat(&mut self, out: &mut Vec<Action>) {
        if !self.beating {
            self.beating = true;
            out.push(Action::Beat);
        }
    }

    fn connected(&mut self, now: Duration, lifetime: Duration, out: &mut Vec<Action>) {
        self.connecting = false;
        let refresh = lifetime.saturating_sub(self.timing.refresh_margin).min(self.timing.refresh);
        let refresh = refresh.max(self.timing.refresh_floor);
        self.token_ends = Some(now + lifetime.max(refresh));
        self.next_connect = Some(now + refresh);
        let quiet = self.purpose == Purpose::Refresh && self.state == AiwmState::Online;
        if self.purpose == Purpose::Renew {
            self.renewed = Some(now);
        }
        // The next series is a refresh.
        (self.purpose, self.retries) = (Purpose::Start, 0);
        self.enter(AiwmState::Online, out);
        if !quiet || self.next_beat.is_none() {
            self.next_beat = Some(now + self.timing.heartbeat);
            self.beat(out);
        }
    }

    fn connect_failed(
        &mut self,
        now: Duration,
        failure: Failure,
        dice: f64,
        out: &mut Vec<Action>,
    ) {
        self.connecting = false;
        let pause = self.timing.retries.get(self.retries).copied();
        match (failure, pause) {
            (Failure::Temporary { retry_after }, Some(pause)) if self.purpose != Purpose::Probe => {
                self.retries += 1;
                let jitter = f64::from(self.timing.jitter_percent) / 100.0 * dice.clamp(0.0, 1.0);
                let asked = retry_after.unwrap_or_default().min(self.timing.probe);
                self.next_connect = Some(now + pause.mul_f64(1.0 + jitter).max(asked));
            }
            _ if self.state == AiwmState::Gone => {
                self.next_connect = self.probe_when_gone(now);
            }
            _ => {
                self.next_connect = Some(now + self.timing.probe);
                let valid = self.token_ends.is_some_and(|end| now < end);
                // While the old token is good, only its replacement failed.
                if self.purpose == Purpose::Refresh && valid {
                    return;
                }
                self.purpose = Purpose::Probe;
                (self.next_beat, self.token_ends) = (None, None);
                self.enter(AiwmState::Degraded, out);
            }
        }
    }

    fn probe_when_gone(&self, now: Duration) -> Option<Duration> {
        self.timing.probe_when_gone.then_some(now + self.timing.probe)
    }

    fn beat_failed(&mut self, now: Duration, missed: Missed, out: &mut Vec<Action>) {
        self.beating = false;
        if self.state != AiwmState::Online {
            return;
        }
        match missed {
            Missed::Other => {}
            Missed::Unauthorized => {
                // A controller that gives tokens which it does not take is asked once an interval.
                let lately = self.renewed.is_some_and(|at| now < at + self.timing.heartbeat);
                if !lately && !self.connecting {
                    self.next_beat = None;
                    self.connect(out, Purpose::Renew);
                }
            }
            Missed::NotFound => {
                (self.next_beat, self.token_ends) = (None, None);
                self.next_connect = self.probe_when_gone(now);
                self.purpose = Purpose::Probe;
                self.enter(AiwmState::Gone, out);
            }
        }
    }
}

/// The first tick of a grid after `now`; those that were missed are skipped.
fn next_tick(at: Duration, every: Duration, now: Duration) -> Duration {
    let late = now.saturating_sub(at).as_nanos() / every.as_nanos().max(1);
    let ticks = u32::try_from(late).unwrap_or(u32::MAX).saturating_add(1);
    at.saturating_add(every.saturating_mul(ticks))
}

#[cfg(test)]
mod tests;
