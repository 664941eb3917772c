//! The owner's controls on real agents: real sockets, real SQLite files.

use std::time::Duration;

use agentmesh_core::{
    ErrorInfo,
    client::{Agent, AgentBuilder, AgentEvent, SendOptions},
    engine::{CircuitState, Event, Stage},
    knock::Policy,
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

/// Reads events until one is wanted.
async fn event(agent: &Agent, wanted: impl Fn(&Event) -> bool) -> impl Future<Output = ()> {
    let mut events = agent.events();
    async move {
        let found = async {
            while let Some(event) = events.next().await {
                if matches!(&event, AgentEvent::Engine(event) if wanted(event)) {
                    return;
                }
            }
            panic!("the agent ended");
        };
        tokio::time::timeout(Duration::from_secs(20), found).await.expect("the event comes");
    }
}

#[tokio::test]
async fn stopped_agent_tells_its_peers_and_connects_again_only_when_resumed() {
    let server = server().await;
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let storage = SqliteStorage::open(dir.path().join("agent.db")).unwrap();
        builder(&server).storage(storage).open_or_create()
    };
    let bob = online(&server).await;
    let mut messages = bob.messages().await.unwrap();
    let alice = open().await.unwrap();
    alice.connect().await.unwrap();
    let sent = alice.send(bob.amid(), "1", SendOptions::wait_for(Stage::Delivered)).await.unwrap();
    assert_eq!(sent.stage, Stage::Delivered);
    messages.next().await.unwrap().ack().await.unwrap();

    let closed = event(&bob, |e| matches!(e, Event::SessionClosed { .. })).await;
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
