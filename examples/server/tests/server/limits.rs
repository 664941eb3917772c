//! What is too much, and what is said about it.

use std::time::Duration;

use agentmesh_core::wire::{
    relay_binary::{BinaryFrame, BinaryMessageType},
    relay_error::RelayErrorCode,
    relay_features::Features,
    relay_frame::{ClientFrame, RelayMessageType, SendFrame},
};
use agentmesh_server::Limits;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::*;

#[tokio::test]
async fn payload_over_65536_bytes_is_refused_by_name_and_the_connection_kept() {
    let server = start().await;
    let ((_, mut a), (bob, mut b)) = pair(&server, ACK).await;
    let fits = "x".repeat(65_536);
    a.send(&message_with_id(&bob, &fits, id(1))).await;
    assert_eq!(b.receive().await.encrypted_payload, fits);
    a.acked(id(1)).await;
    for size in [65_537, 200_000, 1024 * 1024] {
        a.send(&message_with_id(&bob, &"x".repeat(size), id(2))).await;
        let (text, _, about) = a.error(RelayErrorCode::MessageTooLarge).await;
        assert!(text.contains("65536"), "{text}");
        assert_eq!(about, Some(id(2)));
    }
    // Too long even to be looked at: still no reason to lose the connection.
    a.send(&message_with_id(&bob, &"x".repeat(20 * 1024 * 1024), id(3))).await;
    a.error(RelayErrorCode::MessageTooLarge).await;
    a.is_alive().await;
    b.is_silent().await;
}

#[tokio::test]
async fn the_bound_is_on_bytes_of_the_payload_not_on_its_escapes() {
    let server = start().await;
    let ((_, mut a), (bob, mut b)) = pair(&server, ACK).await;
    let escaped = "\u{1}".repeat(65_536);
    a.send(&message_with_id(&bob, &escaped, id(1))).await;
    assert_eq!(b.receive().await.encrypted_payload, escaped);
    a.acked(id(1)).await;
    a.send(&message_with_id(&bob, &"ä".repeat(32_769), id(2))).await;
    a.error(RelayErrorCode::MessageTooLarge).await;
}

#[tokio::test]
async fn binary_frames_are_bounded_like_their_base64() {
    let server = start().await;
    let ((_, mut a), (bob, mut b)) = pair(&server, BINARY).await;
    let to = bob.amid().to_string();
    let message_type = BinaryMessageType::Message;
    let fits = vec![3; 48 * 1024];
    a.binary(BinaryFrame::Send { to: &to, id: id(1), message_type, frame: &fits }).await;
    assert!(b.message().await.into_data().len() > fits.len());
    a.message().await;
    let long = vec![3; 48 * 1024 + 1];
    a.binary(BinaryFrame::Send { to: &to, id: id(2), message_type, frame: &long }).await;
    assert_eq!(a.error(RelayErrorCode::MessageTooLarge).await.2, Some(id(2)));
}

#[tokio::test]
async fn full_inbox_is_an_error_to_the_sender_and_nothing_is_dropped() {
    let server = start_with(|c| c.limits.messages_per_minute = 0).await;
    let ((_, mut a), (_, mut plain)) = {
        let (a, p) = (identity(), identity());
        let sockets = (connect(&server, &a, ACK).await, connect(&server, &p, Features::NONE).await);
        ((a, sockets.0), (p, sockets.1))
    };
    let bob = identity();
    for n in 0..100 {
        a.send(&message_with_id(&bob, &n.to_string(), id(n))).await;
        a.acked(id(n)).await;
    }
    a.send(&message_with_id(&bob, "one too many", id(200))).await;
    let (text, _, about) = a.error(RelayErrorCode::InboxFull).await;
    assert_eq!(about, Some(id(200)));
    assert!(text.contains("100"), "{text}");
    plain.send(&message(&bob, "one too many")).await;
    assert_eq!(plain.error(RelayErrorCode::InboxFull).await.2, None);
    // Others have inboxes of their own.
    a.send(&message_with_id(&identity(), "x", id(201))).await;
    a.acked(id(201)).await;
    // The oldest are still there, and room is made by acknowledging.
    let (mut b, pending) = connect_pending(&server, &bob, Features::NONE).await;
    assert_eq!(pending, 100);
    for n in 0..100 {
        assert_eq!(b.receive().await.encrypted_payload, n.to_string());
    }
    b.is_alive().await;
    a.send(&message_with_id(&bob, "now it fits", id(202))).await;
    assert_eq!(b.receive().await.encrypted_payload, "now it fits");
    a.acked(id(202)).await;
}

#[tokio::test]
async fn unacked_live_messages_fill_the_inbox_too() {
    let server = start_with(|c| c.limits.pending_per_agent = 3).await;
    let ((alice, mut a), (bob, mut b)) = pair(&server, ACK).await;
    for n in 0..3 {
        a.send(&message_with_id(&bob, "x", id(n))).await;
        b.receive().await;
        a.acked(id(n)).await;
    }
    a.send(&message_with_id(&bob, "x", id(3))).await;
    a.error(RelayErrorCode::InboxFull).await;
    b.ack(&alice, id(1)).await;
    b.is_alive().await;
    a.send(&message_with_id(&bob, "x", id(3))).await;
    assert_eq!(b.receive().await.message_id, Some(id(3)));
}

#[tokio::test]
async fn full_store_is_an_error_to_the_sender() {
    let server = start_with(|c| c.limits.stored_messages = 2).await;
    let mut a = connect(&server, &identity(), ACK).await;
    for n in 0..2 {
        a.send(&message_with_id(&identity(), "x", id(n))).await;
        a.acked(id(n)).await;
    }
    a.send(&message_with_id(&identity(), "x", id(3))).await;
    let (text, _, about) = a.error(RelayErrorCode::RecipientOffline).await;
    assert!(text.contains("queue is full"));
    assert_eq!(about, Some(id(3)));
}

fn knock(to: &agentmesh_core::identity::Identity) -> ClientFrame {
    let ClientFrame::Send(frame) = message(to, "knock") else { panic!() };
    ClientFrame::Send(SendFrame { message_type: RelayMessageType::Knock, ..frame })
}

#[tokio::test]
async fn messages_and_knocks_have_limits_of_their_own_that_outlive_the_connection() {
    let server = start_with(|c| {
        assert_eq!((c.limits.messages_per_minute, c.limits.knocks_per_minute), (100, 30));
    })
    .await;
    let ((alice, mut a), (bob, mut b)) = pair(&server, Features::NONE).await;
    for _ in 0..30 {
        a.send(&knock(&bob)).await;
        b.receive().await;
    }
    a.send(&knock(&bob)).await;
    let (_, seconds, _) = a.error(RelayErrorCode::RateLimited).await;
    assert!((1..=60).contains(&seconds.unwrap()));
    for _ in 0..100 {
        a.send(&message(&bob, "x")).await;
        b.receive().await;
    }
    a.send(&message(&bob, "x")).await;
    a.error(RelayErrorCode::RateLimited).await;
    a.drop_it();
    let mut a = connect(&server, &alice, ACK).await;
    a.send(&message_with_id(&bob, "x", id(7))).await;
    let (_, seconds, about) = a.error(RelayErrorCode::RateLimited).await;
    assert!(seconds.is_some());
    assert_eq!(about, Some(id(7)));
    // Other frames are not limited, other agents not concerned.
    a.is_alive().await;
    let mut other = connect(&server, &identity(), Features::NONE).await;
    other.send(&message(&bob, "y")).await;
    assert_eq!(b.receive().await.encrypted_payload, "y");
}

#[tokio::test]
async fn zero_switches_limits_off() {
    let server = start_with(|c| c.limits = Limits::for_development()).await;
    let ((_, mut a), (bob, mut b)) = pair(&server, Features::NONE).await;
    for _ in 0..300 {
        a.send(&knock(&bob)).await;
        b.receive().await;
        a.send(&message(&bob, "x")).await;
        b.receive().await;
    }
}

#[tokio::test]
async fn connects_of_one_address_are_limited() {
    let server = start_with(|c| c.limits.connects_per_minute_per_ip = 2).await;
    for _ in 0..2 {
        connect(&server, &identity(), Features::NONE).await;
    }
    match tokio_tungstenite::connect_async(server.relay_url()).await {
        Err(Error::Http(response)) => {
            assert_eq!(response.status(), 429);
            let seconds = response.headers()["retry-after"].to_str().unwrap().parse::<u64>();
            assert!((1..=60).contains(&seconds.unwrap()));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(get(&server, "/health").await.0, 200);
}

#[tokio::test]
async fn agt_2055_a_silent_socket_is_pinged_and_then_closed() {
    use futures_util::StreamExt;
    use tokio::io::AsyncReadExt;
    let server = start_with(|c| c.limits.idle_timeout = Duration::from_millis(2400)).await;
    let start = std::time::Instant::now();
    let mut answering = connect(&server, &identity(), Features::NONE).await;
    // Answers pings: the library does, as long as it is read.
    let lives = tokio::spawn(async move {
        let mut pings = 0;
        while start.elapsed() < Duration::from_secs(5) {
            match tokio::time::timeout(Duration::from_secs(1), answering.0.next()).await {
                Ok(Some(Ok(Message::Ping(_)))) => pings += 1,
                Err(_) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(pings >= 2, "{pings} pings");
    });
    let mut mute = connect(&server, &identity(), Features::NONE).await;
    tokio::time::sleep(Duration::from_millis(4500)).await;
    // Read below the library, which would answer the ping first.
    let mut heard = Vec::new();
    tokio::time::timeout(PATIENCE, mute.0.get_mut().read_to_end(&mut heard))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(heard[..2], [0x89, 0], "a ping comes first");
    assert!(String::from_utf8_lossy(&heard).contains("\"code\":\"IDLE_TIMEOUT\""));
    lives.await.unwrap();
}
