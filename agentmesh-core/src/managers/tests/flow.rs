//! The flow of a Durable Object: bundle, initiate, accept, activate, encrypt, decrypt, everything carried as JSON.

use serde_json::{Value, json};

use super::{super::*, Clock, Party, pair, through_json};
use crate::{
    Error, limits,
    session::EncryptError,
    test_utils::block_on,
    wire::plaintext::{MessageType, Payload},
};

/// What a JavaScript caller does with an object that holds a `Uint8Array`.
fn as_numbers(object: &mut Value, from: &str, to: &str) {
    use base64ct::{Base64, Encoding};
    let members = object.as_object_mut().unwrap();
    let bytes = Base64::decode_vec(members.remove(from).unwrap().as_str().unwrap()).unwrap();
    members.insert(to.to_owned(), json!(bytes));
}

#[test]
fn the_durable_object_flow_with_a_restart_between_every_step() {
    let clock = Clock::new();
    let (mut alice, mut bob) = (Party::new(1, &clock), Party::new(2, &clock));
    let (alice_id, bob_id) = (alice.identity().amid(), bob.identity().amid());
    let bundle = serde_json::to_value(bob.bundle()).unwrap();
    alice.restart();
    bob.restart();
    assert_eq!((alice.identity().amid(), bob.identity().amid()), (alice_id, bob_id));

    // POST /session/initiate
    let bundle: Bundle = serde_json::from_value(bundle).unwrap();
    let begun = alice.initiate(&bob, &bundle).unwrap();
    let mut x3dh = serde_json::to_value(&begun.x3dh_message).unwrap();
    as_numbers(&mut x3dh, "identity_key", "identityKey");
    as_numbers(&mut x3dh, "ephemeral_key", "ephemeralKey");
    alice.restart();

    // The initiator writes at once, before the responder was there.
    let early = alice.encrypt(&begun.session_id, 1).unwrap();
    alice.restart();

    // POST /session/accept
    let x3dh: X3dhMessage = serde_json::from_value(x3dh).unwrap();
    assert_eq!(x3dh, begun.x3dh_message);
    let session = bob.accept(&alice, &x3dh).unwrap();
    assert_eq!(session, begun.session_id);
    bob.restart();
    let ratchet_key = block_on(bob.sessions.ratchet_public_key(&session)).unwrap().unwrap();
    let before = alice.records();
    block_on(alice.sessions.activate_session(&session, ratchet_key.as_bytes())).unwrap();
    assert_eq!(alice.records(), before, "activating has nothing left to do");
    alice.restart();

    // POST /message/encrypt, /message/decrypt, both ways
    assert_eq!(bob.decrypt(&session, &through_json(&early)).unwrap(), 1);
    for n in 2..12 {
        let envelope = bob.encrypt(&session, n).unwrap();
        bob.restart();
        assert_eq!(alice.decrypt(&session, &through_json(&envelope)).unwrap(), n);
        alice.restart();
        let envelope = alice.encrypt(&session, n + 100).unwrap();
        alice.restart();
        assert_eq!(bob.decrypt(&session, &through_json(&envelope)).unwrap(), n + 100);
        bob.restart();
    }
    assert_eq!(block_on(alice.prekeys.load_or_initialize()).unwrap().one_time_prekeys.len(), 100);
    assert_eq!(block_on(bob.prekeys.remaining()).unwrap(), 99);
}

#[test]
fn objects_have_the_names_of_0_2_and_round_trip() {
    let (alice, bob, session) = pair(3);
    let envelope = serde_json::to_value(alice.encrypt(&session, 1).unwrap()).unwrap();
    let members: Vec<_> = envelope.as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["ciphertext", "header", "session_id", "suite", "type"]);
    assert_eq!(envelope["type"], "encrypted");
    assert_eq!(envelope["header"]["n"], 1, "0 is the KNOCK");
    assert_eq!(envelope["header"]["dh_public_key"].as_str().unwrap().len(), 44);
    let bundle = serde_json::to_value(bob.bundle()).unwrap();
    for member in ["identity_key", "signed_prekey", "signed_prekey_signature"] {
        assert!(bundle[member].is_string(), "{member}");
    }
    assert_eq!(bundle["one_time_prekeys"].as_array().unwrap().len(), 99);
    let mut wrong = envelope;
    wrong["type"] = json!("plain");
    assert!(serde_json::from_value::<Envelope>(wrong).is_err());
    assert!(serde_json::from_value::<Envelope>(json!([])).is_err());
}

#[test]
fn envelopes_are_frames_that_a_relay_carries() {
    let (alice, bob, session) = pair(5);
    let envelope = alice.encrypt(&session, 7).unwrap();
    let frame = envelope.to_frame().unwrap();
    assert_eq!(frame[..2], [3, 2]);
    let back = Envelope::from_frame(frame).unwrap();
    assert_eq!(back, envelope);
    assert_eq!(bob.decrypt(&session, &back).unwrap(), 7);
    assert!(Envelope::from_frame(vec![3, 2, 0]).is_err());
}

#[test]
fn sessions_are_listed_found_described_and_closed() {
    let (alice, bob, session) = pair(7);
    let [info] = &block_on(alice.sessions.sessions()).unwrap()[..] else { panic!("one session") };
    assert_eq!((info.session_id.as_str(), info.state), (session.as_str(), SessionState::Pending));
    assert!(info.is_initiator && info.is_sending && !info.is_accepted);
    assert_eq!(info.peer_amid, bob.identity().amid());
    let envelope = bob.encrypt(&session, 1).unwrap();
    alice.decrypt(&session, &envelope).unwrap();
    let info = block_on(alice.sessions.describe(&session)).unwrap();
    assert_eq!(info.state, SessionState::Active);
    let printed = format!("{info:?}{:?}{:?}{envelope:?}", alice.sessions, alice.prekeys);
    let record = alice.identity().to_record();
    for private in [&record[1..33], &record[33..65]] {
        let hex: String = private.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!printed.contains(&hex) && !printed.contains(&format!("{private:?}")));
    }
    let found = block_on(bob.sessions.session_by_peer(&alice.identity().amid())).unwrap();
    assert_eq!(found.map(|info| info.session_id), Some(session.clone()));

    block_on(bob.sessions.close_session(&session)).unwrap();
    assert_eq!(block_on(bob.sessions.sessions()).unwrap(), []);
    assert_eq!(block_on(bob.sessions.session_by_peer(&alice.identity().amid())).unwrap(), None);
    let gone = |result: Result<(), Error>| {
        assert!(matches!(result, Err(Error::Manager(ManagerError::SessionNotFound { .. }))));
    };
    gone(bob.encrypt(&session, 1).map(drop));
    gone(block_on(bob.sessions.close_session(&session)));
    gone(block_on(bob.sessions.describe("nothing")).map(drop));
    gone(block_on(bob.sessions.activate_session("00", &[9; 32])));
}

#[test]
fn a_second_session_needs_the_first_one_closed() {
    let (alice, bob, session) = pair(9);
    let again = alice.initiate(&bob, &bob.bundle());
    assert!(
        matches!(&again, Err(Error::Manager(ManagerError::SessionExists { session_id, .. })) if *session_id == session),
        "{again:?}"
    );
    block_on(alice.sessions.close_session(&session)).unwrap();
    let second = alice.initiate(&bob, &bob.bundle()).unwrap();
    assert_ne!(second.session_id, session);
    bob.accept(&alice, &second.x3dh_message).unwrap();
    let envelope = alice.encrypt(&second.session_id, 2).unwrap();
    assert_eq!(bob.decrypt(&second.session_id, &envelope).unwrap(), 2);
    // The first one is kept for what may still be under way, and goes after four days of silence.
    let sending: Vec<_> =
        block_on(bob.sessions.sessions()).unwrap().iter().map(|s| s.is_sending).collect();
    assert_eq!(sending.iter().filter(|sending| **sending).count(), 1);
    assert_eq!(sending.len(), 2);
    bob.clock.advance(limits::RECEIVE_ONLY_AGE + 1);
    assert_eq!(block_on(bob.sessions.maintain()).unwrap(), 1);
    assert_eq!(block_on(bob.sessions.sessions()).unwrap().len(), 1);
}

#[test]
fn both_may_knock_at_once() {
    let clock = Clock::new();
    let (alice, bob) = (Party::new(11, &clock), Party::new(12, &clock));
    let (alice_bundle, bob_bundle) = (alice.bundle(), bob.bundle());
    let first = alice.initiate(&bob, &bob_bundle).unwrap();
    let second = bob.initiate(&alice, &alice_bundle).unwrap();
    alice.accept(&bob, &second.x3dh_message).unwrap();
    bob.accept(&alice, &first.x3dh_message).unwrap();
    let chosen = |of: &Party, peer: &Party| {
        block_on(of.sessions.session_by_peer(&peer.identity().amid())).unwrap().unwrap().session_id
    };
    assert_eq!(chosen(&alice, &bob), chosen(&bob, &alice));
    // Both sessions work.
    for session in [&first.session_id, &second.session_id] {
        let envelope = alice.encrypt(session, 5).unwrap();
        assert_eq!(bob.decrypt(session, &envelope).unwrap(), 5);
        let envelope = bob.encrypt(session, 6).unwrap();
        assert_eq!(alice.decrypt(session, &envelope).unwrap(), 6);
    }
}

#[test]
fn other_types_and_bytes_are_for_open_envelope() {
    let (alice, bob, session) = pair(13);
    let bytes = Payload::Bytes(vec![1, 2, 3]);
    let sent = alice.sessions.encrypt_payload(&session, MessageType::Request, bytes.clone());
    let envelope = block_on(sent).unwrap();
    let before = bob.records();
    let refused = bob.decrypt(&session, &envelope);
    assert!(matches!(refused, Err(Error::Manager(ManagerError::NotJson))), "{refused:?}");
    assert_eq!(bob.records(), before, "it stays unread");
    let opened = block_on(bob.sessions.open_envelope(&session, &envelope)).unwrap();
    assert_eq!((opened.kind, opened.payload), (MessageType::Request, bytes));
    assert_eq!(opened.from, alice.identity().amid());
    let signed = alice.sessions.encrypt_payload(&session, MessageType::Accept, Payload::None);
    assert!(block_on(signed).is_err());
}

#[test]
fn a_session_that_is_too_old_receives_and_asks_for_another() {
    let (alice, bob, session) = pair(15);
    let late = alice.encrypt(&session, 3).unwrap();
    alice.clock.advance(limits::SESSION_AGE);
    let expired = alice.encrypt(&session, 4);
    assert!(matches!(expired, Err(Error::Encrypt(EncryptError::Expired))), "{expired:?}");
    assert_eq!(bob.decrypt(&session, &late).unwrap(), 3);
    let next = alice.initiate(&bob, &bob.bundle()).unwrap();
    bob.accept(&alice, &next.x3dh_message).unwrap();
}

#[test]
fn what_does_not_fit_a_frame_is_refused_and_changes_nothing() {
    let (alice, _, session) = pair(17);
    let before = alice.records();
    let long = json!({ "text": "x".repeat(limits::MAX_PLAINTEXT) });
    assert!(block_on(alice.sessions.encrypt_message(&session, &long)).is_err());
    assert_eq!(alice.records(), before);
}
