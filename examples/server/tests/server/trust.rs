//! Revocation, organizations, reputation and DID documents, and the defects of deployed registries that are mended here.

use agentmesh_core::{
    identity::{Identity, did::DidDocument},
    prekeys::PreKeys,
    rng::SystemRng,
    wire::{
        registry::{OrgRole, OrgStatement},
        relay_error::RelayErrorCode,
    },
};
use agentmesh_server::{Server, ServerConfig};
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

pub(crate) fn revocation(revoker: &Identity, amid: &Identity) -> Value {
    let fields = json!({"amid": amid.amid(), "reason": "key_compromise", "notes": "løst"});
    signed_as(revoker, "revoker_amid", fields)
}

async fn is_revoked(server: &Server, identity: &Identity) -> bool {
    let path = format!("/registry/revocation?amid={}", identity.amid());
    let (status, body) = get(server, &path).await;
    assert_eq!(status, 200);
    body["revoked"].as_bool().unwrap()
}

#[tokio::test]
async fn agent_revokes_itself_once_and_nobody_else_does() {
    let server = start().await;
    let (alice, mallory) = (identity(), identity());
    for agent in [&alice, &mallory] {
        register(&server, agent, &[]).await;
    }
    let path = "/registry/revoke";
    let (status, body) = post(&server, path, &revocation(&mallory, &alice)).await;
    assert_eq!((status, &body["code"]), (403, &json!("NOT_ALLOWED")));
    let mut forged = revocation(&mallory, &alice);
    forged["revoker_amid"] = alice.amid().to_string().into();
    assert_eq!(post(&server, path, &forged).await.0, 401);
    assert!(!is_revoked(&server, &alice).await);

    let (status, body) = post(&server, path, &revocation(&alice, &alice)).await;
    assert_eq!((status, &body["success"]), (200, &json!(true)), "{body}");
    assert!(body["revocation_id"].is_string());
    let (_, body) = get(&server, &format!("/registry/revocation?amid={}", alice.amid())).await;
    assert_eq!(body["revocation"]["reason"], "key_compromise");
    assert_eq!(body["revocation"]["revoked_by"], alice.amid().to_string());
    assert_eq!(body["revocation"]["notes"], "løst");
    // Not again, and not by itself any more.
    assert_eq!(post(&server, path, &revocation(&alice, &alice)).await.0, 403);
    let unknown = identity();
    assert_eq!(post(&server, path, &revocation(&mallory, &unknown)).await.0, 404);
    let mut odd = revocation(&mallory, &mallory);
    odd["reason"] = "boredom".into();
    assert_eq!(post(&server, path, &odd).await.0, 400);
}

#[tokio::test]
async fn admin_revokes_anybody_without_being_registered() {
    let admin = identity();
    let server = start_with(|c| c.admins = vec![admin.amid()]).await;
    let alice = identity();
    register(&server, &alice, &[]).await;
    let body = revocation(&admin, &alice);
    // Its key is not known here, so a timestamp proves nothing.
    assert_eq!(post(&server, "/registry/revoke", &body).await.0, 404);
    let body = revocation(&admin, &alice);
    let (status, answer) = post_signed(&server, &admin, "/registry/revoke", &body).await;
    assert_eq!(status, 200, "{answer}");
    let body = revocation(&admin, &alice);
    let (status, answer) = post_signed(&server, &admin, "/registry/revoke", &body).await;
    assert_eq!((status, &answer["code"]), (409, &json!("REVOKED_BEFORE")));
}

#[tokio::test]
async fn revoked_agent_is_thrown_out_and_stays_out_even_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = || ServerConfig { data_dir: Some(dir.path().into()), ..ServerConfig::default() };
    let server = Server::start(config()).await.unwrap();
    let (alice, bob) = (identity(), identity());
    register(&server, &alice, &["chat"]).await;
    register(&server, &bob, &["chat"]).await;
    let mut socket = connect(&server, &alice, ACK).await;
    assert_eq!(post(&server, "/registry/revoke", &revocation(&alice, &alice)).await.0, 200);
    let (why, _, _) = socket.error(RelayErrorCode::Unauthorized).await;
    assert!(why.contains("revoked"));
    socket.closed(1008).await;
    server.shutdown().await;

    let server = Server::start(config()).await.unwrap();
    let mut socket = connect_with(&server, connect_frame(&alice, ACK)).await;
    socket.error(RelayErrorCode::Unauthorized).await;
    for (path, fields) in [
        ("/registry/status", json!({"status": "online"})),
        ("/registry/capabilities", json!({"capabilities": ["x"]})),
    ] {
        let (status, body) = post(&server, path, &signed(&alice, fields)).await;
        assert_eq!((status, &body["code"]), (403, &json!("AGENT_REVOKED")), "{path}");
    }
    let search = |query: &'static str| {
        let server = &server;
        async move { get(server, query).await.1["total"].as_u64().unwrap() }
    };
    assert_eq!(search("/registry/search?capability=chat").await, 1);
    assert_eq!(search("/registry/search?capability=chat&include_revoked=true").await, 2);
    let (_, found) = get(&server, &format!("/registry/lookup?amid={}", alice.amid())).await;
    assert_eq!(found["flags"], json!(["revoked"]));
    let (status, body) = get(&server, &format!("/registry/prekeys/{}", alice.amid())).await;
    assert_eq!((status, &body["code"]), (404, &json!("AGENT_REVOKED")));
}

#[tokio::test]
async fn revocations_are_asked_in_bulk_and_listed() {
    let server = start().await;
    let agents: Vec<_> = (0..5).map(|_| identity()).collect();
    for agent in &agents {
        register(&server, agent, &[]).await;
    }
    for agent in &agents[..2] {
        assert_eq!(post(&server, "/registry/revoke", &revocation(agent, agent)).await.0, 200);
    }
    let amids: Vec<_> = agents.iter().map(|a| a.amid().to_string()).collect();
    let path = "/registry/revocations/bulk";
    let (status, body) = post(&server, path, &json!({"amids": amids})).await;
    assert_eq!(status, 200);
    assert_eq!((&body["total_checked"], &body["total_revoked"]), (&json!(5), &json!(2)));
    for (n, entry) in body["revocations"].as_array().unwrap().iter().enumerate() {
        assert_eq!(entry["amid"], amids[n]);
        assert_eq!(entry["revoked"], n < 2);
        assert_eq!(entry["revocation"].is_object(), n < 2);
    }
    let many = vec![amids[0].clone(); 101];
    assert_eq!(post(&server, path, &json!({"amids": many})).await.0, 400);
    let (_, list) = get(&server, "/registry/revocations?limit=1").await;
    assert_eq!((&list["total"], list["revocations"].as_array().unwrap().len()), (&json!(2), 1));
    assert!(list["next_update"].is_string());
}

#[tokio::test]
async fn g11_a_signed_timestamp_works_once_at_registry_and_relay_together() {
    let server = start().await;
    let alice = identity();
    register(&server, &alice, &[]).await;
    let body = signed(&alice, json!({"status": "online"}));
    assert_eq!(post(&server, "/registry/status", &body).await.0, 200);
    let mut other = body.clone();
    other["capabilities"] = json!(["stolen"]);
    for (path, body) in [("/registry/status", &body), ("/registry/capabilities", &other)] {
        let (status, answer) = post(&server, path, body).await;
        assert_eq!((status, &answer["code"]), (401, &json!("REPLAYED")), "{path}");
    }
    let mut frame = connect_frame(&alice, ACK);
    frame.timestamp = body["timestamp"].as_str().unwrap().into();
    frame.signature = body["signature"].as_str().unwrap().into();
    let mut socket = connect_with(&server, frame).await;
    socket.error(RelayErrorCode::Unauthorized).await;
    // And the other way.
    let frame = connect_frame(&alice, ACK);
    let mut socket = connect_with(&server, frame.clone()).await;
    socket.next().await;
    let mut body = body;
    body["timestamp"] = frame.timestamp.into();
    body["signature"] = frame.signature.into();
    assert_eq!(post(&server, "/registry/status", &body).await.0, 401);
}

#[tokio::test]
async fn g12_an_uploaded_bundle_changes_the_exchange_key_and_only_its_owners_does() {
    let server = start().await;
    let alice = identity();
    register(&server, &alice, &[]).await;
    let upload = |identity: &Identity, prekeys: &PreKeys| {
        let publication = prekeys.publication(identity);
        signed(
            identity,
            json!({
                "signed_prekey": Base64::encode_string(publication.signed_prekey.as_bytes()),
                "signed_prekey_signature":
                    Base64::encode_string(publication.signed_prekey_signature.as_bytes()),
                "signed_prekey_id": publication.signed_prekey_id,
                "one_time_prekeys": [],
                "native": {"bundle": Base64::encode_string(&publication.bundle)},
            }),
        )
    };
    let mut prekeys = PreKeys::generate(&alice, now(), &mut SystemRng);
    let old = upload(&alice, &prekeys);
    assert_eq!(post(&server, "/registry/prekeys", &old).await.0, 200);
    let exchange = |server: &Server| {
        let path = format!("/registry/lookup?amid={}", alice.amid());
        let url = format!("{}{path}", server.registry_url());
        async move {
            let found: Value = http().get(url).send().await.unwrap().json().await.unwrap();
            found["exchange_public_key"].as_str().unwrap().to_owned()
        }
    };
    let key = |identity: &Identity| {
        format!("x25519:{}", Base64::encode_string(identity.exchange_key().as_bytes()))
    };
    assert_eq!(exchange(&server).await, key(&alice));

    let rotated = alice.rotate_exchange(&mut SystemRng);
    prekeys.maintain(&rotated, now(), &mut SystemRng);
    let new = upload(&rotated, &prekeys);
    assert_eq!(post(&server, "/registry/prekeys", &new).await.0, 200);
    assert_eq!(exchange(&server).await, key(&rotated));
    // What peers of 0.2 read belongs together.
    let (_, found) = get(&server, &format!("/registry/prekeys/{}", alice.amid())).await;
    assert_eq!(found["identity_key"], key(&rotated));
    assert_eq!(found["signed_prekey_id"], 2);
    // The old bundle does not bring the old key back, nor does a new registration.
    let mut again = old;
    let (timestamp, signature) = alice.sign_timestamp(now());
    again["timestamp"] = timestamp.into();
    again["signature"] = signature.into();
    assert_eq!(post(&server, "/registry/prekeys", &again).await.0, 409);
    assert_eq!(post(&server, "/registry/register", &registration(&alice, &[])).await.0, 409);
    assert_eq!(exchange(&server).await, key(&rotated));
}

#[tokio::test]
async fn did_document_has_keys_that_can_be_read() {
    let server = start().await;
    let alice = identity();
    register(&server, &alice, &[]).await;
    let url = format!("{}/registry/did/{}", server.registry_url(), alice.amid());
    let response = http().get(&url).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/did+ld+json");
    let text = response.text().await.unwrap();
    let document = DidDocument::parse(&text).unwrap();
    assert_eq!(document.amid(), alice.amid());
    assert_eq!(document.exchange_key(), Some(alice.exchange_key()));
    assert_eq!(document.services()[0].endpoint, server.relay_url());
    assert!(text.contains("\"z6Mk") && text.contains("\"z6LS"));
    let (status, body) = get(&server, &format!("/registry/did/{}", identity().amid())).await;
    assert_eq!((status, &body["error"]), (404, &json!("DID not found")));
}

fn rating(from: &Identity, target: &Identity, session: &str, score: f64) -> Value {
    let fields = json!({"target_amid": target.amid(), "session_id": session, "score": score, "tags": ["reliable"]});
    signed_as(from, "from_amid", fields)
}

#[tokio::test]
async fn g6_session_ids_of_any_form_and_g10_only_signed_ratings_count() {
    let server = start().await;
    let (alice, bob, mallory) = (identity(), identity(), identity());
    for agent in [&alice, &bob] {
        register(&server, agent, &["chat"]).await;
    }
    for (n, path) in
        ["/registry/reputation", "/registry/reputation/feedback"].into_iter().enumerate()
    {
        for session in [format!("session_{n}"), format!("0d4dfa0e-0000-4000-8000-00000000000{n}")] {
            let (status, body) = post(&server, path, &rating(&bob, &alice, &session, 0.9)).await;
            assert_eq!((status, &body["success"]), (200, &json!(true)), "{body}");
            let (status, body) = post(&server, path, &rating(&bob, &alice, &session, 0.1)).await;
            assert_eq!((status, &body["code"]), (409, &json!("RATED_BEFORE")));
        }
        let mut forged = rating(&mallory, &alice, "x", 0.0);
        forged["from_amid"] = bob.amid().to_string().into();
        assert_eq!(post(&server, path, &forged).await.0, 401);
        let mut old = rating(&bob, &alice, "y", 0.0);
        old["timestamp"] = "2020-01-01T00:00:00.123+00:00".into();
        old["signature"] =
            Base64::encode_string(bob.sign(b"2020-01-01T00:00:00.123+00:00").unwrap().as_bytes())
                .into();
        assert_eq!(post(&server, path, &old).await.0, 401);
        assert_eq!(post(&server, path, &rating(&mallory, &alice, "z", 0.5)).await.0, 404);
        let (status, body) = post(&server, path, &rating(&bob, &bob, "self", 1.0)).await;
        assert_eq!((status, &body["code"]), (400, &json!("SELF_RATING")));
        for score in [-0.1, 1.1] {
            assert_eq!(post(&server, path, &rating(&bob, &alice, "w", score)).await.0, 400);
        }
        let mut odd = rating(&bob, &alice, "v", 0.5);
        odd["tags"] = json!(["handsome"]);
        assert_eq!(post(&server, path, &odd).await.0, 400);
    }
    let (_, score) =
        get(&server, &format!("/registry/reputation/score?amid={}", alice.amid())).await;
    assert_eq!((&score["feedback_count"], &score["average_feedback"]), (&json!(4), &json!(0.9)));
    assert_eq!(score["tags"], json!({"reliable": 4}));
    let (_, found) = get(&server, &format!("/registry/lookup?amid={}", alice.amid())).await;
    assert_eq!(found["reputation_score"], score["score"]);
    assert_eq!(found["ratings_count"], 4);
    let unknown = format!("/registry/reputation/score?amid={}", identity().amid());
    assert_eq!(get(&server, &unknown).await.0, 404);
    let board = |query: &'static str| get(&server, query);
    let (_, all) = board("/registry/reputation/leaderboard").await;
    assert_eq!(all["leaderboard"][0]["amid"], alice.amid().to_string());
    assert_eq!(all["leaderboard"].as_array().unwrap().len(), 1);
    let (_, none) = board("/registry/reputation/leaderboard?intent=cooking&limit=1000").await;
    assert_eq!((&none["leaderboard"], &none["limit"]), (&json!([]), &json!(100)));
}

#[tokio::test]
async fn sessions_are_reported_by_participants_and_the_first_report_counts() {
    let server = start().await;
    let (alice, bob, carol) = (identity(), identity(), identity());
    for agent in [&alice, &bob, &carol] {
        register(&server, agent, &[]).await;
    }
    let report = |reporter: &Identity, id: &str, outcome: &str| {
        let fields = json!({
            "session_id": id, "initiator_amid": alice.amid(), "receiver_amid": bob.amid(),
            "intent": "chat", "outcome": outcome, "started_at": "2026-02-04T12:00:00Z",
        });
        signed_as(reporter, "reporter_amid", fields)
    };
    let path = "/registry/reputation/session";
    assert_eq!(post(&server, path, &report(&carol, "1", "failed")).await.0, 403);
    assert_eq!(post(&server, path, &report(&alice, "1", "success")).await.0, 200);
    assert_eq!(post(&server, path, &report(&bob, "1", "failed")).await.0, 200);
    assert_eq!(post(&server, path, &report(&bob, "2", "timeout")).await.0, 200);
    assert_eq!(post(&server, path, &report(&bob, "3", "fun")).await.0, 400);
    let (_, score) =
        get(&server, &format!("/registry/reputation/score?amid={}", alice.amid())).await;
    assert_eq!((&score["total_sessions"], &score["successful_sessions"]), (&json!(2), &json!(1)));
    assert_eq!(score["completion_rate"], 0.5);
}

#[tokio::test]
async fn g10_organizations_and_their_agents_need_every_signature() {
    let server = start().await;
    let (admin, alice, mallory) = (identity(), identity(), identity());
    for agent in [&admin, &alice, &mallory] {
        register(&server, agent, &[]).await;
    }
    let claim = |who: &Identity, domain: &str| {
        let fields =
            json!({"name": "Example", "domain": domain, "admin_signing_public_key": key(who)});
        signed_as(who, "admin_amid", fields)
    };
    let mut forged = claim(&mallory, "example.org");
    forged["admin_amid"] = admin.amid().to_string().into();
    assert_eq!(post(&server, "/org/register", &forged).await.0, 401);
    assert_eq!(post(&server, "/org/register", &claim(&admin, "nonsense")).await.0, 400);
    let (status, body) = post(&server, "/org/register", &claim(&admin, "Example.ORG")).await;
    assert_eq!(status, 201, "{body}");
    assert_eq!(body["dns_challenge"]["record_name"], "_agentmesh.example.org");
    // Another claim takes nothing from this one: what is in the domain decides.
    assert_eq!(post(&server, "/org/register", &claim(&mallory, "example.org")).await.0, 201);
    let id = body["organization_id"].as_str().unwrap().to_owned();
    let verify = |who: &Identity| signed_as(who, "admin_amid", json!({"organization_id": id}));
    assert_eq!(post(&server, "/org/verify", &verify(&mallory)).await.0, 401);
    let mut forged = verify(&mallory);
    forged["admin_amid"] = admin.amid().to_string().into();
    assert_eq!(post(&server, "/org/verify", &forged).await.0, 401);

    let timestamp = now().to_rfc3339_signing();
    let exchange = format!("x25519:{}", Base64::encode_string(alice.exchange_key().as_bytes()));
    let (amid, signing) = (alice.amid().to_string(), key(&alice));
    let statement = OrgStatement {
        organization_id: &id,
        agent_amid: &amid,
        agent_signing_public_key: &signing,
        agent_exchange_public_key: &exchange,
        timestamp: &timestamp,
    };
    let sign = |role, who: &Identity| Base64::encode_string(statement.sign(role, who).as_bytes());
    let request = |admin_signature: String, agent_signature: Value| {
        json!({
            "organization_id": id, "agent_amid": amid, "agent_signing_public_key": signing,
            "agent_exchange_public_key": exchange, "admin_amid": admin.amid(),
            "admin_signature": admin_signature, "agent_signature": agent_signature,
            "timestamp": timestamp, "capabilities": [],
        })
    };
    let admin_signature = sign(OrgRole::Admin, &admin);
    let agent_signature: Value = sign(OrgRole::Agent, &alice).into();
    for (bad, why) in [
        (request(sign(OrgRole::Admin, &mallory), agent_signature.clone()), "forged admin"),
        (request(sign(OrgRole::Agent, &admin), agent_signature.clone()), "wrong role"),
        (request(admin_signature.clone(), Value::Null), "no consent"),
        (request(admin_signature.clone(), sign(OrgRole::Agent, &mallory).into()), "forged consent"),
    ] {
        let (status, body) = post(&server, "/org/agents", &bad).await;
        assert_eq!((status, &body["code"]), (401, &json!("INVALID_SIGNATURE")), "{why}");
    }
    let good = request(admin_signature, agent_signature);
    let (status, body) = post(&server, "/org/agents", &good).await;
    assert_eq!((status, &body["code"]), (400, &json!("ORGANIZATION_NOT_VERIFIED")));
    let (_, found) = get(&server, &format!("/registry/lookup?amid={amid}")).await;
    assert_eq!(found["tier"], "anonymous");
    let (status, found) = get(&server, "/org/lookup?domain=EXAMPLE.org").await;
    assert_eq!(
        (status, &found["verified"], &found["agent_count"]),
        (200, &json!(false), &json!(0))
    );
    assert_eq!(get(&server, "/org/lookup?domain=other.org").await.0, 404);
}

#[tokio::test]
async fn databases_of_older_versions_are_upgraded() {
    // As each version left it: without what the next added.
    let second = "DROP TABLE aiwm_objects; DROP TABLE aiwm_agents; DROP TABLE aiwm_audit;
         PRAGMA user_version = 2;";
    let first = "DROP TABLE revocations; DROP TABLE organizations; DROP TABLE ratings;
         DROP TABLE reported_sessions; DROP TABLE oauth_attempts;
         ALTER TABLE agents DROP COLUMN organization_id; ALTER TABLE agents DROP COLUMN certificate;
         ALTER TABLE agents DROP COLUMN verified_identity; ALTER TABLE agents DROP COLUMN flag;
         ALTER TABLE agents DROP COLUMN flagged_ms; ALTER TABLE agents DROP COLUMN rated_ms;
         PRAGMA user_version = 1;";
    for older in [&[second][..], &[second, first]] {
        let dir = tempfile::tempdir().unwrap();
        let config =
            || ServerConfig { data_dir: Some(dir.path().into()), ..ServerConfig::default() };
        let server = Server::start(config()).await.unwrap();
        let alice = identity();
        register(&server, &alice, &["chat"]).await;
        server.shutdown().await;
        let database = rusqlite::Connection::open(dir.path().join("agentmesh.db")).unwrap();
        database.execute_batch(&older.concat()).unwrap();
        drop(database);
        let server = Server::start(config()).await.unwrap();
        let (_, found) = get(&server, &format!("/registry/lookup?amid={}", alice.amid())).await;
        assert_eq!(found["capabilities"], json!(["chat"]));
        assert!(!is_revoked(&server, &alice).await);
        assert_eq!(post(&server, "/registry/revoke", &revocation(&alice, &alice)).await.0, 200);
        server.shutdown().await;
    }
}
