//! Faults on demand do what they say, and only when asked.

use std::time::{Duration, Instant};

use agentmesh_core::wire::relay_features::Features;
use agentmesh_server::Faults;
use futures_util::StreamExt;

use crate::support::*;

async fn with(faults: Faults) -> agentmesh_server::Server {
    start_with(|c| {
        c.limits.messages_per_minute = 0;
        c.faults = faults;
    })
    .await
}

#[tokio::test]
async fn drop_loses_messages_and_they_come_again_after_a_reconnect() {
    let server = with(Faults { drop: 0.3, seed: 1, ..Faults::default() }).await;
    let ((alice, mut a), (bob, mut b)) = pair(&server, ACK).await;
    let mut acked = 0;
    for n in 0..50 {
        // Sent again until it is acknowledged, as a client does.
        loop {
            a.send(&message_with_id(&bob, "x", id(n))).await;
            match tokio::time::timeout(Duration::from_millis(100), a.next()).await {
                Ok(_) => break,
                Err(_) => acked += 1,
            }
        }
    }
    assert!(acked > 0, "nothing was lost on the way in");
    let mut got = std::collections::BTreeSet::new();
    for _ in 0..100 {
        while let Ok(frame) = tokio::time::timeout(Duration::from_millis(100), b.receive()).await {
            got.insert(frame.message_id.unwrap());
            b.ack(&alice, frame.message_id.unwrap()).await;
        }
        if got.len() == 50 {
            return;
        }
        b.drop_it();
        b = connect(&server, &bob, ACK).await;
    }
    panic!("{} of 50 came", got.len());
}

#[tokio::test]
async fn dropped_messages_come_again_on_the_same_connection() {
    let faults = Faults { drop: 0.3, seed: 3, ..Faults::default() };
    let server = start_with(|c| {
        c.limits.messages_per_minute = 0;
        c.limits.redeliver_after = Duration::from_secs(1);
        c.faults = faults;
    })
    .await;
    let ((alice, mut a), (bob, mut b)) = pair(&server, ACK).await;
    for n in 0..30 {
        a.send(&message_with_id(&bob, "x", id(n))).await;
    }
    let mut got = std::collections::BTreeSet::new();
    let mut stored = std::collections::BTreeSet::new();
    while stored.len() < 30 || got.len() < 30 {
        tokio::select! {
            frame = b.receive() => {
                got.insert(frame.message_id.unwrap());
                b.ack(&alice, frame.message_id.unwrap()).await;
            }
            frame = a.next() => {
                if let agentmesh_core::wire::relay_frame::ServerFrame::Ack { message_id } = frame {
                    stored.insert(message_id);
                }
            }
            // What was lost on its way in, its sender repeats.
            () = tokio::time::sleep(Duration::from_millis(200)) => {
                for n in (0..30).filter(|n| !stored.contains(&id(*n))) {
                    a.send(&message_with_id(&bob, "x", id(n))).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn duplicate_delivers_twice() {
    let server = with(Faults { duplicate: 1.0, ..Faults::default() }).await;
    let ((_, mut a), (bob, mut b)) = pair(&server, ACK).await;
    a.send(&message_with_id(&bob, "x", id(1))).await;
    assert_eq!(b.receive().await, b.receive().await);
}

#[tokio::test]
async fn reorder_lets_later_messages_overtake() {
    let server = with(Faults { reorder: 0.5, seed: 2, ..Faults::default() }).await;
    let ((_, mut a), (bob, mut b)) = pair(&server, ACK).await;
    for n in 0..40 {
        a.send(&message_with_id(&bob, "x", id(n))).await;
    }
    let mut order = Vec::new();
    for _ in 0..40 {
        order.push(b.receive().await.message_id.unwrap());
    }
    assert!(!order.is_sorted());
    order.sort();
    order.dedup();
    assert_eq!(order.len(), 40);
}

#[tokio::test]
async fn delay_delays() {
    let delay = Duration::from_millis(300);
    let server = with(Faults { delay, ..Faults::default() }).await;
    let ((_, mut a), (bob, mut b)) = pair(&server, Features::NONE).await;
    let start = Instant::now();
    a.send(&message(&bob, "x")).await;
    b.receive().await;
    assert!(start.elapsed() >= delay);
}

#[tokio::test]
async fn http_429_concerns_the_registry_and_says_when_to_come_back() {
    let server = with(Faults { http_429: 1.0, ..Faults::default() }).await;
    let url = format!("{}/registry/stats", server.registry_url());
    let response = http().get(url).send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(get(&server, "/health").await.0, 200);
}

#[tokio::test]
async fn half_open_connection_stays_and_says_nothing() {
    let server = with(Faults { half_open: 1.0, ..Faults::default() }).await;
    let alice = identity();
    let mut a = connect(&server, &alice, ACK).await;
    a.json(serde_json::json!({"type": "ping", "timestamp": "t"})).await;
    // The frame that did it may still be answered; nothing after it is.
    let _ = tokio::time::timeout(A_WHILE, a.next()).await;
    a.json(serde_json::json!({"type": "ping", "timestamp": "t"})).await;
    assert!(tokio::time::timeout(A_WHILE, a.0.next()).await.is_err());
    // A new connection takes over.
    connect(&server, &alice, ACK).await;
}
