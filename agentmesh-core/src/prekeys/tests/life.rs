use super::*;

#[test]
fn the_same_is_published_until_confirmed() {
    let mut bob = owner(1);
    let first = bob.prekeys.publication(&bob.identity);
    assert_eq!((first.one_time.len(), first.one_time_kem.len()), (100, 20));
    let ids: Vec<u32> = first.one_time.iter().map(|key| key.id).collect();
    assert_eq!(ids, (1..=100).collect::<Vec<_>>());
    // Again, also after a crash.
    assert_eq!(bob.prekeys.publication(&bob.identity), first);
    let stored = PreKeys::from_record(&bob.prekeys.to_record()).unwrap();
    assert_eq!(stored.publication(&bob.identity), first);

    assert!(bob.prekeys.needs_upload());
    bob.prekeys.confirm_uploaded(first.receipt(), None, NOW);
    assert!(!bob.prekeys.needs_upload());
    let after = bob.prekeys.publication(&bob.identity);
    assert_eq!(after.bundle, first.bundle);
    assert!(after.one_time.is_empty() && after.one_time_kem.is_empty());
}

#[test]
fn the_outer_signature_is_what_0_2_verifies() {
    let bob = owner(1);
    let publication = bob.prekeys.publication(&bob.identity);
    let key = bob.identity.signing_key();
    let message = publication.signed_prekey.as_bytes();
    assert_eq!(key.verify(message, &publication.signed_prekey_signature), Ok(()));
}

#[test]
fn one_time_keys_are_used_once_and_replenished_with_fresh_ids() {
    let mut bob = owner(1);
    bob.upload(None, NOW);
    assert!(bob.prekeys.consume(7, 3));
    assert!(!bob.prekeys.consume(7, 3));
    assert!(!bob.prekeys.consume(0, 0));
    assert!(bob.prekeys.one_time(7).is_none() && bob.prekeys.one_time_kem(3).is_none());
    assert!(!bob.maintain(NOW));
    for id in 1..=81 {
        bob.prekeys.consume(id, 0);
    }
    assert_eq!(bob.prekeys.one_time.keys.len(), 19);
    assert!(bob.maintain(NOW));
    let publication = bob.prekeys.publication(&bob.identity);
    let ids: Vec<u32> = publication.one_time.iter().map(|key| key.id).collect();
    assert_eq!(ids, (101..=181).collect::<Vec<_>>());
    assert!(publication.one_time_kem.is_empty());
    bob.upload(None, NOW);
    assert!(!bob.prekeys.needs_upload());
}

#[test]
fn the_registry_s_own_count_decides_when_it_gives_one() {
    let mut bob = owner(1);
    // Handed out and never used: we still hold all of them.
    bob.upload(Some(Stock { one_time: 12, one_time_kem: 4 }), NOW);
    assert!(bob.maintain(NOW));
    let publication = bob.prekeys.publication(&bob.identity);
    assert_eq!((publication.one_time.len(), publication.one_time_kem.len()), (88, 16));
    assert!(!bob.maintain(NOW));
    bob.upload(Some(Stock { one_time: 100, one_time_kem: 20 }), NOW);
    assert!(!bob.maintain(NOW));
}

#[test]
fn a_registry_that_lost_everything_gets_the_bundle_and_fresh_keys() {
    let mut bob = owner(1);
    bob.upload(Some(Stock { one_time: 100, one_time_kem: 20 }), NOW);
    let before = bob.prekeys.bundle(&bob.identity);
    assert!(!bob.prekeys.needs_upload());
    bob.prekeys.registry_forgot(NOW);
    assert!(bob.maintain(NOW) && bob.prekeys.needs_upload());
    let publication = bob.prekeys.publication(&bob.identity);
    assert_ne!(publication.bundle, before, "newer than the one that peers have seen");
    let ids = |keys: &[SignedOneTime]| keys.iter().map(|key| key.id).collect::<Vec<_>>();
    assert_eq!(ids(&publication.one_time), (101..=200).collect::<Vec<_>>());
    assert_eq!(ids(&publication.one_time_kem), (21..=40).collect::<Vec<_>>());
    assert!(bob.prekeys.one_time(1).is_some(), "it may have been handed out");
}

#[test]
fn private_keys_that_nobody_used_are_bounded() {
    let mut bob = owner(1);
    for _ in 0..12 {
        bob.upload(Some(Stock { one_time: 0, one_time_kem: 0 }), NOW);
        assert!(bob.maintain(NOW));
    }
    assert_eq!(bob.prekeys.one_time.keys.len(), 500);
    assert_eq!(bob.prekeys.one_time_kem.keys.len(), 100);
    assert!(bob.prekeys.one_time(1300).is_some() && bob.prekeys.one_time(800).is_none());
    assert!(PreKeys::from_record(&bob.prekeys.to_record()).is_ok());
}

#[test]
fn keys_made_while_an_upload_was_on_its_way_stay_pending() {
    let mut bob = owner(1);
    let receipt = bob.prekeys.publication(&bob.identity).receipt();
    for id in 1..=90 {
        bob.prekeys.consume(id, 0);
    }
    assert!(bob.maintain(NOW));
    assert!(bob.prekeys.rotate(&bob.identity, NOW, &mut bob.rng));
    bob.prekeys.confirm_uploaded(receipt, None, NOW);
    let publication = bob.prekeys.publication(&bob.identity);
    assert_eq!(publication.one_time.first().map(|key| key.id), Some(101));
    assert!(!bob.prekeys.bundle_uploaded);
    assert_eq!(bob.prekeys.retired[0].replaced_at, None);
}

#[test]
fn a_triple_lives_96_h_after_its_successor_s_upload_and_until_the_queue_was_drained() {
    let mut bob = owner(1);
    bob.upload(None, NOW);
    let rotated = NOW.plus_millis(7 * DAY);
    assert!(!bob.maintain(rotated.minus_millis(1)));
    assert!(bob.maintain(rotated));
    assert_eq!(bob.prekeys.signed_ids().collect::<Vec<_>>(), [1, 2]);

    // Not uploaded: kept however long that takes, and a queue drained before does not count.
    assert!(!bob.prekeys.queue_drained(rotated));
    let uploaded = rotated.plus_millis(SIGNED_PREKEY_GRACE + HOUR);
    bob.maintain(uploaded);
    assert!(bob.prekeys.signed(1).is_some());
    bob.upload(None, uploaded);
    bob.maintain(uploaded);
    assert!(bob.prekeys.signed(1).is_some());

    // Uploaded long ago, but the queue was not drained since.
    let end = uploaded.plus_millis(SIGNED_PREKEY_GRACE);
    bob.maintain(end);
    assert!(bob.prekeys.signed(1).is_some());
    assert!(bob.prekeys.queue_drained(uploaded));
    assert!(!bob.prekeys.queue_drained(uploaded));

    // Both, but a millisecond early; also across a restart.
    bob.prekeys = PreKeys::from_record(&bob.prekeys.to_record()).unwrap();
    bob.maintain(end.minus_millis(1));
    assert!(bob.prekeys.signed(1).is_some());
    assert!(bob.maintain(end));
    assert!(bob.prekeys.signed(1).is_none());
}

#[test]
fn without_a_registry_the_bundle_gets_a_new_date_and_nothing_piles_up() {
    let mut bob = owner(1);
    for week in 1..10 {
        let now = NOW.plus_millis(week * 7 * DAY);
        assert!(bob.maintain(now));
        assert_eq!(bob.prekeys.bundle_created_at, now);
    }
    assert_eq!(bob.prekeys.signed_ids().count(), 1);
}

#[test]
fn bundle_dates_increase_even_if_the_clock_does_not() {
    let mut bob = owner(1);
    bob.upload(None, NOW);
    let first = bob.prekeys.bundle_created_at;
    bob.prekeys.rotate(&bob.identity, NOW.minus_millis(DAY), &mut bob.rng);
    assert_eq!(bob.prekeys.bundle_created_at, first.plus_millis(1));
}

#[test]
fn a_new_exchange_key_rotates_at_once() {
    let mut bob = owner(1);
    bob.upload(None, NOW);
    let old = *bob.identity.exchange_key();
    bob.identity = bob.identity.rotate_exchange(&mut bob.rng);
    assert!(bob.maintain(NOW));
    let bundle = verify(&bob.prekeys.bundle(&bob.identity), &bob.amid()).unwrap();
    assert_eq!(bundle.exchange(), bob.identity.exchange_key());
    assert_eq!(bob.prekeys.signed(1).unwrap().exchange().public_key(), &old);
}

#[test]
fn recovered_prekeys_start_far_from_the_lost_ones() {
    for seed in 0..50 {
        let mut rng = seeded_rng(seed);
        let identity = Identity::generate(NOW, &mut rng);
        let prekeys = PreKeys::recover(&identity, NOW, &mut rng);
        let first = *prekeys.one_time.keys.first_key_value().unwrap().0;
        let first_kem = *prekeys.one_time_kem.keys.first_key_value().unwrap().0;
        let kem_id = prekeys.current().kem().unwrap().0;
        for id in [prekeys.current().id(), kem_id, first, first_kem] {
            assert!((1 << 20..1 << 30).contains(&id), "{id}");
        }
        assert!(verify(&prekeys.bundle(&identity), &identity.amid()).is_ok());
    }
}

#[test]
fn used_up_counters_stop_instead_of_wrapping() {
    let mut bob = owner(1);
    bob.prekeys.next_signed_id = (1 << 31) - 1;
    bob.prekeys.one_time.next_id = (1 << 31) - 5;
    for id in 1..=100 {
        bob.prekeys.consume(id, 0);
    }
    assert!(bob.maintain(NOW));
    assert_eq!(bob.prekeys.one_time.keys.len(), 5);
    assert!(!bob.maintain(NOW));
    assert!(bob.prekeys.rotate(&bob.identity, NOW, &mut bob.rng));
    assert_eq!(bob.prekeys.current().id(), (1 << 31) - 1);
    assert!(!bob.prekeys.rotate(&bob.identity, NOW, &mut bob.rng));
}
