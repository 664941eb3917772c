//! Agents that reach the relay by requests: the same engine over another transport, and visits that begin and end.

#![allow(clippy::disallowed_methods, reason = "each task is awaited by the test that starts it")]

use std::{collections::BTreeMap, path::Path, time::Duration};

use agentmesh_core::{
    ErrorInfo,
    client::{Agent, AgentBuilder, Message, Messages, SendOptions, relay::RelayTransport},
    engine::Stage,
    identity::Amid,
    knock::Policy,
    storage::{MemoryStorage, SqliteStorage},
    vault::StoreKey,
};
use agentmesh_server::{Server, ServerConfig};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

fn describe(server: &Server) -> AgentBuilder {
    Agent::builder()
        .store_key(StoreKey::from_bytes([1; 32]))
        .registry_url(server.registry_url())
        .relay_url(server.relay_url())
        .policy(Policy::permissive())
}

async fn with_socket(server: &Server) -> Agent {
    describe(server).storage(MemoryStorage::new()).open_or_create().await.unwrap()
}

async fn polling(server: &Server) -> Agent {
    let builder = describe(server).relay_transport(RelayTransport::Polling);
    builder.storage(MemoryStorage::new()).open_or_create().await.unwrap()
}

async fn next(messages: &mut Messages) -> Message {
    timeout(PATIENCE, messages.next()).await.expect("nothing came").unwrap()
}

/// A server that can be stopped and come back at the same place.
async fn server_at(dir: &Path, port: u16) -> Server {
    let mut config = ServerConfig::for_development();
    config.data_dir = Some(dir.to_owned());
    config.listen.set_port(port);
    Server::start(config).await.unwrap()
}

#[tokio::test]
async fn two_agents_talk_by_requests_and_one_with_a_socket() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let (alice, bob, carol) =
        (polling(&server).await, polling(&server).await, with_socket(&server).await);
    for agent in [&alice, &bob, &carol] {
        agent.connect().await.unwrap();
    }
    let (mut for_bob, mut for_carol) =
        (bob.messages().await.unwrap(), carol.messages().await.unwrap());
    let handled = || SendOptions::wait_for(Stage::Handled);
    for n in 0..20 {
        let text = format!("{n}");
        let (sent, ()) = tokio::join!(alice.send(bob.amid(), text.as_str(), handled()), async {
            let message = next(&mut for_bob).await;
            assert_eq!(message.payload.as_json(), Some(text.as_str()));
            message.ack().await.unwrap();
        });
        assert_eq!(sent.unwrap().stage, Stage::Handled);
    }
    let (answer, ()) = tokio::join!(
        bob.request(carol.amid(), r#""over""#, PATIENCE, SendOptions::default()),
        async {
            let message = next(&mut for_carol).await;
            message.respond(&carol, r#""and out""#, SendOptions::default()).await.unwrap();
        }
    );
    assert_eq!(answer.unwrap().payload.as_json(), Some(r#""and out""#));
    // In parts, which need a window of answers.
    let large = serde_json::Value::String("x".repeat(400_000)).to_string();
    let (sent, ()) = tokio::join!(carol.send(bob.amid(), large.as_str(), handled()), async {
        let message = next(&mut for_bob).await;
        assert_eq!(message.payload.as_json(), Some(large.as_str()));
        message.ack().await.unwrap();
    });
    assert_eq!(sent.unwrap().stage, Stage::Handled);
    for agent in [alice, bob, carol] {
        agent.close().await.unwrap();
    }
    server.shutdown().await;
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_while_the_server_comes_and_goes() {
    const MESSAGES: u32 = 120;
    let dir = tempfile::tempdir().unwrap();
    let server = server_at(dir.path(), 0).await;
    let port = server.addr().port();
    let (alice, bob) = (with_socket(&server).await, polling(&server).await);
    alice.connect().await.unwrap();
    bob.connect().await.unwrap();
    let count = |mut messages: Messages| {
        tokio::spawn(async move {
            let mut seen = BTreeMap::<u32, u32>::new();
            while seen.len() < MESSAGES as usize {
                let message = next(&mut messages).await;
                let n = message.payload.as_json().unwrap().parse().unwrap();
                *seen.entry(n).or_default() += 1;
                message.ack().await.unwrap();
            }
            seen
        })
    };
    let seen_by_alice = count(alice.messages().await.unwrap());
    let seen_by_bob = count(bob.messages().await.unwrap());
    let send = |from: Agent, to: Amid| {
        tokio::spawn(async move {
            for n in 0..MESSAGES {
                let queued = SendOptions::wait_for(Stage::Queued);
                from.send(to, n.to_string(), queued).await.unwrap();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
    };
    let sending = [send(alice.clone(), bob.amid()), send(bob.clone(), alice.amid())];
    let mut server = Some(server);
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.take().unwrap().shutdown().await;
        server = Some(server_at(dir.path(), port).await);
    }
    for sent in sending {
        sent.await.unwrap();
    }
    let all: BTreeMap<u32, u32> = (0..MESSAGES).map(|n| (n, 1)).collect();
    assert_eq!(seen_by_alice.await.unwrap(), all);
    assert_eq!(seen_by_bob.await.unwrap(), all);
    alice.close().await.unwrap();
    bob.close().await.unwrap();
}

#[tokio::test]
async fn visit_takes_answers_and_leaves() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    // As a Worker does it: opened for each visit, closed after it.
    let open = async || {
        let storage = SqliteStorage::open(dir.path().join("worker.db")).unwrap();
        let builder = describe(&server).relay_transport(RelayTransport::Polling);
        builder.storage(storage).open_or_create().await.unwrap()
    };
    let worker = open().await;
    let amid = worker.amid();
    assert!(worker.sync(PATIENCE).await.unwrap());
    worker.close().await.unwrap();
    let alice = with_socket(&server).await;
    alice.connect().await.unwrap();
    let mut for_alice = alice.messages().await.unwrap();
    for visit in 0..3 {
        for n in 0..5 {
            let text = format!("{}", visit * 5 + n);
            alice.send(amid, text, SendOptions::default()).await.unwrap();
        }
        let worker = open().await;
        let mut messages = worker.messages().await.unwrap();
        let answering = tokio::spawn({
            let worker = worker.clone();
            async move {
                for _ in 0..5 {
                    let message = next(&mut messages).await;
                    let answer = message.payload.as_json().unwrap().to_owned();
                    let queued = SendOptions::wait_for(Stage::Queued);
                    worker.send(message.from, answer, queued).await.unwrap();
                    message.ack().await.unwrap();
                }
                messages
            }
        });
        assert!(worker.sync(PATIENCE).await.unwrap());
        let messages = answering.await.unwrap();
        // All of it was there when the visit was over.
        assert!(worker.outbox().await.unwrap().iter().all(|item| item.stage > Stage::Queued));
        assert_eq!(worker.inbox().await.unwrap(), []);
        drop(messages);
        worker.close().await.unwrap();
        for n in 0..5 {
            let message = next(&mut for_alice).await;
            assert_eq!(message.payload.as_json().unwrap(), format!("{}", visit * 5 + n));
            message.ack().await.unwrap();
        }
    }
    alice.close().await.unwrap();
    server.shutdown().await;
}

#[tokio::test]
async fn visit_that_cannot_do_all_says_so_and_leaves_all_the_same() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let (worker, alice) = (polling(&server).await, with_socket(&server).await);
    let second = Duration::from_secs(2);
    assert!(worker.sync(PATIENCE).await.unwrap());
    alice.connect().await.unwrap();
    alice.send(worker.amid(), "1", SendOptions::default()).await.unwrap();
    // A handler that does not come to an end.
    let mut messages = worker.messages().await.unwrap();
    let (done, message) = tokio::join!(worker.sync(second), next(&mut messages));
    assert!(!done.unwrap());
    let never =
        worker.send(alice.amid(), "2", SendOptions { timeout: second, ..SendOptions::default() });
    assert_eq!(never.await.unwrap_err().code(), "STAGE_NOT_REACHED", "it is still online");
    // The next visit goes on with both.
    message.ack().await.unwrap();
    let mut for_alice = alice.messages().await.unwrap();
    assert!(worker.sync(PATIENCE).await.unwrap());
    assert_eq!(next(&mut for_alice).await.payload.as_json(), Some("2"));
    // A relay that is gone is one that was not reached in time.
    server.shutdown().await;
    assert!(!worker.sync(second).await.unwrap());
    alice.close().await.unwrap();
    worker.close().await.unwrap();
}

#[tokio::test]
async fn visit_takes_the_relay_over_and_who_is_online_stays_so() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let worker = polling(&server).await;
    worker.connect().await.unwrap();
    assert!(worker.sync(PATIENCE).await.unwrap());
    let alice = with_socket(&server).await;
    alice.connect().await.unwrap();
    let mut for_alice = alice.messages().await.unwrap();
    let sent = worker.send(alice.amid(), "1", SendOptions::default()).await.unwrap();
    assert_eq!(next(&mut for_alice).await.id, sent.id, "it is offline after the visit");
    alice.close().await.unwrap();
    worker.close().await.unwrap();
    server.shutdown().await;
}
