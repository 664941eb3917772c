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
        (bob.prekeys.current().key().public_key(), mallory.prekeys.current().key().public_key()),
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
        Err(BundleError::Stale { created_ms: NOW.as_millis(), newest_seen_ms: newest.as_millis() })
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
            (|body: &mut blob::Body, key| body.exchange = key) as fn(&mut blob::Body, DhPublicKey),
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
        (OneTimePart { signature: &[], ..good.0 }, OneTimePart { signature: &[1; 65], ..good.1 }),
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
