//! `agentmesh/0.2` over a real server: agents of ours that speak only that, agents that may, agents that may not, and
//! the deployed SDK, played by what it consists of over a plain socket and plain HTTP.

mod deployed;

use std::time::Duration;

use agentmesh_core::{
    Error, ErrorInfo,
    client::{Agent, AgentConfig, AgentEvent, SendOptions, Sent, subscription::Subscription},
    engine::{DropReason, EngineConfig, Event, Stage},
    handshake::Suite,
    knock::Policy,
    storage::{MemoryStorage, SqliteStorage, Storage},
    vault::StoreKey,
};
use agentmesh_server::{Server, ServerConfig};
use deployed::Deployed;
use serde_json::json;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

async fn server() -> Server {
    Server::start(ServerConfig::for_development()).await.unwrap()
}

/// Which protocols an agent speaks.
#[derive(Clone, Copy)]
enum Speaks {
    Native,
    Both,
    Legacy,
}

async fn agent(server: &Server, speaks: Speaks, policy: Policy) -> Agent {
    agent_over(server, speaks, policy, MemoryStorage::new()).await
}

async fn agent_over(
    server: &Server,
    speaks: Speaks,
    policy: Policy,
    storage: impl Storage + 'static,
) -> Agent {
    let allow_legacy = !matches!(speaks, Speaks::Native);
    let mut engine = EngineConfig { allow_legacy, ..EngineConfig::default() };
    if matches!(speaks, Speaks::Legacy) {
        engine.suites = vec![Suite::Legacy02];
    }
    let agent = Agent::builder()
        .config(AgentConfig { engine, policy, ..AgentConfig::default() })
        .storage(storage)
        .store_key(StoreKey::from_bytes([1; 32]))
        .registry_url(server.registry_url())
        .relay_url(server.relay_url())
        .open_or_create()
        .await
        .unwrap();
    agent.connect().await.unwrap();
    agent
}

/// Lets peers of 0.2 in.
fn open() -> Policy {
    let mut policy = Policy::permissive();
    policy.allow_legacy = true;
    policy
}

async fn say(from: &Agent, to: &Agent, text: &str) -> Result<Sent, Error> {
    from.send(to.amid(), json!({ "text": text }).to_string(), SendOptions::default()).await
}

/// The next message, which must say this.
async fn hear(at: &Agent, from: &Agent, text: &str) {
    let mut messages = at.messages().await.unwrap();
    let message = timeout(PATIENCE, messages.next()).await.unwrap().unwrap();
    assert_eq!(message.payload.as_json(), Some(&*json!({ "text": text }).to_string()));
    assert_eq!(message.from, from.amid());
    message.ack().await.unwrap();
}

/// Waits for an engine's event.
async fn event<T>(
    events: &mut Subscription<AgentEvent>,
    wanted: impl Fn(&Event) -> Option<T>,
) -> T {
    let next = async {
        loop {
            match events.next().await {
                Some(AgentEvent::Engine(event)) => {
                    if let Some(found) = wanted(&event) {
                        return found;
                    }
                }
                Some(_) => {}
                None => panic!("the agent is gone"),
            }
        }
    };
    timeout(PATIENCE, next).await.expect("the event did not come")
}

#[tokio::test]
async fn an_agent_of_0_2_and_a_native_one_talk_if_both_may() {
    let server = server().await;
    let old = agent(&server, Speaks::Legacy, open()).await;
    let both = agent(&server, Speaks::Both, open()).await;
    let mut events = both.events();
    let sent = say(&both, &old, "to the old one").await.unwrap();
    assert_eq!(sent.stage, Stage::StoredByRelay);
    hear(&old, &both, "to the old one").await;
    let suite = event(&mut events, |event| match event {
        Event::SessionEstablished { suite, .. } => Some(*suite),
        _ => None,
    });
    assert_eq!(suite.await, Suite::Legacy02);
    for round in 0..5 {
        say(&old, &both, &format!("back {round}")).await.unwrap();
        hear(&both, &old, &format!("back {round}")).await;
        say(&both, &old, &format!("forth {round}")).await.unwrap();
        hear(&old, &both, &format!("forth {round}")).await;
    }
    // No more is claimed than is known.
    let options = SendOptions::wait_for(Stage::Delivered);
    let unconfirmed = both.send(old.amid(), r#"{"text":"received?"}"#, options).await;
    assert_eq!(unconfirmed.unwrap_err().code(), "SEND_UNCONFIRMED");
    hear(&old, &both, "received?").await;
    old.close().await.unwrap();
    both.close().await.unwrap();
    server.shutdown().await;
}

#[tokio::test]
async fn two_agents_of_0_2_talk_and_so_do_two_that_may_but_natively() {
    let server = server().await;
    for (speaks, suite) in
        [(Speaks::Legacy, Suite::Legacy02), (Speaks::Both, Suite::X25519MlKem768)]
    {
        let (alice, bob) =
            (agent(&server, speaks, open()).await, agent(&server, speaks, open()).await);
        let mut events = alice.events();
        say(&alice, &bob, "hello").await.unwrap();
        hear(&bob, &alice, "hello").await;
        say(&bob, &alice, "hello, too").await.unwrap();
        hear(&alice, &bob, "hello, too").await;
        let established = event(&mut events, |event| match event {
            Event::SessionEstablished { suite, .. } => Some(*suite),
            _ => None,
        });
        assert_eq!(established.await, suite);
        alice.close().await.unwrap();
        bob.close().await.unwrap();
    }
    server.shutdown().await;
}

#[tokio::test]
async fn they_refuse_each_other_where_0_2_is_not_allowed() {
    let server = server().await;
    let old = agent(&server, Speaks::Legacy, open()).await;
    let native = agent(&server, Speaks::Native, Policy::permissive()).await;
    let failed = say(&native, &old, "x").await.unwrap_err();
    assert_eq!(failed.code(), "SEND_NATIVE_BUNDLE_UNAVAILABLE");

    // What the old one says is not even looked at.
    let mut events = native.events();
    let options =
        SendOptions { expires_in: Some(Duration::from_secs(1)), ..SendOptions::default() };
    let (sent, reason) = tokio::join!(
        old.send(native.amid(), r#"{"text":"y"}"#, options),
        event(&mut events, |event| match event {
            Event::FrameDropped { reason, .. } => Some(*reason),
            _ => None,
        })
    );
    assert_eq!(reason, DropReason::Legacy);
    assert!(sent.is_err());
    native.close().await.unwrap();
    old.close().await.unwrap();
    server.shutdown().await;
}

#[tokio::test]
async fn a_policy_without_0_2_says_so_to_who_knocks() {
    let server = server().await;
    let old = agent(&server, Speaks::Legacy, open()).await;
    // The switch is on, so that KNOCKs are understood; the policy says no.
    let careful = agent(&server, Speaks::Both, Policy::permissive()).await;
    let failed = say(&old, &careful, "x").await.unwrap_err();
    assert_eq!(failed.code(), "SEND_KNOCK_REJECTED");
    assert!(failed.to_string().contains("Legacy protocol not allowed"), "{failed}");
    old.close().await.unwrap();
    careful.close().await.unwrap();
    server.shutdown().await;
}

#[tokio::test]
async fn a_session_of_0_2_outlives_a_restart() {
    let server = server().await;
    let dir = tempfile::tempdir().unwrap();
    let store = || SqliteStorage::open(dir.path().join("old.db")).unwrap();
    let both = agent(&server, Speaks::Both, open()).await;
    let old = agent_over(&server, Speaks::Legacy, open(), store()).await;
    say(&both, &old, "one").await.unwrap();
    hear(&old, &both, "one").await;
    old.close().await.unwrap();
    say(&both, &old, "two").await.unwrap();
    let old = agent_over(&server, Speaks::Legacy, open(), store()).await;
    hear(&old, &both, "two").await;
    let mut events = old.events();
    say(&old, &both, "three").await.unwrap();
    hear(&both, &old, "three").await;
    old.close().await.unwrap();
    both.close().await.unwrap();
    while let Some(event) = events.next().await {
        let established = matches!(event, AgentEvent::Engine(Event::SessionEstablished { .. }));
        assert!(!established, "the session was not lost");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn the_deployed_sdk_answers_our_knock_and_talks() {
    let server = server().await;
    let ours = agent(&server, Speaks::Both, open()).await;
    let mut theirs = Deployed::start(&server).await;
    let message = json!({ "text": "from us", "n": [1, 2.5, null], "☃": "ünïcödé" }).to_string();
    let (sent, heard) = tokio::join!(
        ours.send(theirs.amid(), message.as_str(), SendOptions::default()),
        theirs.answer_knock_and_hear()
    );
    assert_eq!(sent.unwrap().stage, Stage::StoredByRelay);
    assert_eq!(heard, message);
    for round in 0..3 {
        theirs.say(&json!({ "text": format!("from them {round}") }).to_string()).await;
        let mut messages = ours.messages().await.unwrap();
        let got = timeout(PATIENCE, messages.next()).await.unwrap().unwrap();
        assert_eq!(got.from, theirs.amid());
        let expected = json!({ "text": format!("from them {round}") }).to_string();
        assert_eq!(got.payload.as_json(), Some(&*expected));
        got.ack().await.unwrap();
        let text = json!({ "text": format!("from us {round}") }).to_string();
        ours.send(theirs.amid(), text.as_str(), SendOptions::default()).await.unwrap();
        assert_eq!(theirs.hear().await, text);
    }
    ours.close().await.unwrap();
    server.shutdown().await;
}

#[tokio::test]
async fn the_deployed_sdk_knocks_with_what_we_published_and_talks() {
    let server = server().await;
    let ours = agent(&server, Speaks::Both, open()).await;
    let mut theirs = Deployed::start(&server).await;
    theirs.knock(ours.amid()).await;
    theirs.say(r#"{"text":"first"}"#).await;
    let mut messages = ours.messages().await.unwrap();
    let got = timeout(PATIENCE, messages.next()).await.unwrap().unwrap();
    assert_eq!(got.payload.as_json(), Some(r#"{"text":"first"}"#));
    got.ack().await.unwrap();
    // The responder writes once the initiator has.
    ours.send(theirs.amid(), r#"{"text":"back"}"#, SendOptions::default()).await.unwrap();
    assert_eq!(theirs.hear().await, r#"{"text":"back"}"#);
    ours.close().await.unwrap();
    server.shutdown().await;
}

#[tokio::test]
async fn what_nobody_signed_or_encrypted_is_told_apart_from_messages() {
    let server = server().await;
    let ours = agent(&server, Speaks::Both, open()).await;
    let mut theirs = Deployed::start(&server).await;
    let mut events = ours.events();
    let chat = r#"{"type":"chat","from_amid":"me","text":"hi","timestamp":1}"#;
    theirs.send(ours.amid(), "message", chat).await;
    let unauthenticated = |event: &Event| match event {
        Event::Unauthenticated { from, payload } => Some((*from, payload.clone())),
        _ => None,
    };
    assert_eq!(event(&mut events, unauthenticated).await, (theirs.amid(), chat.to_owned()));
    // An envelope without a session, a KNOCK that was tampered with.
    theirs.send(ours.amid(), "message", r#"{"session_id":"session_x","type":"encrypted","header":{"dh_public_key":"CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=","pn":0,"n":0},"ciphertext":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#).await;
    let dropped = |event: &Event| match event {
        Event::FrameDropped { reason, .. } => Some(*reason),
        _ => None,
    };
    assert_eq!(event(&mut events, dropped).await, DropReason::NoSession);
    let knock = theirs.compose_knock(ours.amid()).await.replace("\"message\"", "\"massage\"");
    theirs.send(ours.amid(), "knock", &knock).await;
    assert_eq!(event(&mut events, dropped).await, DropReason::Rejected);
    ours.close().await.unwrap();
    server.shutdown().await;
}
