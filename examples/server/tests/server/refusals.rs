//! Each way in which the registry says no, with the code that it gives: what `docs/protocol/registry.md` §4 promises.

use agentmesh_core::{
    identity::Identity,
    time::DAY,
    wire::{
        registry::{
            OrgRole::{Admin, Agent},
            OrgStatement,
        },
        relay_error::RelayErrorCode,
    },
};
use agentmesh_server::{OAuthProvider, Server, ServerConfig};
use base64ct::{Base64, Encoding};
use serde_json::{Value, json};

use crate::support::*;

/// A plain signed body whose signer is named by `who`.
fn signed_as(identity: &Identity, who: &str, mut fields: Value) -> Value {
    let (timestamp, signature) = identity.sign_timestamp(now());
    fields[who] = identity.amid().to_string().into();
    fields["timestamp"] = timestamp.into();
    fields["signature"] = signature.into();
    fields
}

async fn refused(server: &Server, path: &str, body: &Value) -> (u16, String) {
    let (status, answer) = post(server, path, body).await;
    (status, answer["code"].as_str().unwrap_or_else(|| panic!("{path}: {answer}")).to_owned())
}

fn no(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

async fn not_found(server: &Server, path: &str) -> String {
    let (status, answer) = get(server, path).await;
    assert_eq!(status, 404, "{path}: {answer}");
    answer["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_not_there_is_not_found_by_name() {
    let server = start().await;
    let (alice, stranger) = (identity(), identity());
    register(&server, &alice, &[]).await;
    let nobody = stranger.amid();
    for (path, code) in [
        (format!("/registry/lookup?amid={nobody}"), "AGENT_NOT_FOUND"),
        (format!("/registry/reputation/score?amid={nobody}"), "AGENT_NOT_FOUND"),
        (format!("/registry/did/{nobody}"), "DID_NOT_FOUND"),
        ("/registry/did/no-amid-at-all".into(), "DID_NOT_FOUND"),
        (format!("/registry/prekeys/{nobody}"), "PREKEYS_NOT_FOUND"),
        (format!("/registry/prekeys/{}", alice.amid()), "PREKEYS_NOT_FOUND"),
        ("/org/lookup?domain=example.org".into(), "ORGANIZATION_NOT_FOUND"),
        ("/org/lookup?domain=no domain".into(), "ORGANIZATION_NOT_FOUND"),
    ] {
        assert_eq!(not_found(&server, &path).await, code, "{path}");
    }
    let revoke = json!({"amid": nobody, "reason": "other"});
    let body = signed_as(&alice, "revoker_amid", revoke);
    assert_eq!(refused(&server, "/registry/revoke", &body).await, no(404, "AGENT_NOT_FOUND"));
    let body = signed_as(&alice, "admin_amid", json!({"organization_id": "none"}));
    assert_eq!(refused(&server, "/org/verify", &body).await, no(404, "ORGANIZATION_NOT_FOUND"));
    let (status, answer) = get_signed(&server, &alice, "/auth/oauth/status?state=none").await;
    assert_eq!((status, &answer["code"]), (404, &json!("ATTEMPT_NOT_FOUND")));
    let (status, answer) = get(&server, "/auth/oauth/status?state=none").await;
    assert_eq!((status, &answer["code"]), (401, &json!("SIGNED_REQUEST_REQUIRED")));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let server = start().await;
    let (alice, bob) = (identity(), identity());
    register(&server, &alice, &[]).await;
    register(&server, &bob, &[]).await;
    let long = "x".repeat(3000);
    let rating = |change: &dyn Fn(&mut Value)| {
        let mut fields = json!({"target_amid": bob.amid(), "session_id": "s", "score": 0.5});
        change(&mut fields);
        signed_as(&alice, "from_amid", fields)
    };
    let claim = |name: &str, domain: &str| {
        let fields =
            json!({"name": name, "domain": domain, "admin_signing_public_key": key(&alice)});
        signed_as(&alice, "admin_amid", fields)
    };
    let many: Vec<_> = (0..257).map(|n| n.to_string()).collect();
    let amids = vec![alice.amid().to_string(); 101];
    let report = |initiator: &Identity, receiver: &Identity| {
        let fields = json!({
            "session_id": "s", "initiator_amid": initiator.amid(), "receiver_amid": receiver.amid(),
            "intent": "chat", "outcome": "success", "started_at": "2026-02-04T12:00:00Z",
        });
        signed_as(&alice, "reporter_amid", fields)
    };
    let revoke = json!({"amid": alice.amid(), "reason": "other", "notes": long});
    let provider = json!({"provider": "nobody"});
    let cases = [
        ("/registry/reputation", rating(&|f| f["score"] = json!(1.01)), "SCORE_OUT_OF_RANGE"),
        ("/registry/reputation", rating(&|f| f["tags"] = json!(["handsome"])), "UNKNOWN_TAG"),
        ("/registry/reputation", rating(&|f| f["session_id"] = json!("")), "SESSION_MISSING"),
        ("/registry/reputation", rating(&|f| f["session_id"] = json!(long)), "FIELD_TOO_LONG"),
        (
            "/registry/reputation",
            rating(&|f| f["target_amid"] = json!(alice.amid())),
            "SELF_RATING",
        ),
        ("/org/register", claim(" \t", "example.org"), "INVALID_NAME"),
        ("/org/register", claim("A\nB", "example.org"), "INVALID_NAME"),
        ("/org/register", claim(&long, "example.org"), "FIELD_TOO_LONG"),
        ("/org/register", claim("Example", "10.0.0.1"), "INVALID_DOMAIN"),
        (
            "/registry/capabilities",
            signed(&alice, json!({"capabilities": many})),
            "TOO_MANY_CAPABILITIES",
        ),
        (
            "/registry/capabilities",
            signed(&alice, json!({"capabilities": [long]})),
            "FIELD_TOO_LONG",
        ),
        ("/registry/revocations/bulk", json!({"amids": amids}), "TOO_MANY_AGENTS"),
        ("/registry/revoke", signed_as(&alice, "revoker_amid", revoke), "FIELD_TOO_LONG"),
        ("/auth/oauth/authorize", signed(&alice, provider), "UNKNOWN_PROVIDER"),
    ];
    for (path, body, code) in cases {
        assert_eq!(refused(&server, path, &body).await, no(400, code), "{path}: {body}");
    }
    for (initiator, receiver) in [(&bob, &bob), (&alice, &alice)] {
        let body = report(initiator, receiver);
        let answer = refused(&server, "/registry/reputation/session", &body).await;
        assert_eq!(answer, no(403, "NOT_A_PARTICIPANT"));
    }
    // A name longer than any AMID is malformed, not "not revoked".
    let (status, _) = get(&server, &format!("/registry/revocation?amid={long}")).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn too_many_keys_at_once_are_refused() {
    let server = start().await;
    let alice = identity();
    register(&server, &alice, &[]).await;
    let keys: Vec<_> = (1..=501).map(|id| json!({"id": id, "key": key(&alice)})).collect();
    let body = signed(
        &alice,
        json!({
            "signed_prekey": key(&alice), "signed_prekey_signature": "", "signed_prekey_id": 1,
            "one_time_prekeys": keys,
        }),
    );
    assert_eq!(refused(&server, "/registry/prekeys", &body).await, no(400, "TOO_MANY_KEYS"));
}

#[tokio::test]
async fn proofs_out_of_their_time_or_for_another_host_are_refused_by_name() {
    let server = start().await;
    let alice = identity();
    register(&server, &alice, &[]).await;
    let old = "2020-01-01T00:00:00.123+00:00";
    let signature = Base64::encode_string(alice.sign(old.as_bytes()).unwrap().as_bytes());
    let body =
        json!({"amid": alice.amid(), "status": "online", "timestamp": old, "signature": signature});
    let answer = refused(&server, "/registry/status", &body).await;
    assert_eq!(answer, no(401, "TIMESTAMP_OUT_OF_WINDOW"));

    let server = start_with(|config| config.public_hosts = vec!["registry.example".into()]).await;
    register(&server, &alice, &[]).await;
    let body = signed(&alice, json!({"status": "online"}));
    let (status, answer) = post_signed(&server, &alice, "/registry/status", &body).await;
    assert_eq!((status, &answer["code"]), (401, &json!("FOREIGN_HOST")));
}

#[tokio::test]
async fn organizations_refuse_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let server = start_with(|config| config.data_dir = Some(dir.path().into())).await;
    let (admin, alice, mallory) = (identity(), identity(), identity());
    for agent in [&admin, &alice, &mallory] {
        register(&server, agent, &[]).await;
    }
    let claim = |domain: &str| {
        let fields =
            json!({"name": "E", "domain": domain, "admin_signing_public_key": key(&admin)});
        signed_as(&admin, "admin_amid", fields)
    };
    let (_, new) = post(&server, "/org/register", &claim("0.example.org")).await;
    let id = new["organization_id"].as_str().unwrap().to_owned();
    let body = signed_as(&mallory, "admin_amid", json!({"organization_id": id}));
    assert_eq!(refused(&server, "/org/verify", &body).await, no(401, "NOT_ADMIN"));
    for n in 1..10 {
        assert_eq!(
            post(&server, "/org/register", &claim(&format!("{n}.example.org"))).await.0,
            201
        );
    }
    let answer = refused(&server, "/org/register", &claim("10.example.org")).await;
    assert_eq!(answer, no(429, "TOO_MANY_CLAIMS"));
    let join = |timestamp: &str| consented(&id, &admin, &alice, timestamp);
    let old = now().minus_millis(2 * DAY).to_rfc3339_signing();
    let answer = refused(&server, "/org/agents", &join(&old)).await;
    assert_eq!(answer, no(401, "TIMESTAMP_OUT_OF_WINDOW"));
    // As if the domain had been proven, and the agent belonged to others.
    let database = rusqlite::Connection::open(dir.path().join("agentmesh.db")).unwrap();
    let proven = "UPDATE organizations SET verified_ms = 1 WHERE domain = '0.example.org'";
    database.execute_batch(proven).unwrap();
    database
        .execute(
            "UPDATE agents SET organization_id = 'x' WHERE amid = ?1",
            [alice.amid().to_string()],
        )
        .unwrap();
    let fresh = now().to_rfc3339_signing();
    let answer = refused(&server, "/org/agents", &join(&fresh)).await;
    assert_eq!(answer, no(409, "OTHER_ORGANIZATION"));
    let fields =
        json!({"name": "E", "domain": "0.example.org", "admin_signing_public_key": key(&mallory)});
    let body = signed_as(&mallory, "admin_amid", fields);
    assert_eq!(refused(&server, "/org/register", &body).await, no(409, "DOMAIN_TAKEN"));
}

/// What an admin sends to take an agent in, signed by both.
fn consented(id: &str, admin: &Identity, agent: &Identity, timestamp: &str) -> Value {
    let (amid, signing) = (agent.amid().to_string(), key(agent));
    let exchange = format!("x25519:{}", Base64::encode_string(agent.exchange_key().as_bytes()));
    let statement = OrgStatement {
        organization_id: id,
        agent_amid: &amid,
        agent_signing_public_key: &signing,
        agent_exchange_public_key: &exchange,
        timestamp,
    };
    let sign = |role, who: &Identity| Base64::encode_string(statement.sign(role, who).as_bytes());
    json!({
        "organization_id": id, "agent_amid": amid, "agent_signing_public_key": signing,
        "agent_exchange_public_key": exchange, "admin_amid": admin.amid(),
        "admin_signature": sign(Admin, admin), "agent_signature": sign(Agent, agent),
        "timestamp": timestamp, "capabilities": [],
    })
}

#[tokio::test]
async fn provider_that_cannot_be_reached_is_said_so_and_open_attempts_are_counted() {
    // Nobody listens on port 9 of this machine; were somebody there, it would be no provider.
    let provider = OAuthProvider::discovered("Gone", "http://127.0.0.1:9", "client");
    let server = start_with(|config| config.oauth_providers = vec![provider]).await;
    let alice = identity();
    register(&server, &alice, &[]).await;
    let begin = || signed(&alice, json!({"provider": "gone"}));
    for _ in 0..10 {
        let answer = refused(&server, "/auth/oauth/authorize", &begin()).await;
        assert_eq!(answer, no(502, "PROVIDER_UNAVAILABLE"));
    }
    let answer = refused(&server, "/auth/oauth/authorize", &begin()).await;
    assert_eq!(answer, no(429, "TOO_MANY_ATTEMPTS"));
}

#[tokio::test]
async fn g8_a_broken_database_is_an_error_and_never_not_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let config = ServerConfig { data_dir: Some(dir.path().into()), ..ServerConfig::default() };
    let server = Server::start(config).await.unwrap();
    let alice = identity();
    register(&server, &alice, &[]).await;
    let amid = alice.amid();
    let revoke = signed_as(&alice, "revoker_amid", json!({"amid": amid, "reason": "other"}));
    assert_eq!(post(&server, "/registry/revoke", &revoke).await.0, 200);
    let database = rusqlite::Connection::open(dir.path().join("agentmesh.db")).unwrap();
    database.execute_batch("DROP TABLE revocations").unwrap();
    let (status, answer) = get(&server, &format!("/registry/revocation?amid={amid}")).await;
    assert_eq!((status, &answer["code"]), (500, &json!("INTERNAL_ERROR")));
    let bulk = json!({"amids": [amid]});
    let answer = refused(&server, "/registry/revocations/bulk", &bulk).await;
    assert_eq!(answer, no(500, "INTERNAL_ERROR"));
    // And nobody connects who cannot be checked.
    let mut socket = connect_with(&server, connect_frame(&alice, ACK)).await;
    socket.error(RelayErrorCode::InternalError).await;
}
