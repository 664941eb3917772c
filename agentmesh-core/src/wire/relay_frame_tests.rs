//! JSON snapshots, round trips, and input that must not hurt.

use proptest::prelude::*;

use super::*;

const ID: &str = "000102030405060708090a0b0c0d0e0f";

fn id() -> RelayMessageId {
    ID.parse().unwrap()
}

#[test]
fn client_frames_in_json() {
    let connect = ConnectFrame {
        protocol: RELAY_PROTOCOL.into(),
        amid: "A".into(),
        public_key: "K".into(),
        signature: "S".into(),
        timestamp: "T".into(),
        p2p_capable: false,
        features: Features::NONE,
        auth: None,
    };
    let cases = [
        (
            ClientFrame::Connect(connect.clone()),
            r#"{"type":"connect","protocol":"agentmesh/0.2","amid":"A","public_key":"K","signature":"S","timestamp":"T","p2p_capable":false}"#
                .to_owned(),
        ),
        (
            ClientFrame::Connect(ConnectFrame {
                features: Features::ALL,
                auth: Some("N".into()),
                ..connect
            }),
            r#"{"type":"connect","protocol":"agentmesh/0.2","amid":"A","public_key":"K","signature":"S","timestamp":"T","p2p_capable":false,"features":["auth","ack","resume","binary"],"auth":"N"}"#
                .to_owned(),
        ),
        (
            ClientFrame::Send(SendFrame {
                to: "B".into(),
                encrypted_payload: "p".into(),
                message_type: RelayMessageType::Knock,
                ice_candidates: None,
                message_id: Some(id()),
            }),
            format!(
                r#"{{"type":"send","to":"B","encrypted_payload":"p","message_type":"knock","message_id":"{ID}"}}"#
            ),
        ),
        (
            ClientFrame::Presence { status: PresenceStatus::DoNotDisturb },
            r#"{"type":"presence","status":"dnd"}"#.to_owned(),
        ),
        (
            ClientFrame::PresenceQuery { amid: "B".into() },
            r#"{"type":"presence_query","amid":"B"}"#.to_owned(),
        ),
        (
            ClientFrame::IceOffer(IceFrame {
                to: "B".into(),
                sdp: "v=0".into(),
                candidates: vec![IceCandidate {
                    candidate: "c".into(),
                    sdp_mid: None,
                    sdp_mline_index: Some(0),
                }],
            }),
            r#"{"type":"ice_offer","to":"B","sdp":"v=0","candidates":[{"candidate":"c","sdp_mid":null,"sdp_mline_index":0}]}"#
                .to_owned(),
        ),
        (
            ClientFrame::P2pEstablished { peer: "B".into() },
            r#"{"type":"p2_p_established","peer":"B"}"#.to_owned(),
        ),
        (
            ClientFrame::Ping { timestamp: "T".into() },
            r#"{"type":"ping","timestamp":"T"}"#.to_owned(),
        ),
        (
            ClientFrame::Ack { from: "B".into(), message_id: id() },
            format!(r#"{{"type":"ack","from":"B","message_id":"{ID}"}}"#),
        ),
        (
            ClientFrame::Disconnect { reason: "bye".into() },
            r#"{"type":"disconnect","reason":"bye"}"#.to_owned(),
        ),
    ];
    for (frame, json) in cases {
        assert_eq!(frame.to_json(), json);
        assert_eq!(ClientFrame::parse(&json), Ok(frame));
    }
}

#[test]
fn server_frames_in_json() {
    let cases = [
        (
            ServerFrame::Connected {
                session_id: "s".into(),
                pending_messages: 2,
                features: Features::NONE,
            },
            r#"{"type":"connected","session_id":"s","pending_messages":2}"#.to_owned(),
        ),
        (
            ServerFrame::Receive(ReceiveFrame {
                from: "A".into(),
                encrypted_payload: "p".into(),
                message_type: RelayMessageType::Message,
                timestamp: "T".into(),
                ice_candidates: None,
                message_id: Some(id()),
            }),
            format!(
                r#"{{"type":"receive","from":"A","encrypted_payload":"p","message_type":"message","timestamp":"T","message_id":"{ID}"}}"#
            ),
        ),
        (ServerFrame::Ack { message_id: id() }, format!(r#"{{"type":"ack","message_id":"{ID}"}}"#)),
        (
            ServerFrame::PresenceResponse {
                amid: "A".into(),
                status: PresenceStatus::Offline,
                last_seen: None,
            },
            r#"{"type":"presence_response","amid":"A","status":"offline"}"#.to_owned(),
        ),
        (
            ServerFrame::P2pEstablished { peer: "A".into() },
            r#"{"type":"p2_p_established","peer":"A"}"#.to_owned(),
        ),
        (
            ServerFrame::Pong { timestamp: "T".into() },
            r#"{"type":"pong","timestamp":"T"}"#.to_owned(),
        ),
        (
            ServerFrame::Error {
                code: RelayErrorCode::RateLimited,
                message: "slow".into(),
                retry_after_seconds: Some(9),
                message_id: None,
            },
            r#"{"type":"error","code":"RATE_LIMITED","message":"slow","retry_after_seconds":9}"#
                .to_owned(),
        ),
    ];
    for (frame, json) in cases {
        assert_eq!(frame.to_json(), json);
        assert_eq!(ServerFrame::parse(&json), Ok(frame));
    }
}

#[test]
fn unknown_types_fields_and_values_are_not_errors() {
    assert_eq!(ClientFrame::parse(r#"{"type":"nack","to":5}"#), Ok(ClientFrame::Unknown));
    assert_eq!(
        ServerFrame::parse(r#"{"type":"pending_messages","messages":[]}"#),
        Ok(ServerFrame::Unknown)
    );
    assert_eq!(
        ServerFrame::parse(r#"{"type":"pong","timestamp":"T","more":{"a":1}}"#),
        Ok(ServerFrame::Pong { timestamp: "T".into() })
    );
    let frame =
        ClientFrame::parse(r#"{"to":"B","encrypted_payload":"","message_type":"x","type":"send"}"#);
    let Ok(ClientFrame::Send(send)) = frame else { panic!("{frame:?}") };
    assert_eq!(send.message_type, RelayMessageType::Unknown("x".into()));
    assert_eq!(
        ServerFrame::parse(r#"{"type":"p2p_established","peer":"A"}"#),
        Ok(ServerFrame::P2pEstablished { peer: "A".into() })
    );
}

#[test]
fn what_the_deployed_relay_sends_is_understood() {
    // Nanoseconds, no features, no ids.
    let text = r#"{"type":"receive","from":"A","encrypted_payload":"p","message_type":"message","timestamp":"2026-02-04T12:00:00.123456789Z"}"#;
    let Ok(ServerFrame::Receive(receive)) = ServerFrame::parse(text) else { panic!() };
    assert_eq!(receive.message_id, None);
    assert!(crate::Timestamp::parse_rfc3339(&receive.timestamp).is_some());
    // `to` is the sender by now.
    let offer = r#"{"type":"ice_offer","to":"A","sdp":"v=0","candidates":[]}"#;
    let expected = IceFrame { to: "A".into(), sdp: "v=0".into(), candidates: Vec::new() };
    assert_eq!(ServerFrame::parse(offer), Ok(ServerFrame::IceOffer(expected)));
    let error = r#"{"type":"error","code":"INTERNAL","message":"words"}"#;
    assert!(matches!(ServerFrame::parse(error), Ok(ServerFrame::Error { .. })), "without a pause");
}

#[test]
fn malformed_and_oversized_frames_are_refused() {
    for bad in [
        "",
        "[]",
        "{}",
        "null",
        r#"{"type":"send","to":"B"}"#,
        r#"{"type":7}"#,
        "{\"type\":",
        r#"["ping","T"]"#,
        r#"["ping",{"timestamp":"T"}]"#,
    ] {
        assert_eq!(ClientFrame::parse(bad), Err(RelayFrameError::Malformed), "{bad}");
    }
    // Deeply nested input must not overflow the stack.
    let deep = format!(r#"{{"type":"ping","timestamp":{}"#, "[".repeat(100_000));
    assert_eq!(ClientFrame::parse(&deep), Err(RelayFrameError::Malformed));
    let long = " ".repeat(MAX_RELAY_FRAME + 1);
    assert_eq!(
        ServerFrame::parse(&long),
        Err(RelayFrameError::TooLong { limit: MAX_RELAY_FRAME, actual: MAX_RELAY_FRAME + 1 })
    );
}

proptest! {
    #[test]
    fn parsing_never_panics(text in ".{0,300}") {
        let _ = ClientFrame::parse(&text);
        let _ = ServerFrame::parse(&text);
    }

    #[test]
    fn parsing_json_like_text_never_panics(
        kind in prop::sample::select(vec!["connect", "send", "receive", "ack", "error", "connected", "ping"]),
        field in "[a-z_]{0,20}",
        value in prop::sample::select(vec!["null", "1", "-1", "1e400", "\"x\"", "[]", "{}", "[[[]]]"]),
    ) {
        let text = format!(r#"{{"type":"{kind}","{field}":{value}}}"#);
        let _ = ClientFrame::parse(&text);
        let _ = ServerFrame::parse(&text);
    }

    #[test]
    fn messages_survive_a_round_trip(to in ".{0,40}", payload in ".{0,200}", kind in "[a-z]{0,9}", bytes: Option<[u8; 16]>) {
        let frame = ClientFrame::Send(SendFrame {
            to,
            encrypted_payload: payload,
            message_type: RelayMessageType::from(kind.as_str()),
            ice_candidates: None,
            message_id: bytes.map(RelayMessageId::from_bytes),
        });
        prop_assert_eq!(ClientFrame::parse(&frame.to_json()), Ok(frame));
    }
}
