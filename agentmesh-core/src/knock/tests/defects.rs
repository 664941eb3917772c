//! What the deployed 0.2 SDK does wrong, by the numbers under which it was described.

use super::*;
use crate::{
    handshake::{SessionId, initiate},
    identity::Amid,
    limits::CLOCK_SKEW,
    prekeys::{BundleParts, KnownPeer, PreKeyBundle, PreKeys},
    time::MINUTE,
    wire::{
        frame::{HandshakeFrame, NativeFrame},
        plaintext::MessageType,
    },
};

/// K1: the signature of a KNOCK was never verified; another capability under the signature `AAAA` passed.
#[test]
fn k1_knock_signature_is_verified() {
    let genuine = knock().seal(&alice(), &AD).unwrap();
    let altered = Knock { request: knock().request.replace("forecast", "controls"), ..knock() };
    assert_eq!(altered.request.len(), knock().request.len());
    let mut forged = altered.seal(&bob(), &AD).unwrap();
    assert!(matches!(open(&forged), Err(KnockError::BadSignature { .. })));
    forged.signature = genuine.signature;
    assert!(matches!(open(&forged), Err(KnockError::BadSignature { .. })));
    forged.signature = crate::keys::Signature::from_bytes([0; 64]);
    assert!(matches!(open(&forged), Err(KnockError::BadSignature { .. })));
    assert!(open(&genuine).is_ok());
}

/// K2: nor was that of an answer; a REJECT could be made an ACCEPT.
#[test]
fn k2_answer_signature_and_type_are_verified() {
    let nonce = knock().nonce;
    let (kind, reject) =
        Answer::new(&Decision::reject("no"), nonce, NOW).seal(&bob(), &AD).unwrap();
    assert_eq!(kind, MessageType::Reject);
    let open =
        |kind, signed: &SignedBody| Answer::open(kind, signed, bob().signing_key(), &AD, &nonce);
    assert!(matches!(open(MessageType::Accept, &reject), Err(KnockError::BadSignature { .. })));
    let (_, mut accept) = Answer::new(&Decision::accept(), nonce, NOW).seal(&alice(), &AD).unwrap();
    assert!(matches!(open(MessageType::Accept, &accept), Err(KnockError::BadSignature { .. })));
    accept.signature = reject.signature;
    assert!(matches!(open(MessageType::Accept, &accept), Err(KnockError::BadSignature { .. })));
    assert!(open(MessageType::Reject, &reject).is_ok());
}

/// K3: a nonce was forgotten five minutes after receipt, though the KNOCK could be dated five minutes ahead.
#[test]
fn k3_knock_dated_ahead_cannot_be_replayed_after_its_receipt_window() {
    let mut memory = ReplayMemory::default();
    let (nonce, ahead) = ([1; 16], NOW.plus_millis(CLOCK_SKEW));
    let admit = |memory: &mut ReplayMemory, now: Timestamp| {
        // Time has passed for others too, so old nonces are dropped if they may be.
        let other = u128::from(now.as_millis()).to_be_bytes();
        memory.admit_nonce(other, now, 5 * MINUTE, now).unwrap();
        memory.admit_nonce(nonce, ahead, 5 * MINUTE, now)
    };
    assert_eq!(admit(&mut memory, NOW), Ok(()));
    for minutes in 1..=10 {
        let now = NOW.plus_millis(minutes * MINUTE);
        assert_eq!(admit(&mut memory, now), Err(KnockError::Replayed), "{minutes}");
    }
    // From then on the KNOCK itself is too old, and the memory knows it without the nonce.
    let after = NOW.plus_millis(10 * MINUTE + 1);
    assert_eq!(admit(&mut memory, after), Err(KnockError::Expired));
}

/// K4: nonces of unauthenticated messages were stored, without bound.
#[test]
fn k4_only_verified_knocks_are_remembered() {
    let mut memory = ReplayMemory::default();
    let mut forged = knock().seal(&alice(), &AD).unwrap();
    forged.signature = crate::keys::Signature::from_bytes([9; 64]);
    // `admit` takes a `VerifiedKnock`, and only `open` makes one.
    assert!(open(&forged).is_err());
    assert!(memory.is_empty());
    let genuine = open(&knock().seal(&alice(), &AD).unwrap()).unwrap();
    assert_eq!(memory.admit(&genuine, NOW), Ok(()));
    assert_eq!(memory.admit(&genuine, NOW), Err(KnockError::Replayed));
    assert_eq!(memory.len(), 1);
}

/// K5: an empty capability skipped the intent allow list; a lifetime or reputation that is no number passed.
#[test]
fn k5_empty_capability_and_nan_do_not_pass() {
    let policy = Policy::from_json(r#"{"allowedIntents":["weather"]}"#).unwrap();
    let context = KnockContext::new(alice().amid(), "", 300);
    let reason = "Intent category  not in allow list";
    assert_eq!(policy.evaluate(&context), Decision::reject(reason));

    let mut context = KnockContext::new(alice().amid(), "weather", 300);
    context.reputation = f64::NAN;
    let reason = "Reputation NaN below minimum 0";
    assert_eq!(policy.evaluate(&context), Decision::reject(reason));

    // What ECMAScript writes for NaN.
    let nan = r#"{"type":"one-shot","ttl":null,"intent":{"capability":"weather","action":"a"}}"#;
    assert!(matches!(KnockRequest::parse(nan), Err(KnockError::Request { .. })));
}

/// K6: tier and reputation were fixed to anonymous and 0, so the presets rejected everybody.
#[test]
fn k6_presets_accept_whom_they_are_for() {
    let sid = SessionId::from_bytes([0; 16]);
    let mut info = verified(&knock()).into_info(sid, Suite::X25519);
    assert!(!Policy::verified().evaluate(&info.context(NOW)).is_accept());
    info.tier = Tier::Verified;
    info.reputation = 0.5;
    assert!(Policy::verified().evaluate(&info.context(NOW)).is_accept());
    assert!(!Policy::organization().evaluate(&info.context(NOW)).is_accept());
    info.tier = Tier::Organization;
    info.reputation = 0.7;
    assert!(Policy::organization().evaluate(&info.context(NOW)).is_accept());
}

/// K7: the default policy granted 300 seconds and the default request asked for 3600.
#[test]
fn k7_default_policy_accepts_default_request() {
    let sid = SessionId::from_bytes([0; 16]);
    let mut info = verified(&knock()).into_info(sid, Suite::X25519);
    for policy in [Policy::default(), Policy::permissive()] {
        let granted = Decision::Accept { ttl_s: Some(300) };
        assert_eq!(policy.evaluate(&info.context(NOW)), granted);
    }
    info.request.ttl_s = 3600;
    let reason = "Requested TTL 3600s exceeds maximum 300s";
    assert_eq!(Policy::default().evaluate(&info.context(NOW)), Decision::reject(reason));
}

/// K8: the session id in the answer was not the one under which the session was registered.
#[test]
fn k8_session_id_is_computed_by_both_ends() {
    let (alice, bob) = (alice(), bob());
    let mut rng = seeded_rng(9);
    let prekeys = PreKeys::generate(&bob, NOW, &mut rng);
    let blob = prekeys.bundle(&bob);
    let parts = BundleParts::bundle_only(&blob);
    let bundle = PreKeyBundle::verify(parts, &KnownPeer::first_contact(bob.amid()), NOW).unwrap();
    let (hs, established) = initiate(&alice, &bundle, Suite::X25519, &mut rng).unwrap();

    let mut message = established.session_id.as_bytes().to_vec();
    message.extend([3, 2]);
    message.resize(16 + 42, 0);
    message.resize(16 + 42 + 12 + 256 + 16, 1);
    let frame = HandshakeFrame::new(hs.as_bytes(), &message).unwrap();
    let NativeFrame::Handshake(frame) = NativeFrame::parse(frame.into_bytes()).unwrap() else {
        panic!("not a handshake");
    };
    // Bob computes it from what he received, and answers without naming one.
    let computed = crate::handshake::session_id(bob.signing_key(), frame.hs());
    assert_eq!((computed, frame.session_id()), (established.session_id, established.session_id));
}

/// K10: the certificate chain was not signed.
#[test]
fn k10_certificate_is_signed() {
    let knock = Knock { certificate: Some(vec![1, 2, 3]), ..knock() };
    let signed = knock.seal(&alice(), &AD).unwrap();
    let other = Knock { certificate: Some(vec![1, 2, 4]), ..knock }.seal(&bob(), &AD).unwrap();
    let swapped = SignedBody { body: other.body, signature: signed.signature };
    assert!(open(&signed).is_ok());
    assert!(matches!(open(&swapped), Err(KnockError::BadSignature { .. })));
}

/// C10: a malformed policy file silently accepted everybody, the written specification's block list was ignored, and
/// the list that was checked was not the list that was used.
#[test]
fn c10_policy_files_fail_closed() {
    for malformed in ["", "{", r#"{"blockedAmids":"all"}"#, r#"{"blockedAmids":["nobody"]}"#] {
        assert!(Policy::from_json(malformed).is_err(), "{malformed}");
    }
    let spammer = Amid::from_bytes([5; 20]);
    let file = format!(r#"{{"blocklist":["{spammer}"],"accept_tiers":[1,1.5,2]}}"#);
    let context = KnockContext::new(spammer, "weather", 300);
    let decision = Policy::from_json(&file).unwrap().evaluate(&context);
    assert_eq!(decision, Decision::reject("AMID is blocked"));

    let file = r#"{"acceptedIntents":["travel"]}"#;
    let decision = Policy::from_json(file).unwrap().evaluate(&context);
    assert_eq!(decision, Decision::reject("Intent category weather not in allow list"));
}
