//! Documents of every source, and what is refused.

use base64ct::{Base64, Encoding};
use proptest::prelude::*;

use super::*;
use crate::test_utils::seeded_rng;

const NOW: Timestamp = Timestamp::from_millis(1_770_206_400_000);

fn identity(seed: u64) -> Identity {
    Identity::generate(NOW, &mut seeded_rng(seed))
}

fn document(identity: &Identity) -> DidDocument {
    DidDocument::new(&identity.public())
        .with_service(DidService::relay("wss://relay.example"))
        .with_dates(NOW, NOW.plus_millis(1))
}

/// As a source of another kind writes the same document.
fn rewritten(identity: &Identity, key: impl Fn(&str, &[u8; 32]) -> String) -> Value {
    let mut value: Value = serde_json::from_str(&document(identity).to_json()).unwrap();
    value["verificationMethod"][0]["publicKeyMultibase"] =
        key("ed25519", identity.signing_key().as_bytes()).into();
    value["verificationMethod"][1]["publicKeyMultibase"] =
        key("x25519", identity.exchange_key().as_bytes()).into();
    value
}

#[test]
fn unsigned_document_is_nobodys_word() {
    let unsigned = document(&identity(1)).to_json();
    assert_eq!(DidDocument::open(&unsigned), Err(DidError::NoProof));
}

#[test]
fn our_document_uses_multicodec_keys_and_survives_reading() {
    let identity = identity(1);
    let text = document(&identity).to_json();
    assert_eq!(DidDocument::parse(&text).unwrap(), document(&identity));
    let value: Value = serde_json::from_str(&text).unwrap();
    let did = identity.amid().did();
    assert_eq!(value["id"], did);
    let key = |n: usize| value["verificationMethod"][n]["publicKeyMultibase"].as_str().unwrap();
    assert!(key(0).starts_with("z6Mk") && key(1).starts_with("z6LS"));
    assert_eq!(value["keyAgreement"][0], format!("{did}#key-agreement"));
    assert_eq!(value["service"][0]["id"], format!("{did}#relay"));
}

#[test]
fn documents_of_the_registry_and_of_javascript_are_read() {
    let identity = identity(1);
    let registry =
        rewritten(&identity, |prefix, key| format!("z{prefix}:{}", Base64::encode_string(key)));
    let mut js = rewritten(&identity, |_, key| format!("z{}", bs58::encode(key).into_string()));
    js["metadata"] = json!({"created": "2026-02-04T12:00:00.000Z"});
    js.as_object_mut().unwrap().remove("created");
    let wrapped =
        json!({"document": js, "proof": {"type": "Ed25519Signature2020", "proofValue": "z1"}});
    for source in [&registry, &js, &wrapped] {
        let read = DidDocument::parse(&source.to_string()).unwrap();
        assert_eq!(read.amid(), identity.amid());
        assert_eq!(read.exchange_key(), Some(identity.exchange_key()));
        assert_eq!(read.vouched(), Vouched::Source);
        assert_eq!(read.created(), Some(NOW));
        assert!(DidDocument::open(&source.to_string()).is_err());
    }
}

#[test]
fn every_part_of_a_signed_document_is_covered() {
    let identity = identity(1);
    let text = document(&identity).sign(&identity, NOW).unwrap();
    assert_eq!(DidDocument::open(&text).unwrap().vouched(), Vouched::Owner);
    let good: Value = serde_json::from_str(&text).unwrap();
    let other = rewritten(&identity, |_, _| "z6LS".to_owned() + &"1".repeat(44));
    for (pointer, value) in [
        ("/service/0/serviceEndpoint", json!("wss://evil.example")),
        ("/service/0/type", json!("Other")),
        ("/verificationMethod/1/publicKeyMultibase", document(&self::identity(2)).key_text()),
        ("/keyAgreement", json!([])),
        ("/updated", json!("2027-01-01T00:00:00Z")),
        ("/proof/created", json!("2027-01-01T00:00:00Z")),
        ("/proof/proofPurpose", json!("authentication")),
        ("/proof/verificationMethod", json!("did:agentmesh:x#signing-key")),
        ("/proof/proofValue", json!("z1")),
        ("/proof/cryptosuite", json!("eddsa-jcs-2022")),
    ] {
        let mut changed = good.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        assert!(DidDocument::open(&changed.to_string()).is_err(), "{pointer}");
    }
    let mut extra = good.clone();
    extra["more"] = json!(1);
    assert_eq!(DidDocument::open(&extra.to_string()), Err(DidError::BadProof));
    assert!(DidDocument::parse(&other.to_string()).is_err());
    let unsigned = document(&identity).to_json();
    assert_eq!(DidDocument::open(&unsigned), Err(DidError::NoProof));
    // Order and white space do not matter.
    let pretty = serde_json::to_string_pretty(&good).unwrap();
    assert!(DidDocument::open(&pretty).is_ok());
}

impl DidDocument {
    fn key_text(&self) -> Value {
        self.members()["verificationMethod"][1]["publicKeyMultibase"].clone()
    }
}

#[test]
fn a_document_with_anothers_key_is_refused() {
    let (alice, bob) = (identity(1), identity(2));
    let swapped = document(&alice).to_json().replace(&alice.amid().did(), &bob.amid().did());
    assert_eq!(DidDocument::parse(&swapped), Err(DidError::KeyMismatch));
    assert_eq!(document(&alice).sign(&bob, NOW), Err(DidError::KeyMismatch));
    let signed = document(&alice).sign(&alice, NOW).unwrap();
    assert!(DidDocument::open(&signed.replace(&alice.amid().did(), &bob.amid().did())).is_err());
}

#[test]
fn says_what_is_wrong_with_a_did() {
    let amid = identity(1).amid();
    assert_eq!(Amid::from_did(&amid.did()), Ok(amid));
    assert_eq!(Amid::from_did("did:web:example.org"), Err(DidError::MethodNotSupported));
    assert_eq!(Amid::from_did("did:agentmesh:0"), Err(DidError::InvalidDid));
    assert_eq!(Amid::from_did(&amid.to_string()), Err(DidError::InvalidDid));
}

#[test]
fn bounds_are_kept() {
    let identity = identity(1);
    let long = " ".repeat(MAX_DID_DOCUMENT) + &document(&identity).to_json();
    assert!(matches!(DidDocument::parse(&long), Err(DidError::TooLong { .. })));
    let mut twice: Value = serde_json::from_str(&document(&identity).to_json()).unwrap();
    let key = twice["verificationMethod"][0].clone();
    twice["verificationMethod"].as_array_mut().unwrap().push(key);
    assert!(matches!(DidDocument::parse(&twice.to_string()), Err(DidError::Malformed { .. })));
    let mut many: Value = serde_json::from_str(&document(&identity).to_json()).unwrap();
    many["service"] = json!(vec![json!({}); MAX_ENTRIES + 1]);
    assert!(matches!(DidDocument::parse(&many.to_string()), Err(DidError::Malformed { .. })));
}

proptest! {
    #[test]
    fn reading_never_panics(text in ".{0,200}", cut in 0_usize..1200, byte in any::<u8>()) {
        let _ = DidDocument::parse(&text);
        let _ = Amid::from_did(&text);
        let good = document(&identity(1)).sign(&identity(1), NOW).unwrap();
        let mut bytes = good.into_bytes();
        let at = cut % bytes.len();
        bytes[at] = byte;
        if let Ok(text) = core::str::from_utf8(&bytes) {
            let _ = DidDocument::parse(text);
            let _ = DidDocument::open(text);
        }
    }
}
