//! Where an agent keeps its state: records of ids, versions and sealed bytes.
//!
//! A store is small on purpose: [`load`](Storage::load), [`list`](Storage::list), [`commit`](Storage::commit),
//! [`close`](Storage::close). It sees ids that say nothing and bytes that [`crate::vault`] has sealed; it never
//! sees a key. Each commit is atomic and durable, and says which versions it was computed from, so that two
//! writers cannot fork a ratchet without one of them noticing.
//!
//! * [`MemoryStorage`]: nothing survives the process.
//! * `SqliteStorage` (feature `sqlite`): one file; the default of the native client.
//! * `FileStorage` (feature `file`): one directory, one file a record.
//! * `client::s3::S3Storage` (feature `s3`): a bucket of S3, R2 or MinIO.
//! * Your own: implement [`Storage`], and run `storage_conformance_tests!` (feature `test-utils`) over it.
//!
//! Knows nothing of keys, sessions or the network. Spec: `docs/protocol/native.md` §9, `docs/protocol/state.md`.
//!
//! # A store of your own
//!
//! The contract is on the methods of [`Storage`]. What a store must get right is the commit: compare **all**
//! expected versions first, write all changes or none, and return only when they survive what its [`Durability`] says.
//! A store that is only eventually consistent (Workers KV, a plain `PUT` to S3) cannot do this; it declares so, and
//! agents refuse it: stale session state means reused message keys.
//!
//! ```
//! use agentmesh_core::storage::{
//!     Change, Changes, Durability, Record, RecordId, RecordKind, Storage, StorageError,
//!     StorageFuture,
//! };
//! use std::{collections::BTreeMap, sync::Mutex};
//!
//! /// Stands for a database with transactions.
//! #[derive(Debug, Default)]
//! struct MyStore(Mutex<Option<BTreeMap<RecordId, Record>>>);
//!
//! impl MyStore {
//!     fn open() -> Self {
//!         Self(Mutex::new(Some(BTreeMap::new())))
//!     }
//!
//!     /// One transaction; `None` inside is a closed store.
//!     fn run<T>(
//!         &self,
//!         f: impl FnOnce(&mut BTreeMap<RecordId, Record>) -> Result<T, StorageError>,
//!     ) -> Result<T, StorageError> {
//!         let mut guard = self.0.lock().map_err(|_| StorageError::Closed)?;
//!         f(guard.as_mut().ok_or(StorageError::Closed)?)
//!     }
//! }
//!
//! impl Storage for MyStore {
//!     fn durability(&self) -> Durability {
//!         Durability::Synced // if the database returns after an fsync
//!     }
//!
//!     fn load<'a>(&'a self, ids: &'a [RecordId]) -> StorageFuture<'a, Vec<Option<Record>>> {
//!         Box::pin(async move {
//!             self.run(|rows| Ok(ids.iter().map(|id| rows.get(id).cloned()).collect()))
//!         })
//!     }
//!
//!     fn list(
//!         &self,
//!         kind: RecordKind,
//!         after: Option<[u8; 16]>,
//!         limit: usize,
//!     ) -> StorageFuture<'_, Vec<Record>> {
//!         Box::pin(async move {
//!             self.run(|rows| {
//!                 let of_kind = rows.values().filter(|r| r.id.kind == kind);
//!                 let page = of_kind.filter(|r| after.is_none_or(|key| r.id.key > key)).take(limit);
//!                 Ok(page.cloned().collect())
//!             })
//!         })
//!     }
//!
//!     fn commit(&self, changes: Changes) -> StorageFuture<'_, ()> {
//!         Box::pin(async move {
//!             self.run(|rows| {
//!                 for Change { id, expected, .. } in &changes {
//!                     let actual = rows.get(id).map_or(0, |record| record.version);
//!                     if actual != *expected {
//!                         return Err(StorageError::Conflict { id: *id, expected: *expected, actual });
//!                     }
//!                 }
//!                 for change in changes {
//!                     let (id, version) = (change.id, change.new_version());
//!                     match change.value {
//!                         Some(sealed) => rows.insert(id, Record { id, version, sealed }),
//!                         None => rows.remove(&id),
//!                     };
//!                 }
//!                 Ok(()) // a real store returns here only after its disk has confirmed
//!             })
//!         })
//!     }
//!
//!     fn close(&self) -> StorageFuture<'_, ()> {
//!         Box::pin(async move {
//!             *self.0.lock().map_err(|_| StorageError::Closed)? = None;
//!             Ok(())
//!         })
//!     }
//! }
//! # let store = MyStore::open();
//! # let id = RecordId::new(RecordKind::Meta, [7; 16]);
//! # let mut changes = Changes::new();
//! # changes.put(id, 0, vec![1]);
//! # let _: StorageFuture<'_, ()> = store.commit(changes);
//! ```

mod changes;
mod checksum;
#[cfg(any(test, feature = "test-utils"))]
pub mod conformance;
pub mod copy;
mod durability;
mod error;
mod holder;
mod memory;
mod record;

#[cfg(any(feature = "file", feature = "sqlite"))]
mod call;
#[cfg(any(feature = "file", feature = "sqlite"))]
mod disk_error;
#[cfg(any(feature = "file", feature = "sqlite"))]
mod lock;
#[cfg(any(feature = "file", feature = "sqlite"))]
mod queue;
#[cfg(any(feature = "file", feature = "sqlite"))]
mod worker;

#[cfg(feature = "file")]
mod file;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use changes::{Change, Changes};
pub use copy::{CopyError, CopyNames, CopyProgress, copy};
pub use durability::{Durability, require_consistent};
pub use error::StorageError;
#[cfg(feature = "file")]
pub use file::FileStorage;
#[cfg(all(feature = "file", any(test, feature = "test-utils")))]
pub use file::{DiskHook, DiskStep, DiskVerdict};
pub use holder::Holder;
pub use memory::MemoryStorage;
pub use record::{Record, RecordId, RecordKind};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStorage;

#[cfg(feature = "s3")]
pub(crate) use call::Answer;
#[cfg(feature = "s3")]
pub(crate) use checksum::{checksum, record_checksum};
#[cfg(any(feature = "file", feature = "sqlite"))]
use disk_error::disk_error;
#[cfg(feature = "s3")]
pub(crate) use worker::{Backend, Worker};

use core::{fmt, pin::Pin};
use std::sync::Arc;

/// The future of a store's method. It may be polled by any executor: no runtime stands behind it.
pub type StorageFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StorageError>> + Send + 'a>>;

/// A place for records. See the [module](self) for an example of an implementation.
///
/// What every store guarantees:
/// * **One writer.** While a store is open, opening it again fails with [`StorageError::Locked`], whether from this
///   process or another. A remote store that cannot lock relies on the versions instead: the losing writer
///   gets [`StorageError::Conflict`].
/// * **No invention.** What `load` and `list` return was committed, byte for byte. Damage is
///   [`StorageError::Corrupt`] naming the place, at opening or at reading; never an absent record, never a fresh store.
/// * **Reading your writes.** Calls made after a commit returned see it, also after the store was opened again.
///
/// Calls may run concurrently. Nothing is promised about the order of calls that overlap, except that each happens at
/// one instant. No method blocks the calling thread for longer than it takes to hand the call over.
pub trait Storage: fmt::Debug + Send + Sync {
    /// What a commit that returned `Ok` survives. Agents refuse [`Durability::EventuallyConsistent`].
    fn durability(&self) -> Durability;

    /// The records with these ids, in the order of `ids`; `None` for those that are absent.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] if one of them is damaged, [`StorageError::Closed`] after `close`.
    fn load<'a>(&'a self, ids: &'a [RecordId]) -> StorageFuture<'a, Vec<Option<Record>>>;

    /// At most `limit` records of a kind by ascending key, from the first key greater than `after`.
    ///
    /// To read all: pass the last key received as `after` until a page has fewer than `limit` records. Records
    /// written between two pages may be missing from both; callers list at start, before they write.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    fn list(
        &self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> StorageFuture<'_, Vec<Record>>;

    /// Writes the whole batch or nothing of it; when it returns `Ok` the batch survives what
    /// [`durability`](Self::durability) says.
    ///
    /// Every record must be at the version its change expects. An empty batch succeeds. Dropping the future before
    /// it is ready leaves open whether the batch is written, never whether it is written as a whole.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] for the first record that is at another version, [`StorageError::Full`],
    /// [`StorageError::TooLarge`], [`StorageError::Closed`]: nothing was written and the store goes on. Any other:
    /// see [`StorageError`].
    fn commit(&self, changes: Changes) -> StorageFuture<'_, ()>;

    /// Finishes the calls under way, releases files and locks, and only then returns. Later calls fail with
    /// [`StorageError::Closed`]; closing again succeeds. Dropping a store closes it, too.
    ///
    /// # Errors
    /// None that loses something: what was committed stays committed.
    fn close(&self) -> StorageFuture<'_, ()>;

    /// Which store this is, for people: a path, an address. Errors name it. Without secrets.
    fn location(&self) -> String {
        "the store".to_owned()
    }
}

impl<S: Storage + ?Sized> Storage for &S {
    fn load<'a>(&'a self, ids: &'a [RecordId]) -> StorageFuture<'a, Vec<Option<Record>>> {
        (**self).load(ids)
    }

    fn list(
        &self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> StorageFuture<'_, Vec<Record>> {
        (**self).list(kind, after, limit)
    }

    fn commit(&self, changes: Changes) -> StorageFuture<'_, ()> {
        (**self).commit(changes)
    }

    fn close(&self) -> StorageFuture<'_, ()> {
        (**self).close()
    }

    fn durability(&self) -> Durability {
        (**self).durability()
    }

    fn location(&self) -> String {
        (**self).location()
    }
}

impl<S: Storage + ?Sized> Storage for Arc<S> {
    fn load<'a>(&'a self, ids: &'a [RecordId]) -> StorageFuture<'a, Vec<Option<Record>>> {
        (**self).load(ids)
    }

    fn list(
        &self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> StorageFuture<'_, Vec<Record>> {
        (**self).list(kind, after, limit)
    }

    fn commit(&self, changes: Changes) -> StorageFuture<'_, ()> {
        (**self).commit(changes)
    }

    fn close(&self) -> StorageFuture<'_, ()> {
        (**self).close()
    }

    fn durability(&self) -> Durability {
        (**self).durability()
    }

    fn location(&self) -> String {
        (**self).location()
    }
}

pub(crate) fn check_version(change: &Change, actual: u64) -> Result<(), StorageError> {
    let Change { id, expected, .. } = change;
    if *expected == actual {
        Ok(())
    } else {
        Err(StorageError::Conflict { id: *id, expected: *expected, actual })
    }
}

pub(crate) fn check_size(change: &Change, limit: usize) -> Result<(), StorageError> {
    match change.value.as_ref().map(Vec::len) {
        Some(actual) if actual > limit => {
            Err(StorageError::TooLarge { id: change.id, actual, limit })
        }
        _ => Ok(()),
    }
}

/// A directory for a test, in memory where the system has such: nobody pulls the plug, and syncing a disk is slow.
#[cfg(test)]
#[cfg(any(feature = "file", feature = "sqlite"))]
fn test_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory")
}
