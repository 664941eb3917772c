//! The client in virtual time. Numbers are those of the conformance cases in docs/conformance.md.

use serde_json::{Value, json};

use super::*;
use crate::test_utils::seeded_rng;

const SECOND: Duration = Duration::from_secs(1);

struct Test {
    machine: Machine,
    elapsed: Duration,
    rng: rand_chacha::ChaCha20Rng,
    actions: Vec<Action>,
}

impl Test {
    fn start(timings: ClientTimings) -> Self {
        let mut test = Self {
            machine: Machine::start(timings, moment(Duration::ZERO)),
            elapsed: Duration::ZERO,
            rng: seeded_rng(7),
            actions: Vec::new(),
        };
        test.collect();
        assert_eq!(test.take(), [Action::Open]);
        test
    }

    fn tell(&mut self, input: Input) {
        self.machine.handle(input, moment(self.elapsed), &mut self.rng);
        self.collect();
    }

    fn collect(&mut self) {
        self.actions.extend(self.machine.take_actions());
    }

    /// Lets time pass, with every wake-up at its time.
    fn pass(&mut self, time: Duration) {
        let end = self.elapsed + time;
        while let Some(wake) = self.machine.next_wake().filter(|wake| *wake <= end) {
            assert!(wake >= self.elapsed, "a wake-up in the past would spin");
            self.elapsed = wake;
            self.machine.tick(moment(self.elapsed), &mut self.rng);
            self.collect();
        }
        self.elapsed = end;
    }

    /// The same, while the server answers pings.
    fn pass_alive(&mut self, seconds: u32) {
        for _ in 0..seconds / 10 {
            self.pass(10 * SECOND);
            self.tell(Input::Heard);
        }
    }

    fn take(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    fn ask(&mut self, key: Key, content: &str) {
        let deadline = 90 * SECOND;
        self.tell(Input::Ask(Ask { key, content: content.into(), deadline, stream: false }));
    }

    fn receive(&mut self, frame: &Value) {
        self.tell(Input::Text(frame.to_string()));
    }

    /// The frames sent since the last look.
    fn sent(&mut self) -> Vec<Value> {
        let sent = |action| match action {
            Action::Send(text) => Some(serde_json::from_str(&text).unwrap()),
            _ => None,
        };
        self.take().into_iter().filter_map(sent).collect()
    }

    fn open_documented(&mut self) {
        self.tell(Input::Opened);
        self.receive(&welcome_a());
    }

    fn open_deployed(&mut self) {
        self.tell(Input::Opened);
        self.receive(
            &json!({"type": "status", "content": "Connected to agent_websocket WebSocket server",
            "sender": "agent_websocket", "timestamp": 1_700_000_000_000_u64}),
        );
    }

    fn break_off(&mut self) {
        self.tell(Input::Gone { code: Some(1006), reason: String::new() });
    }
}

fn moment(elapsed: Duration) -> Moment {
    let at =
        Timestamp::from_millis(1_700_000_000_000 + u64::try_from(elapsed.as_millis()).unwrap());
    Moment { elapsed, at }
}

const SESSION: &str = "01234567-89ab-4def-8123-456789abcdef";

fn welcome_a() -> Value {
    json!({"type": "notification", "timestamp": "2023-01-01T00:00:00.000Z",
        "content": format!("Connected to Agent WebSocket. Session ID: {SESSION}")})
}

fn answer(content: &str) -> Value {
    json!({"type": "response", "content": content, "timestamp": "2023-01-01T00:00:00.000Z"})
}

fn answer_to(query: &Value, content: &str) -> Value {
    json!({"type": "response", "content": content, "timestamp": 1, "correlationId": query["id"]})
}

/// The outcomes among the actions: the answer's text, or the error's code.
fn outcomes(actions: &[Action]) -> Vec<(Key, String)> {
    use crate::ErrorInfo;
    let outcome = |action: &Action| match action {
        Action::Finish(key, Ok(message)) => {
            Some((*key, message.as_ref().map(|m| m.content.clone()).unwrap_or_default()))
        }
        Action::Finish(key, Err(error)) => Some((*key, error.code().to_owned())),
        _ => None,
    };
    actions.iter().filter_map(outcome).collect()
}

fn one(key: Key, text: &str) -> Vec<(Key, String)> {
    vec![(key, text.to_owned())]
}

#[test]
fn case_17_deployed_server_is_answered_by_correlation_id() {
    let mut test = Test::start(ClientTimings::default());
    test.open_deployed();
    let events = test.take();
    let Some(Action::Event(AgentWebSocketEvent::Connected(session))) = events.first() else {
        panic!("{events:?}");
    };
    assert_eq!((session.dialect, session.correlates), (Dialect::Deployed, true));
    assert_eq!(session.agent.as_deref(), Some("agent_websocket"));
    test.ask(1, "first");
    test.ask(2, "second");
    let sent = test.sent();
    assert_eq!(sent.len(), 2, "both are under way at once");
    assert_eq!((&sent[0]["type"], &sent[0]["content"]), (&json!("query"), &json!("first")));
    assert!(Timestamp::parse_rfc3339(sent[0]["timestamp"].as_str().unwrap()).is_some());
    test.receive(&answer_to(&sent[1], "two"));
    assert_eq!(outcomes(&test.take()), one(2, "two"));
    test.receive(&answer_to(&sent[0], "one"));
    assert_eq!(outcomes(&test.take()), one(1, "one"));
    test.receive(&answer_to(&sent[0], "again"));
    assert!(matches!(test.take()[..], [Action::Event(AgentWebSocketEvent::Unmatched(_))]));
}

#[test]
fn case_18_server_without_ids_gets_one_query_at_a_time() {
    let mut test = Test::start(ClientTimings::default());
    test.open_documented();
    let events = test.take();
    let Some(Action::Event(AgentWebSocketEvent::Connected(session))) = events.first() else {
        panic!("{events:?}");
    };
    assert_eq!(session.session_id.as_deref(), Some(SESSION));
    assert_eq!((session.dialect, session.correlates), (Dialect::Documented, false));
    test.ask(1, "first");
    test.ask(2, "second");
    let sent = test.sent();
    assert_eq!(sent.len(), 1);
    test.receive(&json!({"type": "status", "content": "Thinking...", "timestamp": "x"}));
    assert!(outcomes(&test.actions).is_empty(), "a status resolves nothing");
    test.receive(&answer("one"));
    assert_eq!(outcomes(&test.actions), one(1, "one"));
    assert_eq!(test.sent()[0]["content"], "second");
    test.receive(&json!({"type": "error", "content": "no", "timestamp": "x"}));
    assert_eq!(outcomes(&test.take()), one(2, "AGENT_WS_AGENT"));
}

#[test]
fn case_19_lost_connection_is_made_again_after_3_6_12_seconds() {
    let mut test = Test::start(ClientTimings::default());
    test.open_documented();
    test.ask(1, "x");
    test.ask(2, "waits, and goes out in the new session");
    test.take();
    test.break_off();
    assert_eq!(outcomes(&test.actions), one(1, "AGENT_WS_CONNECTION_LOST"));
    for (n, expected) in [3, 6, 12, 24, 30, 30].into_iter().enumerate() {
        let pause = test.actions.iter().find_map(|action| match action {
            Action::Event(AgentWebSocketEvent::Disconnected { retry_in, .. }) => Some(*retry_in),
            _ => None,
        });
        let (pause, expected) = (pause.unwrap(), expected * SECOND);
        assert!(pause >= expected * 4 / 5 && pause <= expected * 6 / 5, "{n}: {pause:?}");
        test.take();
        test.pass(pause - Duration::from_millis(1));
        assert!(!test.actions.contains(&Action::Open), "not before its time");
        test.pass(Duration::from_millis(2));
        assert!(test.actions.contains(&Action::Open), "and then at once");
        if n < 5 {
            test.take();
            test.tell(Input::OpenFailed(OpenFailure::Network("down".into())));
        }
    }
    test.take();
    assert!(test.elapsed < 3 * 60 * SECOND);
    test.ask(3, "asked while there was no connection");
    test.open_documented();
    let new = |a: &Action| matches!(a, Action::Event(AgentWebSocketEvent::NewSession(_)));
    assert!(test.actions.iter().any(new), "{:?}", test.actions);
    // The second has waited beyond its deadline by now.
    assert_eq!(test.sent()[0]["content"], "asked while there was no connection");
}

#[test]
fn case_20_close_for_inactivity_is_the_end() {
    let over = || Input::Gone { code: Some(1000), reason: "Session timeout".into() };
    let mut test = Test::start(ClientTimings::default());
    test.open_documented();
    test.take();
    test.tell(over());
    assert!(test.actions.contains(&Action::End));
    test.pass(3600 * SECOND);
    assert!(!test.actions.contains(&Action::Open));
    test.ask(1, "x");
    assert_eq!(outcomes(&test.take()), one(1, "AGENT_WS_CLOSED"));

    let timings = ClientTimings { reconnect_on_timeout: true, ..ClientTimings::default() };
    let mut test = Test::start(timings);
    test.open_documented();
    test.tell(over());
    test.pass(4 * SECOND);
    assert!(test.actions.contains(&Action::Open), "unless it was asked for");
}

#[test]
fn refusals_are_final_and_busy_servers_are_not() {
    for status in [400, 401, 403, 404] {
        let mut test = Test::start(ClientTimings::default());
        test.ask(1, "x");
        let text = "no".to_owned();
        test.tell(Input::OpenFailed(OpenFailure::Refused { status, text, retry_after: None }));
        assert_eq!(outcomes(&test.actions), one(1, "AGENT_WS_REFUSED"));
        assert!(test.actions.contains(&Action::End));
    }
    for status in [429, 503] {
        let mut test = Test::start(ClientTimings::default());
        let retry_after = Some(20 * SECOND);
        let text = String::new();
        test.tell(Input::OpenFailed(OpenFailure::Refused { status, text, retry_after }));
        test.take();
        test.pass(19 * SECOND);
        assert!(test.take().is_empty());
        test.pass(2 * SECOND);
        assert!(test.take().contains(&Action::Open));
    }
}

#[test]
fn server_without_a_welcome_is_used_after_five_seconds() {
    let mut test = Test::start(ClientTimings::default());
    test.tell(Input::Opened);
    test.ask(1, "x");
    test.pass(4 * SECOND);
    assert!(test.take().is_empty());
    test.pass(SECOND);
    let actions = test.take();
    assert!(actions.iter().any(|a| matches!(a,
        Action::Event(AgentWebSocketEvent::Connected(s)) if s.dialect == Dialect::Unknown)));
    assert!(actions.iter().any(|a| matches!(a, Action::Send(_))));
    test.receive(&answer("late but fine"));
    assert_eq!(outcomes(&test.take()), one(1, "late but fine"));
}

#[test]
fn attempt_that_takes_too_long_is_given_up() {
    let mut test = Test::start(ClientTimings::default());
    test.pass(10 * SECOND);
    assert!(test.actions.contains(&Action::Drop));
    test.pass(4 * SECOND);
    assert!(test.actions.contains(&Action::Open));
}

#[test]
fn silent_server_is_pinged_and_then_given_up() {
    let mut test = Test::start(ClientTimings::default());
    test.open_documented();
    test.take();
    test.pass(30 * SECOND);
    assert_eq!(test.take(), [Action::Ping]);
    test.tell(Input::Heard);
    test.pass(30 * SECOND);
    assert_eq!(test.take(), [Action::Ping]);
    test.pass(10 * SECOND);
    assert_eq!(test.actions[0], Action::Drop);
    assert!(matches!(
        &test.actions[1],
        Action::Event(AgentWebSocketEvent::Disconnected {
            error: AgentWebSocketError::ConnectionLost { .. },
            ..
        })
    ));
}

#[test]
fn late_answer_without_a_name_is_never_taken_for_another() {
    let mut test = Test::start(ClientTimings::default());
    test.open_documented();
    test.ask(1, "slow");
    test.ask(2, "next");
    test.take();
    test.pass_alive(90);
    // Both were asked at the same time, so both have waited long enough; only the first was sent.
    let timeouts = outcomes(&test.take());
    assert_eq!(timeouts, [(1, "AGENT_WS_TIMEOUT".into()), (2, "AGENT_WS_TIMEOUT".into())]);
    test.ask(3, "after");
    assert!(test.sent().is_empty(), "the first still owns the next answer");
    test.receive(&answer("to the first"));
    assert!(outcomes(&test.actions).is_empty());
    assert_eq!(test.sent()[0]["content"], "after");
    test.receive(&answer("to the third"));
    assert_eq!(outcomes(&test.take()), one(3, "to the third"));

    // One that is never answered costs the connection, not the truth.
    test.ask(4, "lost");
    test.take();
    test.pass_alive(180);
    assert!(test.actions.contains(&Action::Drop), "{:?}", test.actions);
}

#[test]
fn timeout_on_a_server_with_ids_costs_only_that_query() {
    let mut test = Test::start(ClientTimings::default());
    test.open_deployed();
    test.ask(1, "x");
    let sent = test.sent();
    for _ in 0..9 {
        test.pass(10 * SECOND);
        test.tell(Input::Heard);
    }
    assert_eq!(outcomes(&test.take()), one(1, "AGENT_WS_TIMEOUT"));
    test.receive(&answer_to(&sent[0], "late"));
    assert!(matches!(test.take()[..], [Action::Event(AgentWebSocketEvent::Unmatched(_))]));
}

#[test]
fn content_is_checked_before_it_is_sent() {
    let timings = ClientTimings { max_waiting: 2, ..ClientTimings::default() };
    let mut test = Test::start(timings);
    test.open_deployed();
    test.take();
    test.ask(1, " \n ");
    assert_eq!(outcomes(&test.take()), one(1, "AGENT_WS_EMPTY"));
    test.ask(2, &"x".repeat(MAX_FRAME));
    assert_eq!(outcomes(&test.take()), one(2, "AGENT_WS_TOO_LONG"));
    test.ask(3, &"\u{0}".repeat(MAX_FRAME / 6));
    assert_eq!(outcomes(&test.take()), one(3, "AGENT_WS_TOO_LONG"), "as it is escaped");
    for key in 4..7 {
        test.ask(key, "x");
    }
    assert_eq!(outcomes(&test.take()), one(6, "AGENT_WS_TOO_MANY_WAITING"));
}

#[test]
fn commands_overtake_queries_where_the_server_knows_ids() {
    let say = |key| {
        let content = "cancel".to_owned();
        Input::Say(Say { key, kind: MessageKind::Command, content, metadata: None })
    };
    let mut test = Test::start(ClientTimings::default());
    test.tell(say(1));
    assert_eq!(outcomes(&test.take()), one(1, "AGENT_WS_NOT_CONNECTED"));
    test.open_documented();
    test.take();
    test.tell(say(2));
    assert_eq!(outcomes(&test.take()), one(2, "AGENT_WS_COMMANDS_UNKNOWN"));

    let mut test = Test::start(ClientTimings::default());
    test.tell(Input::Opened);
    let mut welcome = welcome_a();
    welcome["sessionId"] = json!(SESSION);
    test.receive(&welcome);
    test.ask(1, "x");
    test.take();
    test.tell(say(2));
    let frames: Vec<_> = test.actions.iter().filter(|a| matches!(a, Action::Send(_))).collect();
    assert_eq!(frames.len(), 1);
    assert_eq!(outcomes(&test.take()), one(2, ""));
}

#[test]
fn closing_gives_up_queries_and_waits_three_seconds() {
    let mut test = Test::start(ClientTimings::default());
    test.open_documented();
    test.ask(1, "x");
    test.take();
    test.tell(Input::Close);
    assert_eq!(outcomes(&test.actions), one(1, "AGENT_WS_CLOSED"));
    assert!(test.actions.contains(&Action::Close) && !test.actions.contains(&Action::End));
    test.pass(3 * SECOND);
    assert!(test.actions.contains(&Action::End));
    assert_eq!(test.machine.next_wake(), None, "nothing is left to wait for");
}

#[test]
fn connection_that_held_makes_the_pauses_short_again() {
    let mut test = Test::start(ClientTimings::default());
    for _ in 0..4 {
        test.tell(Input::OpenFailed(OpenFailure::Network("down".into())));
        test.pass(40 * SECOND);
    }
    // Attempts that were given up have moved the clock; the last one opens now.
    while !matches!(test.machine.phase, Phase::Opening { .. }) {
        test.pass(SECOND);
    }
    test.open_documented();
    for _ in 0..6 {
        test.pass(10 * SECOND);
        test.tell(Input::Heard);
    }
    test.take();
    test.break_off();
    let short = |action: &Action| {
        matches!(action, Action::Event(AgentWebSocketEvent::Disconnected { retry_in, .. })
            if *retry_in < 4 * SECOND)
    };
    assert!(test.take().iter().any(short));
}

#[test]
fn new_session_is_told_what_was_said_if_that_was_asked_for() {
    let timings = ClientTimings { replay_context: 1, ..ClientTimings::default() };
    let mut test = Test::start(timings);
    test.open_documented();
    for (key, question, reply) in [(1, "a?", "a!"), (2, "b?", "b!")] {
        test.ask(key, question);
        test.receive(&answer(reply));
    }
    test.take();
    test.break_off();
    test.pass(4 * SECOND);
    test.open_documented();
    let sent = test.sent();
    let content = sent[0]["content"].as_str().unwrap();
    assert!(content.contains("User: b?\nAssistant: b!") && !content.contains("a?"), "{content}");
    test.ask(3, "c?");
    assert!(test.sent().is_empty());
    test.receive(&answer("OK"));
    assert!(outcomes(&test.actions).is_empty());
    assert_eq!(test.sent()[0]["content"], "c?");
}

#[test]
fn frames_that_cannot_be_read_change_nothing() {
    let mut test = Test::start(ClientTimings::default());
    test.open_documented();
    test.ask(1, "x");
    test.take();
    for bad in ["{bad", "", "[]", "null", "{}", "5"] {
        test.tell(Input::Text(bad.into()));
        assert!(matches!(test.take()[..], [Action::Event(AgentWebSocketEvent::Unreadable { .. })]));
    }
    test.tell(Input::Binary);
    assert!(matches!(test.take()[..], [Action::Event(AgentWebSocketEvent::Unreadable { .. })]));
    test.receive(&json!({"type": "handoff", "payload": {"content": "x"}}));
    assert!(matches!(test.take()[..], [Action::Event(AgentWebSocketEvent::Other(_))]));
    test.receive(&answer("still here"));
    assert_eq!(outcomes(&test.take()), one(1, "still here"));
}

#[test]
fn line_that_is_dead_for_a_minute_or_three_costs_few_attempts_and_is_back_soon() {
    for (away, most) in [(60, 3), (180, 6)] {
        let mut test = Test::start(ClientTimings::default());
        test.open_documented();
        test.ask(1, "into the void");
        test.take();
        // Neither pings nor attempts are answered.
        test.pass(away * SECOND);
        assert_eq!(outcomes(&test.actions), one(1, "AGENT_WS_CONNECTION_LOST"));
        let opens = test.take().into_iter().filter(|action| *action == Action::Open).count();
        assert!((1..=most).contains(&opens), "{opens} attempts in {away} s");
        let back = test.elapsed;
        while !test.actions.contains(&Action::Open) {
            test.pass(Duration::from_millis(100));
        }
        let waited = test.elapsed - back;
        assert!(waited <= 47 * SECOND, "an attempt of 10 s and a pause of 36: {waited:?}");
        test.open_documented();
        let new = |a: &Action| matches!(a, Action::Event(AgentWebSocketEvent::NewSession(_)));
        assert!(test.actions.iter().any(new));
    }
}

#[test]
fn page_in_place_of_an_agent_that_was_there_passes() {
    let page = |status| {
        Input::OpenFailed(OpenFailure::Refused { status, text: String::new(), retry_after: None })
    };
    for (status, passes) in [(200, true), (302, true), (0, false), (401, false), (404, false)] {
        let mut test = Test::start(ClientTimings::default());
        test.open_documented();
        test.break_off();
        test.pass(4 * SECOND);
        test.take();
        test.tell(page(status));
        assert_eq!(test.actions.contains(&Action::End), !passes, "{status}");
        // Whoever was never there is not waited for.
        let mut test = Test::start(ClientTimings::default());
        test.tell(page(status));
        assert!(test.actions.contains(&Action::End), "{status}");
    }
}
