//! The audit log of real agents: every change of state is in it, nothing that is secret is.

use std::{collections::BTreeSet, path::Path};

use agentmesh_core::{
    audit::{AuditFields, AuditKey, AuditQuery, AuditType, Severity},
    client::{Agent, AuditOptions, AuditReader, SendOptions},
    engine::Stage,
    knock::Policy,
    storage::{MemoryStorage, SqliteStorage},
    vault::StoreKey,
};
use agentmesh_server::{Server, ServerConfig};

const STORE_KEY: [u8; 32] = [0x5a; 32];

async fn agent(server: &Server, dir: &Path, encrypted: bool) -> Agent {
    let options = AuditOptions::default().min_severity(Severity::Debug);
    let builder = Agent::builder()
        .storage(SqliteStorage::open(dir.join("agent.db")).unwrap())
        .store_key(StoreKey::from_bytes(STORE_KEY))
        .registry_url(server.registry_url())
        .relay_url(server.relay_url())
        .policy(Policy::permissive());
    let builder = if encrypted {
        builder.encrypted_audit_log(dir.join("audit"), options)
    } else {
        builder.audit_log(dir.join("audit"), options)
    };
    builder.open_or_create().await.unwrap()
}

async fn kinds(agent: &Agent) -> BTreeSet<String> {
    let entries = agent.audit_log().unwrap().query(AuditQuery::all()).await.unwrap();
    entries.iter().map(|entry| entry.kind.to_string()).collect()
}

fn assert_contains(kinds: &BTreeSet<String>, wanted: &[&str]) {
    for kind in wanted {
        assert!(kinds.contains(*kind), "{kind} is not in {kinds:?}");
    }
}

#[tokio::test]
async fn every_change_of_state_is_in_the_log_and_no_payload() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let dirs = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let alice = agent(&server, dirs.0.path(), false).await;
    let bob = agent(&server, dirs.1.path(), true).await;
    alice.connect().await.unwrap();
    bob.connect().await.unwrap();
    let mut messages = bob.messages().await.unwrap();
    let payload = r#"{"secret":"plaintext-of-the-payload"}"#;
    let (sent, ()) = tokio::join!(
        alice.send(bob.amid(), payload, SendOptions::wait_for(Stage::Handled)),
        async { messages.next().await.unwrap().ack().await.unwrap() }
    );
    let sent = sent.unwrap();
    alice.lookup(&bob.amid()).await.unwrap();
    bob.pause_new().await.unwrap();
    bob.resume_new().await.unwrap();
    bob.block(alice.amid()).await.unwrap();
    bob.unblock(alice.amid()).await.unwrap();
    alice.kill_session(bob.amid()).await.unwrap();
    alice.emergency_stop().await.unwrap();
    // An application's own events stand among them.
    let log = alice.audit_log().unwrap();
    log.log("DEPLOYED", Severity::Info, "version 7", AuditFields::new());

    assert_contains(
        &kinds(&alice).await,
        &[
            "IDENTITY_CREATED",
            "REGISTRY_REGISTERED",
            "PREKEY_PUBLISHED",
            "CONNECTION_ESTABLISHED",
            "SESSION_INITIATED",
            "KNOCK_SENT",
            "SESSION_ACCEPTED",
            "MESSAGE_SENT",
            "REGISTRY_LOOKUP",
            "SESSION_CLOSED",
            "SESSION_KILLED",
            "EMERGENCY_STOP",
            "CONNECTION_LOST",
            "DEPLOYED",
        ],
    );
    assert_contains(
        &kinds(&bob).await,
        &[
            "KNOCK_RECEIVED",
            "POLICY_EVALUATED",
            "SESSION_ACCEPTED",
            "MESSAGE_RECEIVED",
            "PREKEY_CONSUMED",
            "CIRCUIT_PAUSED",
            "CIRCUIT_RESUMED",
            "PEER_BLOCKED",
            "PEER_UNBLOCKED",
        ],
    );
    // Stage by stage, oldest first.
    let query = AuditQuery::all().kind(AuditType::MessageSent).peer(bob.amid());
    let stages = log.query(query).await.unwrap();
    let id = sent.id.to_string();
    let of_message = stages.iter().filter(|e| e.metadata["messageId"] == id.as_str());
    let stages: Vec<_> = of_message.map(|e| e.message.as_str()).collect();
    assert_eq!(stages, ["queued", "stored", "delivered", "handled"]);
    alice.close().await.unwrap();
    bob.close().await.unwrap();

    // Opened again, the chain goes on.
    let again = agent(&server, dirs.0.path(), false).await;
    let report = again.audit_log().unwrap().verify(None).await.unwrap();
    assert!(report.anchored.is_some(), "closing signs");
    assert_contains(&kinds(&again).await, &["IDENTITY_CREATED", "AGENT_CLOSED", "IDENTITY_LOADED"]);
    again.close().await.unwrap();

    let text = |dir: &Path| {
        let files = std::fs::read_dir(dir.join("audit")).unwrap();
        files.map(|f| std::fs::read_to_string(f.unwrap().path()).unwrap()).collect::<String>()
    };
    let (plain, sealed) = (text(dirs.0.path()), text(dirs.1.path()));
    assert!(plain.contains("SESSION_INITIATED") && plain.contains(&bob.amid().to_string()));
    assert!(!plain.contains("plaintext-of-the-payload"));
    for word in ["KNOCK_RECEIVED", "MESSAGE", &bob.amid().to_string(), &alice.amid().to_string()] {
        assert!(!sealed.contains(word), "{word} in the clear");
    }
    let key = AuditKey::from_store_key(&StoreKey::from_bytes(STORE_KEY));
    let public = bob.identity().signing;
    let reader = AuditReader::new(dirs.1.path().join("audit"), Some(key), Some(public));
    assert!(reader.verify(None).unwrap().readable);
    server.shutdown().await;
}

#[tokio::test]
async fn agent_does_not_open_without_the_log_that_it_was_to_keep() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a file, no directory");
    std::fs::write(&path, "").unwrap();
    let opened = Agent::builder()
        .storage(MemoryStorage::new())
        .store_key(StoreKey::from_bytes(STORE_KEY))
        .audit_log(&path, AuditOptions::default())
        .open_or_create()
        .await;
    let error = opened.unwrap_err();
    assert_eq!(agentmesh_core::ErrorInfo::code(&error), "AUDIT_IO");
}
