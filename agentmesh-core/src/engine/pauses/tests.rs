use super::*;
use crate::{engine::tests::peer, test_utils::seeded_rng, time::HOUR};

const NOW: Timestamp = Timestamp::from_millis(1_770_206_400_000);

/// How long a peer that was just paused waits.
fn waits(pauses: &Pauses) -> u64 {
    pauses.next_due().unwrap().since(NOW)
}

#[test]
fn pauses_double_from_a_second_to_a_minute_and_are_up_to_half_as_long_again() {
    let (mut pauses, mut rng) = (Pauses::default(), seeded_rng(1));
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
        pauses.pause(peer(1), None, NOW, &mut rng);
        let waits = waits(&pauses);
        assert!((seconds * 1000..=seconds * 1500).contains(&waits), "{waits} of {seconds} s");
        assert!(pauses.is_paused(&peer(1)) && !pauses.is_paused(&peer(2)));
    }
}

#[test]
fn peers_that_are_paused_at_once_come_back_one_by_one() {
    let mut rng = seeded_rng(2);
    let waits: Vec<_> = (0..100)
        .map(|n| {
            let mut pauses = Pauses::default();
            pauses.pause(peer(n), None, NOW, &mut rng);
            waits(&pauses)
        })
        .collect();
    let late = waits.iter().filter(|waits| **waits > 1250).count();
    assert!((25..75).contains(&late), "{late} of 100");
}

#[test]
fn relay_says_how_long_and_is_believed_within_bounds() {
    for (says, least) in
        [(0, 0), (1, 1), (2, 2), (3, 3), (5000, 5000), (u64::MAX, limits::OUTBOX_AGE)]
    {
        let (mut pauses, mut rng) = (Pauses::default(), seeded_rng(3));
        pauses.pause(peer(1), Some(says), NOW, &mut rng);
        let waits = waits(&pauses);
        assert!((least..=least + least / 2).contains(&waits), "{waits} of {says}");
    }
}

#[test]
fn peer_is_taken_out_of_its_pause_once() {
    let (mut pauses, mut rng) = (Pauses::default(), seeded_rng(4));
    pauses.pause(peer(1), None, NOW, &mut rng);
    pauses.pause(peer(2), Some(HOUR), NOW, &mut rng);
    assert_eq!(pauses.take_over(NOW), []);
    let later = NOW.plus_millis(1500);
    assert_eq!(pauses.take_over(later), [peer(1)]);
    assert_eq!(pauses.take_over(later), []);
    assert!(!pauses.is_paused(&peer(1)) && pauses.is_paused(&peer(2)));
    assert!(pauses.next_due().is_some_and(|due| due >= NOW.plus_millis(HOUR)));
    // The next one is longer all the same, until something got through.
    pauses.pause(peer(1), None, NOW, &mut rng);
    assert!(waits(&pauses) >= 2000);
    pauses.lift(&peer(1));
    pauses.pause(peer(1), None, NOW, &mut rng);
    assert!(waits(&pauses) <= 1500);
}

#[test]
fn clock_that_is_put_back_lengthens_no_pause() {
    let (mut pauses, mut rng) = (Pauses::default(), seeded_rng(5));
    pauses.pause(peer(1), None, NOW.plus_millis(HOUR), &mut rng);
    assert!(waits(&pauses) >= HOUR);
    pauses.put_back(NOW);
    assert_eq!(waits(&pauses), 1000);
}

#[test]
fn what_waits_for_the_word_of_the_relay_waits_twice_as_long_each_time() {
    let mut pauses = Pauses::default();
    for seconds in [2, 4, 8, 16, 32, 60, 60] {
        pauses.hold(peer(1), NOW);
        assert_eq!(waits(&pauses), seconds * 1000);
    }
    let lifted = pauses.lift(&peer(1)).unwrap();
    assert!(!pauses.is_paused(&peer(1)) && pauses.next_due().is_none());
    pauses.restore(peer(1), lifted);
    assert!(pauses.is_paused(&peer(1)));
    pauses.clear();
    assert_eq!(pauses.next_due(), None);
}
