//! The client in virtual time. Numbers are those of the conformance cases in docs/conformance.md; B is the protocol's
//! list of bad input.

mod sending;
mod streams;

use serde_json::{Value, json};

use super::{super::SecretText, *};
use crate::test_utils::seeded_rng;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

struct Test {
    machine: Machine,
    now: Duration,
    rng: rand_chacha::ChaCha20Rng,
    actions: Vec<Action>,
    next_key: Key,
}

impl Test {
    fn with(timings: SignalingTimings, session: Option<SessionCredentials>) -> Self {
        let mut test = Self {
            machine: Machine::start(timings, session, Duration::ZERO),
            now: Duration::ZERO,
            rng: seeded_rng(7),
            actions: Vec::new(),
            next_key: 0,
        };
        test.collect();
        assert_eq!(test.take(), [Action::Open]);
        test
    }

    fn start() -> Self {
        Self::with(SignalingTimings::default(), None)
    }

    /// In the room as `me`, with `a` and `b`.
    fn online() -> Self {
        let mut test = Self::start();
        test.open();
        test.joined("me", "token");
        test.roster(&["a", "b", "me"]);
        test.take();
        test
    }

    fn tell(&mut self, input: Input) {
        self.machine.handle(input, self.now, &mut self.rng);
        self.collect();
    }

    fn collect(&mut self) {
        self.actions.extend(self.machine.take_actions());
    }

    /// Lets time pass, with every wake-up at its time.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut wakes = 0;
        while let Some(wake) = self.machine.next_wake().filter(|wake| *wake <= end) {
            wakes += 1;
            assert!(wakes < 10_000, "it spins");
            self.now = self.now.max(wake);
            self.machine.tick(self.now, &mut self.rng);
            self.collect();
        }
        self.now = end;
    }

    fn take(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    fn events(&mut self) -> Vec<SignalingEvent> {
        let event = |action| match action {
            Action::Event(event) => Some(event),
            _ => None,
        };
        self.take().into_iter().filter_map(event).collect()
    }

    fn open(&mut self) {
        self.tell(Input::Opened { header_auth: false });
    }

    fn event(&mut self, name: &str, data: impl ToString) {
        self.tell(Input::Heard);
        self.tell(Input::Event(SseEvent { name: name.to_owned(), data: data.to_string() }));
    }

    fn joined(&mut self, id: &str, token: &str) {
        self.event("joined", json!({"id": id, "token": token}));
    }

    fn roster(&mut self, ids: &[&str]) {
        self.event("roster", json!(ids));
    }

    fn end_stream(&mut self) {
        self.tell(Input::Ended(SignalingError::StreamLost { reason: "cut".into() }));
    }

    fn status(&mut self, status: u16) {
        self.tell(Input::OpenFailed(OpenFailure::Status {
            status,
            text: "no".into(),
            retry_after: None,
        }));
    }

    /// Until the next attempt.
    fn until_open(&mut self) -> Duration {
        let started = self.now;
        let wake = self.machine.next_wake().unwrap();
        self.pass(wake - self.now);
        assert!(self.take().contains(&Action::Open));
        self.now - started
    }

    fn send(&mut self, to: &str) -> Key {
        self.send_kind(to, false)
    }

    fn send_kind(&mut self, to: &str, is_candidate: bool) -> Key {
        self.next_key += 1;
        let signal = format!("{{\"n\":{}}}", self.next_key).into();
        self.tell(Input::Send(Outgoing {
            key: self.next_key,
            to: to.into(),
            signal,
            is_candidate,
        }));
        self.next_key
    }

    /// The signals that were sent since the last look.
    fn posted(&mut self) -> Vec<Key> {
        let posted = |action: &Action| match action {
            Action::Post { key, .. } => Some(*key),
            _ => None,
        };
        let keys = self.actions.iter().filter_map(posted).collect();
        self.actions.retain(|action| !matches!(action, Action::Post { .. }));
        keys
    }

    fn answer(&mut self, key: Key, status: u16) {
        self.answer_after(key, status, None);
    }

    fn answer_after(&mut self, key: Key, status: u16, retry_after: Option<Duration>) {
        let outcome = match status {
            200 => Outcome::Accepted,
            status => Outcome::Status { status, text: "no".into(), retry_after },
        };
        self.tell(Input::Posted(key, outcome));
    }

    /// The codes of what failed since the last look, or `ok`.
    fn finished(&mut self) -> Vec<(Key, &'static str)> {
        use crate::ErrorInfo;
        let finished = |action: Action| match action {
            Action::Finish(key, Ok(())) => Some((key, "ok")),
            Action::Finish(key, Err(error)) => Some((key, error.code())),
            _ => None,
        };
        self.take().into_iter().filter_map(finished).collect()
    }

    fn id(&self) -> Option<&str> {
        self.machine.credentials().map(|held| held.id.as_str())
    }
}

fn ids(ids: &[&str]) -> Vec<PeerId> {
    ids.iter().map(|id| PeerId::from(*id)).collect()
}

fn roster_of(events: &[SignalingEvent]) -> super::super::Roster {
    let roster = |event: &SignalingEvent| match event {
        SignalingEvent::Roster(roster) => Some(roster.clone()),
        _ => None,
    };
    events.iter().rev().find_map(roster).expect("a roster")
}

fn signal_values(events: &[SignalingEvent]) -> Vec<Value> {
    let value = |event: &SignalingEvent| match event {
        SignalingEvent::Signal(signal) => Some(signal.value.clone()),
        _ => None,
    };
    events.iter().filter_map(value).collect()
}

fn closed_with(actions: &[Action]) -> &SignalingError {
    match actions {
        [.., Action::Drop, Action::Event(SignalingEvent::Closed { error }), Action::End] => error,
        other => panic!("{other:?}"),
    }
}

fn session(id: &str) -> Option<SessionCredentials> {
    let token = SecretText::new("token");
    Some(SessionCredentials { id: id.into(), token, header_auth: false })
}
