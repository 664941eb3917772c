//! The bounds, at the bound itself.

use super::*;
use crate::engine::tests::{peer, session};

const NOW: Timestamp = Timestamp::from_millis(1_770_000_000_000);

fn frame(from: usize, len: usize) -> Inbound {
    Inbound { from: peer(from), relay_id: None, frame: vec![7; len] }
}

/// One short frame of each of `n` peers.
fn crowd(n: usize) -> Parked {
    let mut parked = Parked::default();
    for from in 0..n {
        assert!(parked.park(session(1), frame(from, 1), NOW));
    }
    parked
}

#[test]
fn bytes_are_bounded_and_counted_until_they_are_taken() {
    let mut parked = Parked::default();
    assert!(parked.park(session(1), frame(0, limits::PARKED_BYTES - 10), NOW));
    assert!(!parked.park(session(2), frame(0, 11), NOW));
    assert!(parked.park(session(2), frame(0, 10), NOW));
    assert!(!parked.park(session(3), frame(0, 1), NOW));
    assert_eq!(parked.take(&peer(0), session(2)).len(), 1);
    assert!(parked.park(session(3), frame(0, 1), NOW));
    assert_eq!(parked.take_all(&peer(0)).len(), 2);
    assert_eq!((parked.bytes, parked.oldest()), (0, None));
}

#[test]
fn peers_are_bounded_and_those_that_wait_may_go_on() {
    let mut parked = crowd(limits::PARKED_PEERS);
    assert!(!parked.park(session(1), frame(limits::PARKED_PEERS, 1), NOW));
    assert!(parked.park(session(1), frame(0, 2), NOW));
}

#[test]
fn room_is_for_peers_of_which_nothing_waits_while_half_of_it_is_free() {
    let newcomer = peer(limits::PARKED_PEERS);
    assert!(!crowd(limits::PARKED_PEERS).has_room_for(&newcomer));
    let parked = crowd(limits::PARKED_PEERS - 1);
    assert!(parked.has_room_for(&newcomer) && !parked.has_room_for(&peer(0)));
    let mut parked = Parked::default();
    assert!(parked.park(session(1), frame(0, limits::PARKED_BYTES / 2), NOW));
    assert!(parked.has_room_for(&newcomer));
    assert!(parked.park(session(1), frame(1, 1), NOW));
    assert!(!parked.has_room_for(&newcomer));
}

#[test]
fn only_frames_of_the_session_that_were_there_by_then_are_taken() {
    let mut parked = Parked::default();
    for (of, at, len) in [(1, 0, 1), (1, 5, 2), (2, 0, 3)] {
        assert!(parked.park(session(of), frame(0, len), NOW.plus_millis(at)));
    }
    let taken = parked.take_until(&peer(0), session(1), NOW.plus_millis(4));
    assert_eq!(taken, [frame(0, 1)]);
    assert_eq!(parked.len(), 2);
}

#[test]
fn what_is_put_behind_comes_after_what_is_parked_of_its_session_later() {
    let mut parked = Parked::default();
    for (of, len) in [(1, 1), (2, 2)] {
        assert!(parked.park(session(of), frame(0, len), NOW));
    }
    parked.put_behind(&peer(0), session(1));
    assert_eq!(parked.behind().collect::<Vec<_>>(), [peer(0)]);
    for (of, len) in [(1, 3), (2, 4)] {
        assert!(parked.park(session(of), frame(0, len), NOW));
    }
    assert_eq!(parked.take(&peer(0), session(1)), [frame(0, 3), frame(0, 1)]);
    assert_eq!(parked.take(&peer(0), session(2)), [frame(0, 2), frame(0, 4)]);
}

/// Parks a frame and lets it be forgotten. Returns when.
fn forget(parked: &mut Parked, from: usize, at: Timestamp) -> Timestamp {
    assert!(parked.park(session(1), frame(from, 1), at));
    let over = at.plus_millis(limits::PARKED_AGE);
    let mut early = parked.expire(over.minus_millis(1));
    early.retain(|(who, _)| *who == peer(from));
    assert!(early.is_empty());
    assert_eq!(parked.expire(over), [(peer(from), session(1))]);
    over
}

#[test]
fn forgotten_frames_are_fetched_at_once_and_then_ever_more_rarely() {
    let mut parked = Parked::default();
    let over = forget(&mut parked, 0, NOW);
    assert_eq!(parked.next_due(), Some(over));
    assert_eq!(parked.worth_fetching(over), [(peer(0), session(1))]);
    assert_eq!((parked.worth_fetching(over), parked.next_due()), (Vec::new(), None));
    let again = forget(&mut parked, 0, over.plus_millis(1));
    let due = again.plus_millis(limits::PARKED_AGE);
    assert_eq!(parked.next_due(), Some(due));
    assert!(parked.worth_fetching(due.minus_millis(1)).is_empty());
    assert_eq!(parked.worth_fetching(due).len(), 1);
    let third = forget(&mut parked, 0, due);
    assert_eq!(parked.next_due(), Some(third.plus_millis(2 * limits::PARKED_AGE)));
}

#[test]
fn two_sessions_of_a_peer_are_forgotten_together_and_fetched_at_once() {
    let mut parked = Parked::default();
    for of in [1, 2] {
        assert!(parked.park(session(of), frame(0, of), NOW));
    }
    let over = NOW.plus_millis(limits::PARKED_AGE);
    assert_eq!(parked.expire(over).len(), 2);
    assert_eq!(parked.worth_fetching(over), [(peer(0), session(1))]);
}

#[test]
fn fetching_is_a_minute_apart_and_only_if_there_was_any() {
    let mut parked = Parked::default();
    let over = forget(&mut parked, 0, NOW);
    assert!(parked.worth_fetching(over.minus_millis(1)).is_empty());
    assert_eq!(parked.worth_fetching(over).len(), 1);
    parked.schedule(peer(1), session(1), over);
    let next = over.plus_millis(AGAIN_MIN);
    assert_eq!(parked.next_due(), Some(next));
    assert!(parked.worth_fetching(next.minus_millis(1)).is_empty());
    assert_eq!(parked.worth_fetching(next), [(peer(1), session(1))]);
}

#[test]
fn attempt_is_remembered_for_as_long_as_the_frames_may_be_forgotten_again() {
    let mut parked = Parked::default();
    let over = forget(&mut parked, 0, NOW);
    let late = over.plus_millis(3 * limits::PARKED_AGE);
    assert_eq!(parked.worth_fetching(late).len(), 1, "nobody fetched before");
    let end = late.plus_millis(2 * limits::PARKED_AGE);
    parked.worth_fetching(end.minus_millis(1));
    assert_eq!(parked.again.len(), 1);
    parked.worth_fetching(end);
    assert_eq!(parked.again.len(), 0);
}

#[test]
fn attempts_are_bounded_in_peers() {
    let mut parked = Parked::default();
    for n in 0..=limits::PARKED_PEERS {
        parked.schedule(peer(n), session(1), NOW);
    }
    assert_eq!(parked.again.len(), limits::PARKED_PEERS);
}

#[test]
fn clock_that_is_put_back_takes_times_along() {
    let mut parked = Parked::default();
    let over = forget(&mut parked, 0, NOW);
    assert!(parked.park(session(1), frame(1, 1), over));
    assert_eq!(parked.oldest(), Some(over));
    parked.put_back(NOW);
    assert_eq!(parked.oldest(), Some(NOW));
    assert_eq!(parked.next_due(), Some(NOW.plus_millis(limits::PARKED_AGE)));
}
