use proptest::prelude::*;

use super::*;
use crate::{error::ErrorInfo, keys::KeyError, test_utils::seeded_rng};

const NOW: Timestamp = Timestamp::from_millis(1_770_206_400_000);

fn identity(seed: u64) -> Identity {
    Identity::generate(NOW, &mut seeded_rng(seed))
}

/// The file with one field replaced.
fn edited(identity: &Identity, field: &str, value: &str) -> String {
    let mut file: serde_json::Value = serde_json::from_str(&identity.to_json()).unwrap();
    file[field] = value.into();
    file.to_string()
}

fn same(a: &Identity, b: &Identity) {
    assert_eq!(a.to_record(), b.to_record());
    assert_eq!(a.public(), b.public());
    assert_eq!(a.amid(), b.amid());
}

#[test]
fn sign_refuses_native_labels() {
    let identity = identity(1);
    for label in [Label::Bundle, Label::Knock, Label::Connect] {
        let mut message = label.prefix();
        message.extend(b"anything");
        assert_eq!(identity.sign(&message), Err(IdentityError::ReservedInput));
    }
    assert!(identity.sign(b"").is_ok());
    assert!(identity.sign(b"agentmesh/0.3 bundle").is_ok());
}

#[test]
fn a_signature_counts_only_under_its_label_and_message() {
    let identity = identity(1);
    let signature = identity.sign_labelled(Label::Opk, &[b"ab", b"c"]);
    let key = identity.signing_key();
    assert_eq!(key.verify_labelled(Label::Opk, &[b"abc"], &signature), Ok(()));
    let bad = Err(KeyError::BadSignature);
    assert_eq!(key.verify_labelled(Label::Kem, &[b"abc"], &signature), bad);
    assert_eq!(key.verify_labelled(Label::Opk, &[b"abd"], &signature), bad);
    assert_eq!(key.verify(b"abc", &signature), bad);
}

#[test]
fn timestamps_increase_and_never_end_in_a_whole_second() {
    let identity = identity(1);
    let mut last = String::new();
    for i in 0..2500 {
        // The clock stands still, then goes backwards.
        let (text, signature) = identity.sign_timestamp(NOW.minus_millis(i % 3));
        assert!(text > last, "{text} after {last}");
        assert!(text.ends_with("+00:00") && !text.contains(".000+"), "{text}");
        let signature = Base64::decode_vec(&signature).unwrap();
        let signature = Signature::from_slice(&signature).unwrap();
        assert_eq!(identity.signing_key().verify(text.as_bytes(), &signature), Ok(()));
        last = text;
    }
}

#[test]
fn rotating_the_exchange_key_keeps_the_agent() {
    let old = identity(1);
    let (before, _) = old.sign_timestamp(NOW);
    let new = old.rotate_exchange(&mut seeded_rng(2));
    assert_eq!(new.amid(), old.amid());
    assert_eq!(new.signing_key(), old.signing_key());
    assert_ne!(new.exchange_key(), old.exchange_key());
    assert!(new.sign_timestamp(NOW).0 > before);
}

#[test]
fn json_round_trips() {
    let identity = identity(3);
    same(&identity, &Identity::from_json(&identity.to_json()).unwrap());
}

#[test]
fn json_without_prefix_or_padding_is_accepted() {
    let identity = identity(3);
    let bare = identity.to_json().replace("x25519:", "").replace("ed25519:", "");
    same(&identity, &Identity::from_json(&bare).unwrap());
    let unpadded = identity.to_json().replace("=\"", "\"");
    same(&identity, &Identity::from_json(&unpadded).unwrap());
}

#[test]
fn json_with_a_wrong_prefix_is_refused() {
    let identity = identity(3);
    let swapped = identity.to_json().replace("x25519:", "ed25519:");
    let field = "exchange_private_key";
    let refused = Identity::from_json(&swapped).unwrap_err();
    assert_eq!(refused, IdentityError::WrongPrefix { field });
    for prefix in ["rsa:", "ed25519:ed25519:", ":"] {
        let field = "signing_private_key";
        let json = edited(&identity, field, &format!("{prefix}{}", "A".repeat(43) + "="));
        assert_eq!(Identity::from_json(&json).unwrap_err(), IdentityError::WrongPrefix { field });
    }
}

#[test]
fn json_with_a_wrong_amid_or_public_key_is_refused() {
    let (one, other) = (identity(3), identity(4));
    let json = edited(&one, "amid", &other.amid().to_string());
    assert_eq!(Identity::from_json(&json).unwrap_err(), IdentityError::AmidMismatch);
    for (field, bytes) in [
        ("signing_public_key", other.signing_key().as_bytes()),
        ("exchange_public_key", other.exchange_key().as_bytes()),
    ] {
        let json = edited(&one, field, &Base64::encode_string(bytes));
        let refused = Identity::from_json(&json).unwrap_err();
        assert_eq!(refused, IdentityError::PublicKeyMismatch { field });
    }
}

#[test]
fn json_with_unreadable_fields_is_refused() {
    let identity = identity(3);
    for (field, value) in [
        ("signing_private_key", "AAAA".to_owned()),
        ("signing_private_key", "A".repeat(48)),
        ("signing_private_key", "-".repeat(43) + "="),
        // Bits set beyond the 32 bytes.
        ("exchange_private_key", "A".repeat(42) + "B="),
        ("exchange_private_key", String::new()),
        ("created_at", "yesterday".to_owned()),
    ] {
        let refused = Identity::from_json(&edited(&identity, field, &value)).unwrap_err();
        assert_eq!(refused, IdentityError::InvalidField { field });
    }
    for text in ["", "{}", "[]", "null", "{\"amid\":1}"] {
        let refused = Identity::from_json(text).unwrap_err();
        assert_eq!(refused.code(), "IDENTITY_MALFORMED_JSON");
    }
}

#[test]
fn record_round_trips_and_refuses_other_versions() {
    let identity = identity(5);
    let record = identity.to_record();
    same(&identity, &Identity::from_record(&record).unwrap());
    let mut newer = record.to_vec();
    newer[0] = 2;
    let refused = Identity::from_record(&newer).unwrap_err();
    assert!(matches!(
        refused,
        IdentityError::Record { source: CodecError::UnknownVersion { version: 2, .. } }
    ));
    assert!(Identity::from_record(&record[..record.len() - 1]).is_err());
    let mut beyond = record.to_vec();
    beyond[65..].fill(0xff);
    assert!(Identity::from_record(&beyond).is_err());
}

#[test]
fn debug_shows_no_secret() {
    let identity = identity(6);
    let text = format!("{identity:?}");
    assert_eq!(text.matches("[redacted]").count(), 2);
    for secret in [identity.signing.seed(), identity.exchange.secret_bytes()] {
        let hex: String = secret.iter().map(|b| format!("{b:02x}")).collect();
        assert!(!text.contains(&hex));
        assert!(!text.contains(&format!("{secret:?}")));
    }
}

proptest! {
    #[test]
    fn parsers_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".*") {
        let _ = Identity::from_record(&bytes);
        let _ = Identity::from_json(&text);
    }
}
