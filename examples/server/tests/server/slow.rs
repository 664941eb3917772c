//! Recipients that do not keep up: bounded in memory, and nothing that was acknowledged is lost.

use std::time::Duration;

use agentmesh_core::wire::{
    relay_error::RelayErrorCode, relay_features::Features, relay_frame::ServerFrame,
    relay_id::RelayMessageId,
};

use crate::support::*;

fn wide_id(n: u32) -> RelayMessageId {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    RelayMessageId::from_bytes(bytes)
}

#[tokio::test]
async fn what_does_not_fit_waits_in_the_store_and_comes_in_order_when_there_is_room() {
    const MESSAGES: u32 = 1000;
    let server = start_with(|c| {
        c.limits.messages_per_minute = 0;
        c.limits.pending_per_agent = 0;
        c.limits.outgoing_bytes = 64 * 1024;
    })
    .await;
    let ((alice, mut a), (bob, mut b)) = pair(&server, ACK).await;
    let payload = "x".repeat(30_000);
    // 30 MB, which no socket buffer holds; b does not read.
    for n in 0..MESSAGES {
        a.send(&message_with_id(&bob, &payload, wide_id(n))).await;
        a.acked(wide_id(n)).await;
    }
    for n in 0..MESSAGES {
        let got = b.receive().await;
        assert_eq!(got.message_id, Some(wide_id(n)));
        b.ack(&alice, wide_id(n)).await;
    }
    b.is_alive().await;
    a.send(&message_with_id(&bob, "live again", wide_id(MESSAGES))).await;
    assert_eq!(b.receive().await.encrypted_payload, "live again");
    b.ack(&alice, wide_id(MESSAGES)).await;
    b.is_alive().await;
    b.drop_it();
    assert_eq!(connect_pending(&server, &bob, ACK).await.1, 0);
}

#[tokio::test]
async fn slow_plain_recipient_slows_its_sender_down_and_loses_nothing() {
    const MESSAGES: usize = 2000;
    let server = start_with(|c| {
        c.limits.messages_per_minute = 0;
        c.limits.pending_per_agent = 0;
    })
    .await;
    let ((_, mut a), (bob, mut b)) = pair(&server, Features::NONE).await;
    let sender = tokio::spawn(async move {
        let padding = "x".repeat(20_000);
        for n in 0..MESSAGES {
            a.send(&message(&bob, &format!("{n} {padding}"))).await;
        }
        a
    });
    for n in 0..MESSAGES {
        if n % 500 == 0 {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let got = b.receive().await.encrypted_payload;
        assert_eq!(got.split(' ').next().unwrap(), n.to_string());
    }
    sender.await.unwrap().is_alive().await;
}

#[tokio::test]
async fn recipient_that_stopped_reading_does_not_hold_its_sender_up_for_ever() {
    let server = start_with(|c| {
        c.limits.messages_per_minute = 0;
        c.limits.pending_per_agent = 10;
    })
    .await;
    let ((_, mut a), (bob, b)) = pair(&server, Features::NONE).await;
    let carol = identity();
    let mut c = connect(&server, &carol, Features::NONE).await;
    let payload = "x".repeat(60_000);
    let start = std::time::Instant::now();
    let mut sent = 0;
    // Until the sockets, the queue and the inbox are full.
    loop {
        a.send(&message(&bob, &payload)).await;
        sent += 1;
        a.json(serde_json::json!({"type": "ping", "timestamp": "t"})).await;
        match a.next().await {
            ServerFrame::Pong { .. } => {}
            ServerFrame::Error { code, .. } => {
                assert_eq!(code, RelayErrorCode::InboxFull);
                break;
            }
            other => panic!("{other:?}"),
        }
        assert!(sent < 1000, "nothing bounds what waits for one recipient");
    }
    assert!(start.elapsed() < Duration::from_secs(8));
    assert!(matches!(a.next().await, ServerFrame::Pong { .. }));
    // Others still get theirs at once.
    a.send(&message(&carol, "hello")).await;
    assert_eq!(c.receive().await.encrypted_payload, "hello");
    drop(b);
}

#[tokio::test]
async fn client_that_does_not_read_its_answers_is_not_read_either() {
    use futures_util::SinkExt;
    let server = start().await;
    let mut a = connect(&server, &identity(), Features::NONE).await;
    let ping = serde_json::json!({"type": "ping", "timestamp": "x".repeat(30_000)}).to_string();
    let mut asked = 0_u32;
    // Answers pile up until the server reads no more.
    let stuck = async {
        loop {
            a.0.send(tokio_tungstenite::tungstenite::Message::text(ping.clone())).await.unwrap();
            asked += 1;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(2), stuck).await.is_err());
    assert!(asked < 2000, "{asked} answers of 30 kB wait for one client");
}

#[tokio::test]
async fn slow_recipient_with_much_mail_is_still_heard() {
    let server = start_with(|c| {
        c.limits.messages_per_minute = 0;
        c.limits.pending_per_agent = 0;
        c.limits.outgoing_bytes = 64 * 1024;
        c.limits.idle_timeout = Duration::from_secs(4);
    })
    .await;
    let ((alice, mut a), (bob, mut b)) = pair(&server, ACK).await;
    let payload = "x".repeat(60_000);
    for n in 0..200 {
        a.send(&message_with_id(&bob, &payload, wide_id(n))).await;
        a.acked(wide_id(n)).await;
    }
    // Longer than the timeout, reading a little now and then: what keeps it is that its acknowledgements are read.
    for n in 0..50 {
        assert_eq!(b.receive().await.message_id, Some(wide_id(n)));
        b.ack(&alice, wide_id(n)).await;
        tokio::time::sleep(Duration::from_millis(110)).await;
    }
    b.drop_it();
    let (_, pending) = connect_pending(&server, &bob, ACK).await;
    assert_eq!(pending, 150);
}
