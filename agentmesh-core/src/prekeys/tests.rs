use std::sync::LazyLock;

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;

use super::*;
use crate::{
    error::ErrorInfo,
    identity::{Amid, Label},
    keys::{DhPublicKey, KemPublicKey},
    limits::{BUNDLE_MAX_AGE, CLOCK_SKEW, SIGNED_PREKEY_GRACE},
    test_utils::seeded_rng,
    time::{DAY, HOUR},
};

const NOW: Timestamp = Timestamp::from_millis(1_770_206_400_000);

struct Owner {
    identity: Identity,
    prekeys: PreKeys,
    rng: ChaCha20Rng,
}

fn owner(seed: u64) -> Owner {
    let mut rng = seeded_rng(seed);
    let identity = Identity::generate(NOW, &mut rng);
    let prekeys = PreKeys::generate(&identity, NOW, &mut rng);
    Owner { identity, prekeys, rng }
}

impl Owner {
    fn amid(&self) -> Amid {
        self.identity.amid()
    }

    fn upload(&mut self, stock: Option<Stock>, now: Timestamp) {
        let receipt = self.prekeys.publication(&self.identity).receipt();
        self.prekeys.confirm_uploaded(receipt, stock, now);
    }

    fn maintain(&mut self, now: Timestamp) -> bool {
        let due = self.prekeys.needs_maintenance(&self.identity, now);
        let changed = self.prekeys.maintain(&self.identity, now, &mut self.rng);
        assert_eq!(due, changed);
        assert!(!self.prekeys.needs_maintenance(&self.identity, now));
        changed
    }

    /// A bundle whose body was changed, signed again by the owner: what only the owner could do.
    fn signed(&self, change: impl FnOnce(&mut blob::Body)) -> Vec<u8> {
        let bundle = self.prekeys.bundle(&self.identity);
        let mut body = verify(&bundle, &self.amid()).unwrap().body;
        change(&mut body);
        body.sign(&self.identity)
    }
}

fn part(key: &SignedOneTime) -> OneTimePart<'_> {
    OneTimePart { id: key.id, key: &key.key, signature: key.signature.as_bytes() }
}

fn verify(blob: &[u8], expected: &Amid) -> Result<PreKeyBundle, BundleError> {
    verify_parts(BundleParts::bundle_only(blob), expected)
}

fn verify_parts(parts: BundleParts<'_>, expected: &Amid) -> Result<PreKeyBundle, BundleError> {
    PreKeyBundle::verify(parts, &KnownPeer::first_contact(*expected), NOW)
}

mod bundles {
    use super::*;

    #[test]
    fn verifies_with_both_one_time_keys() {
        let bob = owner(1);
        let publication = bob.prekeys.publication(&bob.identity);
        let parts = BundleParts {
            blob: &publication.bundle,
            one_time: publication.one_time.first().map(part),
            one_time_kem: publication.one_time_kem.first().map(part),
        };
        let bundle = verify_parts(parts, &bob.amid()).unwrap();
        assert_eq!(bundle.identity(), bob.identity.signing_key());
        assert_eq!(bundle.amid(), &bob.amid());
        assert_eq!(bundle.exchange(), bob.identity.exchange_key());
        assert_eq!(bundle.signed_prekey(), (1, bob.prekeys.current().key().public_key()));
        assert_eq!(bundle.kem_prekey().map(|(id, _)| id), Some(1));
        assert_eq!(bundle.suites(), [2, 3]);
        assert_eq!(bundle.created_at(), NOW);
        assert_eq!(bundle.blob(), publication.bundle);
        let opk = bob.prekeys.one_time(1).unwrap();
        assert_eq!(bundle.one_time(), Some((1, opk.public_key())));
        assert_eq!(bundle.one_time_kem().map(|(id, _)| id), Some(1));
    }

    #[test]
    fn a_registry_that_answers_with_another_agent_is_caught() {
        let (bob, mallory) = (owner(1), owner(2));
        let bundle = mallory.prekeys.bundle(&mallory.identity);
        assert_eq!(verify(&bundle, &bob.amid()), Err(BundleError::AmidMismatch));
        // Mallory's keys under Bob's name.
        let renamed = mallory.signed(|body| body.amid = bob.amid());
        assert_eq!(verify(&renamed, &bob.amid()), Err(BundleError::AmidMismatch));
        assert_eq!(verify(&renamed, &mallory.amid()), Err(BundleError::AmidMismatch));
    }

    #[test]
    fn a_registry_that_swaps_any_byte_is_caught() {
        let bob = owner(1);
        let bundle = bob.prekeys.bundle(&bob.identity);
        for at in (0..200).chain((200..bundle.len()).step_by(37)) {
            let mut bad = bundle.clone();
            bad[at] ^= 1;
            assert!(verify(&bad, &bob.amid()).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_registry_that_swaps_a_key_is_caught() {
        let (bob, mallory) = (owner(1), owner(2));
        let bundle = bob.prekeys.bundle(&bob.identity);
        for (of_bob, of_mallory) in [
            (bob.identity.exchange_key(), mallory.identity.exchange_key()),
            (
                bob.prekeys.current().key().public_key(),
                mallory.prekeys.current().key().public_key(),
            ),
        ] {
            let bad = replaced(&bundle, of_bob.as_bytes(), of_mallory.as_bytes());
            assert_eq!(verify(&bad, &bob.amid()), Err(BundleError::BadSignature));
        }
        let kem = |o: &Owner| o.prekeys.current().kem().unwrap().1.public_key();
        let bad = replaced(&bundle, kem(&bob).as_ref(), kem(&mallory).as_ref());
        assert_eq!(verify(&bad, &bob.amid()), Err(BundleError::BadSignature));
    }

    fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
        let at = bytes.windows(from.len()).position(|w| w == from).unwrap();
        [&bytes[..at], to, &bytes[at + from.len()..]].concat()
    }

    #[test]
    fn a_registry_that_strips_the_stronger_suite_is_caught() {
        let bob = owner(1);
        let bundle = bob.prekeys.bundle(&bob.identity);
        let signature = &bundle[bundle.len() - 64..];
        let mut body = verify(&bundle, &bob.amid()).unwrap().body;
        body.suites = vec![2];
        body.kem_prekey = None;
        // Mallory cannot sign for Bob; Bob's old signature does not fit.
        let mut stripped = body.sign(&owner(2).identity);
        let end = stripped.len() - 64;
        stripped.truncate(end);
        stripped.extend(signature);
        assert_eq!(verify(&stripped, &bob.amid()), Err(BundleError::BadSignature));
        // Suite and key must go together even if the owner signed otherwise.
        for change in [
            |body: &mut blob::Body| body.suites = vec![2],
            |body: &mut blob::Body| body.kem_prekey = None,
            |body: &mut blob::Body| body.suites = vec![3, 2],
            |body: &mut blob::Body| body.suites = vec![2, 2, 3],
            |body: &mut blob::Body| body.suites = vec![0, 2, 3],
        ] {
            assert_eq!(verify(&bob.signed(change), &bob.amid()), Err(BundleError::SuiteSet));
        }
        let none = bob.signed(|body| {
            body.suites = vec![];
            body.kem_prekey = None;
        });
        assert_eq!(verify(&none, &bob.amid()), Err(BundleError::SuiteSet));
    }

    #[test]
    fn a_registry_that_replays_an_old_bundle_is_caught() {
        let mut bob = owner(1);
        let old = bob.prekeys.bundle(&bob.identity);
        bob.upload(None, NOW);
        let later = NOW.plus_millis(7 * DAY);
        assert!(bob.maintain(later));
        let new = bob.prekeys.bundle(&bob.identity);
        let at = |blob, newest| {
            let parts = BundleParts::bundle_only(blob);
            let peer = KnownPeer { newest_bundle: newest, ..KnownPeer::first_contact(bob.amid()) };
            PreKeyBundle::verify(parts, &peer, later)
        };
        let newest = at(&new, NOW).unwrap().created_at();
        assert_eq!(newest, later);
        assert!(at(&new, newest).is_ok());
        assert_eq!(
            at(&old, newest),
            Err(BundleError::Stale {
                created_ms: NOW.as_millis(),
                newest_seen_ms: newest.as_millis()
            })
        );
    }

    #[test]
    fn a_bundle_below_the_pin_is_a_downgrade() {
        let bob = owner(1);
        let weaker = bob.signed(|body| {
            body.suites = vec![1, 2];
            body.kem_prekey = None;
        });
        let at = |pinned_suite| {
            let peer = KnownPeer { pinned_suite, ..KnownPeer::first_contact(bob.amid()) };
            PreKeyBundle::verify(BundleParts::bundle_only(&weaker), &peer, NOW).map(|_| ())
        };
        assert_eq!(at(2), Ok(()));
        assert_eq!(at(3), Err(BundleError::SuiteDowngrade { pinned: 3, offered: 2 }));

        // A suite that we do not speak is none.
        let later = bob.signed(|body| {
            body.suites = vec![2, 9];
            body.kem_prekey = None;
        });
        let peer = KnownPeer { pinned_suite: 3, ..KnownPeer::first_contact(bob.amid()) };
        assert_eq!(
            PreKeyBundle::verify(BundleParts::bundle_only(&later), &peer, NOW).map(|_| ()),
            Err(BundleError::SuiteDowngrade { pinned: 3, offered: 2 })
        );
    }

    #[test]
    fn dates_are_bounded_on_both_sides() {
        let bob = owner(1);
        let bundle = bob.prekeys.bundle(&bob.identity);
        let at = |now| {
            let parts = BundleParts::bundle_only(&bundle);
            let peer = KnownPeer::first_contact(bob.amid());
            PreKeyBundle::verify(parts, &peer, now).map(|_| ())
        };
        assert_eq!(at(NOW.plus_millis(BUNDLE_MAX_AGE)), Ok(()));
        let age_ms = BUNDLE_MAX_AGE + 1;
        assert_eq!(at(NOW.plus_millis(age_ms)), Err(BundleError::TooOld { age_ms }));
        assert_eq!(at(NOW.minus_millis(CLOCK_SKEW)), Ok(()));
        let ahead_ms = CLOCK_SKEW + 1;
        assert_eq!(at(NOW.minus_millis(ahead_ms)), Err(BundleError::FromTheFuture { ahead_ms }));
    }

    #[test]
    fn small_order_keys_are_refused() {
        let bob = owner(1);
        let zero = DhPublicKey::from_bytes([0; 32]);
        for (change, field) in [
            (
                (|body: &mut blob::Body, key| body.exchange = key)
                    as fn(&mut blob::Body, DhPublicKey),
                "the exchange key",
            ),
            (|body, key| body.signed_prekey.1 = key, "the signed prekey"),
        ] {
            let bad = bob.signed(|body| change(body, zero));
            assert_eq!(verify(&bad, &bob.amid()), Err(BundleError::LowOrderKey { field }));
        }
    }

    #[test]
    fn a_bad_one_time_key_is_ignored() {
        let (bob, mallory) = (owner(1), owner(2));
        let publication = bob.prekeys.publication(&bob.identity);
        let foreign = mallory.prekeys.publication(&mallory.identity);
        let (opk, kopk) = (&publication.one_time[0], &publication.one_time_kem[0]);
        let zero = SignedOneTime {
            id: 1,
            key: vec![0; 32],
            signature: bob.identity.sign_labelled(
                Label::Opk,
                &[&bundle::one_time_message(1, &DhPublicKey::from_bytes([0; 32]))],
            ),
        };
        let no_id = SignedOneTime {
            id: 0,
            key: opk.key.clone(),
            signature: bob.identity.sign_labelled(Label::Opk, &[&[0; 4], &opk.key]),
        };
        let good = (part(opk), part(kopk));
        let cases = [
            (part(&foreign.one_time[0]), part(&foreign.one_time_kem[0])),
            // One kind for the other, one id for another, cut short.
            (good.1, good.0),
            (OneTimePart { id: 2, ..good.0 }, OneTimePart { id: 2, ..good.1 }),
            (
                OneTimePart { key: &opk.key[..31], ..good.0 },
                OneTimePart { key: &kopk.key[..1183], ..good.1 },
            ),
            (
                OneTimePart { signature: &[], ..good.0 },
                OneTimePart { signature: &[1; 65], ..good.1 },
            ),
            (part(&zero), good.0),
            (part(&no_id), good.0),
        ];
        for (i, (one_time, one_time_kem)) in cases.into_iter().enumerate() {
            let parts = BundleParts {
                blob: &publication.bundle,
                one_time: Some(one_time),
                one_time_kem: Some(one_time_kem),
            };
            let bundle = verify_parts(parts, &bob.amid()).unwrap();
            assert_eq!((bundle.one_time(), bundle.one_time_kem()), (None, None), "case {i}");
        }
    }

    #[test]
    fn a_one_time_kem_key_without_suite_3_is_ignored() {
        let bob = owner(1);
        let publication = bob.prekeys.publication(&bob.identity);
        let blob = bob.signed(|body| {
            body.suites = vec![2];
            body.kem_prekey = None;
        });
        let parts = BundleParts {
            blob: &blob,
            one_time: None,
            one_time_kem: publication.one_time_kem.first().map(part),
        };
        let bundle = verify_parts(parts, &bob.amid()).unwrap();
        assert_eq!(bundle.one_time_kem(), None);
    }

    #[test]
    fn a_bad_last_resort_kem_key_fails_the_bundle() {
        let bob = owner(1);
        let blob = bob.prekeys.bundle(&bob.identity);
        let kem: KemPublicKey = bob.prekeys.current().kem().unwrap().1.public_key();
        let at = blob.windows(1184).position(|w| w == kem.as_ref()).unwrap();
        let mut body = blob[..blob.len() - 64].to_vec();
        body[at..at + 3].fill(0xff);
        let signature = bob.identity.sign_labelled(Label::Bundle, &[&body]);
        body.extend(signature.as_bytes());
        assert_eq!(verify(&body, &bob.amid()).unwrap_err().code(), "BUNDLE_KEM_KEY");
    }

    #[test]
    fn ids_out_of_range_are_refused() {
        let bob = owner(1);
        for change in [
            |body: &mut blob::Body| body.signed_prekey.0 = 0,
            |body: &mut blob::Body| body.signed_prekey.0 = 1 << 31,
            |body: &mut blob::Body| body.kem_prekey.as_mut().unwrap().0 = 0,
            |body: &mut blob::Body| body.kem_prekey.as_mut().unwrap().0 = 1 << 31,
        ] {
            let refused = verify(&bob.signed(change), &bob.amid()).unwrap_err();
            assert_eq!(refused.code(), "BUNDLE_MALFORMED");
        }
    }

    #[test]
    fn an_unusable_identity_key_is_refused() {
        let bob = owner(1);
        let mut blob = bob.prekeys.bundle(&bob.identity);
        blob[..32].fill(0);
        assert_eq!(verify(&blob, &bob.amid()), Err(BundleError::AmidMismatch));
        // Even the agent of that very key, if it asked to be called so, could sign nothing.
        let amid = Amid::of_key_bytes(&[0; 32]);
        let text = amid.to_string();
        blob.splice(
            32..36 + bob.amid().to_string().len(),
            [&u32::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat(),
        );
        assert_eq!(verify(&blob, &amid), Err(BundleError::BadSignature));
    }

    proptest! {
        #[test]
        fn the_parser_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let amid = Amid::from_bytes([1; 20]);
            let _ = verify(&bytes, &amid);
            let part = OneTimePart { id: 1, key: &bytes, signature: &bytes };
            let parts = BundleParts { blob: &bytes, one_time: Some(part), one_time_kem: Some(part) };
            let _ = verify_parts(parts, &amid);
        }

        #[test]
        fn cut_and_changed_bundles_never_panic(
            cut in 0usize..1500,
            at in 0usize..1400,
            xor in any::<u8>(),
        ) {
            let (amid, bundle) = &*BUNDLE;
            let mut bundle = bundle.clone();
            if let Some(byte) = bundle.get_mut(at) {
                *byte ^= xor;
            }
            bundle.truncate(cut);
            let _ = verify(&bundle, amid);
        }
    }

    static BUNDLE: LazyLock<(Amid, Vec<u8>)> = LazyLock::new(|| {
        let bob = owner(1);
        (bob.amid(), bob.prekeys.bundle(&bob.identity))
    });
}

mod life {
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
}

mod records {
    use super::*;

    #[test]
    fn round_trip() {
        let mut bob = owner(1);
        bob.upload(Some(Stock { one_time: 90, one_time_kem: 20 }), NOW);
        bob.maintain(NOW.plus_millis(7 * DAY));
        bob.upload(None, NOW.plus_millis(7 * DAY));
        bob.prekeys.consume(4, 5);
        let record = bob.prekeys.to_record();
        let stored = PreKeys::from_record(&record).unwrap();
        assert_eq!(stored.to_record(), record);
        assert_eq!(stored.publication(&bob.identity), bob.prekeys.publication(&bob.identity));
        assert!(stored.one_time(4).is_none() && stored.one_time_kem(5).is_none());
    }

    #[test]
    fn damaged_ones_are_refused() {
        let bob = owner(1);
        let record = bob.prekeys.to_record();
        for cut in [0, 1, 17, 100, record.len() - 1] {
            let refused = PreKeys::from_record(&record[..cut]).unwrap_err();
            assert_eq!(refused.code(), "PREKEYS_RECORD");
        }
        let mut newer = record.to_vec();
        newer[0] = 9;
        assert!(PreKeys::from_record(&newer).is_err());
        let mut longer = record.to_vec();
        longer.push(0);
        assert!(PreKeys::from_record(&longer).is_err());
    }

    #[test]
    fn states_that_cannot_have_been_are_refused() {
        let refused = |change: fn(&mut PreKeys)| {
            let mut bob = owner(1);
            bob.prekeys.rotate(&bob.identity, NOW, &mut bob.rng);
            change(&mut bob.prekeys);
            match PreKeys::from_record(&bob.prekeys.to_record()) {
                Err(PreKeyError::Record { source: CodecError::InvalidValue { field } }) => field,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(refused(|p| p.next_signed_id = 0), "next signed prekey id");
        assert_eq!(refused(|p| p.next_signed_id = 2), "signed prekey id");
        assert_eq!(refused(|p| p.next_kem_id = 2), "ML-KEM prekey id");
        assert_eq!(refused(|p| p.retired[0].id = 2), "signed prekey id");
        assert_eq!(refused(|p| p.retired[0].id = 0), "signed prekey id");
        assert_eq!(refused(|p| p.retired[0].kem.as_mut().unwrap().0 = 7), "ML-KEM prekey id");
        assert_eq!(refused(|p| p.retired[0].drained = true), "drained");
        assert_eq!(refused(|p| p.current.replaced_at = Some(NOW)), "replaced_at");
        assert_eq!(refused(|p| p.one_time.next_id = 100), "one-time id");
        assert_eq!(refused(|p| p.one_time.uploaded_through = 101), "uploaded through");
    }

    #[test]
    fn debug_shows_no_secret() {
        let bob = owner(1);
        let text = format!("{:?}", bob.prekeys);
        assert!(text.contains("[redacted]"));
        let secret = bob.prekeys.current().key().secret_bytes();
        let hex: String = secret.iter().map(|b| format!("{b:02x}")).collect();
        assert!(!text.contains(&hex) && !text.contains(&format!("{secret:?}")));
    }

    proptest! {
        #[test]
        fn the_parser_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = PreKeys::from_record(&bytes);
        }

        #[test]
        fn what_is_read_is_what_was_written(at in 0usize..9000, byte in any::<u8>()) {
            let mut record = RECORD.clone();
            if let Some(b) = record.get_mut(at) {
                *b = byte;
            }
            if let Ok(prekeys) = PreKeys::from_record(&record) {
                prop_assert_eq!(&prekeys.to_record()[..], record);
            }
        }
    }

    static RECORD: LazyLock<Vec<u8>> = LazyLock::new(|| owner(1).prekeys.to_record().to_vec());
}

#[test]
fn another_store_goes_on_above_every_number_that_was_used() {
    let mut rng = seeded_rng(77);
    let now = Timestamp::from_millis(1_770_206_400_000);
    let identity = Identity::generate(now, &mut rng);
    let mut old = PreKeys::generate(&identity, now, &mut rng);
    let counters = old.counters();
    // The old store goes on for a while after the backup.
    for _ in 0..20 {
        old.rotate(&identity, now, &mut rng);
    }
    let new = PreKeys::continue_after(&counters, &identity, now, &mut rng);
    let (first, last) = (new.publication(&identity), old.publication(&identity));
    assert!(first.signed_prekey_id > last.signed_prekey_id);
    let highest = last.one_time.iter().map(|key| key.id).max().unwrap();
    assert!(first.one_time.iter().all(|key| key.id > highest));
    let highest = last.one_time_kem.iter().map(|key| key.id).max().unwrap();
    assert!(first.one_time_kem.iter().all(|key| key.id > highest));
    assert!(new.bundle_created_at() > counters.bundle_created_at);
    // At the end of the numbers it does not run over.
    let exhausted = Counters { ids: [u32::MAX >> 1; 4], ..counters };
    let recovered = PreKeys::continue_after(&exhausted, &identity, now, &mut rng);
    assert!(recovered.current().id() < u32::MAX >> 1);
}
