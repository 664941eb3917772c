//! The bounds, at the bound itself. What follows from questions is in `engine/tests/probes.rs`.

use super::*;
use crate::{
    engine::tests::{peer, session},
    time::MINUTE,
    wire::relay_id::RelayMessageId,
};

const NOW: Timestamp = Timestamp::from_millis(1_770_000_000_000);

fn source(n: usize) -> Source {
    Source { from: peer(n), relay_id: Some(RelayMessageId::from_bytes([1; 16])) }
}

fn asked_of(probes: &Probes, n: usize) -> Vec<SessionId> {
    probes.questions.get(&peer(n)).into_iter().flatten().map(|q| q.session).collect()
}

#[test]
fn question_that_is_there_is_not_asked_twice_but_may_begin_to_last() {
    let mut probes = Probes::default();
    for n in [1, 2, 1] {
        probes.want(peer(0), session(n), NOW);
    }
    assert_eq!(asked_of(&probes, 0), [session(1), session(2)]);
    probes.want_answer(peer(0), session(1), NOW);
    probes.want(peer(0), session(1), NOW);
    probes.asked(peer(0), session(1), [1; 16], NOW);
    probes.asked(peer(0), session(2), [2; 16], NOW);
    assert_eq!(asked_of(&probes, 0), [session(1)]);
}

#[test]
fn what_passes_makes_room_for_what_lasts_and_for_nothing_else() {
    let mut probes = Probes::default();
    for n in 0..MAX_QUESTIONS {
        probes.want(peer(0), session(n), NOW);
    }
    probes.want(peer(0), session(100), NOW);
    assert!(!asked_of(&probes, 0).contains(&session(100)));
    for n in 100..100 + MAX_QUESTIONS {
        probes.want_answer(peer(0), session(n), NOW);
    }
    assert_eq!(asked_of(&probes, 0), (100..100 + MAX_QUESTIONS).map(session).collect::<Vec<_>>());
    probes.want_answer(peer(0), session(200), NOW);
    assert_eq!(asked_of(&probes, 0).len(), MAX_QUESTIONS);
    assert!(!asked_of(&probes, 0).contains(&session(200)));
}

#[test]
fn frame_is_kept_for_a_question_of_its_session_that_lasts() {
    let mut probes = Probes::default();
    probes.want(peer(0), session(1), NOW);
    probes.want_answer(peer(0), session(2), NOW);
    assert_eq!(probes.keep(session(1), source(0)), Kept::No);
    assert_eq!(probes.keep(session(3), source(0)), Kept::No);
    assert_eq!(probes.keep(session(2), source(0)), Kept::Yes);
    assert_eq!(probes.keep(session(2), source(0)), Kept::Still);
    assert_eq!(probes.forget(&peer(0)), Some(source(0)));
    for n in 0..MAX_KEPT {
        probes.want_answer(peer(n), session(1), NOW);
        assert_eq!(probes.keep(session(1), source(n)), Kept::Yes);
    }
    probes.want_answer(peer(MAX_KEPT), session(1), NOW);
    assert_eq!(probes.keep(session(1), source(MAX_KEPT)), Kept::No);
}

#[test]
fn question_is_due_at_once_and_then_after_ever_longer_pauses() {
    let mut probes = Probes::default();
    assert_eq!(probes.next_due(), None);
    probes.want_answer(peer(0), session(1), NOW);
    assert_eq!(probes.peers_due(NOW), [peer(0)]);
    assert_eq!(probes.next_due(), Some(NOW));
    assert!(!probes.asked(peer(0), session(1), [0; 16], NOW));
    assert!(probes.peers_due(NOW).is_empty());
    let next = NOW.plus_millis(limits::PROBE_INTERVAL);
    assert_eq!(probes.next_due(), Some(next));
    assert!(probes.asked(peer(0), session(1), [0; 16], next), "again");
    assert_eq!(probes.next_due(), Some(next.plus_millis(2 * limits::PROBE_INTERVAL)));
}

#[test]
fn missing_session_is_remembered_until_the_new_one_works_or_it_comes() {
    let mut probes = Probes::default();
    probes.miss(peer(0), session(1));
    assert!(probes.is_missing(&peer(0), session(1)));
    assert!(!probes.is_missing(&peer(0), session(2)) && !probes.is_missing(&peer(1), session(1)));
    probes.found(&peer(0), session(2));
    assert_eq!(probes.take_missing(&peer(0)), Some(session(1)));
    assert_eq!(probes.take_missing(&peer(0)), None);
    probes.miss(peer(0), session(1));
    probes.found(&peer(0), session(1));
    assert!(!probes.is_missing(&peer(0), session(1)));
}

#[test]
fn what_limits_nothing_any_more_is_forgotten_and_nothing_before() {
    let window = 2 * limits::CLOCK_SKEW;
    let mut probes = Probes::default();
    probes.asked(peer(0), session(1), [1; 16], NOW);
    probes.miss(peer(0), session(1));
    assert!(probes.may_answer(peer(0), [2; 16], NOW) && probes.may_refuse(peer(0), NOW));
    let kept = |probes: &mut Probes, after: u64| {
        probes.expire(NOW.plus_millis(after));
        let Probes { sent, missing, answered, refused, .. } = probes;
        [sent.len(), missing.len(), answered.len(), refused.len()]
    };
    assert_eq!(kept(&mut probes, limits::REFUSE_INTERVAL - 1), [1, 1, 1, 1]);
    assert_eq!(kept(&mut probes, limits::REFUSE_INTERVAL), [1, 1, 1, 0]);
    assert_eq!(kept(&mut probes, window - 1), [1, 1, 1, 0]);
    assert_eq!(kept(&mut probes, window), [0; 4]);
}

#[test]
fn probe_is_answered_once_a_minute_and_no_nonce_twice() {
    let mut probes = Probes::default();
    // Soon after the time that nothing happened at.
    let at = |ms: u64| Timestamp::from_millis(5).plus_millis(ms);
    let minute = limits::PROBE_INTERVAL;
    assert!(probes.may_answer(peer(0), [0; 16], at(0)));
    assert!(!probes.may_answer(peer(0), [1; 16], at(minute - 1)));
    assert!(!probes.may_answer(peer(0), [0; 16], at(minute)));
    assert!(probes.may_answer(peer(0), [1; 16], at(minute)));
    for n in 1..MAX_PEERS {
        assert!(probes.may_answer(peer(n), [0; 16], at(0)));
    }
    assert!(!probes.may_answer(peer(MAX_PEERS), [0; 16], at(0)));
    assert!(probes.may_answer(peer(0), [2; 16], at(2 * minute)));
}

#[test]
fn refusals_are_one_a_minute_to_a_sender_and_few_in_all() {
    let mut probes = Probes::default();
    assert!(probes.may_refuse(peer(0), NOW));
    assert!(!probes.may_refuse(peer(0), NOW.plus_millis(MINUTE - 1)));
    assert!(probes.may_refuse(peer(0), NOW.plus_millis(MINUTE)));
    let mut probes = Probes::default();
    let most = limits::REFUSALS_PER_SECOND as usize;
    for n in 0..most {
        assert!(probes.may_refuse(peer(n), NOW));
    }
    assert!(!probes.may_refuse(peer(most), NOW.plus_millis(SECOND - 1)));
    assert!(probes.may_refuse(peer(most), NOW.plus_millis(SECOND)));
    probes.refused = (0..MAX_PEERS).map(|n| (peer(n), NOW)).collect();
    assert!(!probes.may_refuse(peer(MAX_PEERS), NOW.plus_millis(2 * SECOND)));
}

#[test]
fn closed_session_is_replaced_once_an_hour_a_peer_and_asked_about_again_then() {
    let mut probes = Probes::default();
    let again = NOW.plus_millis(limits::REPLACE_INTERVAL);
    assert_eq!(probes.may_replace_closed(peer(0), NOW), Ok(()));
    assert_eq!(probes.may_replace_closed(peer(0), again.minus_millis(1)), Err(again));
    assert_eq!(probes.may_replace_closed(peer(1), NOW), Ok(()));
    probes.want_answer(peer(0), session(1), again);
    assert_eq!(probes.due(again.minus_millis(1)), []);
    assert_eq!(probes.due(again), [(peer(0), session(1))]);
    assert_eq!(probes.may_replace_closed(peer(0), again), Ok(()));
}

#[test]
fn peers_whose_closed_sessions_were_replaced_are_remembered_for_an_hour_and_no_more_of_them() {
    let mut probes = Probes::default();
    for n in 0..MAX_PEERS {
        assert_eq!(probes.may_replace_closed(peer(n), NOW), Ok(()));
    }
    let again = NOW.plus_millis(limits::REPLACE_INTERVAL);
    assert_eq!(probes.may_replace_closed(peer(MAX_PEERS), NOW), Err(again));
    probes.expire(again.minus_millis(1));
    assert!(probes.may_replace_closed(peer(MAX_PEERS), NOW).is_err());
    probes.expire(again);
    assert_eq!(probes.may_replace_closed(peer(MAX_PEERS), again), Ok(()));
}

#[test]
fn all_sessions_that_a_peer_may_have_may_be_in_question_until_the_relay_has_forgotten_their_frames()
{
    let mut probes = Probes::default();
    let all: Vec<_> = (0..=limits::RECEIVE_ONLY_SESSIONS).map(session).collect();
    all.iter().for_each(|session| probes.want_answer(peer(0), *session, NOW));
    assert_eq!(asked_of(&probes, 0), all);
    probes.expire(NOW.plus_millis(limits::OUTBOX_AGE + DAY - 1));
    assert_eq!(asked_of(&probes, 0), all);
    probes.expire(NOW.plus_millis(limits::OUTBOX_AGE + DAY));
    assert_eq!(asked_of(&probes, 0), []);
}

#[test]
fn pause_is_longer_by_half_of_it_at_most() {
    let nonce = |random: u64| {
        let mut nonce = [7; 16];
        nonce[..8].copy_from_slice(&random.to_be_bytes());
        nonce
    };
    for pause in [MINUTE, MINUTE + 1, PAUSE_MAX] {
        let half = pause / 2;
        for (random, more) in [(0, 0), (1, 1), (half, half), (half + 1, 0)] {
            assert_eq!(jitter(&nonce(random), pause), more, "{random} of {pause}");
        }
    }
}
