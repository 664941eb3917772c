//! The owner's controls on real agents: real sockets, real SQLite files.

use std::time::Duration;

use agentmesh_core::{
    Error, ErrorInfo,
    client::{Agent, AgentBuilder, AgentEvent, Rate, RateLimits, RateScope, SendOptions},
    engine::{CircuitState, Event, SendFailure, Stage},
    knock::{Policy, RateLimit},
    storage::{MemoryStorage, SqliteStorage},
    vault::StoreKey,
};
use agentmesh_server::{Server, ServerConfig};

async fn server() -> Server {
    Server::start(ServerConfig::for_development()).await.unwrap()
}

fn builder(server: &Server) -> AgentBuilder {
    Agent::builder()
        .storage(MemoryStorage::new())
        .store_key(StoreKey::from_bytes([1; 32]))
        .registry_url(server.registry_url())
        .relay_url(server.relay_url())
        .policy(Policy::permissive())
}

async fn online(server: &Server) -> Agent {
    let agent = builder(server).open_or_create().await.unwrap();
    agent.connect().await.unwrap();
    agent
}

/// Reads events, from now on, until one is wanted.
fn event(agent: &Agent, wanted: impl Fn(&AgentEvent) -> bool) -> impl Future<Output = AgentEvent> {
    let mut events = agent.events();
    async move {
        let found = async {
            while let Some(event) = events.next().await {
                if wanted(&event) {
                    return event;
                }
            }
            panic!("the agent ended");
        };
        tokio::time::timeout(Duration::from_secs(20), found).await.expect("the event comes")
    }
}

fn is_closed(event: &AgentEvent) -> bool {
    matches!(event, AgentEvent::Engine(Event::SessionClosed { .. }))
}

/// The reason that a peer gave for a rejection.
async fn rejection(from: &Agent, to: &Agent) -> String {
    let sent = from.send(to.amid(), "1", SendOptions::wait_for(Stage::Delivered)).await;
    match sent {
        Err(Error::SendFailure(SendFailure::Rejected { reason, .. })) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn stopped_agent_tells_its_peers_and_connects_again_only_when_resumed() {
    let server = server().await;
    let dir = tempfile::tempdir().unwrap();
    let open = || async {
        let storage = SqliteStorage::open(dir.path().join("agent.db")).unwrap();
        builder(&server).storage(storage).open_or_create().await
    };
    let bob = online(&server).await;
    let mut messages = bob.messages().await.unwrap();
    let alice = open().await.unwrap();
    alice.connect().await.unwrap();
    let sent = alice.send(bob.amid(), "1", SendOptions::wait_for(Stage::Delivered)).await.unwrap();
    assert_eq!(sent.stage, Stage::Delivered);
    messages.next().await.unwrap().ack().await.unwrap();

    let closed = event(&bob, is_closed);
    alice.emergency_stop().await.unwrap();
    closed.await;
    for error in [
        alice.connect().await.unwrap_err(),
        alice.send(bob.amid(), "2", SendOptions::default()).await.unwrap_err(),
    ] {
        assert_eq!((error.code(), error.is_retryable()), ("AGENT_STOPPED", false));
    }
    alice.close().await.unwrap();

    // It is on disk.
    let alice = open().await.unwrap();
    assert_eq!(alice.circuit_state().await.unwrap().state, CircuitState::Stopped);
    assert_eq!(alice.connect().await.unwrap_err().code(), "AGENT_STOPPED");
    alice.resume_new().await.unwrap();
    assert_eq!(alice.connect().await.unwrap_err().code(), "AGENT_STOPPED");
    alice.resume().await.unwrap();
    alice.connect().await.unwrap();
    alice.send(bob.amid(), "3", SendOptions::wait_for(Stage::Delivered)).await.unwrap();
    let message = messages.next().await.unwrap();
    assert_eq!(message.payload.as_json(), Some("3"));
    alice.close().await.unwrap();
    bob.close().await.unwrap();
    server.shutdown().await;
}

#[tokio::test]
async fn emergency_stop_takes_the_agent_off_the_relay() {
    let server = server().await;
    let (alice, bob) = (online(&server).await, online(&server).await);
    alice.emergency_stop().await.unwrap();
    // The relay keeps it for an agent that is not there.
    let sent = bob.send(alice.amid(), "1", SendOptions::default()).await.unwrap();
    assert_eq!(sent.stage, Stage::StoredByRelay);
    alice.resume().await.unwrap();
    let mut messages = alice.messages().await.unwrap();
    alice.connect().await.unwrap();
    assert_eq!(messages.next().await.unwrap().id, sent.id);
    alice.close().await.unwrap();
    bob.close().await.unwrap();
    server.shutdown().await;
}

#[tokio::test]
async fn paused_agent_rejects_and_blocked_peer_is_refused_here_and_not_answered() {
    let server = server().await;
    let (alice, bob) = (online(&server).await, online(&server).await);
    bob.pause_new().await.unwrap();
    let rejected = alice.send(bob.amid(), "1", SendOptions::wait_for(Stage::Delivered)).await;
    let rejected = rejected.unwrap_err();
    assert_eq!(rejected.code(), "SEND_KNOCK_REJECTED");
    assert!(rejected.to_string().contains("agent_paused"), "{rejected}");
    bob.resume_new().await.unwrap();
    assert_eq!(bob.circuit_state().await.unwrap().state, CircuitState::Running);

    bob.block(alice.amid()).await.unwrap();
    bob.block(alice.amid()).await.unwrap();
    assert_eq!(bob.blocked().await.unwrap(), [alice.amid()]);
    let refused = bob.send(alice.amid(), "2", SendOptions::default()).await.unwrap_err();
    assert_eq!(refused.code(), "PEER_BLOCKED");
    bob.unblock(alice.amid()).await.unwrap();
    assert!(bob.blocked().await.unwrap().is_empty());
    let mut messages = alice.messages().await.unwrap();
    bob.send(alice.amid(), "3", SendOptions::default()).await.unwrap();
    assert_eq!(messages.next().await.unwrap().payload.as_json(), Some("3"));
    alice.close().await.unwrap();
    bob.close().await.unwrap();
    server.shutdown().await;
}

#[tokio::test]
async fn sending_too_fast_is_refused_with_the_time_to_wait() {
    let server = server().await;
    let limits = RateLimits::default().with_per_peer(Some(Rate::per_minute(1, 2)));
    let alice = builder(&server).rate_limits(limits).open_or_create().await.unwrap();
    let (bob, carol) = (online(&server).await, online(&server).await);
    let limited = event(&alice, |e| matches!(e, AgentEvent::RateLimited { .. }));
    let queued = || SendOptions::wait_for(Stage::Queued);
    let first = alice.send(bob.amid(), "1", queued()).await.unwrap();
    alice.send(bob.amid(), "2", queued()).await.unwrap();
    let refused = alice.send(bob.amid(), "3", queued()).await.unwrap_err();
    assert_eq!((refused.code(), refused.is_retryable()), ("SEND_RATE_LIMITED", true));
    let AgentEvent::RateLimited { to, scope, retry_after } = limited.await else { panic!() };
    assert_eq!((to, scope), (bob.amid(), RateScope::Peer));
    assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_secs(60));
    let waited = alice.wait_for_capacity(bob.amid(), Duration::from_millis(1)).await;
    assert_eq!(waited.unwrap_err().code(), "SEND_RATE_LIMITED");
    // Nothing was queued, others are not concerned, and the same message again costs nothing.
    assert_eq!(alice.outbox().await.unwrap().len(), 2);
    alice.send(bob.amid(), "1", SendOptions { id: Some(first.id), ..queued() }).await.unwrap();
    alice.send(carol.amid(), "1", queued()).await.unwrap();
    alice.wait_for_capacity(carol.amid(), Duration::ZERO).await.unwrap();
    let status = alice.rate_status(Some(bob.amid())).await.unwrap();
    assert_eq!(status.peer.unwrap().available, 0);
    for agent in [alice, bob, carol] {
        agent.close().await.unwrap();
    }
    server.shutdown().await;
}

#[tokio::test]
async fn policy_file_is_read_again_when_it_changes_and_fails_closed_0_2_c10() {
    let server = server().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policy.json");
    let config =
        |agent: AgentBuilder| agent.policy_file(&path).policy_poll(Duration::from_millis(20));
    let missing = config(builder(&server)).open_or_create().await.unwrap_err();
    assert_eq!(missing.code(), "AGENT_CONFIG");
    std::fs::write(&path, r#"{"blocklist": "#).unwrap();
    let malformed = config(builder(&server)).open_or_create().await.unwrap_err();
    assert_eq!(malformed.code(), "POLICY_MALFORMED");

    std::fs::write(&path, "{}").unwrap();
    let bob = config(builder(&server)).open_or_create().await.unwrap();
    bob.connect().await.unwrap();
    let (alice, carol, dave) =
        (online(&server).await, online(&server).await, online(&server).await);
    alice.send(bob.amid(), "1", SendOptions::wait_for(Stage::Delivered)).await.unwrap();

    let failed = event(&bob, |e| matches!(e, AgentEvent::PolicyReloadFailed { .. }));
    std::fs::write(&path, r#"{"blocklist": [}"#).unwrap();
    let AgentEvent::PolicyReloadFailed { code, .. } = failed.await else { panic!() };
    assert_eq!(code, "POLICY_MALFORMED");
    assert_eq!(bob.policy().await.unwrap_err().code(), "POLICY_UNAVAILABLE");
    assert_eq!(rejection(&carol, &bob).await, "policy_unavailable");
    // Sessions that exist go on.
    alice.send(bob.amid(), "2", SendOptions::wait_for(Stage::Delivered)).await.unwrap();

    // Mended, in the other spelling; and whoever is new on its block list is cut off.
    let reloaded = event(&bob, |e| matches!(e, AgentEvent::PolicyReloaded));
    let closed = event(&bob, is_closed);
    std::fs::write(&path, format!(r#"{{"blocklist":["{}"]}}"#, alice.amid())).unwrap();
    reloaded.await;
    closed.await;
    assert!(bob.policy().await.unwrap().blocked_amids.contains(&alice.amid()));
    let refused = bob.send(alice.amid(), "3", SendOptions::default()).await.unwrap_err();
    assert_eq!(refused.code(), "PEER_BLOCKED");
    dave.send(bob.amid(), "4", SendOptions::wait_for(Stage::Delivered)).await.unwrap();
    // The file rules.
    assert_eq!(bob.set_policy(Policy::permissive()).await.unwrap_err().code(), "AGENT_CONFIG");
    for agent in [alice, bob, carol, dave] {
        agent.close().await.unwrap();
    }
    server.shutdown().await;
}

#[tokio::test]
async fn concurrent_sessions_are_limited_to_what_the_policy_says() {
    let server = server().await;
    let bob = online(&server).await;
    let mut policy = Policy::permissive();
    policy.max_concurrent_sessions = 1;
    bob.set_policy(policy).await.unwrap();
    let (alice, carol) = (online(&server).await, online(&server).await);
    let delivered = || SendOptions::wait_for(Stage::Delivered);
    alice.send(bob.amid(), "1", delivered()).await.unwrap();
    assert_eq!(rejection(&carol, &bob).await, "Maximum of 1 concurrent sessions reached");
    // A peer that has one already may replace it.
    bob.kill_session(alice.amid()).await.unwrap();
    alice.send(bob.amid(), "2", delivered()).await.unwrap();
    let closed = event(&bob, is_closed);
    alice.close_session(bob.amid()).await.unwrap();
    closed.await;
    let dave = online(&server).await;
    dave.send(bob.amid(), "3", delivered()).await.unwrap();
    for agent in [alice, bob, carol, dave] {
        agent.close().await.unwrap();
    }
    server.shutdown().await;
}

#[tokio::test]
async fn rate_limits_of_the_policy_hold_knocks_off_and_messages_back() {
    let server = server().await;
    let bob = online(&server).await;
    let mut policy = Policy::permissive();
    policy.rate_limit = Some(RateLimit { knocks_per_minute: 1, messages_per_minute: 1 });
    bob.set_policy(policy).await.unwrap();
    let mut messages = bob.messages().await.unwrap();
    let alice = online(&server).await;
    let delivered = || SendOptions::wait_for(Stage::Delivered);
    alice.send(bob.amid(), "1", delivered()).await.unwrap();
    alice.send(bob.amid(), "2", delivered()).await.unwrap();
    messages.next().await.unwrap().ack().await.unwrap();
    // Another peer's message passes the one that waits.
    let carol = online(&server).await;
    carol.send(bob.amid(), "3", delivered()).await.unwrap();
    let message = messages.next().await.unwrap();
    assert_eq!(message.payload.as_json(), Some("3"));
    message.ack().await.unwrap();
    // One KNOCK was allowed.
    let closed = event(&bob, is_closed);
    alice.close_session(bob.amid()).await.unwrap();
    closed.await;
    assert_eq!(rejection(&alice, &bob).await, "More than 1 KNOCKs per minute");
    // Without the limit, what waited is handed on.
    bob.set_policy(Policy::permissive()).await.unwrap();
    assert_eq!(messages.next().await.unwrap().payload.as_json(), Some("2"));
    for agent in [alice, bob, carol] {
        agent.close().await.unwrap();
    }
    server.shutdown().await;
}
