//! Two agents over a real server: real sockets, real SQLite files.

use std::time::Duration;

use agentmesh_core::{
    ErrorInfo,
    client::{Agent, AgentEvent, SendOptions},
    engine::Stage,
    identity::Identity,
    knock::{Decision, Policy},
    storage::{MemoryStorage, SqliteStorage, Storage},
    test_utils::{Fault, FaultyStorage},
    vault::StoreKey,
};
use agentmesh_server::{Server, ServerConfig};

async fn server() -> Server {
    Server::start(ServerConfig::for_development()).await.unwrap()
}

async fn agent(server: &Server) -> Agent {
    agent_over(server, MemoryStorage::new()).await
}

async fn agent_over(server: &Server, storage: impl Storage + 'static) -> Agent {
    Agent::builder()
        .storage(storage)
        .store_key(StoreKey::from_bytes([1; 32]))
        .registry_url(server.registry_url())
        .relay_url(server.relay_url())
        .policy(Policy::permissive())
        .open_or_create()
        .await
        .unwrap()
}

#[tokio::test]
async fn two_agents_talk() {
    let server = server().await;
    let (alice, bob) = (agent(&server).await, agent(&server).await);
    alice.connect().await.unwrap();
    bob.connect().await.unwrap();
    let mut messages = bob.messages().await.unwrap();
    let options = SendOptions::wait_for(Stage::Handled);
    let (sent, ()) = tokio::join!(alice.send(bob.amid(), r#"{"hello":"wörld"}"#, options), async {
        let message = messages.next().await.unwrap();
        assert_eq!(message.payload.as_json(), Some(r#"{"hello":"wörld"}"#));
        assert_eq!(message.from, alice.amid());
        message.ack().await.unwrap();
    });
    assert_eq!(sent.unwrap().stage, Stage::Handled);
    alice.close().await.unwrap();
    bob.close().await.unwrap();
    server.shutdown().await;
}

#[tokio::test]
async fn absent_recipient_with_sqlite_gets_the_message_when_it_comes() {
    let server = server().await;
    let dir = tempfile::tempdir().unwrap();
    let alice = agent(&server).await;
    let open = || async {
        let bob = Agent::builder()
            .storage(SqliteStorage::open(dir.path().join("bob.db")).unwrap())
            .store_key_file(dir.path().join("bob.key"))
            .registry_url(server.registry_url())
            .relay_url(server.relay_url())
            .policy(Policy::permissive())
            .open_or_create()
            .await
            .unwrap();
        bob.connect().await.unwrap();
        bob
    };
    let bob = open().await;
    let amid = bob.amid();
    bob.close().await.unwrap();
    alice.connect().await.unwrap();
    let sent = alice.send(amid, r#""stored""#, SendOptions::default()).await.unwrap();
    assert_eq!(sent.stage, Stage::StoredByRelay);
    let bob = open().await;
    assert_eq!(bob.amid(), amid);
    let mut messages = bob.messages().await.unwrap();
    let message =
        tokio::time::timeout(Duration::from_secs(10), messages.next()).await.unwrap().unwrap();
    assert_eq!(message.id, sent.id);
    message.ack().await.unwrap();
    alice.close().await.unwrap();
    bob.close().await.unwrap();
    server.shutdown().await;
}

#[tokio::test]
async fn request_is_answered_and_a_missing_answer_is_an_error() {
    let server = server().await;
    let (alice, bob) = (agent(&server).await, agent(&server).await);
    alice.connect().await.unwrap();
    bob.connect().await.unwrap();
    let mut messages = bob.messages().await.unwrap();
    let second = Duration::from_secs(20);
    let (answer, ()) = tokio::join!(
        alice.request(bob.amid(), r#"{"what":"time"}"#, second, SendOptions::default()),
        async {
            let message = messages.next().await.unwrap();
            message.respond(&bob, r#"{"time":"noon"}"#, SendOptions::default()).await.unwrap();
        }
    );
    assert_eq!(answer.unwrap().payload.as_json(), Some(r#"{"time":"noon"}"#));
    let short = Duration::from_millis(300);
    let silence = alice.request(bob.amid(), "1", short, SendOptions::default()).await;
    assert_eq!(silence.unwrap_err().code(), "REQUEST_NO_RESPONSE");
    alice.close().await.unwrap();
    bob.close().await.unwrap();
    server.shutdown().await;
}

#[tokio::test]
async fn message_that_the_handler_drops_comes_again() {
    let server = server().await;
    let (alice, bob) = (agent(&server).await, agent(&server).await);
    alice.connect().await.unwrap();
    bob.connect().await.unwrap();
    let mut messages = bob.messages().await.unwrap();
    let sent = alice.send(bob.amid(), "1", SendOptions::default()).await.unwrap();
    let first = messages.next().await.unwrap();
    assert_eq!((first.id, first.attempt()), (sent.id, 0));
    drop(first);
    let again = messages.next().await.unwrap();
    assert_eq!((again.id, again.attempt()), (sent.id, 1));
    again.ack().await.unwrap();
    alice.close().await.unwrap();
    bob.close().await.unwrap();
    server.shutdown().await;
}

#[tokio::test]
async fn full_disk_fails_the_send_and_the_agent_goes_on() {
    let server = server().await;
    let bob = agent(&server).await;
    bob.connect().await.unwrap();
    let mut messages = bob.messages().await.unwrap();
    let storage = FaultyStorage::new(MemoryStorage::new());
    let faults = storage.faults();
    let alice = agent_over(&server, storage).await;
    alice.connect().await.unwrap();
    let options = SendOptions::wait_for(Stage::Handled);
    faults.at_commit(faults.commits() + 1, Fault::Full);
    let refused = alice.send(bob.amid(), "1", options.clone()).await.unwrap_err();
    assert_eq!((refused.code(), refused.is_retryable()), ("STORAGE_FULL", true));
    let (sent, ()) = tokio::join!(alice.send(bob.amid(), "2", options), async {
        let message = messages.next().await.unwrap();
        assert_eq!(message.payload.as_json(), Some("2"), "what was refused was never sent");
        message.ack().await.unwrap();
    });
    assert_eq!(sent.unwrap().stage, Stage::Handled);
    alice.close().await.unwrap();
    bob.close().await.unwrap();
    server.shutdown().await;
}

#[tokio::test]
async fn store_that_dies_ends_the_agent_with_the_reason_and_loses_nothing() {
    let server = server().await;
    let bob = agent(&server).await;
    bob.connect().await.unwrap();
    let disk = MemoryStorage::new();
    let storage = FaultyStorage::new(disk.clone());
    let faults = storage.faults();
    let alice = agent_over(&server, storage).await;
    alice.connect().await.unwrap();
    faults.at_commit(faults.commits() + 1, Fault::CrashAfter);
    let died = alice.send(bob.amid(), "1", SendOptions::default()).await.unwrap_err();
    assert_eq!(died.code(), "STORAGE_CRASHED");
    let closed = alice.outbox().await.unwrap_err();
    assert_eq!(closed.code(), "AGENT_CLOSED");
    assert!(closed.to_string().contains("planned by a test"), "{closed}");
    // The next process finds the message in the outbox and sends it.
    let alice = agent_over(&server, disk.reopen()).await;
    alice.connect().await.unwrap();
    let mut messages = bob.messages().await.unwrap();
    let message = messages.next().await.unwrap();
    assert_eq!(message.payload.as_json(), Some("1"));
    message.ack().await.unwrap();
    alice.close().await.unwrap();
    bob.close().await.unwrap();
    server.shutdown().await;
}

#[tokio::test]
async fn second_connection_of_an_identity_takes_over_and_the_first_does_not_fight() {
    let server = server().await;
    let identity = Identity::generate(
        agentmesh_core::Timestamp::from_millis(1_790_000_000_000),
        &mut agentmesh_core::rng::SystemRng,
    );
    let twin = || async {
        Agent::builder()
            .storage(MemoryStorage::new())
            .store_key(StoreKey::from_bytes([1; 32]))
            .identity(Identity::from_json(&identity.to_json()).unwrap())
            .registry_url(server.registry_url())
            .relay_url(server.relay_url())
            .open_or_create()
            .await
            .unwrap()
    };
    let first = twin().await;
    first.connect().await.unwrap();
    let mut events = first.events();
    let second = twin().await;
    second.connect().await.unwrap();
    let replaced = async {
        while let Some(event) = events.next().await {
            if event == AgentEvent::Replaced {
                return;
            }
        }
        panic!("the stream ended");
    };
    tokio::time::timeout(Duration::from_secs(10), replaced).await.unwrap();
    first.close().await.unwrap();
    second.close().await.unwrap();
    server.shutdown().await;
}

#[tokio::test]
async fn handler_of_knocks_decides_and_the_sender_is_told() {
    let server = server().await;
    let alice = agent(&server).await;
    let bob = Agent::builder()
        .storage(MemoryStorage::new())
        .store_key(StoreKey::from_bytes([1; 32]))
        .registry_url(server.registry_url())
        .relay_url(server.relay_url())
        .policy(Policy::permissive())
        .on_knock(|knock| async move {
            assert_eq!(knock.request.intent.action, "message");
            Decision::reject_for("not today", 3600)
        })
        .create()
        .await
        .unwrap();
    alice.connect().await.unwrap();
    bob.connect().await.unwrap();
    let options = SendOptions::wait_for(Stage::Delivered);
    let rejected = alice.send(bob.amid(), "1", options.clone()).await.unwrap_err();
    assert_eq!(rejected.code(), "SEND_KNOCK_REJECTED");
    assert!(rejected.to_string().contains("not today"));
    let again = alice.send(bob.amid(), "1", options).await.unwrap_err();
    assert_eq!(again.code(), "SEND_REJECTED_RECENTLY");
    alice.close().await.unwrap();
    bob.close().await.unwrap();
    server.shutdown().await;
}

#[tokio::test]
async fn closing_twice_is_fine_and_using_a_closed_agent_is_an_error() {
    let server = server().await;
    let alice = agent(&server).await;
    alice.connect().await.unwrap();
    alice.close().await.unwrap();
    alice.close().await.unwrap();
    let error = alice.send(alice.amid(), "1", SendOptions::default()).await.unwrap_err();
    assert_eq!(error.code(), "AGENT_CLOSED");
    server.shutdown().await;
}
