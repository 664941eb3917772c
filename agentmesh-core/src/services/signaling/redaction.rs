//! What the types of this service print: no token, no join key, no TURN credential, no session description.

use serde_json::json;

use super::{
    Author, Candidate, Description, DescriptionKind, Payload, PeerAction, PeerId, PeerInput,
    RoomName, SecretText, SessionCredentials, Signal, SignalingClient, SignalingEvent,
    normalize_ice_servers,
};
use crate::{client::http::HttpConfig, client::proxy::ProxyConfig, redaction::Shown};

const SECRET: &str = "open-sesame";

#[tokio::test]
async fn signaling_types_print_redacted() {
    let mut shown = Shown::default();
    let secret = SecretText::new(SECRET);
    shown.add("SecretText", &secret);
    shown.add("RoomName", &RoomName::parse(SECRET).unwrap());
    let session =
        SessionCredentials { id: "a".into(), token: secret.duplicate(), header_auth: false };
    shown.add("SessionCredentials", &session);
    let servers = normalize_ice_servers(
        &json!([{"urls": "turn:t.example", "username": "u", "credential": SECRET}]),
    );
    shown.add("IceServer", &servers[0]);
    let id = PeerId::from("a");
    shown.add("SignalingEvent", &SignalingEvent::Joined { id: id.clone(), ice_servers: servers });
    let value = json!({"message": SECRET});
    shown.add("Signal", &Signal { sender: id, value, author: Author::Unsigned });
    let description = Description { kind: DescriptionKind::Offer, sdp: SECRET.into() };
    shown.add("Description", &description);
    let payload = Payload {
        description: Some(description),
        candidate: Some(Candidate::new(SECRET)),
        ..Payload::default()
    };
    shown.add("PeerAction", &PeerAction::Send(payload.clone()));
    shown.add("PeerInput", &PeerInput::Received(payload));
    let http = HttpConfig { proxies: ProxyConfig::none(), ..HttpConfig::default() };
    let builder = SignalingClient::builder("http://127.0.0.1:1", SECRET)
        .join_key(secret)
        .resume(session)
        .http(http);
    shown.add("SignalingBuilder", &builder);
    let client = builder.start().unwrap();
    shown.add("SignalingClient", &client);
    shown.add("Transport", &client.0.transport);
    let text = shown.without(&[SECRET.as_bytes(), SECRET.to_uppercase().as_bytes()]);
    assert!(text.contains("SecretText: SecretText([redacted])"), "{text}");
}
