//! Prekeys: once each, under both spellings, and natively signed.

use std::collections::BTreeSet;

use agentmesh_core::{
    identity::Identity,
    prekeys::{PreKeys, Publication, SignedOneTime},
    rng::SystemRng,
};
use agentmesh_server::Server;
use base64ct::{Base64, Encoding};
use serde_json::{Value, json};

use crate::support::*;

fn b64(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

fn plain_keys(ids: impl IntoIterator<Item = u32>) -> Vec<Value> {
    ids.into_iter()
        .map(|id| json!({"id": id, "key": b64(&[u8::try_from(id % 250).unwrap(); 32])}))
        .collect()
}

fn plain(alice: &Identity, keys: &[Value]) -> Value {
    signed(
        alice,
        json!({
            "signed_prekey": b64(&[9; 32]),
            "signed_prekey_signature": b64(alice.sign(&[9; 32]).unwrap().as_bytes()),
            "signed_prekey_id": 7,
            "one_time_prekeys": keys,
        }),
    )
}

fn native(keys: &Publication) -> Value {
    let list = |keys: &[SignedOneTime]| {
        let key = |k: &SignedOneTime| json!({"id": k.id, "key": b64(&k.key), "signature": b64(k.signature.as_bytes())});
        keys.iter().map(key).collect::<Vec<_>>()
    };
    json!({
        "bundle": b64(&keys.bundle),
        "opks": list(&keys.one_time),
        "kopks": list(&keys.one_time_kem),
    })
}

fn upload(alice: &Identity, keys: &Publication) -> Value {
    let mut body = plain(alice, &[]);
    body["native"] = native(keys);
    body
}

fn path(of: &Identity) -> String {
    format!("/registry/prekeys/{}", of.amid())
}

async fn registered(server: &Server) -> Identity {
    let alice = identity();
    register(server, &alice, &[]).await;
    alice
}

#[tokio::test]
async fn upload_and_download_have_the_documented_shapes() {
    let server = start().await;
    let alice = registered(&server).await;
    assert_eq!(get(&server, &path(&alice)).await.0, 404);
    let body = plain(&alice, &plain_keys([1, 2]));
    let (status, answer) = post(&server, "/registry/prekeys", &body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        answer,
        json!({"success": true, "signed_prekey_id": 7, "one_time_prekeys_stored": 2})
    );
    let (status, got) = get(&server, &path(&alice)).await;
    assert_eq!(status, 200);
    let exchange = format!("x25519:{}", b64(alice.exchange_key().as_bytes()));
    assert_eq!(got["identity_key"], exchange);
    assert_eq!(got["signed_prekey"], body["signed_prekey"]);
    assert_eq!(got["signed_prekey_signature"], body["signed_prekey_signature"]);
    assert_eq!(got["signed_prekey_id"], 7);
    assert!(got.get("native").is_none());
    // Both spellings of the same key.
    let key = json!({"id": 1, "key": body["one_time_prekeys"][0]["key"]});
    assert_eq!(got["one_time_prekey"], key);
    assert_eq!(got["one_time_prekeys"], json!([key]));
    assert_eq!(get(&server, &path(&alice)).await.1["one_time_prekey"]["id"], 2);
    let (status, got) = get(&server, &path(&alice)).await;
    assert_eq!(status, 200);
    assert!(got.get("one_time_prekey").is_none() && got.get("one_time_prekeys").is_none());
}

#[tokio::test]
async fn upload_needs_a_proof_and_a_registered_agent() {
    let server = start().await;
    let (alice, mallory) = (registered(&server).await, identity());
    assert_eq!(post(&server, "/registry/prekeys", &plain(&mallory, &[])).await.0, 404);
    let mut forged = plain(&mallory, &[]);
    forged["amid"] = alice.amid().to_string().into();
    assert_eq!(post(&server, "/registry/prekeys", &forged).await.0, 401);
    for (field, value) in [
        ("signed_prekey_id", json!(2_147_483_648_u64)),
        ("one_time_prekeys", json!([{"id": 3_000_000_000_u64, "key": "x"}])),
        ("one_time_prekeys", json!(plain_keys(1..502))),
        ("signed_prekey", json!("x".repeat(300))),
    ] {
        let mut bad = plain(&alice, &[]);
        bad[field] = value;
        assert_eq!(post(&server, "/registry/prekeys", &bad).await.0, 400, "{field}");
    }
    assert_eq!(get(&server, &path(&alice)).await.0, 404);
}

#[tokio::test]
async fn one_time_keys_are_handed_out_once_however_many_ask_at_a_time() {
    let server = start().await;
    let alice = registered(&server).await;
    post(&server, "/registry/prekeys", &plain(&alice, &plain_keys(1..=40))).await;
    let url = format!("{}{}", server.registry_url(), path(&alice));
    let client = http();
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..60 {
        let request = client.get(&url);
        asking.spawn(async move {
            let body: Value = request.send().await.unwrap().json().await.unwrap();
            body["one_time_prekey"]["id"].as_u64()
        });
    }
    let answers = asking.join_all().await;
    let got: BTreeSet<_> = answers.iter().flatten().copied().collect();
    assert_eq!(answers.iter().flatten().count(), 40);
    assert_eq!(got, (1..=40).collect());
}

#[tokio::test]
async fn key_that_was_handed_out_is_not_revived_by_the_same_upload() {
    let server = start().await;
    let alice = registered(&server).await;
    post(&server, "/registry/prekeys", &plain(&alice, &plain_keys([1, 2]))).await;
    assert_eq!(get(&server, &path(&alice)).await.1["one_time_prekey"]["id"], 1);
    post(&server, "/registry/prekeys", &plain(&alice, &plain_keys([1, 2, 3]))).await;
    assert_eq!(get(&server, &path(&alice)).await.1["one_time_prekey"]["id"], 2);
    // A 0.2 client that lost its state begins at 1 again, with other keys.
    let other = json!([{"id": 1, "key": b64(&[200; 32])}]);
    post(&server, "/registry/prekeys", &plain(&alice, other.as_array().unwrap())).await;
    let got = get(&server, &path(&alice)).await.1;
    assert_eq!(got["one_time_prekey"], other[0]);
    assert_eq!(get(&server, &path(&alice)).await.1["one_time_prekey"]["id"], 3);
}

#[tokio::test]
async fn native_bundle_is_served_to_all_and_one_time_keys_to_signed_requests_only() {
    let server = start().await;
    let (alice, bob) = (registered(&server).await, identity());
    let keys = PreKeys::generate(&alice, now(), &mut SystemRng).publication(&alice);
    let (opks, kopks) = (keys.one_time.len(), keys.one_time_kem.len());
    let (status, answer) = post(&server, "/registry/prekeys", &upload(&alice, &keys)).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["native"], json!({"opks": opks, "kopks": kopks}));

    let (_, got) = get(&server, &path(&alice)).await;
    assert_eq!(got["native"], json!({"bundle": b64(&keys.bundle)}));
    assert!(got.get("one_time_prekey").is_none());

    let (status, got) = get_signed(&server, &bob, &path(&alice)).await;
    assert_eq!(status, 200);
    let first = &native(&keys);
    assert_eq!(got["native"]["bundle"], first["bundle"]);
    assert_eq!(got["native"]["opk"], first["opks"][0]);
    assert_eq!(got["native"]["kopk"], first["kopks"][0]);
    // Consumed for all suites: the same key under its 0.2 name.
    assert_eq!(got["one_time_prekey"]["key"], first["opks"][0]["key"]);
    let (_, got) = get_signed(&server, &bob, &path(&alice)).await;
    assert_eq!(got["native"]["opk"], first["opks"][1]);
}

#[tokio::test]
async fn signed_prekey_request_is_checked_and_works_once() {
    let server = start().await;
    let (alice, bob) = (registered(&server).await, identity());
    let keys = PreKeys::generate(&alice, now(), &mut SystemRng).publication(&alice);
    post(&server, "/registry/prekeys", &upload(&alice, &keys)).await;
    let auth = request_auth(&server, &bob, "GET", &path(&alice), "");
    let elsewhere = request_auth(&server, &bob, "GET", &path(&bob), "");
    assert_eq!(get_with(&server, &path(&alice), &elsewhere).await.0, 401);
    assert_eq!(get_with(&server, &path(&alice), &auth).await.0, 200);
    let (status, answer) = get_with(&server, &path(&alice), &auth).await;
    assert_eq!((status, &answer["code"]), (401, &json!("REPLAYED")));
}

#[tokio::test]
async fn requester_gets_ten_one_time_keys_of_a_target_in_an_hour_and_then_the_bundle_without() {
    let server = start().await;
    let (alice, bob, carol) = (registered(&server).await, identity(), identity());
    let keys = PreKeys::generate(&alice, now(), &mut SystemRng).publication(&alice);
    post(&server, "/registry/prekeys", &upload(&alice, &keys)).await;
    let mut got = BTreeSet::new();
    for _ in 0..10 {
        let (_, answer) = get_signed(&server, &bob, &path(&alice)).await;
        assert!(got.insert(answer["native"]["opk"]["id"].as_u64().unwrap()));
    }
    for _ in 0..3 {
        let (status, answer) = get_signed(&server, &bob, &path(&alice)).await;
        assert_eq!((status, &answer["native"]), (200, &json!({"bundle": b64(&keys.bundle)})));
    }
    let (_, answer) = get_signed(&server, &carol, &path(&alice)).await;
    assert!(got.insert(answer["native"]["opk"]["id"].as_u64().unwrap()));
}

#[tokio::test]
async fn native_upload_is_verified() {
    let server = start().await;
    let (alice, mallory) = (registered(&server).await, identity());
    let mut pool = PreKeys::generate(&alice, now(), &mut SystemRng);
    let keys = pool.publication(&alice);
    let theirs = PreKeys::generate(&mallory, now(), &mut SystemRng).publication(&mallory);
    let mut changed = keys.bundle.clone();
    let at = changed.len() - 70;
    changed[at] ^= 1;
    let with = |change: &dyn Fn(&mut Publication)| {
        let mut changed = keys.clone();
        change(&mut changed);
        changed
    };
    let cases = [
        ("BUNDLE_AMID_MISMATCH", with(&|keys| keys.bundle = theirs.bundle.clone())),
        ("BUNDLE_BAD_SIGNATURE", with(&|keys| keys.bundle = changed.clone())),
        ("BUNDLE_MALFORMED", with(&|keys| keys.bundle = vec![1, 2, 3])),
        ("INVALID_KEY", with(&|keys| keys.one_time = theirs.one_time.clone())),
        ("INVALID_KEY", with(&|keys| keys.one_time_kem = keys.one_time.clone())),
    ];
    for (code, bad) in cases {
        let (status, answer) = post(&server, "/registry/prekeys", &upload(&alice, &bad)).await;
        assert_eq!((status, &answer["code"]), (400, &json!(code)), "{answer}");
    }
    assert_eq!(get(&server, &path(&alice)).await.0, 404);
    let _ = pool.maintain(&alice, now(), &mut SystemRng);
    assert_eq!(post(&server, "/registry/prekeys", &upload(&alice, &keys)).await.0, 200);
}

#[tokio::test]
async fn bundle_is_never_replaced_by_an_older_one() {
    let server = start().await;
    let alice = registered(&server).await;
    let older = PreKeys::generate(&alice, now(), &mut SystemRng).publication(&alice);
    let later = now().plus_millis(1000);
    let newer = PreKeys::generate(&alice, later, &mut SystemRng).publication(&alice);
    assert_eq!(post(&server, "/registry/prekeys", &upload(&alice, &newer)).await.0, 200);
    let (status, answer) = post(&server, "/registry/prekeys", &upload(&alice, &older)).await;
    assert_eq!((status, &answer["code"]), (409, &json!("BUNDLE_STALE")));
    // The same again, because the answer was lost, is fine; so is an upload that knows of no bundles.
    assert_eq!(post(&server, "/registry/prekeys", &upload(&alice, &newer)).await.0, 200);
    assert_eq!(post(&server, "/registry/prekeys", &plain(&alice, &[])).await.0, 200);
    let (_, got) = get(&server, &path(&alice)).await;
    assert_eq!(got["native"]["bundle"], b64(&newer.bundle));
}
