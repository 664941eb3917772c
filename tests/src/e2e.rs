//! Two agents over a real server: real sockets, real SQLite files.

use std::time::Duration;

use agentmesh_core::{
    client::{Agent, SendOptions},
    engine::Stage,
    knock::Policy,
    storage::{MemoryStorage, SqliteStorage},
    vault::StoreKey,
};
use agentmesh_server::{Server, ServerConfig};

async fn server() -> Server {
    Server::start(ServerConfig::for_development()).await.unwrap()
}

async fn agent(server: &Server) -> Agent {
    Agent::builder()
        .storage(MemoryStorage::new())
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
