//! Who is there, and frames that are forwarded to who is.

use agentmesh_core::{
    Timestamp,
    identity::Identity,
    wire::{
        relay_error::RelayErrorCode,
        relay_features::Features,
        relay_frame::{ClientFrame, IceCandidate, IceFrame, PresenceStatus, ServerFrame},
    },
};
use serde_json::json;

use crate::support::*;

async fn presence(socket: &mut Socket, of: &Identity) -> (PresenceStatus, Option<String>) {
    let amid = of.amid().to_string();
    socket.send(&ClientFrame::PresenceQuery { amid: amid.clone() }).await;
    match socket.next().await {
        ServerFrame::PresenceResponse { amid: about, status, last_seen } if about == amid => {
            (status, last_seen)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn presence_is_what_was_set_while_connected_and_offline_otherwise() {
    let server = start().await;
    let ((_, mut a), (bob, mut b)) = pair(&server, Features::NONE).await;
    let (status, seen) = presence(&mut a, &bob).await;
    assert_eq!(status, PresenceStatus::Online);
    assert!(Timestamp::parse_rfc3339(&seen.unwrap()).is_some());
    for status in [PresenceStatus::Away, PresenceStatus::DoNotDisturb, PresenceStatus::Online] {
        b.send(&ClientFrame::Presence { status: status.clone() }).await;
        b.is_alive().await;
        assert_eq!(presence(&mut a, &bob).await.0, status);
    }
    b.json(json!({"type": "presence", "status": "invisible"})).await;
    b.is_alive().await;
    assert_eq!(presence(&mut a, &bob).await.0, PresenceStatus::Online);
    b.send(&ClientFrame::Presence { status: PresenceStatus::Offline }).await;
    b.is_alive().await;
    assert_eq!(presence(&mut a, &bob).await, (PresenceStatus::Offline, None));
    // Offline is a wish, not an end: messages still come.
    a.send(&message(&bob, "hello")).await;
    b.receive().await;
    b.send(&ClientFrame::Disconnect { reason: String::new() }).await;
    b.closed(1000).await;
    assert_eq!(presence(&mut a, &bob).await, (PresenceStatus::Offline, None));
    assert_eq!(presence(&mut a, &identity()).await, (PresenceStatus::Offline, None));
}

#[tokio::test]
async fn pong_has_the_same_instant_in_utc() {
    let server = start().await;
    let mut a = connect(&server, &identity(), Features::NONE).await;
    a.send(&ClientFrame::Ping { timestamp: "2026-02-04T14:00:00.5+02:00".into() }).await;
    let ServerFrame::Pong { timestamp } = a.next().await else { panic!() };
    assert_eq!(timestamp, "2026-02-04T12:00:00.500Z");
}

#[tokio::test]
async fn ice_frames_are_forwarded_with_the_sender_in_to() {
    let server = start().await;
    let ((alice, mut a), (bob, mut b)) = pair(&server, Features::NONE).await;
    let candidates =
        vec![IceCandidate { candidate: "c".into(), sdp_mid: None, sdp_mline_index: Some(1) }];
    let ice = |to: &Identity| IceFrame {
        to: to.amid().to_string(),
        sdp: "v=0\r\n".into(),
        candidates: candidates.clone(),
    };
    a.send(&ClientFrame::IceOffer(ice(&bob))).await;
    assert_eq!(b.next().await, ServerFrame::IceOffer(ice(&alice)));
    b.send(&ClientFrame::IceAnswer(ice(&alice))).await;
    assert_eq!(a.next().await, ServerFrame::IceAnswer(ice(&bob)));
    for kind in ["p2_p_established", "p2p_established"] {
        a.json(json!({"type": kind, "peer": bob.amid().to_string()})).await;
        let peer = alice.amid().to_string();
        assert_eq!(b.next().await, ServerFrame::P2pEstablished { peer });
    }
    a.send(&ClientFrame::IceOffer(ice(&identity()))).await;
    a.error(RelayErrorCode::RecipientOffline).await;
    a.is_alive().await;
}
