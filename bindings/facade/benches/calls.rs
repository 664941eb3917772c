//! What the calls of bindings are measured beside: the same work by a program in Rust, over the core as an application
//! uses it.
//!
//! Prints one JSON object a line, `{"group": …, "value": …}`, in microseconds a call or whatever the group says. The
//! benches of the bindings run it in every round of theirs. With a registry's and a relay's URL as arguments it sends requests, too.
//! Without `--bench` everything is done once.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot set its scene has to stop, and it talks to whoever started it"
)]

use std::{hint::black_box, sync::Arc, time::Instant};

use agentmesh_core::{
    Context,
    client::{Agent, AgentConfig, SendOptions},
    engine::Stage,
    identity::Identity,
    knock::Policy,
    managers::{PrekeyManager, SealedStore, SessionManager},
    rng::SystemRng,
    storage::MemoryStorage,
    vault::StoreKey,
    wire::plaintext::MessageType,
};
use serde_json::json;

/// Bytes of a message, as everywhere in the benches.
const SIZE: usize = 1024;
/// Requests that are under way together.
const REQUESTS: usize = 1000;

fn main() {
    let measuring = std::env::args().any(|arg| arg == "--bench");
    let urls: Vec<String> = std::env::args().filter(|arg| arg.contains("://")).collect();
    let count = if measuring { 20_000 } else { 10 };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        signatures(count / 10);
        waiting(count).await;
        sessions(count).await;
        if let [registry, relay] = urls.as_slice() {
            let requests = if measuring { REQUESTS } else { 10 };
            at_once(registry, relay, requests).await;
        }
    });
}

fn show(group: &str, value: f64) {
    println!("{}", json!({ "group": group, "value": value }));
}

#[allow(clippy::cast_precision_loss, reason = "counts are small")]
fn each(group: &str, count: usize, start: Instant) {
    show(group, start.elapsed().as_secs_f64() * 1e6 / count as f64);
}

/// A call that returns at once.
fn signatures(count: usize) {
    let identity = Identity::generate(Context::system().now(), &mut SystemRng);
    let signature = identity.sign(b"hello").unwrap();
    let start = Instant::now();
    for _ in 0..count {
        identity.signing_key().verify(black_box(b"hello"), &signature).unwrap();
    }
    each("verify a signature, µs", count, start);
}

/// A call that the agent's task answers.
async fn waiting(count: usize) {
    let agent =
        open(AgentConfig { registry_url: None, relay_url: None, ..AgentConfig::default() }).await;
    let start = Instant::now();
    for _ in 0..count {
        black_box(agent.circuit_state().await.unwrap());
    }
    each("ask the agent, µs", count, start);
    agent.close().await.unwrap();
}

async fn party() -> (Arc<Identity>, PrekeyManager, SessionManager) {
    let key = StoreKey::generate(&mut SystemRng);
    let store = SealedStore::new(MemoryStorage::new(), &key, Context::system());
    let identity = Arc::new(Identity::load_or_generate(&store, "identity").await.unwrap());
    let prekeys = PrekeyManager::new(Arc::clone(&identity), &store);
    let sessions = SessionManager::new(&prekeys);
    (identity, prekeys, sessions)
}

/// One message after the other, the session written to its store in memory each time.
async fn sessions(count: usize) {
    let (alice, alice_prekeys, alice_sessions) = party().await;
    let (bob, bob_prekeys, bob_sessions) = party().await;
    alice_prekeys.load_or_initialize().await.unwrap();
    let bundle = bob_prekeys.load_or_initialize().await.unwrap();
    let begun =
        alice_sessions.initiate_session(&bob.amid(), &bundle, bob.signing_key()).await.unwrap();
    let session = bob_sessions.accept_session(&alice.amid(), &begun.x3dh_message).await.unwrap();
    let payload = vec![7; SIZE];
    let mut envelopes = Vec::with_capacity(count);
    let start = Instant::now();
    for _ in 0..count {
        let encrypted =
            alice_sessions.encrypt_payload(&session, MessageType::Message, payload.clone());
        envelopes.push(encrypted.await.unwrap());
    }
    each("encrypt 1 KiB, µs", count, start);
    let start = Instant::now();
    for envelope in &envelopes {
        black_box(bob_sessions.open_envelope(&session, envelope).await.unwrap());
    }
    each("decrypt 1 KiB, µs", count, start);
}

async fn open(config: AgentConfig) -> Agent {
    let agent = Agent::builder().config(AgentConfig { policy: Policy::permissive(), ..config });
    let agent = agent.storage(MemoryStorage::new()).store_key(StoreKey::from_bytes([1; 32]));
    agent.open_or_create().await.unwrap()
}

/// Two agents in this process, the relay in another one.
async fn at_once(registry: &str, relay: &str, count: usize) {
    let mut agents = Vec::new();
    for _ in 0..2 {
        let agent = open(AgentConfig {
            registry_url: Some(registry.to_owned()),
            relay_url: Some(relay.to_owned()),
            ..AgentConfig::default()
        });
        let agent = agent.await;
        agent.connect().await.unwrap();
        agents.push(agent);
    }
    let [alice, bob] = <[Agent; 2]>::try_from(agents).unwrap_or_else(|_| std::process::abort());
    let mut messages = bob.messages().await.unwrap();
    let answering = bob.clone();
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move {
        let mut answers = tokio::task::JoinSet::new();
        while let Some(message) = messages.next().await {
            let bob = answering.clone();
            let wait = SendOptions::wait_for(Stage::StoredByRelay);
            answers.spawn(async move {
                drop(message.respond(&bob, "{\"n\":1}".to_owned(), wait).await);
            });
            while answers.try_join_next().is_some() {}
        }
    });
    let ask = || {
        let (alice, to) = (alice.clone(), bob.amid());
        async move {
            let wait = std::time::Duration::from_secs(120);
            let options = SendOptions::default();
            alice.request(to, "{\"n\":1}".to_owned(), wait, options).await.unwrap();
        }
    };
    // The session exists, and everything is warm.
    for _ in 0..10 {
        ask().await;
    }
    let start = Instant::now();
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..count {
        asking.spawn(ask());
    }
    asking.join_all().await;
    show("1,000 requests at once, ms", start.elapsed().as_secs_f64() * 1e3);
    bob.close().await.unwrap();
    alice.close().await.unwrap();
    serving.join_all().await;
}
