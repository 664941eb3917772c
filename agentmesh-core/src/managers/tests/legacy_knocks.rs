//! KNOCK, ACCEPT and REJECT of 0.2 by hand.

use super::{
    super::*,
    Clock, Party,
    legacy::{allowed, introduce, old_bundle, restart, two},
    pair as native_pair,
};
use crate::{
    Error, Timestamp,
    handshake::HandshakeError,
    identity::IdentityPublic,
    keys::DhPublicKey,
    knock::{Decision, KnockError, KnockRequest, Policy, Tier},
    legacy::{
        LegacyAnswer, LegacyHandshakeError, LegacyKnock, LegacyKnockError, LegacyVerdict,
        X3dhMessage as Handshake,
    },
    limits,
    storage::{RecordId, RecordKind},
    test_utils::block_on,
    time::MINUTE,
};

fn protocol(party: &Party, policy: Policy) -> LegacyKnockProtocol {
    KnockProtocol::new(&party.sessions, policy).legacy().unwrap()
}

fn trusting() -> Policy {
    Policy { allow_legacy: true, ..Policy::default() }
}

fn knock(from: &Party, to: &Party) -> LegacyKnocked {
    let id = to.identity();
    let request = KnockRequest::new("weather/forecast", "query");
    let knocks = protocol(from, trusting());
    let knocked =
        block_on(knocks.create_knock(&id.amid(), &old_bundle(to), id.signing_key(), &request));
    let LegacyKnocked { session_id, knock } = knocked.unwrap();
    LegacyKnocked { session_id, knock: over_the_wire(&knock) }
}

fn over_the_wire(knock: &LegacyKnock) -> LegacyKnock {
    LegacyKnock::from_json(&knock.to_json()).unwrap()
}

fn public(party: &Party) -> IdentityPublic {
    party.identity().public()
}

fn verify(at: &Party, from: &Party, knock: &LegacyKnock) -> Result<LegacyKnockInfo, Error> {
    block_on(protocol(at, trusting()).verify_knock(&public(from), knock))
}

fn answer(
    at: &Party,
    from: &Party,
    knock: &LegacyKnock,
    decision: &Decision,
) -> Result<AnsweredLegacyKnock, Error> {
    let answered = block_on(protocol(at, trusting()).answer_knock(&public(from), knock, decision))?;
    let answer = LegacyAnswer::from_json(&answered.answer.to_json()).unwrap();
    Ok(AnsweredLegacyKnock { answer, ..answered })
}

fn accept(at: &Party, from: &Party, knock: &LegacyKnock) -> Result<AnsweredLegacyKnock, Error> {
    answer(at, from, knock, &Decision::accept())
}

fn verify_answer(at: &Party, id: &str, answer: &LegacyAnswer) -> Result<LegacyVerdict, Error> {
    block_on(protocol(at, trusting()).verify_answer(id, answer))
}

/// A KNOCK that `from` signs by itself, with whatever handshake and at whatever time.
fn signed(from: &Party, to: &Party, x3dh: Option<&Handshake>, now: Timestamp) -> LegacyKnock {
    let (own, to) = (from.identity(), to.identity().amid());
    let request = KnockRequest::new("weather/forecast", "query");
    from.store
        .context()
        .with_rng(|rng| LegacyKnock::sign(own, to, &request, x3dh, now, rng))
        .unwrap()
}

fn now(party: &Party) -> Timestamp {
    party.store.context().now()
}

fn replayed() -> Option<Error> {
    Some(KnockError::Replayed.into())
}

#[test]
fn a_knock_of_0_2_is_made_judged_and_accepted_with_a_restart_between_every_step() {
    let (mut alice, mut bob) = two(201);
    let knocked = knock(&alice, &bob);
    let id = knocked.session_id.clone();
    restart(&mut alice);
    restart(&mut bob);
    assert_eq!(block_on(alice.sessions.describe(&id)).unwrap().state, SessionState::Pending);

    let before = bob.records();
    let mut info = verify(&bob, &alice, &knocked.knock).unwrap();
    assert_eq!(info.knock.from, alice.identity().amid());
    assert_eq!(info.knock.request.capability, "weather/forecast");
    assert_eq!(info.knock.request.ttl_s, 300, "what deployed policies grant");
    let judged = |policy: Policy, info: &LegacyKnockInfo| {
        block_on(protocol(&bob, policy).evaluate(info)).unwrap().is_accept()
    };
    let strict = Policy { allow_legacy: true, ..Policy::verified() };
    assert!(!judged(strict.clone(), &info), "nobody vouched for it yet");
    (info.tier, info.reputation) = (Tier::Verified, 0.9);
    assert!(judged(strict, &info));
    assert!(!judged(Policy::default(), &info), "not in 0.2");
    assert!(!judged(Policy { max_concurrent_sessions: 0, ..trusting() }, &info));
    assert_eq!(bob.records(), before, "looking changes nothing");
    restart(&mut bob);

    let answered = accept(&bob, &alice, &knocked.knock).unwrap();
    restart(&mut bob);
    let at_bob = answered.session_id.unwrap();
    let verdict = verify_answer(&alice, &id, &answered.answer).unwrap();
    let LegacyVerdict::Accept { session_id, ratchet_key } = verdict else { panic!("accepted") };
    assert_eq!((session_id, ratchet_key.is_some()), (at_bob.clone(), true));
    restart(&mut alice);
    let once = ManagerError::NotPending { session_id: id.clone() };
    assert_eq!(verify_answer(&alice, &id, &answered.answer), Err(once.into()));
    for n in 0..3 {
        let envelope = alice.encrypt(&id, n).unwrap();
        assert_eq!(bob.decrypt(&at_bob, &envelope).unwrap(), n);
        let envelope = bob.encrypt(&at_bob, n).unwrap();
        assert_eq!(alice.decrypt(&id, &envelope).unwrap(), n);
    }
    assert_eq!(block_on(bob.prekeys.remaining()).unwrap(), 99);
}

#[test]
fn a_knock_of_0_2_counts_once_even_after_a_restart() {
    let (alice, mut bob) = two(203);
    let first = knock(&alice, &bob);
    let answered = accept(&bob, &alice, &first.knock).unwrap();
    restart(&mut bob);
    let before = bob.records();
    assert_eq!(verify(&bob, &alice, &first.knock).err(), replayed());
    // The answer was lost, and is asked for again: the same session, the same key.
    let second = accept(&bob, &alice, &first.knock).unwrap();
    assert_eq!(second, answered);
    assert_eq!(bob.records(), before);

    // Once something was read, there is nothing left to answer.
    verify_answer(&alice, &first.session_id, &second.answer).unwrap();
    let envelope = alice.encrypt(&first.session_id, 1).unwrap();
    let at_bob = second.session_id.unwrap();
    bob.decrypt(&at_bob, &envelope).unwrap();
    let before = bob.records();
    assert_eq!(accept(&bob, &alice, &first.knock).err(), replayed());
    // Nor in another KNOCK with that handshake.
    let x3dh = handshake_of(&first.knock);
    let other = signed(&alice, &bob, Some(&x3dh), now(&alice));
    assert_eq!(accept(&bob, &alice, &other).err(), replayed());
    assert_eq!(bob.records(), before);
    block_on(bob.sessions.close_session(&at_bob)).unwrap();
    restart(&mut bob);
    let before = bob.records();
    let closed = ManagerError::SessionClosed { session_id: at_bob };
    for knock in [&first.knock, &other] {
        assert_eq!(accept(&bob, &alice, knock).err(), Some(closed.clone().into()));
    }
    assert_eq!(bob.records(), before, "a replay opens nothing");
}

#[test]
fn what_a_rejection_of_0_2_closes_stays_closed() {
    let (mut alice, mut bob) = two(205);
    let knocked = knock(&alice, &bob);
    let keys = block_on(bob.prekeys.remaining()).unwrap();
    let reason = "é".repeat(limits::MAX_REASON);
    let rejected = answer(&bob, &alice, &knocked.knock, &Decision::reject(reason)).unwrap();
    assert_eq!(rejected.session_id, None);
    assert_eq!(block_on(bob.prekeys.remaining()).unwrap(), keys, "no key was used up");
    restart(&mut bob);
    let before = bob.records();
    assert_eq!(verify(&bob, &alice, &knocked.knock).err(), replayed());
    assert_eq!(accept(&bob, &alice, &knocked.knock).err(), replayed());
    let again = answer(&bob, &alice, &knocked.knock, &Decision::Later);
    assert_eq!(again.err(), replayed());
    assert_eq!(bob.records(), before);

    restart(&mut alice);
    let id = &knocked.session_id;
    let verdict = verify_answer(&alice, id, &rejected.answer).unwrap();
    let LegacyVerdict::Reject { reason } = verdict else { panic!("rejected") };
    assert_eq!(reason.len(), limits::MAX_REASON, "cut");
    let gone = ManagerError::SessionNotFound { session_id: id.clone() };
    assert_eq!(verify_answer(&alice, id, &rejected.answer), Err(gone.clone().into()));
    assert_eq!(alice.encrypt(id, 1), Err(gone.into()));
    assert_eq!(block_on(alice.sessions.sessions()).unwrap(), []);

    // Another KNOCK is another matter; and a change of mind closes what was accepted.
    let next = knock(&alice, &bob);
    let at_bob = accept(&bob, &alice, &next.knock).unwrap().session_id.unwrap();
    let changed = answer(&bob, &alice, &next.knock, &Decision::Later).unwrap();
    assert_eq!(block_on(bob.sessions.sessions()).unwrap(), [], "{at_bob}");
    let verdict = verify_answer(&alice, &next.session_id, &changed.answer).unwrap();
    assert!(matches!(verdict, LegacyVerdict::Reject { .. }));
}

#[test]
fn knocks_of_0_2_that_are_not_genuine_leave_every_record_as_it_was() {
    let (alice, bob) = two(207);
    let carol = allowed(Party::new(209, &alice.clock));
    let (genuine, misled) = (knock(&alice, &bob), knock(&alice, &carol));
    let x3dh = handshake_of(&genuine.knock);
    let text = genuine.knock.to_json();
    let altered = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        LegacyKnock::from_json(&text.replace(from, to)).unwrap()
    };
    let time = now(&alice).as_millis();
    let dated = |ms| signed(&alice, &bob, Some(&x3dh), Timestamp::from_millis(ms));
    let foreign = Handshake { identity_key: *carol.identity().exchange_key(), ..x3dh };
    let weak = Handshake { ephemeral_key: DhPublicKey::from_bytes([0; 32]), ..x3dh };
    let gone = Handshake { signed_prekey_id: 77, ..x3dh };
    let spent = Handshake { one_time_prekey_id: Some(7_777), ..x3dh };
    let with = |x3dh: &Handshake| signed(&alice, &bob, Some(x3dh), now(&alice));
    let forged: Error = LegacyKnockError::Signature.into();
    let stale: Error = LegacyKnockError::Stale.into();
    let refused: Vec<(LegacyKnock, Error)> = vec![
        (misled.knock, LegacyKnockError::NotForUs.into()),
        (altered("agentmesh/0.2", "other/0.2"), LegacyKnockError::Version.into()),
        (altered("weather/forecast", "weather/anything"), forged.clone()),
        (altered(&time.to_string(), &(time + 1).to_string()), forged.clone()),
        (altered(genuine.knock.nonce(), &"0".repeat(32)), forged.clone()),
        (signed(&carol, &bob, Some(&x3dh), now(&alice)), forged),
        (dated(time - 5 * MINUTE - 1), stale.clone()),
        (dated(time + 5 * MINUTE + 1), stale),
        (with(&foreign), LegacyHandshakeError::ExchangeKeyMismatch.into()),
        (with(&weak), LegacyHandshakeError::NonContributory.into()),
        (with(&gone), LegacyHandshakeError::UnknownSignedPrekey { id: 77 }.into()),
        (with(&spent), LegacyHandshakeError::UnknownOneTimePrekey { id: 7_777 }.into()),
        (signed(&alice, &bob, None, now(&alice)), ManagerError::Malformed { what: "KNOCK" }.into()),
    ];
    let before = bob.records();
    for (knock, error) in refused {
        assert_eq!(accept(&bob, &alice, &knock).err(), Some(error), "{knock:?}");
        assert_eq!(bob.records(), before, "byte for byte");
    }
    let own = signed(&bob, &bob, None, now(&bob));
    let wrong = ManagerError::WrongPeer { expected: bob.identity().amid() };
    assert_eq!(verify(&bob, &bob, &own).err(), Some(wrong.into()));
    // Nothing of that was remembered: the genuine one counts.
    accept(&bob, &alice, &genuine.knock).unwrap();
}

#[test]
fn answers_of_0_2_that_are_not_genuine_leave_every_record_as_it_was() {
    let (alice, bob) = two(211);
    let carol = allowed(Party::new(213, &alice.clock));
    let knocked = knock(&alice, &bob);
    let id = &knocked.session_id;
    let verified = verify(&bob, &alice, &knocked.knock).unwrap().knock;
    let answered = accept(&bob, &alice, &knocked.knock).unwrap();
    let text = answered.answer.to_json();
    let LegacyVerdict::Accept { session_id, .. } = answered
        .answer
        .verify(
            &alice.identity().amid(),
            bob.identity().signing_key(),
            knocked.knock.nonce(),
            now(&alice),
        )
        .unwrap()
        .clone()
    else {
        panic!("accepted")
    };
    let says = |by: &Party, key: [u8; 32], nonce: &str, at: u64| {
        let ratchet_key = Some(DhPublicKey::from_bytes(key));
        let verdict = LegacyVerdict::Accept { session_id: session_id.clone(), ratchet_key };
        let mut knock = verified.clone();
        knock.nonce_text = nonce.to_owned();
        LegacyAnswer::sign(by.identity(), &knock, verdict, Timestamp::from_millis(at))
    };
    let (nonce, time) = (knocked.knock.nonce(), now(&bob).as_millis());
    let key_of = |json: &str| {
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        json["ratchetKey"].as_str().unwrap().to_owned()
    };
    let other_key = says(&bob, [9; 32], nonce, time).to_json();
    let swapped = text.replace(&key_of(&text), &key_of(&other_key));
    let renamed = text.replace(&session_id, "session_of_another_name");
    let read = |json: &str| LegacyAnswer::from_json(json).unwrap();
    let refused: Vec<(LegacyAnswer, Error)> = vec![
        (read(&swapped), LegacyKnockError::RatchetKeySignature.into()),
        (read(&renamed), LegacyKnockError::Signature.into()),
        (says(&carol, [9; 32], nonce, time), LegacyKnockError::Signature.into()),
        (says(&bob, [9; 32], &"0".repeat(32), time), LegacyKnockError::WrongNonce.into()),
        (says(&bob, [9; 32], nonce, time - 5 * MINUTE - 1), LegacyKnockError::Stale.into()),
        (says(&bob, [0; 32], nonce, time), LegacyHandshakeError::NonContributory.into()),
    ];
    let before = alice.records();
    for (answer, error) in refused {
        assert_eq!(verify_answer(&alice, id, &answer).err(), Some(error), "{answer:?}");
        assert_eq!(alice.records(), before, "byte for byte");
    }
    // The responder asked nothing, and neither did a session that was opened without a KNOCK.
    let theirs = answered.session_id.clone().unwrap();
    let not_pending = ManagerError::NotPending { session_id: theirs.clone() };
    assert_eq!(verify_answer(&bob, &theirs, &answered.answer), Err(not_pending.into()));
    let plain = alice.initiate(&carol, &old_bundle(&carol)).unwrap().session_id;
    let not_pending = ManagerError::NotPending { session_id: plain.clone() };
    assert_eq!(verify_answer(&alice, &plain, &answered.answer), Err(not_pending.into()));
    verify_answer(&alice, id, &answered.answer).unwrap();
}

#[test]
fn an_accept_of_the_deployed_sdk_carries_no_key_and_leaves_the_session_waiting() {
    let (alice, bob) = two(215);
    let knocked = knock(&alice, &bob);
    let verified = verify(&bob, &alice, &knocked.knock).unwrap().knock;
    let at_bob = accept(&bob, &alice, &knocked.knock).unwrap().session_id.unwrap();
    let bare = LegacyVerdict::Accept { session_id: "sess_00".to_owned(), ratchet_key: None };
    let bare = LegacyAnswer::sign(bob.identity(), &verified, bare, now(&bob));
    verify_answer(&alice, &knocked.session_id, &bare).unwrap();
    assert!(alice.encrypt(&knocked.session_id, 1).is_err(), "no key yet");
    let key = block_on(bob.sessions.ratchet_public_key(&at_bob)).unwrap().unwrap();
    block_on(alice.sessions.activate_session(&knocked.session_id, key.as_bytes())).unwrap();
    let envelope = alice.encrypt(&knocked.session_id, 1).unwrap();
    assert_eq!(bob.decrypt(&at_bob, &envelope).unwrap(), 1);
}

#[test]
fn knocks_of_0_2_are_off_until_allowed_and_never_come_from_who_was_seen_natively() {
    let clock = Clock::new();
    let plain = Party::new(217, &clock);
    let off = KnockProtocol::new(&plain.sessions, Policy::default()).legacy();
    assert_eq!(off.err(), Some(ManagerError::LegacyDisabled.into()));

    let (alice, bob, _) = native_pair(218);
    let (alice, bob) = (allowed(alice), allowed(bob));
    let before = bob.records();
    let refused = accept(&bob, &alice, &signed(&alice, &bob, None, now(&alice))).err();
    let downgrade = |error: Option<Error>| {
        matches!(error, Some(Error::Handshake(HandshakeError::SuiteDowngrade { offered: 1, .. })))
    };
    assert!(downgrade(refused));
    assert_eq!(bob.records(), before);

    // The exchange key that was said before stays.
    let (alice, bob) = two(221);
    introduce(&bob, &alice);
    let mut other = public(&alice);
    other.exchange = *bob.identity().exchange_key();
    let knock = knock(&alice, &bob).knock;
    let refused = block_on(protocol(&bob, trusting()).accept_knock(&other, &knock)).err();
    assert_eq!(refused, Some(LegacyHandshakeError::ExchangeKeyMismatch.into()));
}

#[test]
fn nonces_of_0_2_are_kept_as_long_as_they_count_sealed_and_in_bounds() {
    let (alice, mut bob) = two(223);
    let memory = |bob: &Party| {
        let (own, peer) = (bob.identity().amid(), alice.identity().amid());
        let name = format!("knocks-0.2/{own}/{peer}");
        let id: RecordId = bob.store.vault().record_id(RecordKind::Managed, name.as_bytes());
        bob.records().into_iter().find(|record| record.id == id)
    };
    // Dated ahead, so that it is believed for ten minutes.
    let ahead = signed(&alice, &bob, None, now(&bob).plus_millis(5 * MINUTE));
    let early = signed(&alice, &bob, None, now(&bob));
    for knock in [&ahead, &early] {
        answer(&bob, &alice, knock, &Decision::reject("no")).unwrap();
    }
    let nonce = nonce_of(&ahead);
    let sealed = memory(&bob).unwrap().sealed;
    assert!(!sealed.windows(nonce.len()).any(|bytes| bytes == nonce), "sealed");
    bob.clock.advance(5 * MINUTE);
    restart(&mut bob);
    assert_eq!(block_on(bob.sessions.maintain()).unwrap(), 0);
    assert_eq!(verify(&bob, &alice, &early).err(), replayed(), "in its last millisecond");
    bob.clock.advance(5 * MINUTE);
    assert_eq!(block_on(bob.sessions.maintain()).unwrap(), 0);
    assert_eq!(verify(&bob, &alice, &ahead).err(), replayed());
    bob.clock.advance(1);
    assert_eq!(verify(&bob, &alice, &ahead).err(), Some(LegacyKnockError::Stale.into()));
    assert_eq!(block_on(bob.sessions.maintain()).unwrap(), 1);
    assert_eq!(memory(&bob), None);

    for _ in 0..limits::REPLAY_NONCES {
        let knock = signed(&alice, &bob, None, now(&bob));
        answer(&bob, &alice, &knock, &Decision::reject("no")).unwrap();
    }
    let before = bob.records();
    let knock = signed(&alice, &bob, None, now(&bob));
    let refused = answer(&bob, &alice, &knock, &Decision::reject("no")).err();
    assert_eq!(refused, Some(KnockError::TooMany.into()), "forgetting would let an old one in");
    assert_eq!(bob.records(), before);
}

/// The nonce's bytes.
fn nonce_of(knock: &LegacyKnock) -> Vec<u8> {
    let text = knock.nonce();
    (0..16).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn handshake_of(knock: &LegacyKnock) -> Handshake {
    let json: serde_json::Value = serde_json::from_str(&knock.to_json()).unwrap();
    Handshake::from_json(&json["request"]["x3dh"].to_string()).unwrap()
}
