//! The channel in virtual time, state by state.

mod connecting;
mod hooks;
mod polling;
mod questions;
mod turns;

use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use serde_json::{Value, json};

use super::{super::ChannelEvent as Event, *};
use crate::test_utils::seeded_rng;

const OPEN: &str =
    r#"0{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
/// As long as the server may be silent.
const SILENCE: Duration = Duration::from_secs(45);

/// A machine, its time, and what it did.
struct Play {
    machine: Machine,
    now: Duration,
    rng: ChaCha20Rng,
    next_key: Key,
}

impl Play {
    fn with(terms: Terms) -> Self {
        let machine = Machine::start(terms, Duration::ZERO);
        let mut play = Self { machine, now: Duration::ZERO, rng: seeded_rng(1), next_key: 0 };
        assert_eq!(play.actions(), [Action::Open(Transport::WebSocket)]);
        play
    }

    fn new() -> Self {
        Self::with(terms())
    }

    /// Let in, with an empty history told.
    fn joined() -> Self {
        let mut play = Self::new();
        play.join();
        play.server("history", &json!({"messages": []}));
        play.actions();
        play
    }

    fn tell(&mut self, input: Input) {
        self.machine.handle(input, self.now, &mut self.rng);
    }

    fn frame(&mut self, text: impl Into<String>) {
        self.tell(Input::Received(Received::Text(text.into())));
    }

    /// An event of the server's.
    fn server(&mut self, name: &str, data: &Value) {
        self.frame(format!("42{}", json!([name, data])));
    }

    /// An event that the server wants an answer to.
    fn asks(&mut self, ack: u64, data: &Value) {
        self.frame(format!("42{ack}{}", json!(["hook_request", data])));
    }

    fn gone(&mut self) {
        self.tell(Input::Received(Received::Gone("cut".into())));
    }

    /// From a WebSocket that is open to being let in; everything that was sent.
    fn join(&mut self) -> Vec<String> {
        self.tell(Input::Opened);
        self.frame(OPEN);
        self.frame(r#"40{"sid":"s"}"#);
        self.sent()
    }

    fn order(&mut self, order: Order) -> Key {
        self.next_key += 1;
        self.tell(Input::Ordered(self.next_key, order));
        self.next_key
    }

    fn say(&mut self, prompt: &str) -> Key {
        self.order(Order::Send(prompt.into(), TurnOptions::default()))
    }

    fn actions(&mut self) -> Vec<Action> {
        self.machine.take_actions()
    }

    /// What was sent, of all that was done.
    fn sent(&mut self) -> Vec<String> {
        let sent = |action| match action {
            Action::Send(frame) => Some(frame.text().to_owned()),
            _ => None,
        };
        self.actions().into_iter().filter_map(sent).collect()
    }

    fn events(&mut self) -> Vec<Event> {
        let events = |action| match action {
            Action::Event(event) => Some(event),
            _ => None,
        };
        self.actions().into_iter().filter_map(events).collect()
    }

    /// How the orders ended that ended now.
    fn finished(&mut self) -> Vec<(Key, Result<Answer, UserDataError>)> {
        let finished = |action| match action {
            Action::Finish(key, result) => Some((key, result)),
            _ => None,
        };
        self.actions().into_iter().filter_map(finished).collect()
    }

    /// Lets time pass, and does what is due on the way.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.machine.next_wake().filter(|due| *due <= end) {
            assert!(due >= self.now, "due in the past");
            self.now = due;
            self.machine.tick(self.now, &mut self.rng);
        }
        self.now = end;
    }

    /// The same, while the server sends its pings.
    fn pass_alive(&mut self, time: Duration) {
        let (end, step) = (self.now + time, Duration::from_secs(25));
        while self.now < end {
            self.pass(step.min(end - self.now));
            self.frame("2");
        }
    }

    /// Waits out a pause and is let in again; what was sent.
    fn come_back(&mut self) -> Vec<String> {
        self.pass(Duration::from_secs(8));
        let opened = |action: &Action| matches!(action, Action::Open(_));
        assert!(self.actions().iter().any(opened), "no attempt to come back");
        self.join()
    }
}

fn terms() -> Terms {
    Terms {
        namespace: "/".into(),
        auth: None,
        renews: false,
        hooks: HookPolicy::default(),
        timings: ChannelTimings::default(),
    }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn assistant(uuid: &str, text: &str) -> Value {
    json!({"role": "assistant", "uuid": uuid, "content": [{"type": "text", "text": text}]})
}

fn result() -> Value {
    json!({"type": "result", "subtype": "success", "is_error": false, "session_id": "c1"})
}

fn turn_end(result: &Result<Answer, UserDataError>) -> &TurnEnd {
    match result {
        Ok(Answer::Turn(end)) => end,
        other => panic!("{other:?}"),
    }
}
