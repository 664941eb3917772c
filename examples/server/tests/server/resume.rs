//! What survives a lost connection, and a server that was stopped or killed.

use std::time::Duration;

use agentmesh_core::wire::relay_frame::ServerFrame;
use agentmesh_server::{Server, ServerConfig};

use crate::support::*;

#[tokio::test]
async fn every_unacked_frame_comes_again_after_connected_in_order() {
    let server = start().await;
    let (alice, bob) = (identity(), identity());
    let mut a = connect(&server, &alice, ACK).await;
    let mut b = connect(&server, &bob, ACK).await;
    for n in 0..40 {
        a.send(&message_with_id(&bob, &n.to_string(), id(n))).await;
        a.acked(id(n)).await;
        b.receive().await;
    }
    for n in [0, 3, 4, 39] {
        b.ack(&alice, id(n)).await;
    }
    b.is_alive().await;
    for _ in 0..3 {
        b.drop_it();
        let pending;
        (b, pending) = connect_pending(&server, &bob, ACK).await;
        assert_eq!(pending, 36);
        for n in (0..40).filter(|n| ![0, 3, 4, 39].contains(n)) {
            assert_eq!(b.receive().await.message_id, Some(id(n)));
        }
        b.is_silent().await;
    }
    // What comes now comes behind it.
    b.drop_it();
    a.send(&message_with_id(&bob, "late", id(100))).await;
    a.acked(id(100)).await;
    b = connect(&server, &bob, ACK).await;
    a.send(&message_with_id(&bob, "later", id(101))).await;
    for _ in 0..36 {
        b.receive().await;
    }
    assert_eq!(b.receive().await.encrypted_payload, "late");
    assert_eq!(b.receive().await.encrypted_payload, "later");
}

#[tokio::test]
async fn agt_1922_inbox_is_kept_until_the_recipient_acked() {
    let server = start().await;
    let (alice, bob) = (identity(), identity());
    let mut a = connect(&server, &alice, ACK).await;
    a.send(&message_with_id(&bob, "hello", id(1))).await;
    a.acked(id(1)).await;
    // Connects, and is gone before it could read anything.
    for _ in 0..5 {
        connect(&server, &bob, ACK).await.drop_it();
    }
    let (mut b, pending) = connect_pending(&server, &bob, ACK).await;
    assert_eq!(pending, 1);
    assert_eq!(b.receive().await.encrypted_payload, "hello");
}

#[tokio::test]
async fn agt_3184_a_short_ttl_is_meant() {
    let server = start_with(|c| c.limits.message_ttl = Duration::from_millis(100)).await;
    let (alice, bob) = (identity(), identity());
    let mut a = connect(&server, &alice, ACK).await;
    a.send(&message_with_id(&bob, "hello", id(1))).await;
    a.acked(id(1)).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(connect_pending(&server, &bob, ACK).await.1, 0);
}

#[tokio::test]
async fn stored_messages_survive_a_restart_with_order_and_form() {
    let dir = tempfile::tempdir().unwrap();
    let config = || ServerConfig { data_dir: Some(dir.path().into()), ..ServerConfig::default() };
    let (alice, bob) = (identity(), identity());
    let server = Server::start(config()).await.unwrap();
    let mut a = connect(&server, &alice, ACK).await;
    for n in 0..30 {
        let payload = format!("{{\"n\":{n},\"ä\":\"\\\"\"}}");
        a.send(&message_with_id(&bob, &payload, id(n))).await;
        a.acked(id(n)).await;
    }
    server.shutdown().await;

    let server = Server::start(config()).await.unwrap();
    let (mut b, pending) = connect_pending(&server, &bob, ACK).await;
    assert_eq!(pending, 30);
    for n in 0..30 {
        let got = b.receive().await;
        assert_eq!(got.encrypted_payload, format!("{{\"n\":{n},\"ä\":\"\\\"\"}}"));
        assert_eq!((got.message_id, got.from), (Some(id(n)), alice.amid().to_string()));
        if n < 10 {
            b.ack(&alice, id(n)).await;
        }
    }
    b.is_alive().await;
    server.shutdown().await;

    let server = Server::start(config()).await.unwrap();
    let (mut b, pending) = connect_pending(&server, &bob, ACK).await;
    assert_eq!(pending, 20);
    assert_eq!(b.receive().await.message_id, Some(id(10)));
    // A sender that did not hear the first answer asks again.
    let mut a = connect(&server, &alice, ACK).await;
    a.send(&message_with_id(&bob, "again", id(20))).await;
    a.acked(id(20)).await;
    for n in 11..30 {
        assert_eq!(b.receive().await.message_id, Some(id(n)));
    }
    b.is_silent().await;
}

#[tokio::test]
async fn shutdown_tells_clients_and_takes_less_than_5_seconds() {
    let server = start().await;
    let mut a = connect(&server, &identity(), ACK).await;
    let mut plain =
        connect(&server, &identity(), agentmesh_core::wire::relay_features::Features::NONE).await;
    let unfinished = Socket::open(&server.relay_url()).await;
    let stopping = tokio::spawn(server.shutdown());
    for socket in [&mut a, &mut plain] {
        let ServerFrame::Error { code, .. } = socket.next().await else { panic!() };
        assert_eq!(code.as_str(), "SHUTTING_DOWN");
        socket.closed(1001).await;
    }
    tokio::time::timeout(Duration::from_secs(5), stopping).await.unwrap().unwrap();
    unfinished.drop_it();
}
