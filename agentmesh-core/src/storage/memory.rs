//! The reference store: a map in memory. For tests, and for agents that live no longer than their process.

use super::{
    Changes, Durability, Record, RecordId, RecordKind, Storage, StorageError, StorageFuture,
};
use crate::limits::MAX_RECORD;
use core::{fmt, ops::Bound};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

type Records = BTreeMap<RecordId, (u64, Vec<u8>)>;

/// A store in memory. Nothing survives the process: whoever restarts with a new one has a new identity.
///
/// It holds what every store does: of each message that was handled some hundred bytes, for seven days, so that it is not
/// handled again. An agent that handles millions a week is better off with a store on a disk.
///
/// A clone is the same store. [`reopen`](Self::reopen) plays a restart.
///
/// ```
/// use agentmesh_core::storage::{Changes, MemoryStorage, RecordId, RecordKind, Storage};
/// # async fn example() -> Result<(), agentmesh_core::storage::StorageError> {
/// let store = MemoryStorage::new();
/// let id = RecordId::new(RecordKind::Meta, [0; 16]);
/// let mut changes = Changes::new();
/// changes.put(id, 0, vec![1, 2, 3]);
/// store.commit(changes).await?;
/// assert_eq!(store.load(&[id]).await?.first().cloned().flatten().map(|r| r.version), Some(1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct MemoryStorage {
    records: Arc<Mutex<Records>>,
    closed: Arc<AtomicBool>,
}

impl MemoryStorage {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends this handle and its clones as a dying process would, and opens the same records again.
    pub fn reopen(&self) -> Self {
        let records = self.lock();
        self.closed.store(true, Ordering::SeqCst);
        drop(records);
        Self { records: Arc::clone(&self.records), closed: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        // Nothing panics while the map is half changed, so a poisoned lock guards a sound map.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(
        &self,
        f: impl FnOnce(&mut Records) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let mut records = self.lock();
        if self.closed.load(Ordering::SeqCst) {
            return Err(StorageError::Closed);
        }
        f(&mut records)
    }
}

fn commit(records: &mut Records, changes: Changes) -> Result<(), StorageError> {
    for change in &changes {
        super::check_size(change, MAX_RECORD)?;
        super::check_version(change, records.get(&change.id).map_or(0, |(version, _)| *version))?;
    }
    for change in changes {
        let version = change.new_version();
        match change.value {
            Some(sealed) => records.insert(change.id, (version, sealed)),
            None => records.remove(&change.id),
        };
    }
    Ok(())
}

fn record(id: RecordId, (version, sealed): &(u64, Vec<u8>)) -> Record {
    Record { id, version: *version, sealed: sealed.clone() }
}

impl Storage for MemoryStorage {
    fn durability(&self) -> Durability {
        Durability::Volatile
    }

    fn load<'a>(&'a self, ids: &'a [RecordId]) -> StorageFuture<'a, Vec<Option<Record>>> {
        Box::pin(async move {
            self.with(|records| {
                Ok(ids.iter().map(|id| records.get(id).map(|value| record(*id, value))).collect())
            })
        })
    }

    fn list(
        &self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> StorageFuture<'_, Vec<Record>> {
        let first = after.map_or(Bound::Included(RecordId::new(kind, [0; 16])), |key| {
            Bound::Excluded(RecordId::new(kind, key))
        });
        let last = Bound::Included(RecordId::new(kind, [0xff; 16]));
        Box::pin(async move {
            self.with(|records| {
                Ok(records.range((first, last)).take(limit).map(|(id, v)| record(*id, v)).collect())
            })
        })
    }

    fn commit(&self, changes: Changes) -> StorageFuture<'_, ()> {
        Box::pin(async move { self.with(|records| commit(records, changes)) })
    }

    fn close(&self) -> StorageFuture<'_, ()> {
        Box::pin(async move {
            let _no_call_under_way = self.lock();
            self.closed.store(true, Ordering::SeqCst);
            Ok(())
        })
    }

    fn location(&self) -> String {
        "the store in memory".to_owned()
    }
}

impl fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryStorage({} records)", self.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::conformance::Fixture;

    #[derive(Default)]
    struct InMemory(Mutex<MemoryStorage>);

    impl Fixture for InMemory {
        type Store = MemoryStorage;

        fn open(&self) -> StorageFuture<'_, MemoryStorage> {
            Box::pin(async {
                let mut current = self.0.lock().unwrap();
                *current = current.reopen();
                Ok(current.clone())
            })
        }

        /// The newer handle shuts the older one out instead.
        fn is_exclusive(&self) -> bool {
            false
        }
    }

    crate::storage_conformance_tests!(InMemory::default());

    #[test]
    fn a_record_beyond_the_limit_is_refused_with_its_batch() {
        use crate::test_utils::block_on;
        let store = MemoryStorage::new();
        let (small, large) =
            (RecordId::new(RecordKind::Meta, [1; 16]), RecordId::new(RecordKind::Meta, [2; 16]));
        let mut changes = Changes::new();
        changes.put(small, 0, vec![1]);
        changes.put(large, 0, vec![0; MAX_RECORD + 1]);
        let refused =
            StorageError::TooLarge { id: large, actual: MAX_RECORD + 1, limit: MAX_RECORD };
        assert_eq!(block_on(store.commit(changes)), Err(refused));
        assert_eq!(block_on(store.load(&[small])).unwrap(), [None]);
    }
}
