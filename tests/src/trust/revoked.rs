//! Revocation between agents: checked before anything happens, and closed when it cannot be checked.

use std::time::Duration;

use agentmesh_core::{
    Error, ErrorInfo,
    client::{Agent, AgentEvent, SendOptions, registry::RegistryClient},
    engine::{SendFailure, Stage},
    identity::Amid,
    knock::Policy,
    storage::MemoryStorage,
    wire::registry::RevocationReason,
};
use agentmesh_server::Server;

use super::{builder, online, proxy::Proxy, server};

fn registry(agent: &Agent) -> RegistryClient {
    agent.registry_client().unwrap()
}

/// An agent that wants to know of everybody, whose registry is behind `proxy`.
async fn careful(server: &Server, proxy: &Proxy, ttl: Duration) -> Agent {
    let mut policy = Policy::permissive();
    policy.require_revocation_check = true;
    let mut config =
        agentmesh_core::client::AgentConfig { revocation_ttl: ttl, ..Default::default() };
    config.registry_url = Some(proxy.url.clone());
    config.relay_url = Some(server.relay_url());
    config.policy = policy;
    let agent = builder(server, MemoryStorage::new()).config(config).create().await.unwrap();
    agent.connect().await.unwrap();
    agent
}

/// What came of a message; the peer has decided on the KNOCK by then.
async fn sent(from: &Agent, to: Amid) -> Result<Stage, Error> {
    let options = SendOptions::wait_for(Stage::Delivered);
    from.send(to, "1", options).await.map(|sent| sent.stage)
}

#[tokio::test]
async fn g8_knock_is_refused_while_revocation_cannot_be_checked() {
    let server = server().await;
    let proxy = Proxy::start(server.url()).await;
    let bob = careful(&server, &proxy, Duration::ZERO).await;
    let mut messages = bob.messages().await.unwrap();
    let alice = online(&server).await;
    proxy.set_broken(Some("/revocation"));
    let refused = sent(&alice, bob.amid()).await;
    let Err(Error::SendFailure(SendFailure::Rejected { reason, retry_after_s })) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(reason, "Revocation could not be checked");
    assert_eq!(retry_after_s, Some(60));
    proxy.set_broken(None);
    let carol = online(&server).await;
    let (delivered, message) = tokio::join!(sent(&carol, bob.amid()), messages.next());
    assert_eq!(delivered.unwrap(), Stage::Delivered);
    message.unwrap().ack().await.unwrap();
}

#[tokio::test]
async fn revoked_agent_is_let_in_nowhere_and_nobody_writes_to_it() {
    let server = server().await;
    let proxy = Proxy::start(server.url()).await;
    let bob = careful(&server, &proxy, Duration::ZERO).await;
    let alice = online(&server).await;
    registry(&alice).revoke(&alice.amid(), &RevocationReason::KeyCompromise, None).await.unwrap();
    let failed = sent(&bob, alice.amid()).await.unwrap_err();
    assert_eq!(failed.code(), "SEND_RECIPIENT_REVOKED");
    // Nor does it get back in.
    let again = registry(&alice).set_capabilities(&["x".into()]).await.unwrap_err();
    assert_eq!(again.code(), "HTTP_UNAUTHORIZED");
}

#[tokio::test]
async fn message_waits_while_the_recipients_standing_cannot_be_checked() {
    let server = server().await;
    let proxy = Proxy::start(server.url()).await;
    let bob = careful(&server, &proxy, Duration::ZERO).await;
    let alice = online(&server).await;
    proxy.set_broken(Some("/revocation"));
    let options = SendOptions {
        timeout: Duration::from_secs(1),
        ..SendOptions::wait_for(Stage::StoredByRelay)
    };
    let waiting = bob.send(alice.amid(), "1", options).await.unwrap_err();
    assert_eq!(waiting.code(), "STAGE_NOT_REACHED");
    let outbox = bob.outbox().await.unwrap();
    assert_eq!((outbox.len(), outbox[0].stage), (1, Stage::Queued));
    proxy.set_broken(None);
    let mut messages = alice.messages().await.unwrap();
    let message = tokio::time::timeout(Duration::from_secs(60), messages.next()).await;
    message.expect("it comes once the registry answers").unwrap().ack().await.unwrap();
}

#[tokio::test]
async fn answers_are_remembered_for_their_time() {
    let server = server().await;
    let proxy = Proxy::start(server.url()).await;
    let bob = careful(&server, &proxy, Duration::from_secs(3600)).await;
    let alice = online(&server).await;
    let mut messages = bob.messages().await.unwrap();
    for _ in 0..3 {
        let (delivered, message) = tokio::join!(sent(&alice, bob.amid()), messages.next());
        delivered.unwrap();
        message.unwrap().ack().await.unwrap();
        alice.close_session(bob.amid()).await.unwrap();
    }
    assert_eq!(proxy.asked(), 1);
}

#[tokio::test]
async fn bulk_checks_are_split_and_answered_in_order() {
    let server = server().await;
    let alice = online(&server).await;
    let (bob, carol) = (online(&server).await, online(&server).await);
    let client = registry(&alice);
    let reason = RevocationReason::CessationOfOperation;
    registry(&bob).revoke(&bob.amid(), &reason, Some("bye")).await.unwrap();
    let mut asked: Vec<Amid> = (0..=249_u8).map(|n| Amid::from_bytes([n; 20])).collect();
    asked.insert(107, bob.amid());
    asked.push(carol.amid());
    let found = client.revocations(&asked).await.unwrap();
    assert_eq!(found.iter().map(|(amid, _)| *amid).collect::<Vec<_>>(), asked);
    let revoked: Vec<_> = found.iter().filter(|(_, r)| r.is_some()).collect();
    assert_eq!(revoked.len(), 1);
    assert_eq!(revoked[0].1.as_ref().unwrap().reason, reason);
    assert!(client.revocation(&carol.amid()).await.unwrap().is_none());
    let list = client.revocation_list(10, 0).await.unwrap();
    assert_eq!(
        (list.total, list.revocations[0].amid.as_str()),
        (1, bob.amid().to_string().as_str())
    );
}

#[tokio::test]
async fn bulk_answer_that_fails_or_leaves_somebody_out_clears_nobody() {
    let server = server().await;
    let proxy = Proxy::start(server.url()).await;
    let bob = careful(&server, &proxy, Duration::ZERO).await;
    let (alice, carol) = (online(&server).await, online(&server).await);
    let reason = RevocationReason::PolicyViolation;
    registry(&alice).revoke(&alice.amid(), &reason, None).await.unwrap();
    let asked = [alice.amid(), carol.amid()];
    let client = registry(&bob);
    assert!(client.revocations(&asked).await.unwrap()[0].1.is_some());
    let lies: [fn(&mut serde_json::Value); 4] = [
        |answer| drop(answer["revocations"].as_array_mut().unwrap().remove(0)),
        |answer| answer["revocations"][0]["amid"] = answer["revocations"][1]["amid"].clone(),
        |answer| drop(answer["revocations"][0].as_object_mut().unwrap().remove("revoked")),
        |answer| *answer = serde_json::json!({"success": true}),
    ];
    for (n, lie) in lies.into_iter().enumerate() {
        proxy.set_rewrite("/revocations/bulk", lie);
        assert!(client.revocations(&asked).await.is_err(), "lie {n}");
    }
    proxy.clear_rewrite();
    proxy.set_broken(Some("/revocations/bulk"));
    assert_eq!(client.revocations(&asked).await.unwrap_err().code(), "HTTP_UNAVAILABLE");
    proxy.set_broken(None);
    assert!(client.revocations(&asked).await.unwrap()[1].1.is_none());
}

#[tokio::test]
async fn answer_about_another_agent_lets_nobody_in() {
    let server = server().await;
    let proxy = Proxy::start(server.url()).await;
    let bob = careful(&server, &proxy, Duration::ZERO).await;
    let alice = online(&server).await;
    let lies: [fn(&mut serde_json::Value); 2] = [
        |answer| answer["amid"] = "3vaLv8qnmGSndxmYvHiHWN3cb312".into(),
        |answer| drop(answer.as_object_mut().unwrap().remove("revoked")),
    ];
    for lie in lies {
        proxy.set_rewrite("/revocation?", lie);
        let peer = online(&server).await;
        let refused = sent(&peer, bob.amid()).await.unwrap_err();
        assert_eq!(refused.code(), "SEND_KNOCK_REJECTED");
        let unchecked = registry(&bob).revocation(&peer.amid()).await.unwrap_err();
        assert!(unchecked.code().starts_with("REGISTRY_") || unchecked.code().starts_with("HTTP_"));
    }
    proxy.clear_rewrite();
    let mut messages = bob.messages().await.unwrap();
    let (delivered, message) = tokio::join!(sent(&alice, bob.amid()), messages.next());
    assert_eq!(delivered.unwrap(), Stage::Delivered);
    message.unwrap().ack().await.unwrap();
}

#[tokio::test]
async fn revoked_agent_loses_its_connection_while_it_stands() {
    let server = server().await;
    let alice = online(&server).await;
    let lost = super::event(&alice, |e| matches!(e, AgentEvent::Disconnected { .. }));
    let reason = RevocationReason::KeyCompromise;
    registry(&alice).revoke(&alice.amid(), &reason, None).await.unwrap();
    lost.await;
    // It tries again, is told why not, and stays away.
    super::event(&alice, |e| matches!(e, AgentEvent::Revoked { .. })).await;
    let refused = alice.connect().await.unwrap_err();
    assert_eq!(refused.code(), "AGENT_REVOKED");
    assert!(!refused.is_retryable());
}

#[tokio::test]
async fn ratings_and_sessions_are_reported_and_read() {
    use agentmesh_core::{client::registry::EndedSession, wire::registry::SessionOutcome};
    let server = server().await;
    let (alice, bob) = (online(&server).await, online(&server).await);
    let client = registry(&bob);
    client.rate(&alice.amid(), "session_1", 0.9, &["reliable"]).await.unwrap();
    let twice = client.rate(&alice.amid(), "session_1", 0.9, &[]).await.unwrap_err();
    assert_eq!(twice.code(), "HTTP_CONFLICT");
    for (score, tags) in [(f64::NAN, &[][..]), (1.5, &[]), (0.5, &["handsome"])] {
        let refused = client.rate(&alice.amid(), "2", score, tags).await.unwrap_err();
        assert_eq!(refused.code(), "RATING_INVALID");
    }
    let session = EndedSession {
        session_id: "session_1".into(),
        initiator: bob.amid(),
        receiver: alice.amid(),
        intent: "chat".into(),
        outcome: SessionOutcome::Success,
        started_at: agentmesh_core::Timestamp::from_millis(1_770_206_400_000),
    };
    client.report_session(&session).await.unwrap();
    let found = client.reputation(&alice.amid()).await.unwrap();
    assert_eq!((found.feedback_count, found.completion_rate), (1, Some(1.0)));
    assert_eq!(
        client.leaderboard(5, None).await.unwrap().leaderboard[0].amid,
        alice.amid().to_string()
    );
    let document = client.did(&alice.amid()).await.unwrap();
    assert_eq!(document.signing_key(), &alice.identity().signing);
}
