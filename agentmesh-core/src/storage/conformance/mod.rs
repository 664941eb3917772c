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

mod mishaps;
mod ordinary;

pub use crate::values::conformance::{keeps_values, sealed_values_live_apart, values_expire};
pub use mishaps::*;
pub use ordinary::*;

use super::{Changes, Record, RecordId, RecordKind, Storage, StorageError, StorageFuture};

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
            keeps_values
            values_expire
            sealed_values_live_apart
        }
    };
    (@each $fixture:expr, $($name:ident)+) => {
        $(
            #[test]
            fn $name() -> Result<(), $crate::Error> {
                let fixture = $fixture;
                $crate::test_utils::block_on($crate::storage::conformance::$name(&fixture))?;
                Ok(())
            }
        )+
    };
}
