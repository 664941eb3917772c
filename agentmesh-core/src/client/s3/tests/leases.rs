//! Who has the store, who takes it over, and what those find who had it before.

use std::time::Duration;

use super::*;

#[test]
fn a_second_opening_is_told_who_has_it_since_when_and_until_when() {
    let fake = Fake::default();
    let before = Clock::system().now();
    let store = open(&fake, config()).unwrap();
    let StorageError::Locked { path, holder } = open(&fake, config()).unwrap_err() else {
        panic!("opened twice")
    };
    assert_eq!(path.to_str(), Some("s3://bucket/a/b"));
    assert_eq!(holder.pid, Some(std::process::id()));
    assert!(holder.host.as_ref().is_some_and(|host| !host.is_empty()));
    assert!(holder.since >= Some(before) && holder.until > holder.since, "{holder}");
    assert_eq!(holder.instance.as_ref().map(String::len), Some(32));
    let versions = open(&fake, config().sharing(Sharing::Versions));
    assert!(matches!(versions, Err(StorageError::Locked { .. })), "{versions:?}");
    drop(store);
    drop(open(&fake, config()).unwrap());
}

#[test]
fn who_slept_through_the_end_of_its_lease_can_never_commit_again() {
    let fake = Fake::default();
    let sleeper = open(&fake, config()).unwrap();
    block_on(sleeper.commit(put(1, 0, b"before"))).unwrap();
    // An hour later by the clock of the second one.
    let second = open(&fake, config().clock(ahead(3600))).unwrap();
    block_on(second.commit(put(1, 1, b"after"))).unwrap();
    for changes in [put(1, 1, b"forked"), put(9, 0, b"unrelated"), put(1, 2, b"guessed")] {
        let refused = block_on(sleeper.commit(changes)).unwrap_err();
        let StorageError::LeaseLost { holder, .. } = &refused else { panic!("{refused}") };
        assert_eq!(holder.pid, Some(std::process::id()));
    }
    // Not even when the second one is gone again, having ended its lease.
    block_on(second.close()).unwrap();
    let refused = block_on(sleeper.commit(put(1, 2, b"late"))).unwrap_err();
    assert!(matches!(refused, StorageError::LeaseLost { .. }), "{refused}");
    block_on(sleeper.close()).unwrap();
    let third = open(&fake, config()).unwrap();
    let found = block_on(third.load(&[id(1), id(9)])).unwrap();
    assert_eq!(found[0].as_ref().map(|r| (r.version, &r.sealed[..])), Some((2, &b"after"[..])));
    assert_eq!(found[1], None);
}

#[test]
fn a_lease_that_ended_is_still_good_if_nobody_took_over() {
    let fake = Fake::default();
    // Its lease ended long ago by everybody else's clock.
    let sleeper =
        open(&fake, config().clock(Clock::starting_at(Timestamp::from_millis(1)))).unwrap();
    block_on(sleeper.commit(put(1, 0, b"1"))).unwrap();
    block_on(sleeper.commit(put(1, 1, b"2"))).unwrap();
    let second = open(&fake, config()).unwrap();
    assert!(block_on(sleeper.commit(put(1, 2, b"3"))).is_err());
    block_on(second.commit(put(1, 2, b"3"))).unwrap();
}

#[test]
fn taking_over_on_purpose_shuts_the_holder_out() {
    let fake = Fake::default();
    let first = open(&fake, config()).unwrap();
    let second = open(&fake, config().take_over(true)).unwrap();
    let refused = block_on(first.commit(put(1, 0, b"1"))).unwrap_err();
    assert!(matches!(refused, StorageError::LeaseLost { .. }), "{refused}");
    block_on(second.commit(put(1, 0, b"1"))).unwrap();
}

#[test]
fn an_idle_store_renews_its_lease_and_notices_its_loss() {
    let fake = Fake::default();
    let length = Sharing::Lease(Duration::from_millis(60));
    let store = open(&fake, config().sharing(length)).unwrap();
    let head = |fake: &Fake| {
        let all = objects(fake);
        let (_, bytes) = all.iter().find(|(key, _)| key.ends_with("/head")).unwrap();
        format::Head::parse(bytes).unwrap()
    };
    let first = head(&fake);
    // Waits for three renewals, however long the machine takes for them.
    while head(&fake).sequence < first.sequence + 3 {
        std::thread::yield_now();
    }
    let until = |head: &format::Head| head.lease.as_ref().map(|lease| lease.until);
    assert!(until(&head(&fake)) > until(&first));
    let second = open(&fake, config().take_over(true)).unwrap();
    // The next renewal finds out, without anybody calling.
    while !matches!(block_on(store.load(&[id(1)])), Err(StorageError::LeaseLost { .. })) {
        std::thread::yield_now();
    }
    drop(second);
}

#[test]
fn patience_waits_for_the_holder_to_go() {
    let fake = Fake::default();
    let first = open(&fake, config()).unwrap();
    let waiting =
        std::thread::spawn(move || open(&fake, config().patience(Duration::from_secs(60))));
    block_on(first.close()).unwrap();
    waiting.join().unwrap().unwrap();
}

#[test]
fn without_leases_the_versions_let_one_of_two_win() {
    let fake = Fake::default();
    let shared = || open(&fake, config().sharing(Sharing::Versions)).unwrap();
    let (a, b) = (shared(), shared());
    block_on(a.commit(put(1, 0, b"a"))).unwrap();
    let conflict = StorageError::Conflict { id: id(1), expected: 0, actual: 1 };
    assert_eq!(block_on(b.commit(put(1, 0, b"b"))), Err(conflict));
    // Other records of the same store do not conflict.
    block_on(b.commit(put(2, 0, b"b"))).unwrap();
    block_on(a.commit(put(3, 0, b"a"))).unwrap();
    for store in [&a, &b] {
        let found = block_on(store.load(&[id(1), id(2), id(3)])).unwrap();
        assert!(found.iter().all(|r| r.as_ref().is_some_and(|r| r.version == 1)), "{found:?}");
    }
    // While one moves everything into new objects, the other still finds what it looks for.
    for n in 10..40 {
        block_on(a.commit(put(n, 0, &[n; packing::INLINE]))).unwrap();
        let found = block_on(b.load(&[id(1), id(n), id(10)])).unwrap();
        assert!(found.iter().all(Option::is_some), "{n}");
    }
    // Whoever takes a lease has it alone.
    let tenant = open(&fake, config()).unwrap();
    let refused = block_on(b.commit(put(2, 1, b"b"))).unwrap_err();
    assert!(matches!(refused, StorageError::Locked { .. }), "{refused}");
    block_on(tenant.close()).unwrap();
    block_on(b.commit(put(2, 1, b"b"))).unwrap();
}
