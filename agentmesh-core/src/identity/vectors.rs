//! Known answers of the deployed `agentmesh/0.2` SDK (`tests/vectors/agentmesh-0.2.json`).

use base64ct::{Base64, Encoding};
use serde_json::Value;

use super::*;

fn vectors() -> Value {
    let text = include_str!("../../../tests/vectors/agentmesh-0.2.json");
    serde_json::from_str(text).unwrap()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key].as_array().filter(|list| !list.is_empty()).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn base64(text: &str) -> Vec<u8> {
    Base64::decode_vec(text).unwrap()
}

#[test]
fn amids_and_dids() {
    for case in list(&vectors(), "amid") {
        let label = text(case, "label");
        let key: [u8; 32] = hex(text(case, "signing_public_key_hex")).try_into().unwrap();
        let amid = Amid::of_key_bytes(&key);
        assert_eq!(amid.as_bytes()[..], hex(text(case, "hash20_hex")), "{label}");
        assert_eq!(amid.to_string(), text(case, "amid"), "{label}");
        assert_eq!(text(case, "amid").parse(), Ok(amid), "{label}");
        assert_eq!(amid.did(), text(case, "did"), "{label}");
    }
}

#[test]
fn base58() {
    for case in list(&vectors(), "base58") {
        let bytes = hex(text(case, "hex"));
        // AMIDs are the only base58 there is, and 20 bytes long.
        let amid = <[u8; 20]>::try_from(&bytes[..]).map(Amid::from_bytes);
        let parsed = text(case, "base58").parse::<Amid>();
        assert_eq!(parsed.ok(), amid.ok(), "{bytes:?}");
    }
}

#[test]
fn identity_files_are_read_and_written_again() {
    for case in list(&vectors(), "identities") {
        let stored = text(case, "stored_bytes_utf8");
        let identity = Identity::from_json(stored).unwrap();
        let info = &case["public_info"];
        assert_eq!(identity.amid().to_string(), text(info, "amid"));

        // Byte for byte, but for who wrote it.
        let ours = identity.to_json();
        let (theirs, _) = stored.split_once("\"framework\"").unwrap();
        assert!(ours.starts_with(theirs), "{stored}");
        let [ours, theirs]: [Value; 2] =
            [ours.as_str(), stored].map(|json| serde_json::from_str(json).unwrap());
        let keys = |json: &Value| json.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&ours), keys(&theirs));
    }
}

#[test]
fn signatures_are_the_same_bytes() {
    for case in list(&vectors(), "identities") {
        let identity = Identity::from_json(text(case, "stored_bytes_utf8")).unwrap();
        for signed in list(case, "signatures") {
            let message = match signed["message_utf8"].as_str() {
                Some(message) => message.as_bytes().to_vec(),
                None => base64(text(signed, "message_b64")),
            };
            let expected = Signature::from_slice(&base64(text(signed, "signature"))).unwrap();
            assert_eq!(identity.sign(&message), Ok(expected));
            assert_eq!(identity.signing_key().verify(&message, &expected), Ok(()));
        }
        let stamp = &case["sign_timestamp_js"];
        let signature = Signature::from_slice(&base64(text(stamp, "signature"))).unwrap();
        assert_eq!(identity.sign(text(stamp, "timestamp").as_bytes()), Ok(signature));
    }
}

#[test]
fn derived_secrets() {
    for case in list(&vectors(), "identities") {
        let identity = Identity::from_json(text(case, "stored_bytes_utf8")).unwrap();
        let derived = &case["derive_secret"];
        let secret = identity.derive_secret(text(derived, "info").as_bytes());
        assert_eq!(secret.as_bytes()[..], base64(text(derived, "hmac_sha256")));
    }
}

#[test]
fn hkdf() {
    for case in list(&vectors()["kdf"], "hkdf") {
        let [ikm, salt] = ["ikm", "salt"].map(|key| base64(text(case, key)));
        let info = text(case, "info");
        let okm = kdf::hkdf_sha256::<255>(&salt, &[&ikm], &[info.as_bytes()]);
        let expected = base64(text(case, "output"));
        assert_eq!(okm.as_bytes()[..expected.len()], expected, "{info}");
    }
}
