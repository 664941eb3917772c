//! A store in one directory, one file a record: no database needed, and `ls` shows what there is.
//!
//! ```text
//! lock                     held while the store is open; names the process
//! journal                  the catalogue of all records, then the commits since it was written
//! session-<32 hex>         a record
//! *.tmp                    not yet in place; removed at the next open
//! ```
//!
//! A commit is one entry appended to the journal and synced; entries of callers that wait at the same time share the
//! sync. Now and then, and when the store is closed, a *checkpoint* brings the records into their files (temporary
//! file, fsync, rename, fsync of the directory) and replaces the journal by a new catalogue in the same way. Opening
//! reads the catalogue and replays the entries after it, so it does not matter where a crash struck: a batch is
//! in the journal whole, or it is not there.
//!
//! The catalogue knows every record with version and length. A record file that is missing, cut, altered, put in
//! another's place or restored from an older backup is an error that names the file. To copy a store, close it and
//! copy the whole directory.

mod backend;
mod checkpoint;
#[cfg_attr(
    not(any(test, feature = "test-utils")),
    allow(dead_code, unreachable_pub, reason = "the hook is public for tests only")
)]
mod disk;
mod journal;
mod open;
mod record_file;

#[cfg(any(test, feature = "test-utils"))]
pub use disk::{DiskHook, DiskStep, DiskVerdict};

use super::{
    Changes, Durability, Record, RecordId, RecordKind, Storage, StorageError, StorageFuture,
    worker::Worker,
};
use disk::Disk;
use std::path::Path;

/// A store in one directory.
///
/// Guarantees what [`Storage`] demands. Directory and files are readable by their owner only; the content is sealed
/// before it comes here. The versions and lengths of all records are kept in memory: about 100 bytes a record.
///
/// ```no_run
/// use agentmesh_core::storage::{FileStorage, Storage};
/// # async fn example() -> Result<(), agentmesh_core::storage::StorageError> {
/// let store = FileStorage::open("/var/lib/my-agent/store")?;
/// // give it to the agent …
/// store.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FileStorage {
    worker: Worker,
}

impl FileStorage {
    /// Opens the store in `dir`; creates it if the directory is absent or empty. Blocks while it reads.
    ///
    /// Holds the store's lock until it is closed or dropped; dropping waits for the store's thread.
    ///
    /// # Errors
    /// Nothing is ever created in place of something unreadable.
    /// * [`StorageError::Locked`]: open elsewhere, in this process or another.
    /// * [`StorageError::Corrupt`]: a file is missing, cut, altered, or from another time than the rest.
    /// * [`StorageError::Empty`]: the journal has no bytes.
    /// * [`StorageError::ForeignVersion`]: written by a newer release.
    /// * [`StorageError::NotAStore`]: not a directory, or a directory of something else.
    /// * [`StorageError::PermissionDenied`], [`StorageError::Full`], [`StorageError::Io`]: what the system said.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, StorageError> {
        Self::start(dir.as_ref(), Disk::default())
    }

    /// As [`open`](Self::open), with a hook that sees every change to the disk before it happens and may make it fail.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    #[cfg(any(test, feature = "test-utils"))]
    pub fn open_with_hook(
        dir: impl AsRef<Path>,
        hook: std::sync::Arc<dyn DiskHook>,
    ) -> Result<Self, StorageError> {
        Self::start(dir.as_ref(), Disk::with_hook(hook))
    }

    fn start(dir: &Path, disk: Disk) -> Result<Self, StorageError> {
        let backend = open::open(dir, disk)?;
        Ok(Self { worker: Worker::start(backend.dir().to_path_buf(), backend)? })
    }
}

impl Storage for FileStorage {
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
