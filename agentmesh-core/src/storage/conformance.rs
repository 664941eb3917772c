//! What every store must do, as tests that anybody can run over a store (feature `test-utils`).
//!
//! ```no_run
//! use agentmesh_core::storage::{StorageFuture, conformance::Fixture};
//! # use agentmesh_core::storage::MemoryStorage as MyStore;
//!
//! /// One place where a store can be opened, closed and opened again; here a fresh directory, say.
//! struct MyFixture;
//!
//! impl Fixture for MyFixture {
//!     type Store = MyStore;
//!     fn open(&self) -> StorageFuture<'_, MyStore> {
//!         Box::pin(async { Ok(MyStore::new()) })
//!     }
//!     // and, if the store can do it: damage, make_foreign, play_full_disk
//! }
//!
//! agentmesh_core::storage_conformance_tests!(MyFixture);
//! # fn main() {}
//! ```
//!
//! The macro makes one `#[test]` of each function here; the expression is evaluated anew for each. A test panics
//! where the store breaks the contract and returns the error where the store fails. Tests of abilities that the fixture
//! does not have pass without doing anything.

use super::{Changes, Record, RecordId, RecordKind, Storage, StorageError, StorageFuture};
use core::{future::poll_fn, task::Poll};
use std::collections::BTreeMap;

/// How [`Fixture::damage`] damages a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// One byte of the stored record is another.
    Altered,
    /// The end of the stored record is missing.
    Truncated,
    /// The stored record is missing, behind the store's back.
    Missing,
}

/// One place where a store can be opened again and again. Each test gets a fixture of its own, with nothing in it.
///
/// The methods with a default are abilities that not every store has; `false` says that nothing was done. They are
/// called while the store is closed, but for `play_full_disk`.
pub trait Fixture {
    /// The store under test.
    type Store: Storage + 'static;

    /// Opens the store: the first time an empty one, later the same one again.
    fn open(&self) -> StorageFuture<'_, Self::Store>;

    /// Whether opening a store that is open must fail with [`StorageError::Locked`]. Stores that cannot lock, since they
    /// are remote, say `false`: they rely on the versions.
    fn is_exclusive(&self) -> bool {
        true
    }

    /// Damages a stored record, whose sealed bytes are 200 times 0xab.
    fn damage(&self, id: RecordId, damage: Damage) -> bool {
        let _ = (id, damage);
        false
    }

    /// Makes the store look as if a newer release had written it.
    fn make_foreign(&self) -> bool {
        false
    }

    /// Lets the place run out of space, or have space again; room for less than 1 MiB may be left.
    fn play_full_disk(&self, store: &Self::Store, full: bool) -> bool {
        let _ = (store, full);
        false
    }
}

/// What each test returns.
pub type Tested = Result<(), StorageError>;

const KIND: RecordKind = RecordKind::Session;

fn id(n: u16) -> RecordId {
    let mut key = [0; 16];
    // Scattered, as hashed keys are: neighbours in number are not neighbours in order.
    for (byte, from) in key.iter_mut().zip(n.wrapping_mul(40_503).to_be_bytes()) {
        *byte = from;
    }
    RecordId { kind: KIND, key }
}

fn put(id: RecordId, expected: u64, sealed: &[u8]) -> Changes {
    let mut changes = Changes::new();
    changes.put(id, expected, sealed.to_vec());
    changes
}

fn delete(id: RecordId, expected: u64) -> Changes {
    let mut changes = Changes::new();
    changes.delete(id, expected);
    changes
}

async fn read(store: &impl Storage, id: RecordId) -> Result<Option<(u64, Vec<u8>)>, StorageError> {
    let mut found = store.load(&[id]).await?;
    assert_eq!(found.len(), 1, "load answers every id");
    Ok(found.pop().flatten().map(|record| {
        assert_eq!(record.id, id, "load answers with the record asked for");
        (record.version, record.sealed)
    }))
}

async fn all(
    store: &impl Storage,
    kind: RecordKind,
    page: usize,
) -> Result<Vec<Record>, StorageError> {
    let mut records: Vec<Record> = Vec::new();
    loop {
        let after = records.last().map(|record| record.id.key);
        let found = store.list(kind, after, page).await?;
        assert!(found.len() <= page, "a page has at most {page} records");
        let is_last = found.len() < page;
        records.extend(found);
        if is_last {
            return Ok(records);
        }
    }
}

/// Records read back as written, in the order asked for; versions count from 1; deleted ones are gone.
pub async fn reads_what_was_committed<F: Fixture>(fixture: &F) -> Tested {
    let store = fixture.open().await?;
    assert_eq!(store.load(&[]).await?, []);
    assert_eq!(read(&store, id(1)).await?, None);
    let mut changes = put(id(1), 0, b"one");
    changes.put(id(2), 0, Vec::new());
    store.commit(changes).await?;
    store.commit(put(id(1), 1, b"one again")).await?;
    let found = store.load(&[id(2), id(3), id(1), id(2)]).await?;
    let two = Some(Record { id: id(2), version: 1, sealed: Vec::new() });
    let one = Some(Record { id: id(1), version: 2, sealed: b"one again".to_vec() });
    assert_eq!(found, [two.clone(), None, one, two]);

    store.commit(delete(id(1), 2)).await?;
    assert_eq!(read(&store, id(1)).await?, None);
    store.commit(put(id(1), 0, b"anew")).await?;
    assert_eq!(read(&store, id(1)).await?, Some((1, b"anew".to_vec())));
    store.commit(Changes::new()).await?;
    store.close().await
}

/// A change computed from another version than the stored one is a conflict that says so.
pub async fn a_stale_version_conflicts<F: Fixture>(fixture: &F) -> Tested {
    let store = fixture.open().await?;
    store.commit(put(id(1), 0, b"1")).await?;
    store.commit(put(id(1), 1, b"2")).await?;
    let conflict =
        |n, expected, actual| Err(StorageError::Conflict { id: id(n), expected, actual });
    for stale in [0, 1, 3, u64::MAX] {
        assert_eq!(store.commit(put(id(1), stale, b"x")).await, conflict(1, stale, 2));
        assert_eq!(store.commit(delete(id(1), stale)).await, conflict(1, stale, 2));
    }
    assert_eq!(store.commit(put(id(2), 1, b"x")).await, conflict(2, 1, 0));
    assert_eq!(store.commit(delete(id(2), 1)).await, conflict(2, 1, 0));
    // Deleting what is absent is how a batch demands that it be absent.
    assert_eq!(store.commit(delete(id(2), 0)).await, Ok(()));
    assert_eq!(read(&store, id(1)).await?, Some((2, b"2".to_vec())));
    assert_eq!(read(&store, id(2)).await?, None);
    store.close().await
}

/// One conflict, and nothing of the batch is written.
pub async fn a_batch_is_atomic<F: Fixture>(fixture: &F) -> Tested {
    let store = fixture.open().await?;
    let mut changes = put(id(1), 0, b"1");
    changes.put(id(2), 0, b"2".to_vec());
    store.commit(changes).await?;
    for position in 0..4 {
        let mut changes = Changes::new();
        for n in 0..4 {
            if n == position {
                changes.put(id(9), 7, b"stale".to_vec());
            }
            match n {
                0 => changes.put(id(1), 1, b"new".to_vec()),
                1 => changes.delete(id(2), 1),
                _ => changes.put(id(n + 10), 0, b"new".to_vec()),
            }
        }
        let expected = Err(StorageError::Conflict { id: id(9), expected: 7, actual: 0 });
        assert_eq!(store.commit(changes).await, expected);
        assert_eq!(read(&store, id(1)).await?, Some((1, b"1".to_vec())));
        assert_eq!(read(&store, id(2)).await?, Some((1, b"2".to_vec())));
        assert_eq!(all(&store, KIND, 100).await?.len(), 2);
    }
    store.close().await
}

/// Pages come by ascending key, each record once, of the kind asked for.
pub async fn lists_by_key_in_pages<F: Fixture>(fixture: &F) -> Tested {
    let store = fixture.open().await?;
    let mut expected = BTreeMap::new();
    let mut changes = Changes::new();
    for n in 0..100 {
        expected.insert(id(n).key, n);
        changes.put(id(n), 0, n.to_be_bytes().to_vec());
    }
    for edge in [[0; 16], [0xff; 16]] {
        for kind in [RecordKind::Peer, RecordKind::Outbox] {
            changes.put(RecordId { kind, key: edge }, 0, vec![1]);
        }
    }
    store.commit(changes).await?;
    for page in [1, 7, 50, 100, 101, usize::MAX] {
        let found = all(&store, KIND, page).await?;
        let keys: Vec<_> = found.iter().map(|record| record.id.key).collect();
        assert!(keys.iter().eq(expected.keys()), "pages of {page}");
        for record in &found {
            let n = expected.get(&record.id.key).copied().unwrap_or_default();
            assert_eq!((record.version, &record.sealed[..]), (1, &n.to_be_bytes()[..]));
        }
    }
    assert_eq!(store.list(KIND, None, 0).await?, []);
    assert_eq!(store.list(KIND, Some([0xff; 16]), 9).await?, []);
    assert_eq!(all(&store, RecordKind::Peer, 1).await?.len(), 2);
    assert_eq!(store.list(RecordKind::Peer, Some([0; 16]), 9).await?.len(), 1);
    assert_eq!(all(&store, RecordKind::Meta, 10).await?, []);
    store.close().await
}

/// Whatever was committed is there after closing and after merely dropping the store.
pub async fn reopening_sees_everything<F: Fixture>(fixture: &F) -> Tested {
    for round in 0..6 {
        let store = fixture.open().await?;
        for n in 0..10 {
            let before = (round > 0).then(|| (round, vec![round as u8; 100]));
            assert_eq!(read(&store, id(n)).await?, before, "round {round}");
            store.commit(put(id(n), round, &[round as u8 + 1; 100])).await?;
        }
        let extra = id(100 + round as u16);
        store.commit(put(extra, 0, b"extra")).await?;
        if round > 1 {
            store.commit(delete(id(100 + round as u16 - 1), 1)).await?;
        }
        if round % 2 == 0 {
            store.close().await?;
        }
    }
    let store = fixture.open().await?;
    assert_eq!(all(&store, KIND, 100).await?.len(), 12);
    store.close().await
}

/// After closing, every call fails; closing again does not.
pub async fn a_closed_store_says_so<F: Fixture>(fixture: &F) -> Tested {
    let store = fixture.open().await?;
    store.commit(put(id(1), 0, b"1")).await?;
    store.close().await?;
    assert_eq!(store.load(&[id(1)]).await, Err(StorageError::Closed));
    assert_eq!(store.list(KIND, None, 1).await, Err(StorageError::Closed));
    assert_eq!(store.commit(put(id(2), 0, b"2")).await, Err(StorageError::Closed));
    assert_eq!(store.close().await, Ok(()));
    drop(store);
    let store = fixture.open().await?;
    assert_eq!(read(&store, id(1)).await?, Some((1, b"1".to_vec())));
    assert_eq!(read(&store, id(2)).await?, None);
    store.close().await
}

/// A store that is open cannot be opened again; one that was closed, or dropped, can.
pub async fn there_is_one_writer<F: Fixture>(fixture: &F) -> Tested {
    if !fixture.is_exclusive() {
        return Ok(());
    }
    let store = fixture.open().await?;
    for _ in 0..2 {
        let second = fixture.open().await;
        assert!(matches!(second, Err(StorageError::Locked { .. })), "{second:?}");
    }
    store.commit(put(id(1), 0, b"undisturbed")).await?;
    store.close().await?;
    let third = fixture.open().await?;
    drop(store);
    assert!(matches!(fixture.open().await, Err(StorageError::Locked { .. })));
    drop(third);
    fixture.open().await?.close().await
}

/// Records of 1 MiB, and of sizes around the powers of two, come back.
pub async fn keeps_large_records<F: Fixture>(fixture: &F) -> Tested {
    let sizes = [0, 1, 511, 512, 513, 4095, 4096, 4097, 65_535, 65_536, 1_000_000, 1 << 20];
    let content = |n: u16, size: usize| -> Vec<u8> {
        (0..size).map(|i| (i as u16).wrapping_mul(n * 2 + 1).to_le_bytes()[1]).collect()
    };
    let store = fixture.open().await?;
    for (n, size) in (0..).zip(sizes) {
        store.commit(put(id(n), 0, &content(n, size))).await?;
    }
    for reopened in [false, true] {
        let store = if reopened {
            store.close().await?;
            &fixture.open().await?
        } else {
            &store
        };
        for (n, size) in (0..).zip(sizes) {
            let found = read(store, id(n)).await?;
            assert!(found == Some((1, content(n, size))), "{size} bytes");
        }
    }
    Ok(())
}

/// 10,000 records, written in batches, changed, listed and there after opening again.
pub async fn keeps_many_records<F: Fixture>(fixture: &F) -> Tested {
    let sealed = |n: u16, round: u8| [&n.to_be_bytes()[..], &[round; 300][..]].concat();
    let store = fixture.open().await?;
    for first in (0..10_000).step_by(500) {
        let mut changes = Changes::new();
        (first..first + 500).for_each(|n| changes.put(id(n), 0, sealed(n, 1)));
        store.commit(changes).await?;
    }
    for n in (0..10_000).step_by(100) {
        store.commit(put(id(n), 1, &sealed(n, 2))).await?;
    }
    for reopened in [false, true] {
        let store = if reopened {
            store.close().await?;
            &fixture.open().await?
        } else {
            &store
        };
        let found = all(store, KIND, 777).await?;
        assert_eq!(found.len(), 10_000);
        let found: BTreeMap<_, _> =
            found.into_iter().map(|r| (r.id, (r.version, r.sealed))).collect();
        for n in 0..10_000 {
            let version = if n % 100 == 0 { 2 } else { 1 };
            assert_eq!(found.get(&id(n)), Some(&(version.into(), sealed(n, version))), "{n}");
        }
    }
    Ok(())
}

/// Commits from several threads each count, and one thread's conflict is no other thread's.
pub async fn commits_from_many_threads<F: Fixture>(fixture: &F) -> Tested {
    use crate::test_utils::block_on;
    const THREADS: u16 = 8;
    const COMMITS: u64 = 30;
    if cfg!(target_family = "wasm") {
        return Ok(());
    }
    let store = fixture.open().await?;
    let shared = id(1000);
    store.commit(put(shared, 0, &[0])).await?;
    // Each thread writes a record of its own, which never conflicts, and adds to the shared one, which often does.
    let work = |n: u16| -> Tested {
        for version in 0..COMMITS {
            block_on(store.commit(put(id(n), version, &version.to_be_bytes())))?;
            while let Some((version, _)) = block_on(read(&store, shared))? {
                match block_on(store.commit(put(shared, version, &[n as u8]))) {
                    Err(StorageError::Conflict { .. }) => {}
                    Err(error) => return Err(error),
                    Ok(()) => break,
                }
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(move || work(n))).collect();
        threads.into_iter().try_for_each(|thread| {
            let ended = thread.join();
            assert!(ended.is_ok(), "a thread panicked");
            ended.unwrap_or(Ok(()))
        })
    })?;
    for n in 0..THREADS {
        assert_eq!(read(&store, id(n)).await?.map(|(version, _)| version), Some(COMMITS));
    }
    let adds = 1 + COMMITS * u64::from(THREADS);
    assert_eq!(read(&store, shared).await?.map(|(version, _)| version), Some(adds));
    store.close().await
}

/// A commit whose caller goes away is whole or absent, and the store goes on.
pub async fn an_abandoned_commit_is_whole_or_absent<F: Fixture>(fixture: &F) -> Tested {
    let store = fixture.open().await?;
    for n in 0..20 {
        let (a, b) = (id(2 * n), id(2 * n + 1));
        let mut changes = put(a, 0, b"a");
        changes.put(b, 0, b"b".to_vec());
        let mut commit = store.commit(changes);
        if n % 2 == 0 {
            // Once, and never again.
            poll_fn(|context| {
                let _ = commit.as_mut().poll(context);
                Poll::Ready(())
            })
            .await;
        }
        drop(commit);
        store.commit(put(id(5000), n.into(), b"goes on")).await?;
    }
    store.close().await?;
    let store = fixture.open().await?;
    for n in 0..20 {
        let found = store.load(&[id(2 * n), id(2 * n + 1)]).await?;
        let present = found.iter().flatten().count();
        assert!(present != 1, "half a batch");
        assert!(present == 0 || n % 2 == 0, "a commit that nobody polled");
    }
    store.close().await
}

async fn damaged<F: Fixture>(fixture: &F, damage: Damage) -> Tested {
    let store = fixture.open().await?;
    for n in 0..3 {
        store.commit(put(id(n), 0, &[0xab; 200])).await?;
    }
    store.close().await?;
    drop(store);
    if !fixture.damage(id(1), damage) {
        return Ok(());
    }
    for _ in 0..2 {
        // The store may find it when it is opened or when it reads the record; what it may not do is go on without.
        let found = match fixture.open().await {
            Ok(store) => {
                let listed = store.list(KIND, None, 10).await;
                assert!(matches!(listed, Err(StorageError::Corrupt { .. })), "{listed:?}");
                read(&store, id(1)).await.map(drop)
            }
            Err(error) => Err(error),
        };
        assert!(matches!(found, Err(StorageError::Corrupt { .. })), "{found:?}");
    }
    Ok(())
}

/// A record whose bytes changed is an error.
pub async fn an_altered_record_is_corrupt<F: Fixture>(fixture: &F) -> Tested {
    damaged(fixture, Damage::Altered).await
}

/// A record that was cut is an error.
pub async fn a_truncated_record_is_corrupt<F: Fixture>(fixture: &F) -> Tested {
    damaged(fixture, Damage::Truncated).await
}

/// A record that disappeared is an error, not an absent record.
pub async fn a_vanished_record_is_corrupt<F: Fixture>(fixture: &F) -> Tested {
    damaged(fixture, Damage::Missing).await
}

/// A store written by a newer release is refused, and left as it is.
pub async fn a_foreign_version_is_refused<F: Fixture>(fixture: &F) -> Tested {
    let store = fixture.open().await?;
    store.commit(put(id(1), 0, b"1")).await?;
    store.close().await?;
    drop(store);
    if fixture.make_foreign() {
        for _ in 0..2 {
            let found = fixture.open().await;
            assert!(matches!(found, Err(StorageError::ForeignVersion { .. })), "{found:?}");
        }
    }
    Ok(())
}

/// Without space a commit fails as a whole, everything else goes on, and so do commits once there is space again.
pub async fn a_full_disk_loses_nothing<F: Fixture>(fixture: &F) -> Tested {
    let store = fixture.open().await?;
    store.commit(put(id(1), 0, b"before")).await?;
    if !fixture.play_full_disk(&store, true) {
        return store.close().await;
    }
    let mut large = put(id(1), 1, b"after");
    (2..6).for_each(|n| large.put(id(n), 0, vec![n as u8; 1 << 20]));
    for _ in 0..3 {
        let refused = store.commit(large.clone()).await;
        assert!(matches!(refused, Err(StorageError::Full { .. })), "{refused:?}");
        assert_eq!(read(&store, id(1)).await?, Some((1, b"before".to_vec())));
        assert_eq!(all(&store, KIND, 10).await?.len(), 1);
    }
    fixture.play_full_disk(&store, false);
    store.commit(large).await?;
    store.close().await?;
    let store = fixture.open().await?;
    assert_eq!(read(&store, id(1)).await?, Some((2, b"after".to_vec())));
    assert_eq!(all(&store, KIND, 10).await?.len(), 5);
    store.close().await
}

/// Makes tests of the functions in [`storage::conformance`](crate::storage::conformance) for a
/// [`Fixture`](crate::storage::conformance::Fixture). See there.
#[macro_export]
macro_rules! storage_conformance_tests {
    ($fixture:expr) => {
        $crate::storage_conformance_tests! { @each $fixture,
            reads_what_was_committed
            a_stale_version_conflicts
            a_batch_is_atomic
            lists_by_key_in_pages
            reopening_sees_everything
            a_closed_store_says_so
            there_is_one_writer
            keeps_large_records
            keeps_many_records
            commits_from_many_threads
            an_abandoned_commit_is_whole_or_absent
            an_altered_record_is_corrupt
            a_truncated_record_is_corrupt
            a_vanished_record_is_corrupt
            a_foreign_version_is_refused
            a_full_disk_loses_nothing
        }
    };
    (@each $fixture:expr, $($name:ident)+) => {
        $(
            #[test]
            fn $name() -> $crate::storage::conformance::Tested {
                let fixture = $fixture;
                $crate::test_utils::block_on($crate::storage::conformance::$name(&fixture))
            }
        )+
    };
}
