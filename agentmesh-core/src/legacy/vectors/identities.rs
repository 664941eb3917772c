//! Names, identities, and what identities sign and derive.

use super::{super::*, Node, ScriptedRng, pretty};
use crate::{
    Timestamp,
    identity::{Amid, Identity},
    keys::{KeyError, Signature, aead, kdf},
    wire::registry::{EXCHANGE_KEY_PREFIX, SIGNING_KEY_PREFIX},
};

pub(super) fn amids(section: Node<'_>) -> usize {
    let cases = section.list();
    for case in &cases {
        let label = case.get("label").text();
        let key: [u8; 32] = case.get("signing_public_key_hex").hex().try_into().unwrap();
        let prefixed = format!("{SIGNING_KEY_PREFIX}{}", text::base64(&key));
        assert_eq!(case.get("signing_public_key").text(), prefixed, "{label}");
        assert_eq!(case.get("sha256_hex").hex(), kdf::sha256(&[&key]), "{label}");
        let amid = Amid::of_key_bytes(&key);
        assert_eq!(amid.as_bytes()[..], case.get("hash20_hex").hex(), "{label}");
        assert_eq!(amid.to_string(), case.get("amid").text(), "{label}");
        assert_eq!(amid.to_string().len(), case.get("amid_length").parse::<usize>(), "{label}");
        assert_eq!(case.get("amid").text().parse(), Ok(amid), "{label}");
        assert_eq!(amid.did(), case.get("did").text(), "{label}");
    }
    cases.len()
}

pub(super) fn base58(section: Node<'_>) -> usize {
    let cases = section.list();
    for case in &cases {
        let (bytes, text) = (case.get("hex").hex(), case.get("base58").text());
        assert_eq!(bs58::encode(&bytes).into_string(), text);
        assert_eq!(bs58::decode(&text).into_vec().unwrap(), bytes);
        // Of all this, AMIDs are exactly what has 20 bytes.
        let amid = <[u8; 20]>::try_from(&bytes[..]).map(Amid::from_bytes);
        assert_eq!(text.parse::<Amid>().ok(), amid.ok(), "{text}");
    }
    cases.len()
}

/// An identity in the file, its keys checked against each other on the way in.
pub(super) fn identity(node: Node<'_>) -> Identity {
    let identity = Identity::from_json(node.json()).unwrap();
    // Byte for byte as stored, but for who wrote it.
    let (theirs, ours) = (pretty(node.json()), identity.to_json());
    let (theirs, _) = theirs.split_once("\"framework\"").unwrap();
    assert!(ours.starts_with(theirs), "{theirs}");
    identity
}

pub(super) fn identities(section: Node<'_>) -> usize {
    let mut cases = 0;
    for case in section.list() {
        let identity = identity(case.get("identity_json"));
        let stored = case.get("stored_bytes_utf8").text();
        assert_eq!(pretty(case.get("identity_json").json()), stored);
        assert_eq!(*Identity::from_json(&stored).unwrap().to_json(), *identity.to_json());
        assert!(case.get("stored_key").text().starts_with("identity/"));
        assert!(case.get("reload_same").parse::<bool>());

        let (public, info) = (identity.public(), case.get("public_info"));
        assert_eq!(info.get("amid").text(), identity.amid().to_string());
        for (name, prefix, key) in [
            ("signing_public_key", SIGNING_KEY_PREFIX, public.signing.as_bytes()),
            ("exchange_public_key", EXCHANGE_KEY_PREFIX, public.exchange.as_bytes()),
        ] {
            assert_eq!(info.get(name).text(), format!("{prefix}{}", text::base64(key)));
        }
        cases += 1 + signatures(&identity, case.get("signatures"));

        let stamp = case.get("sign_timestamp_js");
        let signature = identity.sign(stamp.get("timestamp").text().as_bytes());
        assert_eq!(signature, Ok(stamp.get("signature").signature()));
        let derived = case.get("derive_secret");
        let secret = identity.derive_secret(derived.get("info").text().as_bytes());
        assert_eq!(secret, derived.get("hmac_sha256").secret());
        audit(&identity, case.get("audit"));
        did(&identity, case.get("did"));
        cases += 4;
    }
    cases
}

fn signatures(identity: &Identity, section: Node<'_>) -> usize {
    let cases = section.list();
    assert!(!cases.is_empty());
    for case in &cases {
        let message = match case.find("message_utf8") {
            Some(text) => text.text().into_bytes(),
            None => case.get("message_b64").base64(),
        };
        if let Some(digest) = case.find("message_sha256") {
            assert_eq!(digest.hex(), kdf::sha256(&[&message]));
        }
        let signature = case.get("signature").signature();
        assert_eq!(identity.sign(&message), Ok(signature));
        assert_eq!(identity.signing_key().verify(&message, &signature), Ok(()));
        let mut other = message.clone();
        other.push(0);
        assert!(identity.signing_key().verify(&other, &signature).is_err());
    }
    cases.len()
}

fn audit(identity: &Identity, case: Node<'_>) {
    let key = LegacyAuditKey::of(identity);
    assert_eq!(key.as_bytes()[..], case.get("key").base64());
    let entry = case.get("encrypted_entry");
    let entry = LegacyAuditEntry {
        nonce: entry.get("nonce").base64().try_into().unwrap(),
        ciphertext: entry.get("ciphertext").base64(),
    };
    let event = key.open(&entry).unwrap();
    assert_eq!(event, audit_event_json(case.get("event_json").json()).unwrap());
    for (name, value) in [("id", "id"), ("timestamp", "timestamp")] {
        let outside = case.get("encrypted_entry").get(name).text();
        assert_eq!(Node::new(&event).get(value).text(), outside);
    }
    assert_eq!(key.seal(&event, &mut ScriptedRng::of(&entry.nonce)), Ok(entry.clone()));
    let mut forged = entry;
    forged.ciphertext[0] ^= 1;
    assert_eq!(key.open(&forged), Err(KeyError::BadCiphertext));
    assert_eq!(forged.nonce.len(), aead::NONCE_LEN);
}

fn did(identity: &Identity, case: Node<'_>) {
    let signed = case.get("signed_document");
    let document = signed.get("document").json();
    assert_eq!(did_signing_string(document).unwrap(), case.get("js_signing_string").text());
    assert_eq!(verify_did_document(signed.json(), identity.signing_key()), Ok(Ok(())));
    let created = signed.get("proof").get("created").text();
    let now = Timestamp::parse_rfc3339(&created).unwrap();
    let again = sign_did_document(identity, document, now).unwrap();
    assert_eq!(again, canonical_json(signed.json()).unwrap());
    // An id is signed; the keys are not.
    let amid = identity.amid().to_string();
    let other = signed.json().replace(&amid, "11111111111111111115Q");
    assert_ne!(verify_did_document(&other, identity.signing_key()), Ok(Ok(())));
    assert!(Signature::from_slice(&[0; 63]).is_err());
}

pub(super) fn timestamps(section: Node<'_>) -> usize {
    let cases = section.list();
    for case in &cases {
        let signed = signed_timestamp(&case.get("wire").text());
        assert_eq!(signed, Some(case.get("signed").text()), "{}", case.get("wire").text());
    }
    // What we send reads the same on both ends.
    let identity =
        Identity::generate(Timestamp::from_millis(7), &mut crate::test_utils::seeded_rng(1));
    let (sent, _) = identity.sign_timestamp(Timestamp::from_millis(1_770_206_400_000));
    assert_eq!(signed_timestamp(&sent), Some(sent));
    cases.len()
}

pub(super) fn intent_hashes(section: Node<'_>) -> usize {
    let cases = section.list();
    for case in &cases {
        let intent = case.get("intent").text();
        assert_eq!(session_cache_intent_hash(&intent), case.get("sha256_hex_16").text());
    }
    cases.len()
}
