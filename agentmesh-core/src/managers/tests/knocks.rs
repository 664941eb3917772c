//! KNOCK, ACCEPT and REJECT by hand.

use super::{super::*, Clock, Party, through_json};
use crate::{
    Error,
    engine::SendError,
    knock::{Answer, Decision, KnockError, KnockRequest, Policy, Tier},
    test_utils::block_on,
    time::SECOND,
};

fn knock(alice: &Party, bob: &Party) -> Initiated {
    let knocks = KnockProtocol::new(&alice.sessions, Policy::default());
    let id = bob.identity();
    let request = KnockRequest::new("weather/forecast", "query");
    block_on(knocks.create_knock(&id.amid(), &bob.bundle(), id.signing_key(), &request)).unwrap()
}

fn protocol(party: &Party, policy: Policy) -> KnockProtocol {
    KnockProtocol::new(&party.sessions, policy)
}

#[test]
fn a_knock_is_looked_at_judged_and_accepted() {
    let clock = Clock::new();
    let (alice, mut bob) = (Party::new(81, &clock), Party::new(82, &clock));
    let begun = knock(&alice, &bob);
    let from = alice.identity().amid();
    let knocks = protocol(&bob, Policy::verified());
    let before = bob.records();
    let mut info = block_on(knocks.verify_knock(&from, &begun.x3dh_message)).unwrap();
    assert_eq!((info.from, info.request.intent.capability.as_str()), (from, "weather/forecast"));
    assert_eq!(info.session_id.to_string(), begun.session_id);
    assert!(!block_on(knocks.evaluate(&info)).unwrap().is_accept(), "nobody vouched for it yet");
    info.tier = Tier::Verified;
    info.reputation = 0.9;
    let decision = block_on(knocks.evaluate(&info)).unwrap();
    assert!(decision.is_accept());
    assert_eq!(bob.records(), before, "looking changes nothing");

    let answered = block_on(knocks.answer_knock(&from, &begun.x3dh_message, &decision)).unwrap();
    assert_eq!(answered.session_id, begun.session_id);
    bob.restart();
    let again =
        block_on(protocol(&bob, Policy::verified()).verify_knock(&from, &begun.x3dh_message));
    assert_eq!(again.err(), Some(KnockError::Replayed.into()));
    // The answer was lost, and is asked for again.
    let second =
        block_on(protocol(&bob, Policy::verified()).accept_knock(&from, &begun.x3dh_message, None))
            .unwrap();
    assert_ne!(second.envelope, answered.envelope);

    let early = alice.encrypt(&begun.session_id, 1).unwrap();
    let asking = protocol(&alice, Policy::default());
    let envelope = through_json(&second.envelope);
    assert!(matches!(
        block_on(alice.sessions.open_envelope(&begun.session_id, &envelope)),
        Err(Error::Manager(ManagerError::NotJson))
    ));
    let answer = block_on(asking.verify_answer(&begun.session_id, &envelope)).unwrap();
    assert!(matches!(answer, Answer::Accept(_)));
    assert!(block_on(alice.sessions.describe(&begun.session_id)).unwrap().is_accepted);
    // One answer counts.
    let late = block_on(asking.verify_answer(&begun.session_id, &answered.envelope));
    assert!(matches!(late, Err(Error::Manager(ManagerError::NotPending { .. }))), "{late:?}");
    assert_eq!(bob.decrypt(&begun.session_id, &early).unwrap(), 1);
}

#[test]
fn a_rejection_uses_the_knock_up_and_is_heeded() {
    let clock = Clock::new();
    let (alice, bob) = (Party::new(83, &clock), Party::new(84, &clock));
    let begun = knock(&alice, &bob);
    let from = alice.identity().amid();
    let knocks = protocol(&bob, Policy::verified());
    let info = block_on(knocks.verify_knock(&from, &begun.x3dh_message)).unwrap();
    let Decision::Reject { reason, .. } = block_on(knocks.evaluate(&info)).unwrap() else {
        panic!("anonymous peers are rejected")
    };
    let rejected =
        block_on(knocks.reject_knock(&from, &begun.x3dh_message, &reason, Some(60))).unwrap();
    assert_eq!(block_on(bob.sessions.sessions()).unwrap(), []);
    assert_eq!(block_on(bob.prekeys.remaining()).unwrap(), 99);
    for again in [
        block_on(knocks.verify_knock(&from, &begun.x3dh_message)).err(),
        bob.accept(&alice, &begun.x3dh_message).err(),
    ] {
        assert!(
            matches!(again, Some(Error::Manager(ManagerError::SessionClosed { .. }))),
            "{again:?}"
        );
    }
    let asking = protocol(&alice, Policy::default());
    let answer = block_on(asking.verify_answer(&rejected.session_id, &rejected.envelope)).unwrap();
    let Answer::Reject(reject) = answer else { panic!("it is a rejection") };
    assert_eq!((reject.reason, reject.retry_after_s), (reason, Some(60)));
    assert_eq!(block_on(alice.sessions.sessions()).unwrap(), []);
    let soon = alice.initiate(&bob, &bob.bundle());
    assert!(matches!(soon, Err(Error::Send(SendError::RejectedRecently { .. }))), "{soon:?}");
    clock.advance(60 * SECOND);
    alice.initiate(&bob, &bob.bundle()).unwrap();
}

#[test]
fn a_session_that_is_open_can_still_be_rejected() {
    let clock = Clock::new();
    let (alice, bob) = (Party::new(85, &clock), Party::new(86, &clock));
    let begun = knock(&alice, &bob);
    let from = alice.identity().amid();
    bob.accept(&alice, &begun.x3dh_message).unwrap();
    let knocks = protocol(&bob, Policy::default());
    let rejected = block_on(knocks.reject_knock(&from, &begun.x3dh_message, "no", None)).unwrap();
    assert_eq!(block_on(bob.sessions.session_by_peer(&from)).unwrap(), None);
    let asking = protocol(&alice, Policy::default());
    let answer = block_on(asking.verify_answer(&begun.session_id, &rejected.envelope)).unwrap();
    assert!(matches!(answer, Answer::Reject(_)));
}

#[test]
fn only_the_peer_answers_and_only_an_answer_is_one() {
    let clock = Clock::new();
    let (alice, bob) = (Party::new(87, &clock), Party::new(88, &clock));
    let begun = knock(&alice, &bob);
    bob.accept(&alice, &begun.x3dh_message).unwrap();
    let asking = protocol(&alice, Policy::default());
    let message = bob.encrypt(&begun.session_id, 1).unwrap();
    let before = alice.records();
    let wrong = block_on(asking.verify_answer(&begun.session_id, &message));
    assert_eq!(wrong.err(), Some(KnockError::NotAnAnswer.into()));
    assert_eq!(alice.records(), before);
    assert_eq!(alice.decrypt(&begun.session_id, &message).unwrap(), 1, "it was not consumed");
    // The responder asked nothing.
    let own = alice.encrypt(&begun.session_id, 1).unwrap();
    let answer = block_on(protocol(&bob, Policy::default()).verify_answer(&begun.session_id, &own));
    assert!(matches!(answer, Err(Error::Manager(ManagerError::NotPending { .. }))));
}

#[test]
fn the_policy_counts_open_sessions() {
    let clock = Clock::new();
    let (alice, bob, eve) =
        (Party::new(89, &clock), Party::new(90, &clock), Party::new(91, &clock));
    let policy = Policy { max_concurrent_sessions: 1, ..Policy::default() };
    let knocks = protocol(&bob, policy);
    let judge = |party: &Party, begun: &Initiated| {
        let from = party.identity().amid();
        let info = block_on(knocks.verify_knock(&from, &begun.x3dh_message)).unwrap();
        block_on(knocks.evaluate(&info)).unwrap().is_accept()
    };
    let (first, second) = (knock(&alice, &bob), knock(&eve, &bob));
    assert!(judge(&alice, &first));
    bob.accept(&alice, &first.x3dh_message).unwrap();
    assert!(!judge(&eve, &second));
    block_on(bob.sessions.close_session(&first.session_id)).unwrap();
    assert!(judge(&eve, &second));
}
