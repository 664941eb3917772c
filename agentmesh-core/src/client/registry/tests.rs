//! Against registries in a few lines: one that answers like those deployed, and ones that lie.

use std::sync::Mutex;

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::{
    client::{
        backoff::BackoffConfig,
        http::HttpConfig,
        platform::{Task, spawn},
        proxy::ProxyConfig,
    },
    error::ErrorInfo,
    keys::Signature,
    prekeys::{BundleError, KnownPeer, PreKeys, Stock},
    test_utils::seeded_rng,
    time::DAY,
    wire::registry::Tier,
};

const NOW: Timestamp = Timestamp::from_millis(1_770_206_400_123);

/// A request as the stub saw it.
#[derive(Debug, Clone)]
struct Seen {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Every request is signed as a whole.
    fn verify(&self, identity: &Identity) -> [u8; 16] {
        let auth = RequestAuth::parse(self.header(REQUEST_AUTH_HEADER)).unwrap();
        let Self { method, target, body, .. } = self;
        auth.verify(&SignedRequest { method, host: self.header("host"), target, body }, NOW)
            .unwrap();
        assert_eq!(auth.key(), identity.signing_key());
        *auth.nonce()
    }
}

type Answer = (u16, String);

struct Stub {
    base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    _task: Task<()>,
}

/// Answers every request with what `answer` says; a `Date` header goes with it if given.
async fn stub(
    date: &'static str,
    mut answer: impl FnMut(&Seen) -> Answer + Send + 'static,
) -> Stub {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1/", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let task = spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let (line, rest) = head.split_once("\r\n").unwrap();
            let mut words = line.split(' ').map(str::to_owned);
            let headers: Vec<_> = rest
                .lines()
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            let mut request = Seen {
                method: words.next().unwrap(),
                target: words.next().unwrap(),
                headers,
                body: Vec::new(),
            };
            request.body.resize(request.header("content-length").parse().unwrap_or(0), 0);
            socket.read_exact(&mut request.body).await.unwrap();
            let (status, body) = answer(&request);
            log.lock().unwrap().push(request);
            let text = format!(
                "HTTP/1.1 {status} X\r\n{date}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            socket.write_all(text.as_bytes()).await.unwrap();
        }
    });
    Stub { base, seen, _task: task }
}

impl Stub {
    fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    fn client(&self, identity: &Arc<Identity>) -> RegistryClient {
        let http = HttpClient::new(HttpConfig {
            backoff: BackoffConfig {
                base: std::time::Duration::from_millis(1),
                max: std::time::Duration::from_millis(5),
            },
            proxies: ProxyConfig::none(),
            ..HttpConfig::default()
        })
        .unwrap();
        let clock = Clock::starting_at(NOW);
        RegistryClient::new(&self.base, identity.clone(), http, clock).unwrap()
    }
}

fn identity(seed: u64) -> Arc<Identity> {
    Arc::new(Identity::generate(NOW, &mut seeded_rng(seed)))
}

fn b64(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// An entry as deployed registries write it.
fn entry(agent: &Identity) -> Value {
    json!({
        "amid": agent.amid().to_string(), "tier": "anonymous", "display_name": null, "organization": null,
        "signing_public_key": format!("ed25519:{}", b64(agent.signing_key().as_bytes())),
        "exchange_public_key": format!("x25519:{}", b64(agent.exchange_key().as_bytes())),
        "capabilities": ["a/b"], "relay_endpoint": "wss://relay.example", "direct_endpoint": null,
        "status": "offline", "reputation_score": 0.5, "last_seen": "2026-02-04T12:00:00.123456789Z",
    })
}

fn not_found() -> Answer {
    (404, json!({"error": "Agent not found"}).to_string())
}

#[tokio::test]
async fn registering_sends_what_0_2_verifies_and_asks_for_the_result() {
    let agent = identity(1);
    let shown = entry(&agent).to_string();
    let amid = agent.amid().to_string();
    let server = stub("", move |request| match request.method.as_str() {
        "POST" => (
            201,
            json!({"success": true, "amid": amid, "tier": "anonymous", "certificate": "c"})
                .to_string(),
        ),
        _ => (200, shown.clone()),
    })
    .await;
    let registration = Registration {
        display_name: Some("Ann".into()),
        capabilities: vec!["a/b".into()],
        ..Registration::default()
    };
    let registered = server.client(&agent).register(&registration).await.unwrap();
    assert!(registered.newly);
    assert_eq!((registered.tier, registered.certificate.as_deref()), (Tier::Anonymous, Some("c")));
    assert_eq!(registered.listing.last_seen, Some(NOW));

    let seen = server.seen();
    let [post, get] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!(
        (post.target.as_str(), post.header("content-type")),
        ("/v1/registry/register", "application/json")
    );
    assert_eq!(get.target, format!("/v1/registry/lookup?amid={}", agent.amid()));
    assert_ne!(post.verify(&agent), get.verify(&agent), "no nonce twice");
    let body = post.json();
    assert_eq!(body["signing_public_key"], entry(&agent)["signing_public_key"]);
    assert_eq!(body["exchange_public_key"], entry(&agent)["exchange_public_key"]);
    assert_eq!(body.get("direct_endpoint"), None);
    let timestamp = body["timestamp"].as_str().unwrap();
    assert!(timestamp.ends_with("+00:00"), "{timestamp}");
    let signature = Base64::decode_vec(body["signature"].as_str().unwrap()).unwrap();
    let signature = Signature::from_slice(&signature).unwrap();
    agent.signing_key().verify(timestamp.as_bytes(), &signature).unwrap();
}

#[tokio::test]
async fn registered_before_is_a_success_only_with_our_own_keys() {
    let (agent, other) = (identity(1), identity(2));
    let mut foreign_exchange = entry(&agent);
    foreign_exchange["exchange_public_key"] = entry(&other)["exchange_public_key"].clone();
    let mut foreign_signing = entry(&agent);
    foreign_signing["signing_public_key"] = entry(&other)["signing_public_key"].clone();
    let amid = agent.amid();
    let cases = [
        (entry(&agent), None),
        (foreign_exchange, Some(AnswerError::OtherExchangeKey)),
        (foreign_signing, Some(AnswerError::KeySwapped { amid })),
        (entry(&other), Some(AnswerError::KeySwapped { amid })),
    ];
    for (shown, expected) in cases {
        let server = stub("", move |request| match request.method.as_str() {
            "POST" => (409, json!({"success": false, "amid": "x", "tier": "anonymous", "error": "Agent already registered"}).to_string()),
            _ => (200, shown.to_string()),
        })
        .await;
        let result = server.client(&agent).register(&Registration::default()).await;
        match expected {
            None => assert!(!result.unwrap().newly),
            Some(error) => assert_eq!(result.unwrap_err(), error.into()),
        }
    }
}

#[tokio::test]
async fn lookups_take_every_spelling_and_check_the_key() {
    let (agent, other) = (identity(1), identity(2));
    let camel = json!({
        "amid": agent.amid().to_string(), "signingPublicKey": b64(agent.signing_key().as_bytes()),
        "exchangePublicKey": b64(agent.exchange_key().as_bytes()), "lastSeen": "2026-02-04T12:00:00Z", "more": [1],
    });
    let server = stub("", move |_| (200, camel.to_string())).await;
    let client = server.client(&agent);
    let listing = client.lookup(&agent.amid()).await.unwrap();
    assert_eq!(listing.signing_key, *agent.signing_key());
    assert_eq!(listing.exchange_key, *agent.exchange_key());
    let swapped = client.lookup(&other.amid()).await.unwrap_err();
    assert_eq!(swapped, AnswerError::KeySwapped { amid: other.amid() }.into());

    let mut wrong_prefix = entry(&agent);
    wrong_prefix["exchange_public_key"] = entry(&agent)["signing_public_key"].clone();
    let server = stub("", move |_| (200, wrong_prefix.to_string())).await;
    let error = server.client(&agent).lookup(&agent.amid()).await.unwrap_err();
    assert_eq!(error, AnswerError::UnreadableField { field: "exchange_public_key" }.into());

    let server = stub("", |_| not_found()).await;
    let error = server.client(&agent).lookup(&other.amid()).await.unwrap_err();
    assert_eq!(error, AnswerError::AgentNotFound { amid: other.amid() }.into());
    let server = stub("", |_| (404, String::new())).await;
    let error = server.client(&agent).lookup(&other.amid()).await.unwrap_err();
    assert_eq!(error.code(), "HTTP_NOT_FOUND", "an empty 404 is no registry's word about an agent");
}

#[tokio::test]
async fn search_translates_tiers_and_leaves_out_what_is_forged() {
    let agent = identity(1);
    let mut organization = entry(&identity(2));
    organization["tier"] = "organization".into();
    let mut forged = entry(&identity(3));
    forged["signing_public_key"] = entry(&agent)["signing_public_key"].clone();
    let results = json!({"results": [entry(&agent), organization, forged], "total": 9, "limit": 3, "offset": 4});
    let server = stub("", move |_| (200, results.to_string())).await;
    let search = AgentSearch {
        capability: Some("a/b c&d".into()),
        min_tier: Some(Tier::Organization),
        min_reputation: Some(0.25),
        status: Some(PresenceStatus::Online),
        limit: Some(100_000),
        offset: Some(4),
        include_revoked: false,
    };
    let page = server.client(&agent).search(&search).await.unwrap();
    assert_eq!(page.agents.iter().map(|a| a.amid).collect::<Vec<_>>(), [identity(2).amid()]);
    assert_eq!((page.total, page.next_offset, page.rejected), (9, Some(7), 1));
    let request = server.seen().remove(0);
    assert_eq!(
        request.target,
        "/v1/registry/search?capability=a%2Fb+c%26d&tier_min=1&reputation_min=0.25&status=online&limit=500&offset=4"
    );
    request.verify(&agent);
}

#[tokio::test]
async fn each_try_carries_a_signature_of_its_own() {
    let agent = identity(1);
    let mut tries = 0;
    let server = stub("", move |_| {
        tries += 1;
        if tries < 3 {
            (503, r#"{"error":"Service is starting up","status":"starting"}"#.into())
        } else {
            (200, r#"{"success":true}"#.into())
        }
    })
    .await;
    server.client(&agent).set_status(&PresenceStatus::Online).await.unwrap();
    let seen = server.seen();
    let nonces: std::collections::HashSet<_> = seen.iter().map(|r| r.verify(&agent)).collect();
    let timestamps: std::collections::HashSet<_> =
        seen.iter().map(|r| r.json()["timestamp"].to_string()).collect();
    assert_eq!((seen.len(), nonces.len(), timestamps.len()), (3, 3, 3));
}

#[tokio::test]
async fn changes_that_were_not_made_are_errors() {
    let agent = identity(1);
    let server = stub("", |_| (200, r#"{"success":false}"#.into())).await;
    let error = server.client(&agent).set_capabilities(&["x".into()]).await.unwrap_err();
    assert_eq!(error, AnswerError::NotAccepted { what: "set capabilities" }.into());
    assert_eq!(server.seen().remove(0).json()["capabilities"], json!(["x"]));

    let server = stub("", |_| (200, "<html>".into())).await;
    let error = server.client(&agent).health().await.unwrap_err();
    assert_eq!(error, HttpError::Unreadable { what: "health" }.into());
}

#[tokio::test]
async fn a_refused_signature_from_another_time_is_blamed_on_the_clock() {
    let agent = identity(1);
    let refuse = |_: &Seen| (401, r#"{"error":"Invalid signature"}"#.to_owned());
    let server = stub("date: Wed, 04 Feb 1998 12:00:00 GMT\r\n", refuse).await;
    let error = server.client(&agent).set_status(&PresenceStatus::Online).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Answer(AnswerError::ClockSkew { seconds }) if seconds < -800_000_000)
    );
    let server = stub("", refuse).await;
    let error = server.client(&agent).set_status(&PresenceStatus::Online).await.unwrap_err();
    assert_eq!(error, HttpError::Unauthorized { message: "Invalid signature".into() }.into());
}

#[tokio::test]
async fn prekeys_are_uploaded_for_both_protocols() {
    let agent = identity(1);
    let publication = PreKeys::generate(&agent, NOW, &mut seeded_rng(9)).publication(&agent);
    let deployed = r#"{"success":true,"signed_prekey_id":1,"one_time_prekeys_stored":100}"#;
    let server = stub("", move |_| (200, deployed.into())).await;
    let upload = server.client(&agent).upload_prekeys(&publication).await.unwrap();
    assert_eq!(upload, Upload::LegacyOnly);
    let body = server.seen().remove(0).json();
    assert_eq!(body["signed_prekey"], b64(publication.signed_prekey.as_bytes()));
    assert_eq!(body["one_time_prekeys"].as_array().unwrap().len(), 100);
    assert_eq!(
        body["one_time_prekeys"][0],
        json!({"id": 1, "key": b64(&publication.one_time[0].key)})
    );
    assert_eq!(body["native"]["bundle"], b64(&publication.bundle));
    assert_eq!(body["native"]["opks"].as_array().unwrap().len(), 100);
    assert_eq!(body["native"]["kopks"].as_array().unwrap().len(), 20);

    let ours = r#"{"success":true,"native":{"opks":99,"kopks":20}}"#;
    let server = stub("", move |_| (200, ours.into())).await;
    let upload = server.client(&agent).upload_prekeys(&publication).await.unwrap();
    assert_eq!(upload, Upload::Native { stock: Stock { one_time: 99, one_time_kem: 20 } });
}

#[tokio::test]
async fn bundles_are_verified_and_lies_have_names() {
    let (agent, peer) = (identity(1), identity(2));
    let publication = PreKeys::generate(&peer, NOW, &mut seeded_rng(9)).publication(&peer);
    let one_time = |key: &crate::prekeys::SignedOneTime| json!({"id": key.id, "key": b64(&key.key), "signature": b64(key.signature.as_bytes())});
    let outer = json!({
        "identity_key": "x25519:whatever", "signed_prekey": "", "signed_prekey_signature": "", "signed_prekey_id": 1,
        "native": {
            "bundle": b64(&publication.bundle),
            "opk": one_time(&publication.one_time[0]),
            "kopk": one_time(&publication.one_time_kem[0]),
        }
    });
    let mut forged_opk = outer.clone();
    forged_opk["native"]["opk"]["id"] = 7.into();
    let mut stripped = outer.clone();
    stripped.as_object_mut().unwrap().remove("native");
    let mut garbled = outer.clone();
    garbled["native"]["bundle"] = "!".into();

    let ask = |answer: Value, newest_seen: Timestamp, who: Amid| {
        let agent = agent.clone();
        async move {
            let server = stub("", move |_| (200, answer.to_string())).await;
            let peer = KnownPeer { newest_bundle: newest_seen, ..KnownPeer::first_contact(who) };
            let bundle = server.client(&agent).fetch_bundle(&peer).await;
            let request = server.seen().remove(0);
            assert_eq!(request.target, format!("/v1/registry/prekeys/{who}"));
            request.verify(&agent);
            bundle
        }
    };
    let bundle = ask(outer.clone(), Timestamp::ZERO, peer.amid()).await.unwrap();
    assert_eq!(bundle.identity(), peer.signing_key());
    assert_eq!(bundle.one_time().map(|(id, _)| id), Some(1));
    assert_eq!(bundle.one_time_kem().map(|(id, _)| id), Some(1));
    let bundle = ask(forged_opk, Timestamp::ZERO, peer.amid()).await.unwrap();
    assert_eq!(bundle.one_time(), None, "a forged one-time key is as good as none");

    let error = ask(outer.clone(), Timestamp::ZERO, agent.amid()).await.unwrap_err();
    assert_eq!(error, BundleError::AmidMismatch.into());
    let error = ask(outer, NOW.plus_millis(DAY), peer.amid()).await.unwrap_err();
    assert_eq!(error.code(), "BUNDLE_STALE");
    let error = ask(stripped, Timestamp::ZERO, peer.amid()).await.unwrap_err();
    assert_eq!(error, AnswerError::NativeBundleUnavailable { amid: peer.amid() }.into());
    let error = ask(garbled, Timestamp::ZERO, peer.amid()).await.unwrap_err();
    assert_eq!(error, AnswerError::UnreadableField { field: "native.bundle" }.into());
}

#[tokio::test]
async fn no_prekeys_and_no_agent_are_told_apart() {
    let (agent, peer) = (identity(1), identity(2));
    let amid = peer.amid();
    for (shown, expected) in [
        (Some(entry(&peer)), AnswerError::NativeBundleUnavailable { amid }),
        (None, AnswerError::AgentNotFound { amid }),
    ] {
        let server = stub("", move |request| match &shown {
            Some(entry) if request.target.contains("lookup") => (200, entry.to_string()),
            _ => not_found(),
        })
        .await;
        let error =
            server.client(&agent).fetch_bundle(&KnownPeer::first_contact(amid)).await.unwrap_err();
        assert_eq!(error, expected.into());
    }
}

#[test]
fn addresses_are_normalised_and_checked() {
    let new = |base: &str| {
        let http = HttpClient::new(HttpConfig::default()).unwrap();
        RegistryClient::new(base, identity(1), http, Clock::system())
    };
    for base in ["https://r.example/v1", "https://r.example/v1/", "https://r.example/v1///?x=1#y"] {
        assert_eq!(
            new(base).unwrap().url("registry/lookup").unwrap().as_str(),
            "https://r.example/v1/registry/lookup"
        );
    }
    for bad in ["", "r.example", "ws://r.example", "https://user@r.example", "file:///v1"] {
        assert_eq!(new(bad).unwrap_err().code(), "HTTP_INVALID_URL", "{bad}");
    }
}

#[cfg(feature = "trust")]
#[tokio::test]
async fn certificates_and_roots_are_not_taken_over_an_open_connection() {
    let agent = identity(1);
    let server = stub("", |_| not_found()).await;
    let mut client = server.client(&agent);
    assert!(client.is_private(), "this machine is");
    client.base = Url::parse("http://registry.example/v1/").unwrap();
    assert!(!client.is_private());
    let error = client.root_certificate().await.unwrap_err();
    assert_eq!(error, AnswerError::NotPrivate.into());
    let roots = crate::trust::TrustRoots::default();
    let error = client.certificate(&agent.amid(), &roots).await.unwrap_err();
    assert_eq!(error.code(), "REGISTRY_NOT_PRIVATE");
    assert!(server.seen().is_empty(), "nobody was asked");
}
