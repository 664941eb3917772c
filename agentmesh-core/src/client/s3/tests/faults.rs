//! Requests and answers that get lost, and endpoints that promise too much.

use super::{fake::Fault, *};

#[test]
fn an_endpoint_without_conditional_writes_is_refused_and_nothing_is_left_there() {
    for (create, replace) in [(true, false), (false, true), (true, true)] {
        let fake = Fake::default();
        fake.ignore_conditions(create, replace);
        let refused = open(&fake, config()).unwrap_err();
        assert!(matches!(refused, StorageError::NoConditionalWrites { .. }), "{refused}");
        assert!(refused.to_string().contains("Cloudflare R2"), "{refused}");
        assert_eq!(objects(&fake), []);
    }
}

#[test]
fn a_lost_answer_is_no_lost_commit_and_no_second_one() {
    let fake = Fake::default();
    let store = open(&fake, config()).unwrap();
    for (version, faults) in [
        (0, vec![Fault::LostAnswer]),
        (1, vec![Fault::LostRequest]),
        (2, vec![Fault::LostRequest, Fault::LostRequest, Fault::LostAnswer]),
    ] {
        fake.plan(faults);
        block_on(store.commit(put(1, version, &[version as u8]))).unwrap();
        let found = block_on(store.load(&[id(1)])).unwrap().remove(0).unwrap();
        assert_eq!((found.version, found.sealed), (version + 1, vec![version as u8]));
    }
    block_on(store.commit(put(2, 0, b"goes on"))).unwrap();
    block_on(store.close()).unwrap();
    let store = open(&fake, config()).unwrap();
    let found = block_on(store.load(&[id(1), id(2)])).unwrap();
    assert_eq!(found[0].as_ref().unwrap().version, 3);
    assert_eq!(found[1].as_ref().unwrap().version, 1);
}

#[test]
fn a_service_that_stays_away_is_told_from_a_commit_that_may_have_happened() {
    let fake = Fake::default();
    let store = open(&fake, config()).unwrap();
    // Large: an object goes first, so the head, which counts, was never tried.
    fake.always(Some(Fault::LostRequest));
    let large = block_on(store.commit(put(1, 0, &[1; 20_000]))).unwrap_err();
    assert!(matches!(large, StorageError::Unreachable { .. }), "{large}");
    assert!(large.leaves_store_usable());
    assert!(!large.to_string().contains("hush"), "{large}");
    fake.always(None);
    block_on(store.commit(put(1, 0, &[1; 20_000]))).unwrap();

    fake.always(Some(Fault::LostRequest));
    let small = block_on(store.commit(put(2, 0, b"2"))).unwrap_err();
    assert!(matches!(small, StorageError::Uncertain { .. }), "{small}");
    assert!(!small.to_string().contains("hush"), "{small}");
    fake.always(None);
    let later = block_on(store.commit(put(2, 0, b"2"))).unwrap_err();
    assert!(matches!(later, StorageError::Crashed { .. }), "{later}");
    drop(store);
    let store = open(&fake, config().take_over(true)).unwrap();
    let found = block_on(store.load(&[id(1), id(2)])).unwrap();
    assert!(found[0].is_some() && found[1].is_none());
}

#[test]
fn missing_permission_says_so_at_once() {
    let fake = Fake::default();
    let store = open(&fake, config()).unwrap();
    fake.plan([Fault::Denied]);
    let denied = block_on(store.commit(put(1, 0, b"1"))).unwrap_err();
    assert!(matches!(denied, StorageError::PermissionDenied { .. }), "{denied}");
    fake.always(Some(Fault::Denied));
    let denied = open(&Fake::clone(&fake), S3Config::new("bucket", "other")).unwrap_err();
    assert!(matches!(denied, StorageError::PermissionDenied { .. }), "{denied}");
}
