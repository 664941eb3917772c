//! What the shapes read and write.

use proptest::prelude::*;

use super::{super::relay_frame::PresenceStatus, *};

#[test]
fn lookup_accepts_both_spellings_and_odd_dates() {
    let snake = r#"{"amid":"A","tier":"anonymous","display_name":null,"organization":null,"signing_public_key":"ed25519:x","exchange_public_key":"x25519:y","capabilities":["a"],"relay_endpoint":"w","direct_endpoint":null,"status":"busy","reputation_score":0.5,"last_seen":"2026-02-04T12:00:00.123456789Z","ratings_count":0,"reputation_status":"unrated"}"#;
    let camel = r#"{"amid":"A","tier":"anonymous","displayName":null,"signingPublicKey":"ed25519:x","exchangePublicKey":"x25519:y","capabilities":["a"],"relayEndpoint":"w","directEndpoint":null,"status":"busy","reputationScore":0.5,"lastSeen":"2026-02-04T12:00:00.123456789Z","ratingsCount":0,"reputationStatus":"unrated","new":[1]}"#;
    let a: AgentLookup = serde_json::from_str(snake).unwrap();
    let b: AgentLookup = serde_json::from_str(camel).unwrap();
    assert_eq!(a, b);
    assert_eq!(a.status, PresenceStatus::Unknown("busy".into()));
    assert_eq!(serde_json::to_string(&a).unwrap(), snake);
}

#[test]
fn one_time_prekey_is_found_under_both_spellings() {
    let base = r#""identity_key":"x25519:y","signed_prekey":"s","signed_prekey_signature":"g","signed_prekey_id":1"#;
    let read =
        |more: &str| serde_json::from_str::<PrekeyResponse>(&format!("{{{base}{more}}}")).unwrap();
    assert_eq!(read("").one_time(), None);
    assert_eq!(read(r#","one_time_prekeys":[]"#).one_time(), None);
    let key = OneTimePrekeyJson { id: 7, key: "k".into() };
    assert_eq!(read(r#","one_time_prekey":{"id":7,"key":"k"}"#).one_time(), Some(&key));
    assert_eq!(read(r#","one_time_prekeys":[{"id":7,"key":"k"}]"#).one_time(), Some(&key));
}

#[test]
fn plain_upload_has_no_native_field() {
    let mut upload = PrekeyUpload {
        amid: "A".into(),
        signed_prekey: "s".into(),
        signed_prekey_signature: "g".into(),
        signed_prekey_id: 1,
        one_time_prekeys: vec![],
        timestamp: "T".into(),
        signature: "S".into(),
        native: None,
    };
    assert_eq!(
        serde_json::to_string(&upload).unwrap(),
        r#"{"amid":"A","signed_prekey":"s","signed_prekey_signature":"g","signed_prekey_id":1,"one_time_prekeys":[],"timestamp":"T","signature":"S"}"#
    );
    upload.native = Some(NativeUpload { bundle: "b".into(), opks: vec![], kopks: vec![] });
    assert!(
        serde_json::to_string(&upload)
            .unwrap()
            .ends_with(r#""native":{"bundle":"b","opks":[],"kopks":[]}}"#)
    );
}

#[test]
fn prefixes_are_optional_and_never_swapped() {
    assert_eq!(strip_key_prefix("ed25519:AAA=", SIGNING_KEY_PREFIX), "AAA=");
    assert_eq!(strip_key_prefix("AAA=", SIGNING_KEY_PREFIX), "AAA=");
    assert_eq!(strip_key_prefix("x25519:AAA=", SIGNING_KEY_PREFIX), "x25519:AAA=");
}

#[test]
fn tiers_on_the_registrys_scale() {
    assert_eq!(SearchQuery::level_of(&Tier::Anonymous), 2);
    assert_eq!(SearchQuery::level_of(&Tier::Verified), 1);
    assert_eq!(SearchQuery::level_of(&Tier::Organization), 1);
}

proptest! {
    #[test]
    fn parsing_never_panics(text in ".{0,200}") {
        let _ = serde_json::from_str::<AgentLookup>(&text);
        let _ = serde_json::from_str::<PrekeyResponse>(&text);
        let _ = serde_json::from_str::<PrekeyUpload>(&text);
        let _ = serde_json::from_str::<SearchResponse>(&text);
    }

    #[test]
    fn register_survives_a_round_trip(amid in ".{0,30}", name in prop::option::of(".{0,30}"), capabilities in prop::collection::vec(".{0,10}", 0..4)) {
        let request = RegisterRequest {
            amid,
            signing_public_key: "ed25519:x".into(),
            exchange_public_key: "x25519:y".into(),
            display_name: name,
            capabilities,
            relay_endpoint: None,
            direct_endpoint: None,
            verification_token: None,
            timestamp: "T".into(),
            signature: "S".into(),
        };
        let json = serde_json::to_string(&request).unwrap();
        prop_assert_eq!(serde_json::from_str::<RegisterRequest>(&json).unwrap(), request);
    }
}

#[test]
fn revocations_come_as_a_list_or_as_a_map() {
    let list = r#"{"revocations":[{"amid":"A","revoked":true,"revocation":{"id":"1","amid":"A","reason":"key_compromise","revoked_by":"A","revoked_at":"2026-02-04T12:00:00Z","notes":null}}],"total_checked":1,"total_revoked":1}"#;
    let map = r#"{"revocations":{"A":{"revoked":true,"revocation":{"id":"1","amid":"A","reason":"key_compromise","revoked_by":"A","revoked_at":"2026-02-04T12:00:00Z"}}},"total_checked":1,"total_revoked":1}"#;
    let [list, map] =
        [list, map].map(|text| serde_json::from_str::<BulkRevocationResponse>(text).unwrap());
    assert_eq!(list, map);
    let reason = &list.revocations[0].revocation.as_ref().unwrap().reason;
    assert_eq!(*reason, RevocationReason::KeyCompromise);
}

#[test]
fn g8_an_answer_that_does_not_say_whether_is_no_answer() {
    for text in [r#"{"amid":"A"}"#, r#"{"error":"down"}"#, "{}", r#"{"amid":"A","revoked":"no"}"#] {
        assert!(serde_json::from_str::<RevocationStatus>(text).is_err(), "{text}");
    }
    assert!(serde_json::from_str::<BulkRevocationResponse>(r#"{"total_checked":1}"#).is_err());
}

#[test]
fn unsigned_certificates_are_read_in_both_forms_and_x509_is_not_one() {
    use base64ct::{Base64, Encoding};
    let json = r#"{"version":1,"type":"agent","amid":"A","tier":"verified","serial_number":"7"}"#;
    let base64 = Base64::encode_string(json.as_bytes());
    let (first, second) = base64.split_at(40);
    let pem = format!(
        "-----BEGIN AGENTMESH CERTIFICATE-----\n{first}\n{second}\n-----END AGENTMESH CERTIFICATE-----\n"
    );
    for text in [base64.as_str(), &pem] {
        let certificate = LegacyCertificate::parse(text).unwrap();
        assert_eq!(certificate.tier.as_deref(), Some("verified"));
        assert_eq!(certificate.serial_number.as_deref(), Some("7"));
    }
    let x509 = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    for text in [x509, "", "{}", &"A".repeat(20_000)] {
        assert_eq!(LegacyCertificate::parse(text), None);
    }
}

#[test]
fn membership_is_signed_by_role_and_over_every_part() {
    use crate::{identity::Identity, test_utils::seeded_rng, time::Timestamp};
    let identity = Identity::generate(Timestamp::from_millis(1), &mut seeded_rng(1));
    let statement = OrgStatement {
        organization_id: "org",
        agent_amid: "A",
        agent_signing_public_key: "s",
        agent_exchange_public_key: "x",
        timestamp: "T",
    };
    let signature = statement.sign(OrgRole::Admin, &identity);
    let verify = |statement: OrgStatement<'_>, role| {
        statement.verify(role, identity.signing_key(), &signature).is_ok()
    };
    assert!(verify(statement, OrgRole::Admin));
    assert!(!verify(statement, OrgRole::Agent));
    for other in [
        OrgStatement { organization_id: "orgA", agent_amid: "", ..statement },
        OrgStatement { agent_amid: "B", ..statement },
        OrgStatement { agent_signing_public_key: "t", ..statement },
        OrgStatement { agent_exchange_public_key: "y", ..statement },
        OrgStatement { timestamp: "U", ..statement },
    ] {
        assert!(!verify(other, OrgRole::Admin), "{other:?}");
    }
}

proptest! {
    #[test]
    fn parsing_trust_never_panics(text in ".{0,200}", json in r#"[\[\]{}:,"a-z0-9_]{0,120}"#) {
        for text in [&text, &json] {
            let _ = serde_json::from_str::<BulkRevocationResponse>(text);
            let _ = serde_json::from_str::<RevocationList>(text);
            let _ = serde_json::from_str::<OrgVerifyResponse>(text);
            let _ = serde_json::from_str::<ReputationScore>(text);
            let _ = serde_json::from_str::<LeaderboardResponse>(text);
            let _ = serde_json::from_str::<OAuthStatusResponse>(text);
            let _ = LegacyCertificate::parse(text);
        }
    }
}

#[test]
fn g5_health_is_read_under_both_names() {
    for name in ["agents_registered", "agentCount"] {
        let text = format!(r#"{{"status":"healthy","version":"agentmesh/0.2","{name}":7}}"#);
        let health: HealthResponse = serde_json::from_str(&text).unwrap();
        assert_eq!(health.agents_registered, 7);
    }
}
