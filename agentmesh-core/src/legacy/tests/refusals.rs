//! What is refused, each with the error that says so, and without an effect.

use super::super::*;
use crate::{
    Timestamp,
    identity::Identity,
    keys::{DhPublicKey, secretbox},
    knock::KnockRequest,
    test_utils::seeded_rng,
};

const NOW: Timestamp = Timestamp::from_millis(1_770_206_400_000);

fn identity(seed: u64) -> Identity {
    Identity::generate(NOW, &mut seeded_rng(seed))
}

/// The point of order one.
fn useless() -> DhPublicKey {
    DhPublicKey::from_bytes([0; 32])
}

struct Pair {
    alice: Identity,
    bob: Identity,
    prekeys: LegacyPrekeys,
    bundle: Bundle,
    message: X3dhMessage,
    at_alice: LegacySession,
    at_bob: LegacySession,
}

fn pair() -> Pair {
    let (alice, bob) = (identity(1), identity(2));
    let mut rng = seeded_rng(3);
    let prekeys = LegacyPrekeys::generate(NOW, &mut rng);
    let bundle = prekeys.bundle(&bob, NOW);
    let (at_alice, message) =
        LegacySession::initiate(&alice, &bob.public(), &bundle, NOW, &mut rng).unwrap();
    let keys = prekeys.responder_keys(&bob, &message, NOW).unwrap();
    let at_bob = LegacySession::accept(&alice.public(), &message, keys, NOW, &mut rng).unwrap();
    Pair { alice, bob, prekeys, bundle, message, at_alice, at_bob }
}

#[test]
fn handshakes_are_refused_by_what_is_wrong_with_them() {
    let Pair { alice, bob, prekeys, bundle, message, at_bob, .. } = pair();
    let mut rng = seeded_rng(4);
    let mut initiate = |bundle: &Bundle| {
        LegacySession::initiate(&alice, &bob.public(), bundle, NOW, &mut rng).map(drop)
    };
    let mut unsigned = bundle.clone();
    unsigned.signed_prekey_signature = None;
    assert_eq!(initiate(&unsigned), Err(LegacyHandshakeError::SignedPrekeySignature));
    let mut foreign = bundle.clone();
    foreign.identity_key = *alice.exchange_key();
    assert_eq!(initiate(&foreign), Err(LegacyHandshakeError::ExchangeKeyMismatch));
    let mut weak = bundle.clone();
    weak.one_time_prekeys[0].1 = useless();
    assert_eq!(initiate(&weak), Err(LegacyHandshakeError::NonContributory));

    let keys = |message: &X3dhMessage| prekeys.responder_keys(&bob, message, NOW).map(drop);
    let named = X3dhMessage { signed_prekey_id: 9, ..message };
    assert_eq!(keys(&named), Err(LegacyHandshakeError::UnknownSignedPrekey { id: 9 }));
    let named = X3dhMessage { one_time_prekey_id: Some(900), ..message };
    assert_eq!(keys(&named), Err(LegacyHandshakeError::UnknownOneTimePrekey { id: 900 }));
    let mut active = at_bob;
    assert!(bundle.verify(bob.signing_key()).is_ok());
    let refused = active.activate(bob.exchange_key(), NOW);
    let id = active.id().to_owned();
    assert_eq!(refused, Err(LegacyHandshakeError::NotPending { id }));
}

#[test]
fn nothing_is_written_out_of_turn_and_nothing_that_peers_cannot_read() {
    let Pair { mut at_alice, mut at_bob, .. } = pair();
    let mut rng = seeded_rng(5);
    let id = at_alice.id().to_owned();
    assert_eq!(at_alice.encrypt("{}", NOW, &mut rng), Err(LegacyEncryptError::NotActive { id }));
    assert_eq!(at_bob.encrypt("{}", NOW, &mut rng), Err(LegacyEncryptError::ResponderFirst));
    assert_eq!(at_alice.activate(&useless(), NOW), Err(LegacyHandshakeError::NonContributory));
    at_alice.activate(at_bob.ratchet_public_key(), NOW).unwrap();
    for text in ["[]", "1", "{", ""] {
        let refused = at_alice.encrypt(text, NOW, &mut rng);
        assert_eq!(refused, Err(LegacyEncryptError::NotAnObject), "{text}");
    }
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(1 << 20));
    let refused = at_alice.encrypt(&long, NOW, &mut rng);
    assert!(matches!(refused, Err(LegacyEncryptError::TooLong { .. })), "{refused:?}");
    assert_eq!(at_alice.messages_sent(), 0);

    let secret = crate::keys::Secret::new([1; 32]);
    let mut ratchet = LegacyRatchet::new(secret, Some(useless()), &mut rng);
    assert_eq!(ratchet.encrypt(b"{}", &mut rng), Err(LegacyEncryptError::NonContributory));
}

#[test]
fn envelopes_are_refused_by_what_is_wrong_with_them() {
    let Pair { mut at_alice, mut at_bob, .. } = pair();
    let mut rng = seeded_rng(6);
    at_alice.activate(at_bob.ratchet_public_key(), NOW).unwrap();
    let good = at_alice.encrypt("{\"n\":1}", NOW, &mut rng).unwrap();
    let mut open = |envelope: &Envelope| at_bob.decrypt(envelope, NOW, &mut seeded_rng(7));

    let mut flipped = good.clone();
    *flipped.ciphertext.last_mut().unwrap() ^= 1;
    assert_eq!(open(&flipped), Err(LegacyDecryptError::Authentication));
    let mut short = good.clone();
    short.ciphertext.truncate(secretbox::OVERHEAD - 1);
    assert_eq!(open(&short), Err(LegacyDecryptError::TooShort));
    let mut weak = good.clone();
    weak.header.ratchet_key = useless();
    assert_eq!(open(&weak), Err(LegacyDecryptError::NonContributory));
    let mut ahead = good.clone();
    ahead.header.n = 1_000_000;
    let refused = open(&ahead);
    assert!(
        matches!(refused, Err(LegacyDecryptError::TooManySkipped { gap: 1_000_000, .. })),
        "{refused:?}"
    );
    assert_eq!(open(&good).unwrap(), "{\"n\":1}");
    assert_eq!(open(&good), Err(LegacyDecryptError::Duplicate));
    // The peer's own key, and yet no JSON: below what `encrypt` lets through.
    let (header, ciphertext) = at_alice.ratchet.encrypt(b"not JSON", &mut rng).unwrap();
    let envelope = Envelope { session_id: good.session_id, header, ciphertext };
    assert_eq!(open(&envelope), Err(LegacyDecryptError::NotJson));
    at_bob.close(NOW);
    let id = at_bob.id().to_owned();
    let late = at_bob.decrypt(&envelope, NOW, &mut rng);
    assert_eq!(late, Err(LegacyDecryptError::NotActive { id }));
}

#[test]
fn texts_are_refused_by_what_is_wrong_with_them() {
    let Pair { bob, prekeys, at_alice, .. } = pair();
    let malformed = Bundle::from_json("{");
    assert!(matches!(malformed, Err(LegacyFormatError::Malformed { .. })), "{malformed:?}");
    let answer = format!(
        "{{\"type\":\"MAYBE\",\"timestamp\":1,\"from\":\"{0}\",\"to\":\"{0}\",\"knockNonce\":\"\",\"signature\":\"\"}}",
        bob.amid()
    );
    let unknown = LegacyAnswer::from_json(&answer);
    assert!(matches!(unknown, Err(LegacyFormatError::InvalidValue { .. })), "{unknown:?}");
    let long = LegacyKnock::from_json(&" ".repeat(1 << 20));
    assert!(matches!(long, Err(LegacyFormatError::TooLong { .. })), "{long:?}");
    // A file whose halves are of two keys.
    let (one, other) =
        (prekeys.to_json(), LegacyPrekeys::generate(NOW, &mut seeded_rng(9)).to_json());
    let public = |json: &str| {
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        value["signedPrekeyPublic"].as_str().unwrap().to_owned()
    };
    let mixed = one.replace(&public(&one), &public(&other));
    let refused = LegacyPrekeys::from_json(&mixed);
    assert!(matches!(refused, Err(LegacyFormatError::KeyPair { .. })), "{refused:?}");
    assert!(LegacySession::from_json(&at_alice.to_json()).is_ok());
}

#[test]
fn knocks_and_answers_are_refused_by_what_is_wrong_with_them() {
    let Pair { alice, bob, at_bob, .. } = pair();
    let mut rng = seeded_rng(10);
    let request = KnockRequest::new("weather", "ask");
    let knock = LegacyKnock::sign(&alice, bob.amid(), &request, None, NOW, &mut rng).unwrap();
    let verified = knock.verify(&bob.amid(), alice.signing_key(), NOW).unwrap();

    let other = knock.to_json().replace(PROTOCOL, "smoke/1");
    let other = LegacyKnock::from_json(&other).unwrap();
    let refused = other.verify(&bob.amid(), alice.signing_key(), NOW);
    assert_eq!(refused, Err(LegacyKnockError::Version));
    // Signed, and no request all the same.
    let mut text: serde_json::Value = serde_json::from_str(&knock.to_json()).unwrap();
    text["request"] = serde_json::json!([]);
    let unsigned = LegacyKnock::from_json(&text.to_string()).unwrap();
    let signature = alice.sign(unsigned.signing_string().as_bytes()).unwrap();
    text["signature"] = text::base64(signature.as_bytes()).into();
    let nonsense = LegacyKnock::from_json(&text.to_string()).unwrap();
    let refused = nonsense.verify(&bob.amid(), alice.signing_key(), NOW);
    assert!(matches!(refused, Err(LegacyKnockError::Format { .. })), "{refused:?}");

    let verdict = LegacyVerdict::Accept {
        session_id: "session_1".to_owned(),
        ratchet_key: Some(*at_bob.ratchet_public_key()),
    };
    let answer = LegacyAnswer::sign(&bob, &verified, verdict, NOW);
    let nonce = &verified.nonce_text;
    answer.verify(&alice.amid(), bob.signing_key(), nonce, NOW).unwrap();
    let mut text: serde_json::Value = serde_json::from_str(&answer.to_json()).unwrap();
    assert!(text.as_object_mut().unwrap().remove("ratchetKeySignature").is_some());
    let stripped = LegacyAnswer::from_json(&text.to_string()).unwrap();
    let refused = stripped.verify(&alice.amid(), bob.signing_key(), nonce, NOW);
    assert_eq!(refused, Err(LegacyKnockError::RatchetKeySignature));
}
