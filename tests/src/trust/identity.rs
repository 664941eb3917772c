//! Rotation of the exchange key, and an identity that moves to another store.

use std::time::Duration;

use agentmesh_core::{
    ErrorInfo,
    client::{Agent, AgentEvent, SendOptions},
    engine::{Event, Stage},
    identity::backup,
    prekeys::KnownPeer,
    storage::{MemoryStorage, SqliteStorage},
    test_utils::{Fault, FaultyStorage},
    vault::StoreKey,
};
use agentmesh_server::Server;

use super::{PATIENCE, builder, event, online, online_over, proxy::Proxy, server};

/// One message, there and acknowledged.
async fn talk(from: &Agent, to: &Agent, text: &str) {
    let mut messages = to.messages().await.unwrap();
    let options = SendOptions::wait_for(Stage::Handled);
    let payload = format!("{text:?}");
    let (sent, ()) = tokio::join!(from.send(to.amid(), payload.as_str(), options), async {
        let message = tokio::time::timeout(PATIENCE, messages.next()).await.unwrap().unwrap();
        assert_eq!(message.payload.as_json(), Some(payload.as_str()));
        message.ack().await.unwrap();
    });
    sent.unwrap();
}

/// Waits until the registry serves the bundle with the agent's present key.
async fn published(agent: &Agent) {
    let key = agent.identity().exchange;
    let client = agent.registry_client().unwrap();
    let peer = KnownPeer::first_contact(agent.amid());
    let there = async {
        while !client.inspect_bundle(&peer).await.is_ok_and(|bundle| *bundle.exchange() == key) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, there).await.expect("the bundle is published");
}

#[tokio::test]
async fn rotation_keeps_sessions_and_gives_new_peers_the_new_key() {
    let server = server().await;
    let (alice, bob) = (online(&server).await, online(&server).await);
    talk(&alice, &bob, "before").await;
    talk(&bob, &alice, "before, too").await;
    let old = alice.identity();
    let mut events = bob.events();
    let key = alice.rotate_exchange_key().await.unwrap();
    assert_ne!(key, old.exchange);
    assert_eq!(alice.identity().exchange, key);
    assert_eq!(alice.identity().signing, old.signing);
    published(&alice).await;
    // The registry's plain entry follows, for peers of 0.2.
    assert_eq!(bob.lookup(&alice.amid()).await.unwrap().exchange_key, key);
    talk(&alice, &bob, "after").await;
    talk(&bob, &alice, "after, too").await;
    while let Some(event) = events.try_next() {
        let new = matches!(event, AgentEvent::Engine(Event::SessionEstablished { .. }));
        assert!(!new, "the session lives on: {event:?}");
    }
    let carol = online(&server).await;
    talk(&carol, &alice, "new here").await;
    talk(&alice, &carol, "welcome").await;
    // And a new handshake of the agent that rotated, with the key that its peer never saw.
    alice.close_session(bob.amid()).await.unwrap();
    talk(&alice, &bob, "again").await;
}

#[tokio::test]
async fn rotations_amid_traffic_lose_nothing_and_keep_no_newcomer_out() {
    const EACH: usize = 30;
    let server = server().await;
    let (alice, bob) = (online(&server).await, online(&server).await);
    talk(&alice, &bob, "hello").await;
    let (to_alice, to_bob) = (alice.amid(), bob.amid());
    let (mut at_alice, mut at_bob) =
        (alice.messages().await.unwrap(), bob.messages().await.unwrap());
    let burst = |from: &Agent, to| {
        let from = from.clone();
        async move {
            for n in 0..EACH {
                from.send(to, n.to_string(), SendOptions::default()).await.unwrap();
            }
        }
    };
    let rotate = async {
        for _ in 0..3 {
            let old = alice.identity().exchange;
            assert_ne!(alice.rotate_exchange_key().await.unwrap(), old);
            // Somebody who never met Alice, with whichever bundle is published by now.
            let newcomer = online(&server).await;
            let options = SendOptions::wait_for(Stage::Handled);
            newcomer.send(to_alice, "\"new\"", options).await.unwrap();
        }
    };
    let heard_by_alice = async {
        let (mut from_bob, mut newcomers) = (0, 0);
        while from_bob < EACH || newcomers < 3 {
            let message = at_alice.next().await.unwrap();
            if message.from == to_bob {
                let expected = from_bob.to_string();
                assert_eq!(message.payload.as_json(), Some(expected.as_str()));
                from_bob += 1;
            } else {
                newcomers += 1;
            }
            message.ack().await.unwrap();
        }
    };
    let heard_by_bob = async {
        for n in 0..EACH {
            let message = at_bob.next().await.unwrap();
            assert_eq!(message.payload.as_json(), Some(n.to_string().as_str()));
            message.ack().await.unwrap();
        }
    };
    let all = async {
        tokio::join!(
            burst(&alice, to_bob),
            burst(&bob, to_alice),
            rotate,
            heard_by_alice,
            heard_by_bob
        )
    };
    tokio::time::timeout(4 * PATIENCE, all).await.expect("everything arrives");
}

#[tokio::test]
async fn registry_that_cannot_name_a_new_key_keeps_the_old_one() {
    let server = server().await;
    let proxy = Proxy::start(server.url()).await;
    // As a registry of plain 0.2: it takes the upload, and knows nothing of bundles.
    proxy.set_rewrite("/registry/prekeys", |answer| {
        drop(answer.as_object_mut().unwrap().remove("native"));
    });
    let storage = MemoryStorage::new();
    let alice = builder(&server, storage).registry_url(proxy.url.as_str()).create().await.unwrap();
    alice.connect().await.unwrap();
    let before = alice.identity();
    let refused = alice.rotate_exchange_key().await.unwrap_err();
    assert_eq!(refused.code(), "AGENT_EXCHANGE_KEY_FIXED");
    assert_eq!(alice.identity(), before);
}

#[tokio::test]
async fn handshake_with_the_old_key_is_answered_after_the_rotation() {
    let server = server().await;
    let dir = tempfile::tempdir().unwrap();
    let store = || SqliteStorage::open(dir.path().join("agent.db")).unwrap();
    let alice = online_over(&server, store()).await;
    published(&alice).await;
    alice.close().await.unwrap();
    // Bob knocks with what is published, while nobody is there.
    let bob = online(&server).await;
    let sent = bob.send(alice.amid(), "\"early\"", SendOptions::default()).await.unwrap();
    assert_eq!(sent.stage, Stage::StoredByRelay);
    let alice = builder(&server, store()).load().await.unwrap();
    let key = alice.rotate_exchange_key().await.unwrap();
    alice.close().await.unwrap();
    // Rotated, but not published: the next start goes on from there.
    let alice = builder(&server, store()).load().await.unwrap();
    assert_eq!(alice.identity().exchange, key);
    let mut messages = alice.messages().await.unwrap();
    alice.connect().await.unwrap();
    let message = tokio::time::timeout(PATIENCE, messages.next()).await.unwrap().unwrap();
    assert_eq!(message.id, sent.id);
    message.ack().await.unwrap();
    published(&alice).await;
}

#[tokio::test]
async fn rotation_that_cannot_be_written_did_not_happen() {
    let server = server().await;
    let storage = FaultyStorage::new(MemoryStorage::new());
    let faults = storage.faults();
    let alice = Agent::builder()
        .storage(storage)
        .store_key(StoreKey::from_bytes([1; 32]))
        .registry_url(server.registry_url())
        .relay_url(server.relay_url())
        .policy(agentmesh_core::knock::Policy::permissive())
        .create()
        .await
        .unwrap();
    let before = alice.identity();
    faults.at_commit(faults.commits() + 1, Fault::Full);
    let refused = alice.rotate_exchange_key().await.unwrap_err();
    assert_eq!(refused.code(), "STORAGE_FULL");
    assert_eq!(alice.identity(), before);
    alice.connect().await.unwrap();
    let bob = online(&server).await;
    talk(&bob, &alice, "unchanged").await;
    let key = alice.rotate_exchange_key().await.unwrap();
    assert_ne!(key, before.exchange);
    published(&alice).await;
    talk(&bob, &alice, "changed").await;
}

#[tokio::test]
async fn rotations_without_end_are_refused() {
    let server = server().await;
    let alice = builder(&server, MemoryStorage::new()).create().await.unwrap();
    for _ in 0..64 {
        alice.rotate_exchange_key().await.unwrap();
    }
    let refused = alice.rotate_exchange_key().await.unwrap_err();
    assert_eq!((refused.code(), refused.is_retryable()), ("ROTATION_TOO_OFTEN", true));
}

async fn moved(server: &Server, agent: &Agent) -> Agent {
    let text = agent.back_up("pässwörd").await.unwrap();
    let restored = backup::open_with(&text, "pässwörd").unwrap();
    builder(server, MemoryStorage::new()).restored(restored).create().await.unwrap()
}

#[tokio::test]
async fn moved_identity_goes_on_with_new_sessions_and_the_old_store_stays_out() {
    let server = server().await;
    let dir = tempfile::tempdir().unwrap();
    let store = || SqliteStorage::open(dir.path().join("agent.db")).unwrap();
    let old = online_over(&server, store()).await;
    let bob = online(&server).await;
    talk(&bob, &old, "at home").await;
    talk(&old, &bob, "at home, too").await;
    published(&old).await;

    let new = moved(&server, &old).await;
    assert_eq!(new.amid(), old.amid());
    let replaced = event(&old, |event| matches!(event, AgentEvent::Replaced));
    new.connect().await.unwrap();
    assert_eq!(replaced.await, AgentEvent::Replaced);
    // Bob knows nothing of it, and writes in the session of the old store.
    talk(&bob, &new, "where are you?").await;
    talk(&new, &bob, "over here").await;

    // The old store does not come back by accident.
    old.close().await.unwrap();
    let old = builder(&server, store()).load().await.unwrap();
    let superseded = event(&old, |event| matches!(event, AgentEvent::Superseded));
    let refused = old.connect().await.unwrap_err();
    assert_eq!(refused.code(), "AGENT_SUPERSEDED");
    superseded.await;
    old.close().await.unwrap();
    talk(&bob, &new, "still there?").await;
}

#[tokio::test]
async fn old_machine_that_stays_on_is_told_and_sends_nothing_more() {
    let server = server().await;
    let (old, bob) = (online(&server).await, online(&server).await);
    talk(&old, &bob, "from the old machine").await;
    published(&old).await;
    let new = moved(&server, &old).await;
    let replaced = event(&old, |event| matches!(event, AgentEvent::Replaced));
    new.connect().await.unwrap();
    replaced.await;
    published(&new).await;
    // What it is given stays in its outbox.
    let options = SendOptions {
        timeout: Duration::from_millis(200),
        ..SendOptions::wait_for(Stage::StoredByRelay)
    };
    assert!(old.send(bob.amid(), "\"ghost\"", options).await.is_err());
    assert_eq!(old.outbox().await.unwrap()[0].stage, Stage::Queued);
    let refused = old.connect().await.unwrap_err();
    assert_eq!(refused.code(), "AGENT_SUPERSEDED");
    // And the new machine is the one that Bob hears, with nothing of the other in between.
    talk(&new, &bob, "from the new machine").await;
    talk(&bob, &new, "heard").await;
}

#[tokio::test]
async fn moved_identity_repeats_no_prekey_id_and_keeps_what_it_pinned() {
    let server = server().await;
    let old = online(&server).await;
    let bob = online(&server).await;
    talk(&old, &bob, "hello").await;
    published(&old).await;
    let client = bob.registry_client().unwrap();
    let peer = KnownPeer::first_contact(old.amid());
    let before = client.fetch_bundle(&peer).await.unwrap();
    let new = moved(&server, &old).await;
    new.connect().await.unwrap();
    published(&new).await;
    let moved = new.registry_client().unwrap();
    let newest = KnownPeer { newest_bundle: before.created_at(), ..peer };
    let there = async {
        while moved.inspect_bundle(&peer).await.is_ok_and(|b| b.created_at() == before.created_at())
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, there).await.unwrap();
    let after = client.fetch_bundle(&newest).await.unwrap();
    assert!(after.signed_prekey().0 > before.signed_prekey().0 + (1 << 19));
    assert_eq!(after.exchange(), before.exchange());
    talk(&new, &bob, "moved").await;
}
