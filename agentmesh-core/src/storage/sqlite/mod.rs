//! A store in one SQLite file: the default of the native client.
//!
//! SQLite comes with the crate (feature `sqlite`). The file is in WAL mode with `synchronous=FULL`: a commit returns
//! after its pages are on the disk. One thread owns the connection; commits that arrive while it is busy share a
//! transaction, each under a savepoint of its own, so that one caller's conflict is no other caller's.
//!
//! Beside `agent.db` stand `agent.db-wal` while the store is open or after a crash, and `agent.db.lock`. To copy a store,
//! close it, or copy the file **and** its `-wal`: without it the latest commits are missing.

mod backend;
mod open;

use super::{
    Changes, Durability, Record, RecordId, RecordKind, Storage, StorageError, StorageFuture,
    worker::Worker,
};
use std::path::Path;

/// A store in one SQLite file.
///
/// Guarantees what [`Storage`] demands. Beyond that: a record whose bytes changed on the disk is
/// [`StorageError::Corrupt`] (every record carries a checksum, and the file's structure is checked when it is opened),
/// deleted records are overwritten in the file, and the file is readable by its owner only. It does not
/// encrypt: records come sealed.
///
/// ```no_run
/// use agentmesh_core::storage::{SqliteStorage, Storage};
/// # async fn example() -> Result<(), agentmesh_core::storage::StorageError> {
/// let store = SqliteStorage::open("/var/lib/my-agent/agent.db")?;
/// // give it to the agent …
/// store.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SqliteStorage {
    worker: Worker,
    #[cfg(any(test, feature = "test-utils"))]
    full: std::sync::Arc<core::sync::atomic::AtomicBool>,
}

impl SqliteStorage {
    /// Opens the store at `path`, or creates it if nothing is there. Blocks while it reads and checks the file.
    ///
    /// Holds the store's lock until it is closed or dropped; dropping waits for the store's thread.
    ///
    /// # Errors
    /// Nothing is changed by an open that fails, and nothing is ever created in place of something unreadable.
    /// * [`StorageError::Locked`]: open elsewhere, in this process or another.
    /// * [`StorageError::Empty`]: the file has no bytes, so it was truncated.
    /// * [`StorageError::Corrupt`]: not a database, or damaged.
    /// * [`StorageError::ForeignVersion`]: written by a newer release.
    /// * [`StorageError::NotAStore`]: a directory, or a database of something else.
    /// * [`StorageError::PermissionDenied`], [`StorageError::Full`], [`StorageError::Io`]: what the system said; `Io`
    ///   also if the directory does not exist.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        let backend = open::open(path.as_ref())?;
        Ok(Self {
            #[cfg(any(test, feature = "test-utils"))]
            full: backend.full.clone(),
            worker: Worker::start(backend.path.clone(), backend)?,
        })
    }

    /// Plays a full disk: from now on the file does not grow.
    #[cfg(any(test, feature = "test-utils"))]
    pub fn play_full_disk(&self, full: bool) {
        self.full.store(full, core::sync::atomic::Ordering::SeqCst);
    }
}

impl Storage for SqliteStorage {
    fn durability(&self) -> Durability {
        Durability::Synced
    }

    fn load<'a>(&'a self, ids: &'a [RecordId]) -> StorageFuture<'a, Vec<Option<Record>>> {
        self.worker.load(ids)
    }

    fn list(
        &self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> StorageFuture<'_, Vec<Record>> {
        self.worker.list(kind, after, limit)
    }

    fn commit(&self, changes: Changes) -> StorageFuture<'_, ()> {
        self.worker.commit(changes)
    }

    fn close(&self) -> StorageFuture<'_, ()> {
        self.worker.close()
    }

    fn location(&self) -> String {
        self.worker.path().display().to_string()
    }
}

#[cfg(test)]
mod tests;
