//! One conversation in virtual time. Numbers are those of the conformance cases in docs/conformance.md.

use serde_json::{Value, json};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const ID: &str = "01234567-89ab-4def-8123-456789abcdef";

struct Test {
    session: Session,
    elapsed: Duration,
    effects: Vec<Effect>,
}

fn moment(elapsed: Duration) -> Moment {
    let at = Timestamp::from_millis(1_700_000_000_000 + millis(elapsed));
    Moment { elapsed, at }
}

/// The defaults without the rate, which most cases are not about.
fn relaxed() -> AgentWebSocketConfig {
    AgentWebSocketConfig { rate: None, ..AgentWebSocketConfig::default() }
}

impl Test {
    fn start(config: &AgentWebSocketConfig) -> Self {
        let elapsed = Duration::ZERO;
        let (session, effects) = Session::start(config, ID.into(), moment(elapsed));
        Self { session, elapsed, effects }
    }

    /// After the welcome.
    fn begun(config: &AgentWebSocketConfig) -> Self {
        let mut test = Self::start(config);
        test.frames();
        test
    }

    fn now(&self) -> Moment {
        moment(self.elapsed)
    }

    fn say(&mut self, message: &Value) {
        self.receive(&message.to_string());
    }

    fn receive(&mut self, text: &str) {
        let effects = self.session.receive(text, self.now());
        self.effects.extend(effects);
    }

    fn query(&mut self, content: &str) {
        self.say(&json!({"type": "query", "content": content}));
    }

    fn answer(&mut self, answer: &str) {
        let effects = self.session.answered(Ok(answer.into()), self.now());
        self.effects.extend(effects);
    }

    fn fail(&mut self, error: ChatError) {
        let effects = self.session.answered(Err(error), self.now());
        self.effects.extend(effects);
    }

    fn pass(&mut self, time: Duration) {
        let end = self.elapsed + time;
        while self.session.next_wake() <= end {
            assert!(self.session.next_wake() >= self.elapsed, "a wake-up in the past would spin");
            self.elapsed = self.session.next_wake();
            let effects = self.session.tick(self.now());
            if effects.contains(&Effect::Ping) {
                // A client that is there.
                self.session.heard(self.now());
            }
            self.effects.extend(effects);
        }
        self.elapsed = end;
    }

    /// The frames since the last look; what else there was is lost.
    fn frames(&mut self) -> Vec<Value> {
        let frame = |effect| match effect {
            Effect::Send { text, .. } => Some(serde_json::from_str(&text).unwrap()),
            _ => None,
        };
        std::mem::take(&mut self.effects).into_iter().filter_map(frame).collect()
    }

    /// Type and content of each frame.
    fn said(&mut self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.frames().iter().map(|f| (text(&f["type"]), text(&f["content"]))).collect()
    }

    /// What the backend was asked since the last look.
    fn calls(&mut self) -> Vec<Vec<(ChatRole, String)>> {
        let call = |effect| match effect {
            Effect::Call { request, .. } => {
                Some(request.messages.into_iter().map(|m| (m.role, m.content)).collect())
            }
            _ => None,
        };
        std::mem::take(&mut self.effects).into_iter().filter_map(call).collect()
    }
}

fn pair(kind: &str, content: &str) -> (String, String) {
    (kind.into(), content.into())
}

fn status(status: u16) -> ChatError {
    let (provider, message) = ("OpenRouter".to_owned(), "busy".to_owned());
    ChatError::Status { provider, status, message, retry_after_seconds: Some(7) }
}

#[test]
fn case_02_first_frame_is_the_welcome() {
    let mut test = Test::start(&relaxed());
    let frame = test.frames().remove(0);
    assert_eq!(frame["type"], "notification");
    assert_eq!(frame["content"], format!("Connected to Agent WebSocket. Session ID: {ID}"));
    assert_eq!(frame["timestamp"], "2023-11-14T22:13:20.000Z");
    assert_eq!((&frame["sessionId"], &frame["sender"]), (&json!(ID), &json!("agent_websocket")));
    assert!(frame.get("correlationId").is_none());
}

#[test]
fn case_04_thinking_and_then_the_answer() {
    let mut test = Test::begun(&relaxed());
    test.query("hi");
    test.answer("hello");
    assert_eq!(test.said(), [pair("status", "Thinking..."), pair("response", "hello")]);
}

#[test]
fn case_05_content_is_required() {
    let mut test = Test::begun(&relaxed());
    for bad in [
        json!({"type": "query"}),
        json!({"type": "query", "content": ""}),
        json!({"content": " \n"}),
        json!({"content": {}}),
        json!({"content": 5}),
        json!({"content": 0}),
        json!({"content": null}),
        json!({}),
    ] {
        test.say(&bad);
        assert!(!test.effects.iter().any(|e| matches!(e, Effect::Call { .. })), "{bad}");
        assert_eq!(test.said(), [pair("error", "Message content is required")], "{bad}");
    }
}

#[test]
fn case_06_what_is_no_message_is_answered_and_forgotten() {
    let mut test = Test::begun(&relaxed());
    for bad in ["{bad", "", &"[".repeat(10_000)] {
        test.receive(bad);
        assert_eq!(test.said(), [pair("error", "Invalid JSON message")]);
    }
    for bad in ["[]", "5", "\"x\"", "null"] {
        test.receive(bad);
        assert_eq!(test.said(), [pair("error", "Invalid message: expected a JSON object")]);
    }
    let effects = test.session.receive_binary(test.now());
    test.effects.extend(effects);
    assert_eq!(test.said(), [pair("error", "Binary messages are not supported")]);
    test.query("still there?");
    test.answer("yes");
    assert_eq!(test.said()[1], pair("response", "yes"));
}

#[test]
fn case_07_model_is_told_the_conversation() {
    let mut test = Test::begun(&relaxed());
    test.query("one");
    test.answer("1");
    test.calls();
    test.query("two");
    let asked = test.calls().remove(0);
    assert_eq!(asked[0].0, ChatRole::System);
    let rest: Vec<_> = asked[1..].iter().map(|(role, text)| (*role, text.as_str())).collect();
    assert_eq!(
        rest,
        [(ChatRole::User, "one"), (ChatRole::Assistant, "1"), (ChatRole::User, "two")]
    );
}

#[test]
fn case_08_model_is_never_told_more_than_fifty_entries() {
    let mut test = Test::begun(&relaxed());
    for turn in 0..60 {
        test.query(&format!("q{turn}"));
        let asked = test.calls().remove(0);
        assert!(asked.len() <= 51, "{}", asked.len());
        assert_eq!((asked[0].0, asked[1].0), (ChatRole::System, ChatRole::User));
        assert_eq!(asked.last().unwrap().1, format!("q{turn}"));
        test.answer(&format!("a{turn}"));
        assert!(test.session.history.len() <= 50);
    }
}

#[test]
fn history_is_bounded_in_bytes() {
    let config = AgentWebSocketConfig { max_history_bytes: 1000, ..relaxed() };
    let mut test = Test::begun(&config);
    for _ in 0..10 {
        test.query(&"q".repeat(300));
        test.answer(&"a".repeat(300));
    }
    assert!(test.session.history.len() <= 3);
}

#[test]
fn case_12_backend_that_hangs_is_given_up_after_a_minute() {
    let mut test = Test::begun(&relaxed());
    test.say(&json!({"content": "hang", "id": "h"}));
    test.frames();
    test.pass(MINUTE - Duration::from_millis(1));
    assert!(test.frames().is_empty());
    test.pass(Duration::from_millis(1));
    assert!(test.effects.contains(&Effect::Abort));
    let frame = test.frames().remove(0);
    assert_eq!(frame["content"], "Failed to generate response: no answer within 60 s");
    assert_eq!(frame["correlationId"], "h");
    test.query("next");
    assert_eq!(test.calls()[0].len(), 2, "nothing of it is remembered");
    test.answer("fine");
    assert_eq!(test.said(), [pair("response", "fine")]);
}

#[test]
fn case_13_inactive_session_is_closed_at_the_next_sweep() {
    let mut test = Test::begun(&relaxed());
    // At 30 minutes exactly it is not inactive for longer than 30 minutes.
    test.pass(35 * MINUTE - Duration::from_millis(1));
    assert!(test.said().is_empty());
    test.pass(Duration::from_millis(1));
    let close = Effect::Close { code: 1000, reason: "Session timeout" };
    assert_eq!(test.effects.last(), Some(&close));
    assert_eq!(test.said(), [pair("notification", "Session closed due to inactivity")]);
}

#[test]
fn case_14_messages_keep_a_session_and_pings_do_not() {
    let mut test = Test::begun(&relaxed());
    for _ in 0..6 {
        test.pass(20 * MINUTE);
        // Also one that is not answered well.
        test.say(&json!({"type": "query"}));
    }
    assert!(test.said().iter().all(|said| said.0 == "error"));
    // From here on only the pings that `pass` answers, and frames that are not even JSON.
    for _ in 0..36 {
        test.pass(MINUTE);
        test.receive("{bad");
    }
    assert!(test.effects.iter().any(|e| matches!(e, Effect::Close { code: 1000, .. })));
}

#[test]
fn session_with_a_call_is_not_inactive() {
    let config = AgentWebSocketConfig { call_timeout: 120 * MINUTE, ..relaxed() };
    let mut test = Test::begun(&config);
    test.query("long");
    test.frames();
    test.pass(100 * MINUTE);
    assert!(test.frames().is_empty());
}

#[test]
fn case_15_ids_come_back() {
    let mut test = Test::begun(&relaxed());
    let big = json!({"content": "x", "id": "i".repeat(10_000)});
    for (message, expected) in [
        (json!({"content": "x", "id": "abc"}), json!("abc")),
        (json!({"content": "x", "correlationId": "def"}), json!("def")),
        (json!({"content": "x", "id": 7}), json!(7)),
        (json!({"content": "x", "id": {"a": 1}}), Value::Null),
        (big, Value::Null),
    ] {
        test.say(&message);
        test.answer("y");
        let frames = test.frames();
        assert_eq!(
            (frames[1]["type"].as_str(), &frames[1]["correlationId"]),
            (Some("response"), &expected)
        );
    }
    test.say(&json!({"content": "x", "id": "e"}));
    test.frames();
    test.fail(status(429));
    let error = test.frames().remove(0);
    assert_eq!(
        error["content"],
        "Failed to generate response: OpenRouter API error: HTTP 429: busy"
    );
    assert_eq!((&error["correlationId"], &error["retryAfterMs"]), (&json!("e"), &json!(7000)));
    test.say(&json!({"type": "query", "id": "f"}));
    assert_eq!(test.frames()[0]["correlationId"], "f");
}

#[test]
fn case_16_queries_are_answered_in_their_order() {
    let mut test = Test::begun(&relaxed());
    for n in 0..5 {
        test.query(&n.to_string());
    }
    for n in 0..5 {
        assert_eq!(test.calls().len(), 1, "one at a time");
        test.answer(&format!("a{n}"));
        let responses: Vec<_> = test
            .effects
            .iter()
            .filter(|e| matches!(e, Effect::Send { text, .. } if text.contains("\"response\"")))
            .collect();
        assert_eq!(responses.len(), 1);
        assert!(
            matches!(responses[0], Effect::Send { text, .. } if text.contains(&format!("a{n}")))
        );
    }
}

#[test]
fn seventeenth_query_does_not_wait() {
    let mut test = Test::begun(&relaxed());
    for n in 0..16 {
        test.query(&n.to_string());
    }
    assert!(test.said().iter().all(|said| said.0 == "status"));
    test.query("17");
    assert_eq!(test.said(), [pair("error", "Too many pending messages")]);
}

#[test]
fn case_21_commands() {
    let command = |content: &str| json!({"type": "command", "content": content});
    let mut test = Test::begun(&relaxed());
    test.query("one");
    test.answer("1");
    test.frames();
    test.say(&command(" History "));
    assert_eq!(test.said(), [pair("notification", r#"{"count":2}"#)]);
    test.say(&command("CLEAR"));
    assert!(test.session.history.len() == 0);
    assert_eq!(test.said(), [pair("notification", "History cleared")]);
    test.say(&command("ping"));
    assert_eq!(test.said(), [pair("status", "pong")]);
    test.say(&command("do something"));
    assert_eq!(test.calls().len(), 1);
    test.answer("done");
    test.frames();
    test.say(&command("close"));
    assert!(matches!(test.effects.last(), Some(Effect::Close { code: 1000, .. })));

    let mut off = Test::begun(&AgentWebSocketConfig { commands: false, ..relaxed() });
    off.say(&command("clear"));
    assert_eq!(off.calls().len(), 1, "the pure dialect asks");
}

#[test]
fn commands_overtake_queries_and_cancel_the_running_one() {
    let mut test = Test::begun(&relaxed());
    test.say(&json!({"content": "slow", "id": "s"}));
    test.query("next");
    test.frames();
    test.say(&json!({"type": "command", "content": "cancel", "id": "c"}));
    assert_eq!(test.effects[0], Effect::Abort);
    assert!(test.effects.iter().any(|e| matches!(e, Effect::Call { .. })), "the next one begins");
    let frames = test.frames();
    assert_eq!((&frames[0]["type"], &frames[0]["correlationId"]), (&json!("error"), &json!("s")));
    assert_eq!(
        (&frames[1]["content"], &frames[1]["correlationId"]),
        (&json!("Cancelled"), &json!("c"))
    );
    test.answer("of the next");
    assert_eq!(test.session.history.len(), 2);
    // Cleared while it ran: sent, not remembered.
    test.query("x");
    test.say(&json!({"type": "command", "content": "clear"}));
    test.answer("y");
    assert_eq!(test.session.history.len(), 0);
}

#[test]
fn case_22_feedback_is_recorded_and_told_with_the_next_question() {
    let feedback = json!({"type": "human_feedback", "content": "too long", "metadata": {"a": 1}});
    let mut test = Test::begun(&relaxed());
    test.say(&feedback);
    assert!(!test.effects.iter().any(|e| matches!(e, Effect::Call { .. })));
    assert_eq!(test.said(), [pair("status", "Feedback recorded")]);
    test.query("again");
    let asked = test.calls().remove(0);
    assert_eq!(asked[1], (ChatRole::User, "too long".into()));

    let config = AgentWebSocketConfig { feedback: FeedbackMode::Query, ..relaxed() };
    let mut asking = Test::begun(&config);
    asking.say(&feedback);
    assert_eq!(asking.calls().len(), 1);
}

#[test]
fn types_of_servers_are_refused_and_unknown_ones_are_queries() {
    let mut test = Test::begun(&relaxed());
    for kind in ["response", "notification", "status", "error"] {
        test.say(&json!({"type": kind, "content": "x"}));
        let text = format!("Unsupported message type: {kind}");
        assert_eq!(test.said(), [pair("error", &text)]);
    }
    for message in [
        json!({"type": "poem", "content": "x"}),
        json!({"type": 5, "content": "x"}),
        json!({"content": "x", "timestamp": "garbage"}),
        json!({"content": "x", "timestamp": 9_999_999_999_999_999_u64}),
    ] {
        test.say(&message);
        assert_eq!(test.calls().len(), 1, "{message}");
        test.answer("y");
        test.frames();
    }
}

#[test]
fn text_is_handed_on_unchanged() {
    let text = "👩‍👩‍👧 שלום \u{0}\u{202e} \u{feff}";
    let mut test = Test::begun(&relaxed());
    test.query(text);
    assert_eq!(test.calls().remove(0)[1].1, text);
    test.answer(text);
    assert_eq!(test.said(), [pair("response", text)]);
}

#[test]
fn flood_is_slowed_down_and_then_ended() {
    let mut test = Test::begun(&AgentWebSocketConfig::default());
    let ping = json!({"type": "command", "content": "ping"});
    for _ in 0..10 {
        test.say(&ping);
    }
    assert!(test.said().iter().all(|said| said.1 == "pong"));
    for n in 1..=5 {
        test.say(&ping);
        let closes = test.effects.iter().any(|e| matches!(e, Effect::Close { code: 1008, .. }));
        assert_eq!(closes, n == 5);
        let frame = test.frames().remove(0);
        assert_eq!(frame["content"], "Rate limit exceeded");
        assert_eq!(frame["retryAfterMs"], 2000);
    }
}

#[test]
fn failures_leave_the_history_as_it_was() {
    let mut test = Test::begun(&relaxed());
    let provider = || "OpenRouter".to_owned();
    for (error, text) in [
        (status(500), "Failed to generate response: OpenRouter API error: HTTP 500: busy"),
        (ChatError::Empty, "Failed to generate response: empty completion"),
        (
            ChatError::Failed { provider: provider(), message: "no".into() },
            "Failed to generate response: OpenRouter API error: no",
        ),
        (
            ChatError::Unreachable { provider: provider() },
            "Failed to generate response: OpenRouter cannot be reached",
        ),
        (
            ChatError::Unreadable { provider: provider() },
            "Failed to generate response: OpenRouter answered with something else than a completion",
        ),
        (ChatError::NotConfigured { message: "no key".into() }, "Error: no key"),
    ] {
        test.query("x");
        test.frames();
        test.fail(error);
        assert_eq!(test.said(), [pair("error", text)]);
        assert_eq!(test.session.history.len(), 0);
    }
    test.query("x");
    test.frames();
    test.answer("  ");
    assert_eq!(test.said(), [pair("error", "Failed to generate response: empty completion")]);
}

#[test]
fn deployed_dialect_is_spoken_where_it_is_asked_for() {
    let config = AgentWebSocketConfig { dialect: Dialect::Deployed, ..relaxed() };
    let mut test = Test::start(&config);
    let welcome = test.frames().remove(0);
    assert_eq!(
        (&welcome["type"], &welcome["timestamp"]),
        (&json!("status"), &json!(1_700_000_000_000_u64))
    );
    assert_eq!(welcome["content"], "Connected to agent_websocket WebSocket server");
    test.query("hi");
    test.answer("hello");
    assert_eq!(test.said(), [pair("response", "hello")], "no thinking");
}

#[test]
fn pieces_are_numbered_and_pushes_get_through() {
    let mut test = Test::begun(&relaxed());
    test.say(&json!({"content": "x", "id": "s", "options": {"stream": true}}));
    assert!(test.effects.iter().any(|e| matches!(e, Effect::Call { stream: true, .. })));
    test.frames();
    for piece in ["a", "b"] {
        let effects = test.session.piece(piece, test.now());
        test.effects.extend(effects);
    }
    let effects = test.session.push("from outside", test.now());
    test.effects.extend(effects);
    test.answer("ab");
    let frames = test.frames();
    assert_eq!((&frames[1]["type"], &frames[1]["index"]), (&json!("response_delta"), &json!(1)));
    assert_eq!(frames[1]["correlationId"], "s");
    assert_eq!(
        (&frames[2]["type"], &frames[2]["content"]),
        (&json!("notification"), &json!("from outside"))
    );
    assert_eq!(frames[3]["content"], "ab");
}

#[test]
fn client_that_answers_no_ping_is_dropped() {
    let mut test = Test::begun(&relaxed());
    test.elapsed = Duration::from_secs(30);
    assert_eq!(test.session.tick(test.now()), [Effect::Ping]);
    test.elapsed = Duration::from_secs(40);
    assert_eq!(test.session.tick(test.now()), [Effect::Drop]);
}
