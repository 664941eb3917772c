//! Being online, what waits, and KNOCKs that wait, over a real server.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use agentmesh_core::{
    ErrorInfo,
    client::{Agent, AgentBuilder, AgentEvent, Awaited, SendOptions},
    engine::Stage,
    knock::{Decision, Policy},
    storage::MemoryStorage,
    vault::StoreKey,
};
use agentmesh_server::{Faults, Server, ServerConfig};

fn builder(server: &Server) -> AgentBuilder {
    Agent::builder()
        .storage(MemoryStorage::new())
        .store_key(StoreKey::from_bytes([1; 32]))
        .registry_url(server.registry_url())
        .relay_url(server.relay_url())
        .policy(Policy::permissive())
}

fn patient(stage: Stage) -> SendOptions {
    SendOptions { timeout: Duration::from_secs(120), ..SendOptions::wait_for(stage) }
}

#[tokio::test]
async fn online_comes_when_peers_can_reach_the_agent_and_offline_when_not() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let (alice, bob) = (
        builder(&server).open_or_create().await.unwrap(),
        builder(&server).open_or_create().await.unwrap(),
    );
    let mut events = bob.events();
    alice.connect().await.unwrap();
    let reached = async {
        while events.next().await.unwrap() != AgentEvent::Online {}
        // Now its bundle is there at the first try.
        alice.send(bob.amid(), "1", patient(Stage::Delivered)).await.unwrap();
    };
    let (connected, ()) = tokio::join!(bob.connect(), reached);
    connected.unwrap();
    server.shutdown().await;
    while !matches!(events.next().await.unwrap(), AgentEvent::Offline { .. }) {}
    alice.close().await.unwrap();
    bob.close().await.unwrap();
}

#[tokio::test]
async fn knock_waits_for_the_application_and_the_allow_list_waits_for_nobody() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let alice = builder(&server).open_or_create().await.unwrap();
    let friend = builder(&server).open_or_create().await.unwrap();
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let undecided = builder(&server).on_knock(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Decision::Later }
    });
    let bob = undecided.open_or_create().await.unwrap();
    for agent in [&alice, &friend, &bob] {
        agent.connect().await.unwrap();
    }
    let mut messages = bob.messages().await.unwrap();
    let mut events = bob.events();
    let sent = alice.send(bob.amid(), "1", SendOptions::default()).await.unwrap();
    // The message is behind the KNOCK.
    let knock = loop {
        if let Some(knock) = bob.pending_knocks().await.unwrap().into_iter().find(|k| k.held == 1) {
            break knock;
        }
        events.next().await.unwrap();
    };
    assert_eq!(knock.knock.from, alice.amid());
    assert_eq!(bob.inbox().await.unwrap()[0].waits_for, Awaited::Decision);
    bob.decide(knock.session, Decision::accept()).await.unwrap();
    let message = messages.next().await.unwrap();
    assert_eq!(message.id, sent.id);
    assert_eq!(bob.inbox().await.unwrap()[0].waits_for, Awaited::Handler);
    message.ack().await.unwrap();
    assert!(bob.inbox().await.unwrap().is_empty());
    let again = bob.decide(knock.session, Decision::accept()).await.unwrap_err();
    assert_eq!(again.code(), "KNOCK_NOT_PENDING");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    // Whoever is listed by address is not asked about.
    let mut policy = Policy::permissive();
    policy.allowed_amids.insert(friend.amid());
    let count = Arc::clone(&asked);
    let listing = builder(&server)
        .on_knock(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            async { Decision::reject("never") }
        })
        .policy(policy)
        .open_or_create()
        .await
        .unwrap();
    listing.connect().await.unwrap();
    friend.send(listing.amid(), "1", patient(Stage::Delivered)).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    for agent in [alice, friend, bob, listing] {
        agent.close().await.unwrap();
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_arrive_over_a_relay_that_loses_every_third_without_a_reconnect() {
    let mut config = ServerConfig::for_development();
    config.faults = Faults { drop: 0.3, seed: 7, ..Faults::default() };
    let server = Server::start(config).await.unwrap();
    let (alice, bob) = (
        builder(&server).open_or_create().await.unwrap(),
        builder(&server).open_or_create().await.unwrap(),
    );
    alice.connect().await.unwrap();
    bob.connect().await.unwrap();
    let mut events = bob.events();
    let mut messages = bob.messages().await.unwrap();
    let receive = async {
        for _ in 0..6 {
            messages.next().await.unwrap().ack().await.unwrap();
        }
    };
    let send = async {
        for n in 0..6 {
            alice.send(bob.amid(), n.to_string(), patient(Stage::Queued)).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(240), async { tokio::join!(send, receive) })
        .await
        .unwrap();
    bob.close().await.unwrap();
    while let Some(event) = events.next().await {
        assert!(!matches!(event, AgentEvent::Disconnected { .. }), "{event:?}");
    }
    alice.close().await.unwrap();
    server.shutdown().await;
}
