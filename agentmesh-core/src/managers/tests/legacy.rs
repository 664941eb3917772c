//! Sessions of 0.2 in single steps: what the deployed SDK's managers say to each other, without their defects.

use serde_json::{Value, json};

use super::{super::*, Clock, Party, pair as native_pair, through_json};
use crate::{
    Error,
    handshake::{HandshakeError, Suite},
    identity::Identity,
    keys::DhPublicKey,
    knock::KnockRequest,
    legacy::{
        LegacyAnswer, LegacyDecryptError, LegacyEncryptError, LegacyHandshakeError, LegacyKnock,
        LegacySession, LegacyVerdict,
    },
    limits,
    storage::MemoryStorage,
    test_utils::block_on,
    wire::plaintext::{MessageType, Payload},
};

pub(super) fn allowed(mut party: Party) -> Party {
    party.sessions = SessionManager::new(&party.prekeys).with_legacy();
    party
}

pub(super) fn restart(party: &mut Party) {
    party.restart();
    party.sessions = SessionManager::new(&party.prekeys).with_legacy();
}

pub(super) fn two(seed: u64) -> (Party, Party) {
    let clock = Clock::new();
    (allowed(Party::new(seed, &clock)), allowed(Party::new(seed + 1, &clock)))
}

pub(super) fn old_bundle(party: &Party) -> Bundle {
    through_json(&party.bundle().without_native())
}

pub(super) fn introduce(to: &Party, peer: &Party) {
    block_on(to.sessions.know_peer(&peer.identity().public())).unwrap();
}

/// What the initiator needs before it can write.
fn hand_ratchet_key(from: (&Party, &str), to: (&Party, &str)) {
    let key = block_on(from.0.sessions.ratchet_public_key(from.1)).unwrap().unwrap();
    block_on(to.0.sessions.activate_session(to.1, key.as_bytes())).unwrap();
}

/// Alice and Bob with a session of 0.2, opened by Alice, and each one's name for it.
fn pair(seed: u64) -> ((Party, String), (Party, String)) {
    let (alice, bob) = two(seed);
    let begun = alice.initiate(&bob, &old_bundle(&bob)).unwrap();
    introduce(&bob, &alice);
    let accepted = bob.accept(&alice, &through_json(&begun.x3dh_message)).unwrap();
    hand_ratchet_key((&bob, &accepted), (&alice, &begun.session_id));
    ((alice, begun.session_id), (bob, accepted))
}

fn names(object: &impl serde::Serialize) -> Vec<String> {
    let Ok(Value::Object(members)) = serde_json::to_value(object) else { panic!("an object") };
    members.keys().cloned().collect()
}

#[test]
fn the_flow_of_0_2_with_a_restart_between_every_step() {
    let (mut alice, mut bob) = two(101);
    let bundle = old_bundle(&bob);
    restart(&mut bob);
    restart(&mut alice);

    let begun = alice.initiate(&bob, &bundle).unwrap();
    let at_alice = begun.session_id.clone();
    restart(&mut alice);
    let pending = block_on(alice.sessions.describe(&at_alice)).unwrap();
    assert_eq!((pending.state, pending.suite), (SessionState::Pending, Suite::Legacy02));
    let early = alice.encrypt(&at_alice, 1);
    let waits = Err(Error::LegacyEncrypt(LegacyEncryptError::NotActive { id: at_alice.clone() }));
    assert_eq!(early, waits, "no ratchet key yet");

    introduce(&bob, &alice);
    restart(&mut bob);
    let at_bob = bob.accept(&alice, &through_json(&begun.x3dh_message)).unwrap();
    assert_ne!(at_bob, at_alice, "each end draws its own name");
    restart(&mut bob);
    let before = bob.records();
    let first = bob.encrypt(&at_bob, 1);
    assert_eq!(first, Err(Error::LegacyEncrypt(LegacyEncryptError::ResponderFirst)));
    assert_eq!(bob.records(), before, "the responder is silent, and nothing moved");

    hand_ratchet_key((&bob, &at_bob), (&alice, &at_alice));
    restart(&mut alice);
    for n in 1..8 {
        let envelope = alice.encrypt(&at_alice, n).unwrap();
        assert_eq!(envelope.session_id, at_alice);
        restart(&mut alice);
        assert_eq!(bob.decrypt(&at_bob, &through_json(&envelope)).unwrap(), n);
        restart(&mut bob);
        let envelope = bob.encrypt(&at_bob, n + 100).unwrap();
        restart(&mut bob);
        assert_eq!(alice.decrypt(&at_alice, &through_json(&envelope)).unwrap(), n + 100);
        restart(&mut alice);
    }
    assert_eq!(block_on(bob.prekeys.remaining()).unwrap(), 99);
}

#[test]
fn objects_of_0_2_are_those_of_the_deployed_sdk() {
    let ((alice, at_alice), (bob, _)) = pair(103);
    let bundle = bob.bundle().without_native();
    let members = [
        "identity_key",
        "one_time_prekeys",
        "signed_prekey",
        "signed_prekey_id",
        "signed_prekey_signature",
        "uploaded_at",
    ];
    assert_eq!(names(&bundle), members);
    assert_eq!(names(&bundle.one_time_prekeys[0]), ["id", "key"]);
    // Written in the deployed order, byte for byte.
    let parsed = crate::legacy::Bundle::from_json(&serde_json::to_string(&bundle).unwrap());
    assert_eq!(parsed.unwrap().to_json(), serde_json::to_string(&bundle).unwrap());
    let envelope = serde_json::to_string(&alice.encrypt(&at_alice, 1).unwrap()).unwrap();
    assert_eq!(crate::legacy::Envelope::from_json(&envelope).unwrap().to_json(), envelope);

    block_on(alice.sessions.close_session(&at_alice)).unwrap();
    for bundle in [bundle.clone(), Bundle { one_time_prekeys: Vec::new(), ..bundle }] {
        let begun = alice.initiate(&bob, &bundle).unwrap();
        let text = serde_json::to_string(&begun.x3dh_message).unwrap();
        assert_eq!(crate::legacy::X3dhMessage::from_json(&text).unwrap().to_json(), text);
        let one_time = bundle.one_time_prekeys.first().map(|first| first.id);
        assert_eq!(begun.x3dh_message.one_time_prekey_id, one_time, "the first is taken");
        assert_eq!(text.contains("one_time_prekey_id"), one_time.is_some());
        block_on(alice.sessions.close_session(&begun.session_id)).unwrap();
    }
}

#[test]
fn a_knock_of_0_2_carries_the_handshake_and_its_answer_the_ratchet_key() {
    let (alice, bob) = two(105);
    let (alice_id, bob_id) = (alice.identity(), bob.identity());
    let now = alice.store.context().now();
    let begun = alice.initiate(&bob, &old_bundle(&bob)).unwrap();
    let request = KnockRequest::new("chat", "message");
    let x3dh = serde_json::to_string(&begun.x3dh_message).unwrap();
    let x3dh = crate::legacy::X3dhMessage::from_json(&x3dh).unwrap();
    let knock = alice
        .store
        .context()
        .with_rng(|rng| LegacyKnock::sign(alice_id, bob_id.amid(), &request, Some(&x3dh), now, rng))
        .unwrap();

    // Bob has Alice's signing key, and believes what it signed.
    let read = LegacyKnock::from_json(&knock.to_json()).unwrap();
    let verified = read.verify(&bob_id.amid(), alice_id.signing_key(), now).unwrap();
    let carried: X3dhMessage =
        serde_json::from_str(&verified.request.x3dh.unwrap().to_json()).unwrap();
    assert_eq!(carried, begun.x3dh_message);
    introduce(&bob, &alice);
    let at_bob = bob.accept(&alice, &carried).unwrap();
    let ratchet_key = block_on(bob.sessions.ratchet_public_key(&at_bob)).unwrap();
    let verdict = LegacyVerdict::Accept { session_id: at_bob.clone(), ratchet_key };
    let answer = LegacyAnswer::sign(bob_id, &verified, verdict, now).to_json();

    let answer = LegacyAnswer::from_json(&answer).unwrap();
    let verdict = answer.verify(&alice_id.amid(), bob_id.signing_key(), knock.nonce(), now);
    let LegacyVerdict::Accept { ratchet_key: Some(key), .. } = verdict.unwrap() else {
        panic!("accepted with a key")
    };
    block_on(alice.sessions.activate_session(&begun.session_id, key.as_bytes())).unwrap();
    let envelope = alice.encrypt(&begun.session_id, 9).unwrap();
    assert_eq!(bob.decrypt(&at_bob, &envelope).unwrap(), 9);
}

#[test]
fn messages_of_0_2_come_in_any_order_and_only_once() {
    let ((alice, at_alice), (mut bob, at_bob)) = pair(107);
    let sent: Vec<_> = (0..6).map(|n| alice.encrypt(&at_alice, n).unwrap()).collect();
    for n in [4, 0, 5, 2] {
        assert_eq!(bob.decrypt(&at_bob, &sent[n]).unwrap(), n as u64);
        restart(&mut bob);
    }
    // Over a step of the ratchet, in both directions.
    let answer = bob.encrypt(&at_bob, 50).unwrap();
    assert_eq!(alice.decrypt(&at_alice, &answer).unwrap(), 50);
    let next = alice.encrypt(&at_alice, 6).unwrap();
    assert_eq!(bob.decrypt(&at_bob, &next).unwrap(), 6);
    for n in [3, 1] {
        assert_eq!(bob.decrypt(&at_bob, &sent[n]).unwrap(), n as u64, "it was only late");
    }
    let before = bob.records();
    for again in sent.iter().chain([&next]) {
        assert!(bob.decrypt(&at_bob, again).is_err(), "it came before");
    }
    let duplicate = Err(Error::LegacyDecrypt(LegacyDecryptError::Duplicate));
    assert_eq!(bob.decrypt(&at_bob, &next), duplicate);
    assert_eq!(bob.records(), before, "what comes twice changes nothing");
}

#[test]
fn what_is_forged_in_0_2_leaves_every_record_as_it_was() {
    let ((alice, at_alice), (bob, at_bob)) = pair(109);
    for n in 0..3 {
        let envelope = alice.encrypt(&at_alice, n).unwrap();
        bob.decrypt(&at_bob, &envelope).unwrap();
    }
    let answer = bob.encrypt(&at_bob, 3).unwrap();
    alice.decrypt(&at_alice, &answer).unwrap();
    let skipped = alice.encrypt(&at_alice, 4).unwrap();
    let late = alice.encrypt(&at_alice, 5).unwrap();
    bob.decrypt(&at_bob, &late).unwrap();
    let genuine = alice.encrypt(&at_alice, 6).unwrap();

    let forge = |of: &Envelope, change: &dyn Fn(&mut Envelope)| {
        let mut forged = of.clone();
        change(&mut forged);
        forged
    };
    let before = bob.records();
    let stranger = *Party::new(700, &Clock::new()).identity().exchange_key();
    for of in [&genuine, &skipped] {
        for position in [0, 23, 24, 39, 40, of.ciphertext.len() - 1] {
            let forged = forge(of, &|e| e.ciphertext[position] ^= 1);
            let refused = bob.decrypt(&at_bob, &forged);
            let expected = Err(Error::LegacyDecrypt(LegacyDecryptError::Authentication));
            assert_eq!(refused, expected, "{position}");
        }
        for change in [
            &(|e: &mut Envelope| e.header.dh_public_key = stranger) as &dyn Fn(&mut Envelope),
            &|e| e.header.dh_public_key = DhPublicKey::from_bytes([0; 32]),
            &|e| e.header.n = 1_000_000,
            &|e| e.header.n += 1,
            &|e| e.ciphertext.truncate(39),
            &|e| e.ciphertext.clear(),
            &|e| e.suite = Some(2),
        ] {
            let forged = forge(of, change);
            assert!(bob.decrypt(&at_bob, &forged).is_err(), "{forged:?}");
        }
    }
    assert_eq!(bob.records(), before, "byte for byte");
    assert_eq!(bob.decrypt(&at_bob, &skipped).unwrap(), 4);
    assert_eq!(bob.decrypt(&at_bob, &genuine).unwrap(), 6);
}

#[test]
fn a_handshake_of_0_2_is_taken_once_and_only_from_whom_it_is_known_to_be() {
    let (alice, bob) = two(111);
    let begun = alice.initiate(&bob, &old_bundle(&bob)).unwrap();
    let message = &begun.x3dh_message;
    let before = bob.records();
    let unknown = Err(ManagerError::UnknownPeer { peer: alice.identity().amid() }.into());
    assert_eq!(bob.accept(&alice, message), unknown);
    assert_eq!(bob.records(), before);
    introduce(&bob, &alice);
    let mut other = alice.identity().public();
    other.exchange = *bob.identity().exchange_key();
    let mismatch = Error::LegacyHandshake(LegacyHandshakeError::ExchangeKeyMismatch);
    assert_eq!(block_on(bob.sessions.know_peer(&other)), Err(mismatch.clone()));

    let before = bob.records();
    let refused = |change: &dyn Fn(&mut X3dhMessage)| {
        let mut forged = message.clone();
        change(&mut forged);
        let refused = bob.accept(&alice, &forged).unwrap_err();
        assert_eq!(bob.records(), before, "nothing is used up: {refused}");
        refused
    };
    assert_eq!(refused(&|m| m.identity_key = *bob.identity().exchange_key()), mismatch);
    let gone = LegacyHandshakeError::UnknownSignedPrekey { id: 7 };
    assert_eq!(refused(&|m| m.signed_prekey_id = 7), gone.into());
    let gone = LegacyHandshakeError::UnknownOneTimePrekey { id: 7 };
    assert_eq!(refused(&|m| m.one_time_prekey_id = Some(7)), gone.into());
    let weak = refused(&|m| m.ephemeral_key = DhPublicKey::from_bytes([0; 32]));
    assert_eq!(weak, LegacyHandshakeError::NonContributory.into());

    let session = bob.accept(&alice, message).unwrap();
    let before = bob.records();
    assert_eq!(bob.accept(&alice, message).unwrap(), session, "the same message again");
    refused_as_malformed(&bob, &alice, message);
    assert_eq!(bob.records(), before);
    block_on(bob.sessions.close_session(&session)).unwrap();
    let closed = ManagerError::SessionClosed { session_id: session };
    assert_eq!(bob.accept(&alice, message), Err(closed.into()), "a replay opens nothing");
}

/// The ephemeral key of a handshake that was taken, in another one.
fn refused_as_malformed(bob: &Party, alice: &Party, message: &X3dhMessage) {
    let other = X3dhMessage { one_time_prekey_id: None, ..message.clone() };
    let malformed = ManagerError::Malformed { what: "X3DH message" };
    assert_eq!(bob.accept(alice, &other), Err(malformed.into()));
}

#[test]
fn handshakes_of_0_2_without_a_one_time_key_are_remembered_up_to_a_limit() {
    let (alice, bob) = two(113);
    introduce(&bob, &alice);
    let bundle = Bundle { one_time_prekeys: Vec::new(), ..old_bundle(&bob) };
    let mut last = None;
    for _ in 0..64 {
        let begun = alice.initiate(&bob, &bundle).unwrap();
        let session = bob.accept(&alice, &begun.x3dh_message).unwrap();
        block_on(alice.sessions.close_session(&begun.session_id)).unwrap();
        block_on(bob.sessions.close_session(&session)).unwrap();
        last = Some(begun.x3dh_message);
    }
    let begun = alice.initiate(&bob, &bundle).unwrap();
    let refused = bob.accept(&alice, &begun.x3dh_message);
    assert_eq!(refused, Err(ManagerError::TooManyClosed.into()));
    let replayed = bob.accept(&alice, &last.unwrap());
    assert!(matches!(replayed, Err(Error::Manager(ManagerError::SessionClosed { .. }))));
}

#[test]
fn sessions_of_0_2_are_off_until_allowed_and_never_replace_native_ones() {
    let clock = Clock::new();
    let (plain, bob) = (Party::new(115, &clock), allowed(Party::new(116, &clock)));
    let refused = plain.initiate(&bob, &old_bundle(&bob));
    assert_eq!(refused.unwrap_err(), ManagerError::NoNativeBundle.into());
    let off = Err(ManagerError::LegacyDisabled.into());
    assert_eq!(block_on(plain.sessions.know_peer(&bob.identity().public())), off);
    let allowed_one = allowed(Party::new(117, &clock));
    let begun = allowed_one.initiate(&bob, &old_bundle(&bob)).unwrap();
    assert_eq!(plain.accept(&allowed_one, &begun.x3dh_message).map(drop), off);
    assert_eq!(plain.encrypt("session_00", 1).map(drop), off);

    // A bundle that has both opens a native session, and whoever was seen natively stays native.
    let (alice, bob, session) = native_pair(118);
    let (alice, bob) = (allowed(alice), allowed(bob));
    assert!(!session.starts_with("session_"));
    block_on(alice.sessions.close_session(&session)).unwrap();
    let downgrade = |refused: Error| {
        let pinned =
            matches!(refused, Error::Handshake(HandshakeError::SuiteDowngrade { offered: 1, .. }));
        assert!(pinned, "{refused}");
    };
    downgrade(alice.initiate(&bob, &old_bundle(&bob)).unwrap_err());
    introduce(&bob, &alice);
    let stranger = allowed(Party::new(120, &bob.clock));
    let x3dh = stranger.initiate(&bob, &old_bundle(&bob)).unwrap().x3dh_message;
    downgrade(bob.accept(&alice, &x3dh).unwrap_err());
}

#[test]
fn sessions_of_0_2_are_listed_found_closed_and_superseded() {
    let ((alice, at_alice), (bob, at_bob)) = pair(121);
    let (alice_id, bob_id) = (alice.identity().amid(), bob.identity().amid());
    let again = alice.initiate(&bob, &old_bundle(&bob)).unwrap_err();
    let exists = ManagerError::SessionExists { peer: bob_id, session_id: at_alice.clone() };
    assert_eq!(again, exists.into());
    let not_pending = ManagerError::NotPending { session_id: at_alice.clone() };
    let activated = alice.sessions.activate_session(&at_alice, &[9; 32]);
    assert_eq!(block_on(activated), Err(not_pending.into()));
    let [info] = &block_on(bob.sessions.sessions()).unwrap()[..] else { panic!("one session") };
    assert_eq!((info.session_id.as_str(), info.peer_amid), (at_bob.as_str(), alice_id));
    assert!(!info.is_initiator && info.is_sending && info.is_accepted);
    let found = block_on(bob.sessions.session_by_peer(&alice_id)).unwrap();
    assert_eq!(found.as_ref(), Some(info));

    // The one before is there for what is under way, until it was silent for four days.
    let late = alice.encrypt(&at_alice, 1).unwrap();
    block_on(alice.sessions.close_session(&at_alice)).unwrap();
    let next = alice.initiate(&bob, &old_bundle(&bob)).unwrap();
    let second = bob.accept(&alice, &next.x3dh_message).unwrap();
    let found = block_on(bob.sessions.session_by_peer(&alice_id)).unwrap().unwrap();
    assert_eq!(found.session_id, second);
    assert_eq!(bob.decrypt(&at_bob, &late).unwrap(), 1);
    bob.clock.advance(limits::RECEIVE_ONLY_AGE + 1);
    assert_eq!(block_on(bob.sessions.maintain()).unwrap(), 1);
    let gone = ManagerError::SessionNotFound { session_id: at_bob.clone() };
    assert_eq!(bob.decrypt(&at_bob, &late), Err(gone.into()));
    block_on(bob.sessions.close_session(&second)).unwrap();
    assert_eq!(block_on(bob.sessions.sessions()).unwrap(), []);
    assert!(bob.encrypt(&second, 1).is_err() && bob.encrypt("session_", 1).is_err());
}

#[test]
fn both_may_initiate_in_0_2_and_write_in_the_same_session() {
    let (alice, bob) = two(123);
    introduce(&alice, &bob);
    introduce(&bob, &alice);
    let (to_bob, to_alice) = (old_bundle(&bob), old_bundle(&alice));
    let from_alice = alice.initiate(&bob, &to_bob).unwrap();
    let from_bob = bob.initiate(&alice, &to_alice).unwrap();
    let at_bob = bob.accept(&alice, &from_alice.x3dh_message).unwrap();
    let at_alice = alice.accept(&bob, &from_bob.x3dh_message).unwrap();
    let chosen = |of: &Party, peer: &Party| {
        block_on(of.sessions.session_by_peer(&peer.identity().amid())).unwrap().unwrap().session_id
    };
    let of_alice = (from_alice.session_id, at_bob);
    let of_bob = (at_alice, from_bob.session_id);
    let smaller = alice.identity().amid() < bob.identity().amid();
    let expected = if smaller { of_alice } else { of_bob };
    assert_eq!((chosen(&alice, &bob), chosen(&bob, &alice)), expected);
}

#[test]
fn only_json_objects_of_a_bearable_length_go_into_0_2() {
    let ((alice, at_alice), _) = pair(125);
    let before = alice.records();
    let sent = |message: &Value| block_on(alice.sessions.encrypt_message(&at_alice, message));
    let not_an_object = Err(Error::LegacyEncrypt(LegacyEncryptError::NotAnObject));
    assert_eq!(sent(&json!([1])), not_an_object);
    let long = sent(&json!({ "text": "x".repeat(limits::LEGACY_MAX_CIPHERTEXT) }));
    assert!(matches!(long, Err(Error::LegacyEncrypt(LegacyEncryptError::TooLong { .. }))));
    for (kind, payload) in [
        (MessageType::Message, Payload::Bytes(vec![1])),
        (MessageType::Request, Payload::Json("{}".to_owned())),
    ] {
        let refused = block_on(alice.sessions.encrypt_payload(&at_alice, kind, payload));
        assert_eq!(refused, not_an_object);
    }
    assert_eq!(alice.records(), before);
}

/// A party with an identity and a session that the deployed SDK wrote.
fn deployed(identity: &Value, session: &Value) -> (Party, String) {
    let clock = Clock::new();
    let disk = MemoryStorage::new();
    let store = SealedStore::new(disk.clone(), &super::key(), clock.context(900));
    let identity = Identity::from_json(&identity.to_string()).unwrap();
    block_on(identity.save(&store, "session-identity")).unwrap();
    let party = allowed(Party::on(disk, 901, &clock));
    let session = LegacySession::from_json(&session.to_string()).unwrap();
    let sessions = legacy::LegacySessions::new(party.prekeys.clone());
    block_on(sessions.adopt(&session)).unwrap();
    (party, session.id().to_owned())
}

#[test]
fn conversations_of_the_deployed_sdk_are_read_from_its_states() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/agentmesh-0.2.json");
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut read = 0;
    for case in vectors["ratchet_transcripts"].as_array().unwrap() {
        let session = &case["bob_session_initial_json"];
        let (mut bob, at_bob) = deployed(&case["bob_identity"], session);
        // What Alice wrote before Bob answered: from then on his keys would have to be those of the file.
        let steps = case["steps"].as_array().unwrap();
        let flight: Vec<_> = steps
            .iter()
            .take_while(|step| step["op"] != "send" || step["by"] == "alice")
            .filter(|step| step["op"] == "send")
            .collect();
        for step in steps.iter().filter(|step| step["op"] == "receive") {
            let Some(sent) = flight.iter().find(|sent| sent["label"] == step["label"]) else {
                continue;
            };
            let envelope: Envelope = serde_json::from_value(sent["envelope"].clone()).unwrap();
            let message = block_on(bob.sessions.decrypt_message(&at_bob, &envelope)).unwrap();
            if let Some(text) = sent["plaintext_json"].as_str() {
                assert_eq!(message, serde_json::from_str::<Value>(text).unwrap());
            }
            let before = bob.records();
            assert!(block_on(bob.sessions.decrypt_message(&at_bob, &envelope)).is_err());
            assert_eq!(bob.records(), before);
            restart(&mut bob);
            read += 1;
        }
    }
    assert!(read > 30, "only {read} envelopes");

    let big = &vectors["ratchet_big_state"];
    let identity = &vectors["ratchet_transcripts"][0]["bob_identity"];
    let (mut bob, at_bob) = deployed(identity, &big["bob_session_json"]);
    for case in big["envelopes"].as_array().unwrap() {
        let envelope: Envelope = serde_json::from_value(case["envelope"].clone()).unwrap();
        let message = block_on(bob.sessions.decrypt_message(&at_bob, &envelope)).unwrap();
        let text = case["plaintext_json"].as_str().unwrap();
        assert_eq!(message, serde_json::from_str::<Value>(text).unwrap());
        restart(&mut bob);
    }
}

#[test]
fn the_deployed_sdk_s_bundle_opens_a_session() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/agentmesh-0.2.json");
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for case in vectors["x3dh"].as_array().unwrap() {
        let bundle = &case["bundle_serialized"];
        let bundle: Bundle = match bundle {
            Value::String(text) => serde_json::from_str(text).unwrap(),
            object => serde_json::from_value(object.clone()).unwrap(),
        };
        let bob = Identity::from_json(&case["responder_identity"].to_string()).unwrap();
        let alice = allowed(Party::new(127, &Clock::new()));
        let initiate = |bundle: &Bundle| {
            block_on(alice.sessions.initiate_session(&bob.amid(), bundle, bob.signing_key()))
        };
        let mut forged = bundle.clone();
        forged.signed_prekey = *alice.identity().exchange_key();
        let before = alice.records();
        let refused = LegacyHandshakeError::SignedPrekeySignature;
        assert_eq!(initiate(&forged), Err(refused.into()));
        let unsigned = Bundle { signed_prekey_signature: None, ..bundle.clone() };
        let refused = LegacyHandshakeError::SignedPrekeySignature;
        assert_eq!(initiate(&unsigned), Err(refused.into()), "as after a reload there");
        assert_eq!(alice.records(), before);
        let begun = initiate(&bundle).unwrap();
        let message = serde_json::to_value(&begun.x3dh_message).unwrap();
        let theirs = &case["initiator_message"];
        assert_eq!(message.get("one_time_prekey_id"), theirs.get("one_time_prekey_id"));
        assert_eq!(message["signed_prekey_id"], theirs["signed_prekey_id"]);
    }
}
