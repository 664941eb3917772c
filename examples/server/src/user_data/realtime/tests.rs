//! Sessions in virtual time, with clients that are a list of what they were sent.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use agentmesh_core::{
    client::platform::BoxFuture,
    services::user_data::{Name, NameKind},
};
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, advance, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    super::config::{RealtimeLimits, ThreadRule},
    AgentBackend, EchoAgent, Turn, TurnError,
    registry::{Inbox, Refused, Registry},
    session::{Outlet, Rules},
};

const PATIENCE: Duration = Duration::from_secs(3600 * 24);

/// What a client was sent; `asked` are the hooks that it has not answered yet.
struct Client {
    inbox: Inbox,
    sent: mpsc::UnboundedReceiver<(String, Value)>,
    asked: Arc<Mutex<Vec<oneshot::Sender<Value>>>>,
}

struct Recorder {
    sent: mpsc::UnboundedSender<(String, Value)>,
    asked: Arc<Mutex<Vec<oneshot::Sender<Value>>>>,
    takes: bool,
}

impl Outlet for Recorder {
    fn ready(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async { true })
    }

    fn emit<'a>(&'a self, event: &'static str, data: &'a Value) -> BoxFuture<'a, bool> {
        let _ = self.sent.send((event.to_owned(), data.clone()));
        Box::pin(async { self.takes })
    }

    fn ask(&self, event: &'static str, data: &Value) -> BoxFuture<'static, Option<Value>> {
        let (answer, answered) = oneshot::channel();
        self.asked.lock().unwrap().push(answer);
        let _ = self.sent.send((event.to_owned(), data.clone()));
        Box::pin(async { answered.await.ok() })
    }

    fn close(&self) {
        let _ = self.sent.send(("closed".to_owned(), Value::Null));
    }

    fn id(&self) -> String {
        "a socket".to_owned()
    }
}

fn name(text: &str) -> Name {
    Name::new(NameKind::Session, text).unwrap()
}

fn registry(threads: ThreadRule, limits: RealtimeLimits) -> Arc<Registry> {
    with(threads, limits, Arc::new(EchoAgent))
}

fn with(
    threads: ThreadRule,
    limits: RealtimeLimits,
    agent: Arc<dyn AgentBackend>,
) -> Arc<Registry> {
    let rules = Rules { limits, threads, allow_bypass: false, unattended_tools: false, agent };
    Registry::new(rules, TaskTracker::new(), CancellationToken::new())
}

fn try_attach(registry: &Arc<Registry>, session: &str, takes: bool) -> Result<Client, Refused> {
    let (tell, sent) = mpsc::unbounded_channel();
    let asked = Arc::default();
    let outlet = Recorder { sent: tell, asked: Arc::clone(&asked), takes };
    let inbox = registry.attach(&name(session), Box::new(outlet))?;
    Ok(Client { inbox, sent, asked })
}

fn attach(registry: &Arc<Registry>, session: &str) -> Client {
    try_attach(registry, session, true).unwrap()
}

fn echo() -> Arc<Registry> {
    registry(ThreadRule::Auto, RealtimeLimits::default())
}

impl Client {
    fn send(&self, event: &str, value: Value) {
        assert!(self.inbox.event(event.to_owned(), value));
    }

    async fn next(&mut self) -> (String, Value) {
        timeout(PATIENCE, self.sent.recv()).await.unwrap().unwrap()
    }

    /// Everything up to an event of this name, that included.
    async fn until(&mut self, event: &str) -> Vec<(String, Value)> {
        let mut all = Vec::new();
        loop {
            all.push(self.next().await);
            if all.last().unwrap().0 == event {
                return all;
            }
        }
    }

    async fn get(&mut self, ask: &str, event: &str) -> Value {
        self.send(ask, Value::Null);
        self.until(event).await.pop().unwrap().1
    }

    async fn history(&mut self) -> Vec<Value> {
        self.get("get_history", "history").await["messages"].as_array().unwrap().clone()
    }

    async fn say(&mut self, text: &str) -> Vec<(String, Value)> {
        self.send("message", json!({"prompt": text}));
        self.until("result").await
    }
}

fn text_of(result: &[(String, Value)]) -> &str {
    result.last().unwrap().1["result"].as_str().unwrap()
}

#[tokio::test(start_paused = true)]
async fn case_21_a_denied_tool_does_not_run_and_a_hook_without_answer_ends_after_300_seconds() {
    let registry = echo();
    let mut client = attach(&registry, "s");
    client.send("message", json!(r#"/tool Write {"path": "x"}"#));
    let asked = client.until("hook_request").await.pop().unwrap().1;
    assert_eq!(
        (&asked["event"], &asked["data"]["tool_name"]),
        (&json!("PreToolUse"), &json!("Write"))
    );
    let answer = client.asked.lock().unwrap().pop().unwrap();
    answer.send(json!({"action": "deny", "reason": "not here"})).unwrap();
    let told = client.until("result").await;
    assert_eq!(text_of(&told), "Write did not run: not here");
    assert!(!told.iter().any(|(event, _)| event == "hook_notification"), "{told:?}");

    client.send("message", json!(r#"/tool Write {"path": "x"}"#));
    client.until("hook_request").await;
    let began = Instant::now();
    let told = client.until("result").await;
    assert_eq!(began.elapsed(), Duration::from_secs(300));
    assert_eq!(text_of(&told), "Write did not run: nobody answered");
    assert!(!told.iter().any(|(event, _)| event == "hook_notification"), "{told:?}");
    // Too late, and of no effect.
    let late = client.asked.lock().unwrap().pop().unwrap();
    assert!(late.send(json!({"action": "deny"})).is_err());
}

#[tokio::test(start_paused = true)]
async fn b22_hooks_are_released_when_the_client_goes_and_not_asked_without_one() {
    let registry = echo();
    let mut client = attach(&registry, "s");
    client.send("message", json!("/tool Read {}"));
    client.until("hook_request").await;
    let began = Instant::now();
    client.inbox.detach().await;
    let mut again = attach(&registry, "s");
    // Whoever cuts the client's line lets nothing run by it.
    assert_eq!(text_of(&again.until("result").await), "Read did not run: nobody answered");
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn unattended_tools_run_where_that_was_asked_for_and_still_not_against_a_denial() {
    let agent: Arc<dyn AgentBackend> = Arc::new(EchoAgent);
    let (limits, threads) = (RealtimeLimits::default(), ThreadRule::Auto);
    let rules = Rules { limits, threads, allow_bypass: false, unattended_tools: true, agent };
    let registry = Registry::new(rules, TaskTracker::new(), CancellationToken::new());
    let mut client = attach(&registry, "s");
    client.send("message", json!(r#"/tool Write {"path": "x"}"#));
    client.until("hook_request").await;
    let began = Instant::now();
    let told = client.until("result").await;
    assert_eq!(began.elapsed(), Duration::from_secs(300));
    assert_eq!(text_of(&told), r#"Write ran: {"path":"x"}"#);
    assert!(told.iter().any(|(event, _)| event == "hook_notification"), "{told:?}");
    client.send("message", json!("/tool Write {}"));
    client.until("hook_request").await;
    let answer = client.asked.lock().unwrap().pop().unwrap();
    answer.send(json!({"action": "deny"})).unwrap();
    assert_eq!(text_of(&client.until("result").await), "Write did not run: denied");
}

#[tokio::test(start_paused = true)]
async fn case_22_a_session_waits_for_its_client_and_then_no_longer() {
    let registry = echo();
    let mut client = attach(&registry, "s");
    client.say("first").await;
    client.send("message", json!("second"));
    client.until("message").await;
    client.inbox.detach().await;
    advance(Duration::from_secs(15 * 60 - 1)).await;
    let mut again = attach(&registry, "s");
    assert_eq!(again.next().await.1["message"], "Session resumed");
    assert_eq!(again.next().await.0, "history");
    let history = again.history().await;
    assert_eq!(history.len(), 4, "{history:?}");
    let mut uuids: Vec<_> = history.iter().map(|entry| entry["uuid"].to_string()).collect();
    uuids.sort();
    uuids.dedup();
    assert_eq!(uuids.len(), 4);
    again.inbox.detach().await;
    while registry.len() > 0 {
        advance(Duration::from_secs(60)).await;
        tokio::task::yield_now().await;
    }
    let mut new = attach(&registry, "s");
    assert_eq!(new.history().await, [] as [Value; 0]);
}

#[tokio::test(start_paused = true)]
async fn b19_a_second_client_takes_over() {
    let registry = echo();
    let mut first = attach(&registry, "s");
    first.say("hello").await;
    let mut second = attach(&registry, "s");
    assert_eq!(first.next().await.1["message"], "Session taken over");
    assert_eq!(first.next().await.0, "closed");
    assert_eq!(second.next().await.1["message"], "Session resumed");
    // What the first still says is not heard, and that it goes does not matter.
    first.send("clear", Value::Null);
    first.inbox.detach().await;
    assert_eq!(second.history().await.len(), 2);
    assert_eq!(registry.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn b18_messages_without_a_text_are_errors() {
    let registry = echo();
    let mut client = attach(&registry, "s");
    for bad in [
        json!(null),
        json!(5),
        json!({}),
        json!([]),
        json!(""),
        json!({"prompt": 5}),
        json!({"prompt": " "}),
    ] {
        client.send("message", bad.clone());
        let expected = ("error".to_owned(), json!({"message": "prompt is required"}));
        assert_eq!(client.next().await, expected, "{bad}");
    }
    assert_eq!(client.history().await, [] as [Value; 0]);
}

#[tokio::test(start_paused = true)]
async fn case_19_a_turn_is_init_stream_message_result() {
    let registry = echo();
    let mut client = attach(&registry, "s");
    client.send("start", json!({"maxTurns": 50, "model": "m"}));
    assert_eq!(client.next().await.1, json!({"type": "info", "message": "Session initialized"}));
    let told = client.say("Help me debug this issue").await;
    let names: Vec<_> = told.iter().map(|(event, _)| event.as_str()).collect();
    assert_eq!(names.first(), Some(&"message"));
    assert_eq!(told[0].1["subtype"], "init");
    let streams = names.iter().filter(|name| **name == "stream").count();
    assert!(streams >= 1 && names[1..=streams].iter().all(|name| *name == "stream"), "{names:?}");
    assert_eq!(names[streams + 1..], ["message", "result"]);
    assert_eq!(told[streams + 1].1["content"][0]["text"], "Help me debug this issue");
    assert_eq!(told.last().unwrap().1["session_id"], told[0].1["session_id"]);
}

#[tokio::test(start_paused = true)]
async fn case_23_clear_forgets_what_was_said() {
    let registry = echo();
    let mut client = attach(&registry, "s");
    let before = client.say("hello").await;
    let cleared = client.get("clear", "cleared").await;
    assert_eq!(cleared, json!({"type": "info", "message": "Session cleared"}));
    assert_eq!(client.history().await, [] as [Value; 0]);
    let after = client.say("hello").await;
    assert_ne!(before[0].1["session_id"], after[0].1["session_id"]);
}

#[tokio::test(start_paused = true)]
async fn b23_options_that_are_not_allowed_are_named_and_have_no_effect() {
    let registry = echo();
    let mut client = attach(&registry, "s");
    let options =
        json!({"env": {}, "cwd": "/", "executable": "sh", "permissionMode": "bypassPermissions"});
    client.send("start", options);
    let (event, warning) = client.next().await;
    assert_eq!((event.as_str(), &warning["type"]), ("status", &json!("warning")));
    let message = warning["message"].as_str().unwrap();
    for name in ["env", "cwd", "executable", "permissionMode"] {
        assert!(message.contains(name), "{message}");
    }
    assert_eq!(client.next().await.1["message"], "Session initialized");
    client.send("start", json!({"disallowedTools": ["Bash"]}));
    client.until("status").await;
    let told = client.say("/tool Bash {}").await;
    assert!(text_of(&told).starts_with("Bash did not run"), "{told:?}");
    assert!(!told.iter().any(|(event, _)| event == "hook_request"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn threads_follow_the_rule() {
    // (rule, resume, whether what was said before is forgotten)
    for (rule, resume, forgets) in [
        (ThreadRule::Auto, None, false),
        (ThreadRule::Auto, Some("own"), false),
        (ThreadRule::Auto, Some("another"), true),
        (ThreadRule::V1, None, false),
        (ThreadRule::V1, Some("another"), false),
        (ThreadRule::V2, None, true),
        (ThreadRule::V2, Some("own"), false),
        (ThreadRule::V2, Some("another"), true),
    ] {
        let registry = registry(rule, RealtimeLimits::default());
        let mut client = attach(&registry, "s");
        let own = client.say("first").await[0].1["session_id"].clone();
        let resume = match resume {
            Some("own") => own,
            other => json!(other),
        };
        client.send("message", json!({"prompt": "second", "options": {"resume": resume}}));
        client.until("result").await;
        let expected = if forgets { 2 } else { 4 };
        assert_eq!(client.history().await.len(), expected, "{rule:?} {resume}");
    }
}

/// Never answers, or panics.
#[derive(Debug)]
struct Odd;

impl AgentBackend for Odd {
    fn turn<'a>(&'a self, turn: &'a Turn) -> BoxFuture<'a, Result<(), TurnError>> {
        Box::pin(async move {
            match turn.prompt() {
                "panic" => panic!("on purpose"),
                "fail" => Err(TurnError("cannot".to_owned())),
                _ => std::future::pending().await,
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn interrupts_end_what_is_worked_on_and_what_waits() {
    let registry = with(ThreadRule::Auto, RealtimeLimits::default(), Arc::new(Odd));
    let mut client = attach(&registry, "s");
    for _ in 0..18 {
        client.send("message", json!("wait"));
    }
    assert_eq!(client.next().await.1["message"], "too many messages are waiting");
    let running = client.get("get_diagnostics", "diagnostics").await;
    assert_eq!(running["messageStreamQueueLength"], 16);
    assert_eq!((&running["isQueryRunning"], &running["isConnected"]), (&json!(true), &json!(true)));
    let status = client.get("interrupt", "status").await;
    assert_eq!(status["message"], "Interrupted");
    client.send("interrupt", json!({"threadId": "t", "reason": "enough"}));
    let done = client.until("interrupt_complete").await.pop().unwrap().1;
    assert_eq!(done, json!({"threadId": "t", "success": true, "sessionId": null}));
    let idle = client.get("get_diagnostics", "diagnostics").await;
    assert_eq!(
        (&idle["isQueryRunning"], &idle["messageStreamQueueLength"]),
        (&json!(false), &json!(0))
    );
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_fails_fails_one_turn() {
    let registry = with(ThreadRule::Auto, RealtimeLimits::default(), Arc::new(Odd));
    let mut client = attach(&registry, "s");
    client.send("message", json!("fail"));
    assert_eq!(client.next().await, ("error".to_owned(), json!({"message": "cannot"})));
    client.send("message", json!("panic"));
    assert_eq!(client.next().await, ("error".to_owned(), json!({"message": "the agent failed"})));
    let idle = client.get("get_diagnostics", "diagnostics").await;
    assert_eq!(idle["isQueryRunning"], false);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_disconnected_and_its_session_waits() {
    let registry = echo();
    let mut client = try_attach(&registry, "s", false).unwrap();
    client.send("start", json!({}));
    assert_eq!(client.next().await.0, "status");
    assert_eq!(client.next().await.0, "closed");
    assert_eq!(registry.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn there_are_so_many_sessions_and_no_more_and_all_end() {
    let limits = RealtimeLimits { sessions: 2, ..RealtimeLimits::default() };
    let registry = registry(ThreadRule::Auto, limits);
    let mut first = attach(&registry, "a");
    let mut second = attach(&registry, "b");
    assert_eq!(try_attach(&registry, "c", true).err(), Some(Refused::TooMany));
    registry.end(&name("a"));
    assert_eq!(first.next().await.0, "closed");
    assert!(try_attach(&registry, "c", true).is_ok());
    registry.end_all();
    assert_eq!(second.next().await.0, "closed");
    assert_eq!(registry.len(), 0);
}
