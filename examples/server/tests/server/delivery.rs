//! How a message gets from one agent to another.

use agentmesh_core::{
    Timestamp,
    identity::Amid,
    wire::{
        relay_binary::{BinaryFrame, BinaryMessageType},
        relay_error::RelayErrorCode,
        relay_features::Features,
        relay_frame::{ClientFrame, IceCandidate, RelayMessageType, SendFrame, ServerFrame},
    },
};
use futures_util::SinkExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use crate::support::*;

#[tokio::test]
async fn plain_clients_exchange_live_frames_as_in_0_2() {
    let server = start().await;
    let ((alice, mut a), (bob, mut b)) = pair(&server, Features::NONE).await;
    let candidate =
        IceCandidate { candidate: "c".into(), sdp_mid: Some("0".into()), sdp_mline_index: None };
    let ClientFrame::Send(plain) = message(&bob, "{\"a\":\"ä\\\"\u{1}\"}") else { panic!() };
    let sent = SendFrame { ice_candidates: Some(vec![candidate]), ..plain };
    a.send(&ClientFrame::Send(sent.clone())).await;
    let got = b.receive().await;
    assert_eq!(got.from, alice.amid().to_string());
    assert_eq!(got.encrypted_payload, sent.encrypted_payload);
    assert_eq!(got.message_type, RelayMessageType::Message);
    assert_eq!(got.ice_candidates, sent.ice_candidates);
    assert_eq!(got.message_id, None);
    assert!(got.timestamp.ends_with('Z'));
    assert!(now().since(Timestamp::parse_rfc3339(&got.timestamp).unwrap()) < 5000);
    // No acknowledgements in 0.2, and nothing is kept.
    a.is_silent().await;
    b.drop_it();
    let (_, pending) = connect_pending(&server, &bob, Features::NONE).await;
    assert_eq!(pending, 0);
}

#[tokio::test]
async fn every_message_type_of_0_2_is_forwarded_and_others_are_dropped_silently() {
    let server = start().await;
    let ((_, mut a), (bob, mut b)) = pair(&server, Features::NONE).await;
    let to = bob.amid().to_string();
    for kind in RelayMessageType::KNOWN {
        a.json(json!({"type": "send", "to": to, "encrypted_payload": "p", "message_type": kind.as_str()}))
            .await;
        assert_eq!(&b.receive().await.message_type, kind);
    }
    for bad in [
        json!({"type": "send", "to": to, "encrypted_payload": "p", "message_type": "scream"}),
        json!({"type": "send", "to": to, "message_type": "message"}),
        json!({"type": "send", "to": to, "encrypted_payload": 5, "message_type": "message"}),
        json!({"type": "get_pending_messages"}),
        json!({"type": "nack", "message_id": "x", "reason": "y"}),
        json!({"to": to}),
        json!([1]),
    ] {
        a.json(bad).await;
    }
    a.text("{ not json").await;
    // Unknown fields are ignored, whatever is in them.
    a.json(
        json!({"type": "send", "to": to, "encrypted_payload": "last", "message_type": "message",
        "message_id": {"odd": 1}, "more": [1, 2]}),
    )
    .await;
    assert_eq!(b.receive().await.encrypted_payload, "last");
    a.is_alive().await;
    b.is_alive().await;
}

#[tokio::test]
async fn clients_with_extensions_are_told_about_bad_frames() {
    let server = start().await;
    let (alice, bob) = (identity(), identity());
    let mut a = connect(&server, &alice, ACK).await;
    let to = bob.amid().to_string();
    a.text("{ not json").await;
    a.error(RelayErrorCode::InvalidMessage).await;
    a.json(json!({"type": "send", "to": to})).await;
    a.error(RelayErrorCode::InvalidMessage).await;
    a.json(json!({"type": "send", "to": to, "encrypted_payload": "p", "message_type": "message",
        "message_id": "not hex"}))
        .await;
    a.error(RelayErrorCode::InvalidMessage).await;
    let hex = id(3).to_string();
    a.json(json!({"type": "send", "to": to, "encrypted_payload": "p", "message_type": "scream",
        "message_id": hex}))
        .await;
    assert_eq!(a.error(RelayErrorCode::InvalidMessage).await.2, Some(id(3)));
    a.is_alive().await;
}

#[tokio::test]
async fn absent_recipient_gets_stored_messages_in_order_right_after_connected() {
    let server = start().await;
    let (alice, bob) = (identity(), identity());
    let mut a = connect(&server, &alice, Features::NONE).await;
    let ClientFrame::Send(first) = message(&bob, "0") else { panic!() };
    let candidate = IceCandidate { candidate: "c".into(), sdp_mid: None, sdp_mline_index: None };
    let with_ice = SendFrame { ice_candidates: Some(vec![candidate]), ..first };
    a.send(&ClientFrame::Send(with_ice)).await;
    for n in 1..50 {
        a.send(&message(&bob, &n.to_string())).await;
    }
    a.is_alive().await;
    let (mut b, pending) = connect_pending(&server, &bob, Features::NONE).await;
    assert_eq!(pending, 50);
    for n in 0..50 {
        let got = b.receive().await;
        assert_eq!(got.encrypted_payload, n.to_string());
        // Candidates are of no use later.
        assert_eq!(got.ice_candidates, None);
    }
    a.send(&message(&bob, "live")).await;
    assert_eq!(b.receive().await.encrypted_payload, "live");
    // Who acknowledges nothing has what its socket took.
    b.is_alive().await;
    b.drop_it();
    let (_, pending) = connect_pending(&server, &bob, Features::NONE).await;
    assert_eq!(pending, 0);
}

#[tokio::test]
async fn ack_says_that_a_message_for_an_absent_recipient_is_stored() {
    let server = start().await;
    let (alice, bob) = (identity(), identity());
    let mut a = connect(&server, &alice, ACK).await;
    a.send(&message_with_id(&bob, "hello", id(1))).await;
    a.acked(id(1)).await;
    let (mut b, pending) = connect_pending(&server, &bob, ACK).await;
    assert_eq!(pending, 1);
    let got = b.receive().await;
    assert_eq!((got.encrypted_payload.as_str(), got.message_id), ("hello", Some(id(1))));
}

#[tokio::test]
async fn live_message_is_delivered_at_once_and_acked_to_its_sender() {
    let server = start().await;
    let ((alice, mut a), (bob, mut b)) = pair(&server, ACK).await;
    for n in 1..20 {
        a.send(&message_with_id(&bob, "hello", id(n))).await;
        let got = b.receive().await;
        assert_eq!(got.message_id, Some(id(n)));
        b.ack(&alice, id(n)).await;
        a.acked(id(n)).await;
    }
    b.drop_it();
    assert_eq!(connect_pending(&server, &bob, ACK).await.1, 0);
}

#[tokio::test]
async fn sender_is_acked_although_the_recipient_is_silent() {
    let server = start().await;
    let ((_, mut a), (bob, mut b)) = pair(&server, ACK).await;
    a.send(&message_with_id(&bob, "hello", id(1))).await;
    b.receive().await;
    // From the disk, not from the recipient.
    a.acked(id(1)).await;
    b.drop_it();
    assert_eq!(connect_pending(&server, &bob, ACK).await.1, 1);
}

#[tokio::test]
async fn repeated_send_is_delivered_once_and_acked_again() {
    let server = start().await;
    let ((_, mut a), (bob, mut b)) = pair(&server, ACK).await;
    a.send(&message_with_id(&bob, "hello", id(1))).await;
    a.acked(id(1)).await;
    b.receive().await;
    a.send(&message_with_id(&bob, "hello", id(1))).await;
    a.acked(id(1)).await;
    b.is_silent().await;
    b.drop_it();
    assert_eq!(connect_pending(&server, &bob, ACK).await.1, 1);
}

#[tokio::test]
async fn agt_3411_only_the_addressee_may_ack() {
    let server = start().await;
    let ((alice, mut a), (bob, mut b)) = pair(&server, ACK).await;
    let mut mallory = connect(&server, &identity(), ACK).await;
    a.send(&message_with_id(&bob, "hello", id(1))).await;
    a.acked(id(1)).await;
    b.receive().await;
    for from in [&alice, &bob] {
        mallory.ack(from, id(1)).await;
        a.ack(from, id(1)).await;
    }
    // Nor can the addressee end a message under another sender's name.
    b.ack(&bob, id(1)).await;
    for socket in [&mut mallory, &mut a, &mut b] {
        socket.is_alive().await;
    }
    b.drop_it();
    let (mut b, pending) = connect_pending(&server, &bob, ACK).await;
    assert_eq!(pending, 1);
    assert_eq!(b.receive().await.encrypted_payload, "hello");
    b.ack(&alice, id(1)).await;
    b.is_alive().await;
    b.drop_it();
    assert_eq!(connect_pending(&server, &bob, ACK).await.1, 0);
}

#[tokio::test]
async fn agt_3573_an_id_is_scoped_to_its_sender() {
    let server = start().await;
    let (alice, mallory, bob) = (identity(), identity(), identity());
    let mut m = connect(&server, &mallory, ACK).await;
    let mut a = connect(&server, &alice, ACK).await;
    m.send(&message_with_id(&bob, "first", id(1))).await;
    m.acked(id(1)).await;
    a.send(&message_with_id(&bob, "second", id(1))).await;
    a.acked(id(1)).await;
    let (mut b, pending) = connect_pending(&server, &bob, ACK).await;
    assert_eq!(pending, 2);
    assert_eq!(b.receive().await.encrypted_payload, "first");
    assert_eq!(b.receive().await.encrypted_payload, "second");
    b.ack(&mallory, id(1)).await;
    b.is_alive().await;
    b.drop_it();
    let (mut b, pending) = connect_pending(&server, &bob, ACK).await;
    assert_eq!(pending, 1);
    assert_eq!(b.receive().await.from, alice.amid().to_string());
}

#[tokio::test]
async fn acking_sender_reaches_a_plain_recipient_once() {
    let server = start().await;
    let (alice, bob) = (identity(), identity());
    let mut a = connect(&server, &alice, ACK).await;
    let mut b = connect(&server, &bob, Features::NONE).await;
    for n in 1..10 {
        a.send(&message_with_id(&bob, "hello", id(n))).await;
        a.acked(id(n)).await;
        assert_eq!(b.receive().await.message_id, None);
    }
    b.is_alive().await;
    b.drop_it();
    assert_eq!(connect_pending(&server, &bob, Features::NONE).await.1, 0);
}

#[tokio::test]
async fn plain_sender_reaches_an_acking_recipient_until_it_acks() {
    let server = start().await;
    let (alice, bob) = (identity(), identity());
    let mut a = connect(&server, &alice, Features::NONE).await;
    let mut b = connect(&server, &bob, ACK).await;
    a.send(&message(&bob, "hello")).await;
    let first = b.receive().await.message_id.unwrap();
    b.drop_it();
    let (mut b, pending) = connect_pending(&server, &bob, ACK).await;
    assert_eq!(pending, 1);
    assert_eq!(b.receive().await.message_id, Some(first));
    b.ack(&alice, first).await;
    b.is_alive().await;
    b.drop_it();
    assert_eq!(connect_pending(&server, &bob, ACK).await.1, 0);
    a.is_silent().await;
}

#[tokio::test]
async fn recipient_that_is_no_amid_is_an_error() {
    let server = start().await;
    let mut a = connect(&server, &identity(), ACK).await;
    let ClientFrame::Send(frame) = message_with_id(&identity(), "x", id(1)) else { panic!() };
    a.send(&ClientFrame::Send(SendFrame { to: "bob".into(), ..frame })).await;
    assert_eq!(a.error(RelayErrorCode::UnknownRecipient).await.2, Some(id(1)));
    a.is_alive().await;
}

#[tokio::test]
async fn binary_frames_carry_messages_and_acks_both_ways() {
    let server = start().await;
    let ((alice, mut a), (bob, mut b)) = pair(&server, BINARY).await;
    let (from, to) = (alice.amid().to_string(), bob.amid().to_string());
    let frame: &[u8] = &[3, 2, 0, 255];
    for message_type in [BinaryMessageType::Knock, BinaryMessageType::Message] {
        let message_id = id(9);
        a.binary(BinaryFrame::Send { to: &to, id: message_id, message_type, frame }).await;
        let got = b.message().await.into_data();
        let BinaryFrame::Receive { from: got_from, id, message_type: got_type, time, frame: got } =
            BinaryFrame::parse(&got).unwrap()
        else {
            panic!("not a receive");
        };
        assert_eq!((got_from, id, got_type, got), (from.as_str(), message_id, message_type, frame));
        assert!(now().since(time) < 5000);
        b.binary(BinaryFrame::Ack { peer: &from, id }).await;
        let acked = a.message().await.into_data();
        assert_eq!(BinaryFrame::parse(&acked), Ok(BinaryFrame::Ack { peer: &to, id }));
    }
    b.is_alive().await;
    b.drop_it();
    assert_eq!(connect_pending(&server, &bob, ACK).await.1, 0);
}

#[tokio::test]
async fn binary_and_text_clients_understand_each_other_live_and_from_the_store() {
    let server = start().await;
    let (alice, bob) = (identity(), identity());
    let to = bob.amid().to_string();
    let mut a = connect(&server, &alice, BINARY).await;
    let frame: &[u8] = &[3, 2, 1];
    let message_type = BinaryMessageType::Message;
    let send = |id| BinaryFrame::Send { to: &to, id, message_type, frame };
    a.binary(send(id(1))).await;
    a.message().await;
    let mut b = connect(&server, &bob, ACK).await;
    a.binary(send(id(2))).await;
    for n in 1..3 {
        let got = b.receive().await;
        assert_eq!((got.encrypted_payload.as_str(), got.message_id), ("AwIB", Some(id(n))));
    }
    b.drop_it();
    // What was text on its way in is bytes on its way out, if bytes can say it.
    a.message().await;
    a.send(&message_with_id(&bob, "AwID", id(3))).await;
    a.message().await;
    a.send(&message_with_id(&bob, "{\"not\":\"base64\"}", id(4))).await;
    a.message().await;
    let mut b = connect(&server, &bob, BINARY).await;
    for expected in [[3, 2, 1], [3, 2, 1], [3, 2, 3]] {
        let got = b.message().await.into_data();
        let BinaryFrame::Receive { frame, .. } = BinaryFrame::parse(&got).unwrap() else {
            panic!()
        };
        assert_eq!(frame, expected);
    }
    assert_eq!(b.receive().await.encrypted_payload, "{\"not\":\"base64\"}");
}

#[tokio::test]
async fn binary_frames_need_no_acknowledgements() {
    let server = start().await;
    let features = Features { binary: true, ..Features::NONE };
    let ((alice, mut a), (bob, mut b)) = pair(&server, features).await;
    let (from, to) = (alice.amid().to_string(), bob.amid().to_string());
    let message_type = BinaryMessageType::Message;
    // Ids of senders who want no answer say nothing: the same may come twice.
    for frame in [&[3, 2, 1][..], &[3, 2, 2]] {
        a.binary(BinaryFrame::Send { to: &to, id: id(1), message_type, frame }).await;
        let got = b.message().await.into_data();
        let got = BinaryFrame::parse(&got).unwrap();
        let BinaryFrame::Receive { from: got_from, frame: got_frame, .. } = got else { panic!() };
        assert_eq!((got_from, got_frame), (from.as_str(), frame));
    }
    a.send(&message(&bob, "AwID")).await;
    let got = b.message().await.into_data();
    let BinaryFrame::Receive { frame, .. } = BinaryFrame::parse(&got).unwrap() else { panic!() };
    assert_eq!(frame, [3, 2, 3]);
}

#[tokio::test]
async fn binary_frames_of_who_did_not_announce_them_are_ignored() {
    let server = start().await;
    let ((_, mut a), (bob, mut b)) = pair(&server, ACK).await;
    let to = bob.amid().to_string();
    let message_type = BinaryMessageType::Message;
    a.binary(BinaryFrame::Send { to: &to, id: id(1), message_type, frame: &[3] }).await;
    a.is_alive().await;
    b.is_silent().await;
}

#[tokio::test]
async fn fragmented_messages_are_put_together() {
    let server = start().await;
    let ((_, mut a), (bob, mut b)) = pair(&server, Features::NONE).await;
    let text = message(&bob, "in pieces").to_json();
    let (head, tail) = text.split_at(20);
    let piece = |data: &str, code, last| {
        Message::Frame(Frame::message(data.as_bytes().to_vec(), OpCode::Data(code), last))
    };
    a.0.send(piece(head, Data::Text, false)).await.unwrap();
    a.0.send(Message::Ping("between".into())).await.unwrap();
    a.0.send(piece(tail, Data::Continue, true)).await.unwrap();
    assert_eq!(b.receive().await.encrypted_payload, "in pieces");
}

#[tokio::test]
async fn disconnect_is_answered_with_a_close() {
    let server = start().await;
    let alice = identity();
    let mut a = connect(&server, &alice, Features::NONE).await;
    a.send(&ClientFrame::Disconnect { reason: "done".into() }).await;
    a.closed(1000).await;
    let mut other = connect(&server, &identity(), Features::NONE).await;
    let amid = alice.amid().to_string();
    other.send(&ClientFrame::PresenceQuery { amid }).await;
    let ServerFrame::PresenceResponse { status, .. } = other.next().await else { panic!() };
    assert_eq!(status.as_str(), "offline");
}

#[tokio::test]
async fn many_senders_keep_their_own_order() {
    let server = start_with(|c| {
        c.limits.messages_per_minute = 0;
        c.limits.pending_per_agent = 0;
    })
    .await;
    let bob = identity();
    let mut b = connect(&server, &bob, BINARY).await;
    let to = bob.amid();
    let mut senders = Vec::new();
    for _ in 0..4 {
        let alice = identity();
        let mut a = connect(&server, &alice, BINARY).await;
        senders.push(tokio::spawn(async move {
            let to = to.to_string();
            for n in 0..500_u32 {
                let message_type = BinaryMessageType::Message;
                let mut bytes = [0; 16];
                bytes[..4].copy_from_slice(&n.to_be_bytes());
                let id = agentmesh_core::wire::relay_id::RelayMessageId::from_bytes(bytes);
                a.binary(BinaryFrame::Send { to: &to, id, message_type, frame: &n.to_be_bytes() })
                    .await;
            }
            for _ in 0..500 {
                a.message().await;
            }
        }));
    }
    let mut next = std::collections::HashMap::<Amid, u32>::new();
    for _ in 0..2000 {
        let got = b.message().await.into_data();
        let BinaryFrame::Receive { from, frame, id, .. } = BinaryFrame::parse(&got).unwrap() else {
            panic!()
        };
        let expected = next.entry(from.parse().unwrap()).or_default();
        assert_eq!(frame, expected.to_be_bytes());
        *expected += 1;
        b.binary(BinaryFrame::Ack { peer: from, id }).await;
    }
    for sender in senders {
        sender.await.unwrap();
    }
}
