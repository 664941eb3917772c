//! Payloads in parts over a real server: real sockets, real SQLite files, and a server that is killed on the way.

use std::{
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use agentmesh_core::{
    client::{Agent, AgentEvent, SendOptions},
    engine::{Direction, Event, Stage},
    knock::Policy,
    storage::SqliteStorage,
    test_utils::seeded_rng,
    vault::StoreKey,
    wire::plaintext::Payload,
};
use agentmesh_server::{Server, ServerConfig};
use rand_chacha::rand_core::Rng as _;

use crate::server_process::ServerProcess;

const MIB: usize = 1024 * 1024;

async fn agent(dir: &Path, name: &str, registry: &str, relay: &str) -> Agent {
    Agent::builder()
        .storage(SqliteStorage::open(dir.join(name)).unwrap())
        .store_key(StoreKey::from_bytes([1; 32]))
        .registry_url(registry)
        .relay_url(relay)
        .policy(Policy::permissive())
        .max_payload(64 * MIB)
        .open_or_create()
        .await
        .unwrap()
}

fn payload(bytes: usize) -> Vec<u8> {
    let mut payload = vec![0; bytes];
    seeded_rng(50).fill_bytes(&mut payload);
    payload
}

fn patient() -> SendOptions {
    SendOptions { timeout: Duration::from_secs(300), ..SendOptions::wait_for(Stage::Handled) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_mebibytes_cross_a_relay_that_is_killed_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = ServerProcess::start(&dir.path().join("server"));
    let (registry, relay) = (server.registry_url(), server.relay_url());
    let alice = agent(dir.path(), "alice.db", &registry, &relay).await;
    let bob = agent(dir.path(), "bob.db", &registry, &relay).await;
    alice.connect().await.unwrap();
    bob.connect().await.unwrap();
    let mut messages = bob.messages().await.unwrap();
    let mut events = alice.events();
    let whole = payload(50 * MIB);
    let kills = async {
        let mut kills = Vec::new();
        for at in [0.3, 0.6] {
            loop {
                let Some(AgentEvent::Engine(Event::PartProgress {
                    direction: Direction::Sending,
                    done,
                    total,
                    ..
                })) = events.next().await
                else {
                    continue;
                };
                if f64::from(done) >= at * f64::from(total) {
                    assert!(done < total, "killed too late to prove anything");
                    kills.push(done);
                    break;
                }
            }
            server.kill_and_restart();
        }
        kills
    };
    let receive = async {
        let message = messages.next().await.unwrap();
        assert!(message.payload == Payload::Bytes(whole.clone()), "the whole, unaltered");
        message.ack().await.unwrap();
    };
    let started = Instant::now();
    let send = alice.send(bob.amid(), whole.clone(), patient());
    let (sent, (), kills) = tokio::join!(send, receive, kills);
    assert_eq!(sent.unwrap().stage, Stage::Handled);
    let took = started.elapsed();
    let _ = writeln!(std::io::stderr(), "50 MiB, killed at parts {kills:?}: {took:?}");
    assert!(alice.outbox().await.unwrap().is_empty());
    alice.close().await.unwrap();
    bob.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_request_gets_a_large_answer_and_short_messages_pass_by() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (registry, relay) = (server.registry_url(), server.relay_url());
    let alice = agent(dir.path(), "alice.db", &registry, &relay).await;
    let bob = agent(dir.path(), "bob.db", &registry, &relay).await;
    alice.connect().await.unwrap();
    bob.connect().await.unwrap();
    let mut messages = bob.messages().await.unwrap();
    let whole = payload(3 * MIB);
    let request =
        alice.request(bob.amid(), whole.clone(), Duration::from_secs(120), SendOptions::default());
    let answer = async {
        let message = messages.next().await.unwrap();
        let echo = message.payload.clone();
        message.respond(&bob, echo, SendOptions::wait_for(Stage::Queued)).await.unwrap();
    };
    let (answered, ()) = tokio::join!(request, answer);
    assert!(answered.unwrap().payload == Payload::Bytes(whole), "the same bytes back");
    alice.close().await.unwrap();
    bob.close().await.unwrap();
    server.shutdown().await;
}
