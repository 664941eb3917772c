//! Opening agents: one store, one identity, whatever goes wrong. And the examples, which are run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use agentmesh_core::{
    Context, Error, ErrorInfo,
    client::{Agent, AgentBuilder, AgentConfig, AgentError, Profile, SendOptions},
    engine::{LoadError, Stage},
    identity::Identity,
    knock::Policy,
    managers::SealedStore,
    storage::{
        Changes, Durability, MemoryStorage, Record, RecordId, RecordKind, SqliteStorage, Storage,
        StorageError, StorageFuture,
    },
    test_utils::seeded_rng,
    values::{KeyValue, SetOptions, Values},
    vault::StoreKey,
};
use agentmesh_server::{Server, ServerConfig};

#[path = "../../agentmesh-core/examples/low_level.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod low_level;

/// A store whose next reads fail, as a bucket does that is out of reach for a moment.
#[derive(Debug, Clone)]
struct FailsFirst {
    disk: MemoryStorage,
    failures: Arc<AtomicU32>,
}

impl FailsFirst {
    fn check(&self) -> Result<(), StorageError> {
        let failed =
            self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        match failed {
            Ok(_) => Err(StorageError::Io {
                operation: "read",
                path: "the bucket".into(),
                message: "out of reach".to_owned(),
            }),
            Err(_) => Ok(()),
        }
    }
}

impl Storage for FailsFirst {
    fn durability(&self) -> Durability {
        self.disk.durability()
    }

    fn load<'a>(&'a self, ids: &'a [RecordId]) -> StorageFuture<'a, Vec<Option<Record>>> {
        Box::pin(async move {
            self.check()?;
            self.disk.load(ids).await
        })
    }

    fn list(
        &self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> StorageFuture<'_, Vec<Record>> {
        Box::pin(async move {
            self.check()?;
            self.disk.list(kind, after, limit).await
        })
    }

    fn commit(&self, changes: Changes) -> StorageFuture<'_, ()> {
        self.disk.commit(changes)
    }

    fn close(&self) -> StorageFuture<'_, ()> {
        self.disk.close()
    }
}

fn key() -> StoreKey {
    StoreKey::from_bytes([1; 32])
}

fn offline(storage: impl Storage + 'static) -> AgentBuilder {
    let config = AgentConfig { registry_url: None, relay_url: None, ..AgentConfig::default() };
    Agent::builder().config(config).storage(storage).store_key(key())
}

async fn all(disk: &MemoryStorage) -> Vec<Record> {
    let mut all = Vec::new();
    for kind in RecordKind::ALL {
        all.extend(disk.list(kind, None, 1000).await.unwrap());
    }
    all
}

fn code(result: Result<Agent, Error>) -> &'static str {
    result.expect_err("it must not open").code()
}

#[tokio::test]
async fn load_else_create_never_makes_a_second_identity() {
    let disk = MemoryStorage::new();
    let first = offline(disk.clone()).identity_key("worker-agent").create().await.unwrap();
    let amid = first.amid();
    first.close().await.unwrap();
    // The store fails once, and `load` with it.
    let disk = disk.reopen();
    let before = all(&disk).await;
    let failures = Arc::new(AtomicU32::new(1));
    let store = FailsFirst { disk: disk.clone(), failures: Arc::clone(&failures) };
    let builder = offline(store).identity_key("worker-agent");
    assert_eq!(code(builder.load().await), "STATE_STORAGE");
    let agent = builder.create().await.unwrap();
    assert_eq!(agent.amid(), amid);
    agent.close().await.unwrap();
    // It fails as often as anybody tries.
    let disk = disk.reopen();
    failures.store(u32::MAX, Ordering::SeqCst);
    let store = FailsFirst { disk: disk.clone(), failures };
    let builder = offline(store);
    assert_eq!(code(builder.load().await), "STATE_STORAGE");
    assert_eq!(code(builder.create().await), "STATE_STORAGE");
    assert_eq!(code(builder.open_or_create().await), "STATE_STORAGE");
    assert_eq!(all(&disk).await.len(), before.len());
}

#[tokio::test]
async fn the_key_of_a_failed_load_is_the_one_that_create_uses() {
    let disk = MemoryStorage::new();
    let builder = offline(disk.clone()).identity_key("worker-agent");
    match builder.load().await {
        Err(Error::Agent(AgentError::NoIdentity { key, .. })) => assert_eq!(key, "worker-agent"),
        other => panic!("{other:?}"),
    }
    let agent = builder.create().await.unwrap();
    let amid = agent.amid();
    agent.close().await.unwrap();
    let disk = disk.reopen();
    let store = SealedStore::new(disk.clone(), &key(), Context::system());
    assert_eq!(Identity::load(&store, "worker-agent").await.unwrap().amid(), amid);

    // Under another name there is nothing, and nothing is made.
    let other = offline(disk.clone()).identity_key("other");
    for result in [other.load().await, other.create().await, other.open_or_create().await] {
        match result {
            Err(Error::Agent(AgentError::IdentityKey { found, wanted, amid: whose, .. })) => {
                assert_eq!(
                    (found.as_str(), wanted.as_str(), whose),
                    ("worker-agent", "other", amid)
                );
            }
            other => panic!("{other:?}"),
        }
    }
    // Who does not ask for a name gets the identity that is there.
    let agent = offline(disk).create().await.unwrap();
    assert_eq!(agent.amid(), amid);
    agent.close().await.unwrap();
}

#[tokio::test]
async fn create_opens_what_is_there_and_create_new_does_not() {
    let disk = MemoryStorage::new();
    assert_eq!(code(offline(disk.clone()).load().await), "AGENT_NO_IDENTITY");
    assert!(all(&disk).await.is_empty());
    let agent = offline(disk.clone()).create_new().await.unwrap();
    let amid = agent.amid();
    let json = agent.identity_json().await.unwrap();
    assert_eq!(Identity::from_json(&json).unwrap().amid(), amid);
    agent.close().await.unwrap();
    let disk = disk.reopen();
    assert_eq!(code(offline(disk.clone()).create_new().await), "STATE_IDENTITY_EXISTS");
    let stranger = Identity::generate(agentmesh_core::Timestamp::ZERO, &mut seeded_rng(1));
    assert_eq!(code(offline(disk.clone()).identity(stranger).create().await), "AGENT_CONFIG");
    let again = offline(disk).load().await.unwrap();
    assert_eq!(again.amid(), amid);
    again.close().await.unwrap();
    assert!(agent.identity_json().await.is_err(), "it is closed");
}

#[tokio::test]
async fn another_store_key_is_named_as_such_with_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.db");
    let open = || SqliteStorage::open(&path).unwrap();
    offline(open()).create().await.unwrap().close().await.unwrap();
    let builder = offline(open()).store_key(StoreKey::from_bytes([2; 32]));
    for result in [builder.load().await, builder.create().await, builder.create_new().await] {
        let error = result.expect_err("it is the wrong key");
        assert_eq!(error.code(), "STATE_WRONG_STORE_KEY");
        assert!(error.to_string().contains("agent.db"), "{error}");
    }
}

#[tokio::test]
async fn a_store_that_lost_its_identity_says_so() {
    let disk = MemoryStorage::new();
    offline(disk.clone()).create().await.unwrap().close().await.unwrap();
    let disk = disk.reopen();
    let identity = disk.list(RecordKind::Identity, None, 1).await.unwrap().remove(0);
    let mut changes = Changes::new();
    changes.delete(identity.id, identity.version);
    disk.commit(changes).await.unwrap();
    for result in [offline(disk.clone()).load().await, offline(disk.clone()).create().await] {
        assert!(
            matches!(result, Err(Error::Load(LoadError::IdentityMissing { .. }))),
            "{result:?}"
        );
    }
}

#[tokio::test]
async fn what_applications_keep_does_not_stand_in_the_way() {
    let disk = MemoryStorage::new();
    let values = Values::new(disk.clone(), Context::system());
    values.set("presence:x", b"online", SetOptions::ttl(60)).await.unwrap();
    let store = SealedStore::new(disk.clone(), &key(), Context::system());
    let low_level = Identity::load_or_generate(&store, "session-identity").await.unwrap();
    // With another key this is another's store, whoever lives in it.
    let wrong = offline(disk.clone()).store_key(StoreKey::from_bytes([2; 32]));
    assert_eq!(code(wrong.create().await), "STATE_WRONG_STORE_KEY");
    let agent = offline(disk.clone()).create().await.unwrap();
    assert_ne!(agent.amid(), low_level.amid());
    agent.close().await.unwrap();
    let disk = disk.reopen();
    assert_eq!(offline(disk).load().await.unwrap().amid(), agent.amid());
}

#[tokio::test]
async fn a_missing_key_file_beside_plain_values_only_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let builder = |disk: &MemoryStorage| {
        let config = AgentConfig { registry_url: None, relay_url: None, ..AgentConfig::default() };
        Agent::builder()
            .config(config)
            .storage(disk.clone())
            .store_key_file(dir.path().join("agent.key"))
    };
    let disk = MemoryStorage::new();
    let plain = Values::new(disk.clone(), Context::system());
    plain.set("a", b"1", SetOptions::default()).await.unwrap();
    assert_eq!(code(builder(&disk).load().await), "AGENT_NO_IDENTITY");
    builder(&disk).create().await.unwrap().close().await.unwrap();
    std::fs::remove_file(dir.path().join("agent.key")).unwrap();
    let sealed = MemoryStorage::new();
    let values = Values::sealed(sealed.clone(), &key(), Context::system());
    values.set("a", b"1", SetOptions::default()).await.unwrap();
    assert_eq!(code(builder(&sealed).create().await), "AGENT_CONFIG");
    assert!(!dir.path().join("agent.key").exists());
}

fn online(server: &Server, storage: MemoryStorage) -> AgentBuilder {
    Agent::builder()
        .storage(storage)
        .store_key(key())
        .registry_url(server.registry_url())
        .relay_url(server.relay_url())
        .policy(Policy::permissive())
}

#[tokio::test]
async fn send_right_after_connect_waits_for_it() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let bob = online(&server, MemoryStorage::new()).create().await.unwrap();
    bob.connect().await.unwrap();
    let alice = online(&server, MemoryStorage::new()).create().await.unwrap();
    drop(alice.connect());
    let sent = alice.send(bob.amid(), "1", SendOptions::default()).await.unwrap();
    assert_eq!(sent.stage, Stage::StoredByRelay);

    // With a deadline, if there is nobody to connect to.
    server.shutdown().await;
    let config = AgentConfig {
        registry_url: None,
        relay_url: Some("ws://127.0.0.1:9/v1/connect".to_owned()),
        ..AgentConfig::default()
    };
    let carol = Agent::builder()
        .config(config)
        .storage(MemoryStorage::new())
        .store_key(key())
        .create()
        .await
        .unwrap();
    drop(carol.connect());
    let options = SendOptions { timeout: Duration::from_millis(50), ..SendOptions::default() };
    let waiting = carol.send(bob.amid(), "1", options).await.unwrap_err();
    assert_eq!(waiting.code(), "STAGE_NOT_REACHED");
    assert_eq!(carol.outbox().await.unwrap().len(), 1, "it stays in the outbox");
    for agent in [alice, bob, carol] {
        agent.close().await.unwrap();
    }
}

#[tokio::test]
async fn capabilities_that_nobody_named_stay_as_they_are_registered() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let disk = MemoryStorage::new();
    let agent = online(&server, disk.clone()).capabilities(["worker/api"]).create().await.unwrap();
    agent.connect().await.unwrap();
    let amid = agent.amid();
    agent.close().await.unwrap();
    let registered = || async {
        let reader = online(&server, MemoryStorage::new()).create().await.unwrap();
        let found = reader.lookup(&amid).await.unwrap().details.capabilities;
        reader.close().await.unwrap();
        found
    };
    let mut disk = disk.reopen();
    for (named, expected) in [
        (None, vec!["worker/api"]),
        (Some(vec!["a/b"]), vec!["a/b"]),
        (None, vec!["a/b"]),
        (Some(Vec::new()), Vec::new()),
    ] {
        let mut builder = online(&server, disk.clone());
        if let Some(named) = named {
            builder = builder.capabilities(named);
        }
        let agent = builder.load().await.unwrap();
        agent.connect().await.unwrap();
        agent.close().await.unwrap();
        assert_eq!(registered().await, expected);
        disk = disk.reopen();
    }
    server.shutdown().await;
}

#[tokio::test]
async fn what_an_agent_connects_as_is_what_the_registry_shows() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let agent = online(&server, MemoryStorage::new()).create().await.unwrap();
    let ann = Profile::new().with_display_name("Ann").with_capabilities(vec!["worker/api".into()]);
    agent.connect_as(ann).await.unwrap();
    let reader = online(&server, MemoryStorage::new()).create().await.unwrap();
    let shown = reader.lookup(&agent.amid()).await.unwrap().details;
    assert_eq!(shown.display_name.as_deref(), Some("Ann"));
    assert_eq!(shown.capabilities, ["worker/api"]);
    // Online already, and with nothing to say: everything stays.
    agent.connect_as(Profile::new()).await.unwrap();
    assert_eq!(reader.lookup(&agent.amid()).await.unwrap().details.capabilities, ["worker/api"]);
    for agent in [agent, reader] {
        agent.close().await.unwrap();
    }
    server.shutdown().await;
}

#[tokio::test]
async fn the_low_level_example_runs() {
    low_level::talk().await.unwrap();
}
