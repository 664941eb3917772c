//! Two agents: sends alone, messages there and handled, and a backlog fetched.

use std::{path::Path, time::Instant};

use agentmesh_core::{
    client::{Agent, AgentConfig, Messages, SendOptions},
    engine::{EngineConfig, Stage},
    knock::Policy,
    vault::StoreKey,
};
use agentmesh_server::Server;
use futures_util::{StreamExt, stream};

use crate::{Scene, Store};

/// Messages that a sender has under way at a time.
const UNDER_WAY: usize = 256;
/// Bytes of a message.
const SIZE: usize = 1024;

pub(crate) async fn run(scene: &mut Scene<'_>) {
    let server = crate::server().await;
    let (alice, bob) = (scene.dir.join("alice"), scene.dir.join("bob"));
    let alice = open(&server, scene.store, &alice, 256).await;
    let sink = open(&server, scene.store, &bob, 256).await;
    let payload = format!("\"{}\"", "x".repeat(SIZE - 2));
    let send = |stage| {
        let (alice, payload, to) = (alice.clone(), payload.clone(), sink.amid());
        async move { alice.send(to, payload, SendOptions::wait_for(stage)).await.unwrap() }
    };
    let handling = handle(sink.clone(), sink.messages().await.unwrap());
    // The session exists, and everything is warm.
    send(Stage::Handled).await;

    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < scene.plan.each {
        send(Stage::Handled).await;
        count += 1;
    }
    scene.add("handled, one by one, msg/s", count, start);

    let start = Instant::now();
    let deadline = start + scene.plan.each;
    let sends = stream::repeat_with(|| send(Stage::Handled))
        .take_while(|_| std::future::ready(Instant::now() < deadline));
    let count = sends.buffer_unordered(UNDER_WAY).count().await;
    scene.add("handled, 256 under way, msg/s", count, start);

    sink.close().await.unwrap();
    handling.await.unwrap();

    // Nobody is there: what is measured is the sender.
    let start = Instant::now();
    let mut waiting = 0;
    while start.elapsed() < scene.plan.each / 2 {
        send(Stage::Queued).await;
        waiting += 1;
    }
    scene.add("sends, one by one, msg/s", waiting, start);
    let start = Instant::now();
    let deadline = start + scene.plan.each / 2;
    let sends = stream::repeat_with(|| send(Stage::Queued))
        .take_while(|_| std::future::ready(Instant::now() < deadline));
    let count = sends.buffer_unordered(UNDER_WAY).count().await;
    scene.add("sends, 256 under way, msg/s", count, start);
    alice.close().await.unwrap();
    server.shutdown().await;
}

async fn open(server: &Server, store: Store, dir: &Path, max_batch: usize) -> Agent {
    std::fs::create_dir_all(dir).unwrap();
    let config = AgentConfig {
        registry_url: Some(server.registry_url()),
        relay_url: Some(server.relay_url()),
        policy: Policy::permissive(),
        max_batch,
        engine: EngineConfig {
            max_outbox_entries: 1_000_000,
            max_outbox_bytes: 4 << 30,
            ..EngineConfig::default()
        },
        ..AgentConfig::default()
    };
    let agent = Agent::builder()
        .config(config)
        .storage(store.open(dir))
        .store_key(StoreKey::from_bytes([1; 32]))
        .open_or_create()
        .await
        .unwrap();
    agent.connect().await.unwrap();
    agent
}

/// Acknowledges everything that comes, without waiting for one acknowledgement before the next message.
fn handle(agent: Agent, messages: Messages) -> tokio::task::JoinHandle<()> {
    #[expect(clippy::disallowed_methods, reason = "ends with the agent")]
    tokio::spawn(async move {
        let acks = messages.map(|message| async move { drop(message.ack().await) });
        acks.buffer_unordered(UNDER_WAY).for_each(|()| std::future::ready(())).await;
        drop(agent);
    })
}
