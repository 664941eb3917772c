//! What agents sign for registries and relays, and binary relay frames.

use agentmesh_core::{
    Timestamp,
    wire::{
        registry_auth::{RequestAuth, RequestAuthError, SignedRequest},
        relay_auth::ConnectAuth,
        relay_binary::{BinaryFrame, BinaryMessageType},
        relay_id::RelayMessageId,
    },
};
use serde_json::{Value, json};

use super::{
    Topic,
    agents::Agent,
    support::{NOW, Recorder, hex},
};

const REQUESTS: [(&str, &str, &str, &[u8]); 4] = [
    ("GET", "agentmesh.online", "/v1/registry/prekeys/3St4C9uWg9FbmtkUxQGfV88iEJyn", b""),
    ("GET", "127.0.0.1:18787", "/v1/registry/search?capability=a%20b&limit=1", b""),
    ("POST", "Agentmesh.Online", "/v1/registry/status", br#"{"status":"online"}"#),
    ("POST", "[::1]:8080", "/v1/registry/prekeys", "{\"note\":\"wörld\"}".as_bytes()),
];

pub(crate) fn request() -> Topic {
    let agent = Agent::new(300);
    let identity = agent.identity();
    let vectors = REQUESTS
        .iter()
        .enumerate()
        .map(|(i, &(method, host, target, body))| {
            let mut rng = Recorder::new(301 + i as u64);
            let request = SignedRequest { method, host, target, body };
            let auth = RequestAuth::sign(&identity, &request, NOW, &mut rng);
            let now = NOW.plus_millis(i as u64 * 100_000);
            let header = auth.to_header();
            assert_eq!(RequestAuth::parse(&header).unwrap().verify(&request, now), Ok(()));
            json!({
                "name": format!("{method} {host}{target}"),
                "seed": hex(agent.seed),
                "method": method,
                "host": host,
                "target": target,
                "time": NOW.as_millis(),
                "nonce": hex(auth.nonce()),
                "body": hex(body),
                "header": header,
                "now": now.as_millis(),
            })
        })
        .collect();
    Topic {
        name: "registry-request",
        spec: "native.md §3.3",
        vectors,
        refusals: request_refusals(&agent),
    }
}

fn request_refusals(agent: &Agent) -> Vec<Value> {
    let (method, host, target, body) = REQUESTS[2];
    let good = SignedRequest { method, host, target, body };
    let auth = RequestAuth::sign(&agent.identity(), &good, NOW, &mut Recorder::new(310));
    let header = auth.to_header();
    let other = Agent::new(311).identity().amid().to_string();
    let swapped = header.replacen(&agent.identity().amid().to_string(), &other, 1);
    let case =
        |name: &str, reason: &str, header: &str, request: SignedRequest<'_>, now: Timestamp| {
            let refused = RequestAuth::parse(header).and_then(|auth| auth.verify(&request, now));
            let wanted = match reason {
                "amid-mismatch" => RequestAuthError::AmidMismatch,
                "out-of-window" => RequestAuthError::OutOfWindow,
                "signature" => RequestAuthError::BadSignature,
                _ => RequestAuthError::Malformed,
            };
            assert_eq!(refused, Err(wanted), "{name}");
            let SignedRequest { method, host, target, body } = request;
            json!({
                "name": name,
                "reason": reason,
                "header": header,
                "method": method,
                "host": host,
                "target": target,
                "body": hex(body),
                "now": now.as_millis(),
            })
        };
    let late = NOW.plus_millis(300_001);
    let early = NOW.minus_millis(60_001);
    vec![
        case("another method", "signature", &header, SignedRequest { method: "PUT", ..good }, NOW),
        case(
            "another host",
            "signature",
            &header,
            SignedRequest { host: "evil.example", ..good },
            NOW,
        ),
        case(
            "another path",
            "signature",
            &header,
            SignedRequest { target: "/v1/registry/revoke", ..good },
            NOW,
        ),
        case("another body", "signature", &header, SignedRequest { body: b"{}", ..good }, NOW),
        case("too old", "out-of-window", &header, good, late),
        case("from the future", "out-of-window", &header, good, early),
        case("another AMID", "amid-mismatch", &swapped, good, NOW),
        case("another version", "malformed", &header.replacen("v1", "v2", 1), good, NOW),
        case("two spaces", "malformed", &header.replacen(' ', "  ", 1), good, NOW),
        case("a field too many", "malformed", &format!("{header} x"), good, NOW),
        case("a signed time", "malformed", &header.replacen(" 17702", " +17702", 1), good, NOW),
    ]
}

pub(crate) fn connect() -> Topic {
    let agent = Agent::new(320);
    let identity = agent.identity();
    let cases = [
        ("relay.agentmesh.online", "2026-02-04T12:00:00.123+00:00"),
        ("Localhost:18787", "2026-02-04T12:00:00.001Z"),
    ];
    let vectors = cases
        .iter()
        .enumerate()
        .map(|(i, (host, timestamp))| {
            let mut rng = Recorder::new(321 + i as u64);
            let auth = ConnectAuth::sign(&identity, host, timestamp, &mut rng);
            let field = auth.to_field();
            let parsed = ConnectAuth::parse(&field).unwrap();
            assert!(parsed.verify(identity.signing_key(), host, timestamp).is_ok());
            json!({
                "name": host,
                "seed": hex(agent.seed),
                "host": host,
                "timestamp": timestamp,
                "nonce": hex(auth.nonce()),
                "auth": field,
            })
        })
        .collect();
    let (host, timestamp) = cases[0];
    let auth = ConnectAuth::sign(&identity, host, timestamp, &mut Recorder::new(330));
    let other = Agent::new(331).identity();
    let case =
        |name: &str, identity: &agentmesh_core::identity::Identity, host: &str, timestamp: &str| {
            assert!(auth.verify(identity.signing_key(), host, timestamp).is_err());
            json!({
                "name": name,
                "reason": "signature",
                "public": hex(identity.signing_key().as_bytes()),
                "host": host,
                "timestamp": timestamp,
                "auth": auth.to_field(),
            })
        };
    let refusals = vec![
        case("another relay", &identity, "evil.example", timestamp),
        case("another timestamp", &identity, host, cases[1].1),
        case("another agent", &other, host, timestamp),
    ];
    Topic { name: "relay-connect", spec: "native.md §8", vectors, refusals }
}

pub(crate) fn binary() -> Topic {
    let peer = Agent::new(340).identity().amid().to_string();
    let mut rng = Recorder::new(341);
    let mut id = || RelayMessageId::from_bytes(rng.bytes());
    let (send, receive, ack) = (id(), id(), id());
    let frame = [3, 2, 0xff];
    let vector = |name: &str, made: BinaryFrame<'_>, fields: Value| {
        let bytes = made.encode();
        assert_eq!(BinaryFrame::parse(&bytes), Ok(made));
        let mut vector = fields;
        vector["name"] = name.into();
        vector["peer"] = peer.clone().into();
        vector["bytes"] = hex(bytes).into();
        vector
    };
    let vectors = vec![
        vector(
            "send",
            BinaryFrame::Send {
                to: &peer,
                id: send,
                message_type: BinaryMessageType::Knock,
                frame: &frame,
            },
            json!({"kind": 1, "message_id": hex(send.as_bytes()), "mtype": 0, "time": null, "frame": hex(frame)}),
        ),
        vector(
            "receive",
            BinaryFrame::Receive {
                from: &peer,
                id: receive,
                message_type: BinaryMessageType::Message,
                time: NOW,
                frame: &frame,
            },
            json!({
                "kind": 2,
                "message_id": hex(receive.as_bytes()),
                "mtype": 1,
                "time": NOW.as_millis(),
                "frame": hex(frame),
            }),
        ),
        vector(
            "ack",
            BinaryFrame::Ack { peer: &peer, id: ack },
            json!({"kind": 3, "message_id": hex(ack.as_bytes()), "mtype": null, "time": null, "frame": ""}),
        ),
    ];
    Topic { name: "relay-binary", spec: "native.md §8", vectors, refusals: Vec::new() }
}
