//! Who is let in, and what those who are not are told.

use std::time::Duration;

use agentmesh_core::{
    identity::Identity,
    wire::{
        relay_binary::BinaryFrame,
        relay_error::RelayErrorCode,
        relay_features::Features,
        relay_frame::{ClientFrame, ConnectFrame, ServerFrame},
    },
};
use agentmesh_server::{Server, ServerConfig};
use base64ct::{Base64, Encoding};
use futures_util::SinkExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::*;

async fn is_admitted(server: &Server, frame: ConnectFrame) {
    let mut socket = connect_with(server, frame).await;
    assert!(matches!(socket.next().await, ServerFrame::Connected { .. }));
}

async fn is_refused(server: &Server, frame: ConnectFrame, code: RelayErrorCode) {
    let mut socket = connect_with(server, frame).await;
    socket.error(code).await;
    socket.closed(1008).await;
}

fn resigned(identity: &Identity, timestamp: &str, signed: &str) -> ConnectFrame {
    let signature = identity.sign(signed.as_bytes()).unwrap();
    ConnectFrame {
        timestamp: timestamp.into(),
        signature: Base64::encode_string(signature.as_bytes()),
        ..connect_frame(identity, Features::NONE)
    }
}

#[tokio::test]
async fn plain_client_is_answered_in_plain_0_2() {
    let server = start().await;
    let alice = identity();
    let mut socket = Socket::open(&server.relay_url()).await;
    let frame = connect_frame(&alice, Features::NONE);
    socket.send(&ClientFrame::Connect(frame)).await;
    let Message::Text(text) = socket.message().await else { panic!() };
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["type"], "connected");
    assert_eq!(answer["pending_messages"], 0);
    assert_eq!(answer["session_id"].as_str().unwrap().len(), 36);
    assert!(answer.get("features").is_none());
}

#[tokio::test]
async fn features_are_answered_with_what_both_know() {
    let server = start().await;
    let alice = identity();
    let mut frame = serde_json::to_value(ClientFrame::Connect(connect_frame(&alice, ACK))).unwrap();
    frame["features"] = json!(["ack", "resume", "telepathy", 7]);
    let mut socket = Socket::open(&server.relay_url()).await;
    socket.json(frame).await;
    let ServerFrame::Connected { features, .. } = socket.next().await else { panic!() };
    assert_eq!(features, ACK);
}

#[tokio::test]
async fn older_protocol_and_bare_key_and_any_path_are_accepted() {
    let server = start().await;
    let alice = identity();
    for path in ["/", "/v1/connect", "/elsewhere?x=1"] {
        let frame = ConnectFrame {
            protocol: "agentmesh/0.1".into(),
            public_key: Base64::encode_string(alice.signing_key().as_bytes()),
            ..connect_frame(&alice, Features::NONE)
        };
        let url = format!("ws://{}{path}", server.addr());
        let mut socket = Socket::open(&url).await;
        socket.send(&ClientFrame::Connect(frame)).await;
        assert!(matches!(socket.next().await, ServerFrame::Connected { .. }), "{path}");
    }
}

#[tokio::test]
async fn signature_over_either_form_of_the_timestamp_is_accepted() {
    let server = start().await;
    let alice = identity();
    // Each instant once: the same one in another form would be a replay.
    let second = now().as_millis() / 1000 * 1000;
    let at = |ms: u64| {
        let time = agentmesh_core::Timestamp::from_millis(second + ms);
        (time.to_rfc3339_millis(), time.to_rfc3339_signing())
    };
    let (z, offset) = at(120);
    is_admitted(&server, resigned(&alice, &z, &z)).await;
    is_admitted(&server, resigned(&alice, &z, &offset)).await;
    let (_, offset) = at(130);
    is_admitted(&server, resigned(&alice, &offset, &offset)).await;
    let (_, offset) = at(140);
    let micros = offset.replace(".140+", ".140000+");
    is_admitted(&server, resigned(&alice, &micros, &offset)).await;
    is_admitted(&server, resigned(&alice, &micros, &micros)).await;
    let (z, offset) = at(150);
    let code = RelayErrorCode::InvalidSignature;
    is_refused(&server, resigned(&alice, &offset, &z), code).await;
}

#[tokio::test]
async fn authentication_failures_get_an_error_frame_before_the_close() {
    let server = start().await;
    let (alice, bob) = (identity(), identity());
    let good = connect_frame(&alice, Features::NONE);
    let old = now().minus_millis(5 * 60_000 + 2000).to_rfc3339_signing();
    let ahead = now().plus_millis(90_000).to_rfc3339_signing();
    for (frame, code) in [
        (
            ConnectFrame { protocol: "agentmesh/9".into(), ..good.clone() },
            RelayErrorCode::ProtocolMismatch,
        ),
        (
            ConnectFrame { amid: bob.amid().to_string(), ..good.clone() },
            RelayErrorCode::Unauthorized,
        ),
        (ConnectFrame { public_key: "x".into(), ..good.clone() }, RelayErrorCode::Unauthorized),
        (
            ConnectFrame { timestamp: now().plus_millis(7).to_rfc3339_millis(), ..good.clone() },
            RelayErrorCode::InvalidSignature,
        ),
        (
            ConnectFrame { signature: "AAAA".into(), ..good.clone() },
            RelayErrorCode::InvalidSignature,
        ),
        (
            ConnectFrame { timestamp: "now".into(), ..good.clone() },
            RelayErrorCode::InvalidSignature,
        ),
        (resigned(&alice, &old, &old), RelayErrorCode::InvalidSignature),
        (resigned(&alice, &ahead, &ahead), RelayErrorCode::InvalidSignature),
    ] {
        is_refused(&server, frame, code).await;
    }
}

#[tokio::test]
async fn first_frame_has_to_be_a_connect() {
    let server = start().await;
    let bob = identity();
    for (first, code) in [
        (Message::text(message(&bob, "x").to_json()), RelayErrorCode::Unauthorized),
        (Message::text("{"), RelayErrorCode::InvalidMessage),
        (
            Message::binary(BinaryFrame::Ack { peer: "x", id: id(1) }.encode()),
            RelayErrorCode::Unauthorized,
        ),
    ] {
        let mut socket = Socket::open(&server.relay_url()).await;
        socket.0.send(first).await.unwrap();
        socket.error(code).await;
        socket.closed(1008).await;
    }
}

#[tokio::test]
async fn who_says_nothing_is_closed_in_time() {
    let server = start_with(|c| c.limits.connect_timeout = Duration::from_millis(100)).await;
    let mut socket = Socket::open(&server.relay_url()).await;
    socket.error(RelayErrorCode::Unauthorized).await;
    socket.closed(1008).await;
}

#[tokio::test]
async fn websocket_pings_are_answered_before_and_after_the_connect() {
    use futures_util::StreamExt;
    let server = start().await;
    let alice = identity();
    let mut socket = Socket::open(&server.relay_url()).await;
    for _ in 0..2 {
        socket.0.send(Message::Ping("hey".into())).await.unwrap();
        let pong = socket.0.next().await.unwrap().unwrap();
        assert_eq!(pong, Message::Pong("hey".into()));
        socket.send(&ClientFrame::Connect(connect_frame(&alice, Features::NONE))).await;
        // The second connect is ignored.
        if let Ok(frame) = tokio::time::timeout(A_WHILE, socket.next()).await {
            assert!(matches!(frame, ServerFrame::Connected { .. }));
        }
    }
}

#[tokio::test]
async fn overheard_plain_connect_does_not_work_again_however_it_is_written() {
    let server = start().await;
    let alice = identity();
    let frame = connect_frame(&alice, Features::NONE);
    is_admitted(&server, frame.clone()).await;
    is_refused(&server, frame.clone(), RelayErrorCode::Unauthorized).await;
    let same_instant = frame.timestamp.replace("+00:00", "Z");
    let frame = ConnectFrame { timestamp: same_instant, ..frame };
    is_refused(&server, frame, RelayErrorCode::Unauthorized).await;
    is_admitted(&server, connect_frame(&alice, Features::NONE)).await;
}

#[tokio::test]
async fn auth_nonce_works_once() {
    let server = start().await;
    let alice = identity();
    let frame = auth_frame(&alice, &server.addr().to_string());
    is_admitted(&server, frame.clone()).await;
    is_refused(&server, frame, RelayErrorCode::Unauthorized).await;
    is_admitted(&server, auth_frame(&alice, &server.addr().to_string())).await;
}

#[tokio::test]
async fn auth_is_bound_to_the_relay() {
    let server = start().await;
    let frame = auth_frame(&identity(), "elsewhere.example");
    is_refused(&server, frame, RelayErrorCode::InvalidSignature).await;
    // A relay that passes our signature on would have to call the server by its own name.
    let named = start_with(|c| c.public_hosts = vec!["relay.example".into()]).await;
    let frame = auth_frame(&identity(), &named.addr().to_string());
    is_refused(&named, frame, RelayErrorCode::Unauthorized).await;
}

#[tokio::test]
async fn auth_announced_but_absent_or_malformed_is_refused() {
    let server = start().await;
    let alice = identity();
    let good = auth_frame(&alice, &server.addr().to_string());
    for auth in [None, Some(String::new()), Some("AAAA".into())] {
        let frame = ConnectFrame { auth, ..good.clone() };
        is_refused(&server, frame, RelayErrorCode::Unauthorized).await;
    }
}

#[tokio::test]
async fn auth_is_required_from_who_ever_sent_it_even_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = || ServerConfig { data_dir: Some(dir.path().into()), ..ServerConfig::default() };
    let alice = identity();
    let server = Server::start(config()).await.unwrap();
    let host = server.addr().to_string();
    is_admitted(&server, connect_frame(&alice, Features::NONE)).await;
    let used = auth_frame(&alice, &host);
    is_admitted(&server, used.clone()).await;
    let plain = || connect_frame(&alice, Features::NONE);
    is_refused(&server, plain(), RelayErrorCode::Unauthorized).await;
    let addr = server.addr();
    server.shutdown().await;

    let server = Server::start(ServerConfig { listen: addr, ..config() }).await.unwrap();
    is_refused(&server, plain(), RelayErrorCode::Unauthorized).await;
    is_refused(&server, used, RelayErrorCode::Unauthorized).await;
    is_admitted(&server, auth_frame(&alice, &host)).await;
    // Others are not concerned.
    is_admitted(&server, connect_frame(&identity(), Features::NONE)).await;
}

#[tokio::test]
async fn requests_that_are_no_websocket_are_told_so() {
    let server = start().await;
    let url = format!("{}/connect", server.registry_url());
    assert_eq!(http().get(&url).send().await.unwrap().status(), 426);
    let old = http()
        .get(&url)
        .header("connection", "keep-alive, Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==")
        .header("sec-websocket-version", "8");
    let response = old.send().await.unwrap();
    assert_eq!(response.status(), 426);
    assert_eq!(response.headers()["sec-websocket-version"], "13");
}
