//! A store that fails when told to, for tests of what uses a store.

use crate::storage::{
    Changes, Durability, Record, RecordId, RecordKind, Storage, StorageError, StorageFuture,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What happens at a commit instead of the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The process dies before the commit took place: it and every later call fail with [`StorageError::Crashed`].
    CrashBefore,
    /// The process dies after the commit took place, before its caller heard of it.
    CrashAfter,
    /// The first record of the batch has been written by somebody else.
    Conflict,
    /// No space is left.
    Full,
    /// The commit fails with this error and nothing happens.
    Error(StorageError),
}

#[derive(Debug, Default)]
struct Plan {
    commits: u64,
    faults: BTreeMap<u64, Fault>,
    crashed: bool,
}

/// Steers a [`FaultyStorage`] from outside; a clone steers the same one.
///
/// Commits are counted from 1, in the order in which their futures are first polled.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

impl Faults {
    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans a fault for the `n`th commit.
    pub fn at_commit(&self, n: u64, fault: Fault) {
        self.lock().faults.insert(n, fault);
    }

    /// How many commits there were, the failed ones included; those after a crash do not count.
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    /// The process dies now.
    pub fn crash(&self) {
        self.lock().crashed = true;
    }

    /// Whether a planned crash has happened.
    pub fn has_crashed(&self) -> bool {
        self.lock().crashed
    }

    fn alive(&self) -> Result<(), StorageError> {
        if self.has_crashed() { Err(crashed()) } else { Ok(()) }
    }

    /// Counts a commit and says what becomes of it.
    fn next(&self) -> Option<Fault> {
        let mut plan = self.lock();
        plan.commits += 1;
        let fault = plan.faults.get(&plan.commits).cloned();
        plan.crashed |= matches!(fault, Some(Fault::CrashBefore | Fault::CrashAfter));
        fault
    }
}

fn crashed() -> StorageError {
    StorageError::Crashed { reason: "planned by a test".to_owned() }
}

/// A store that does what `S` does, except where [`Faults`] say otherwise.
///
/// ```
/// use agentmesh_core::{
///     storage::{Changes, MemoryStorage, RecordId, RecordKind, Storage, StorageError},
///     test_utils::{Fault, FaultyStorage, block_on},
/// };
///
/// let disk = MemoryStorage::new();
/// let store = FaultyStorage::new(disk.clone());
/// store.faults().at_commit(1, Fault::CrashAfter);
///
/// let id = RecordId::new(RecordKind::Outbox, [1; 16]);
/// let mut changes = Changes::new();
/// changes.put(id, 0, b"sent?".to_vec());
/// assert!(matches!(block_on(store.commit(changes)), Err(StorageError::Crashed { .. })));
/// assert!(block_on(store.load(&[id])).is_err());
///
/// // The next process finds it.
/// assert!(block_on(disk.reopen().load(&[id]))?.iter().all(Option::is_some));
/// # Ok::<(), StorageError>(())
/// ```
#[derive(Debug)]
pub struct FaultyStorage<S> {
    inner: S,
    faults: Faults,
}

impl<S> FaultyStorage<S> {
    /// Wraps a store; nothing fails until planned.
    pub fn new(inner: S) -> Self {
        Self { inner, faults: Faults::default() }
    }

    /// The handle that plans.
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// The store inside.
    pub const fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S: Storage> Storage for FaultyStorage<S> {
    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    fn load<'a>(&'a self, ids: &'a [RecordId]) -> StorageFuture<'a, Vec<Option<Record>>> {
        Box::pin(async move {
            self.faults.alive()?;
            self.inner.load(ids).await
        })
    }

    fn list(
        &self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> StorageFuture<'_, Vec<Record>> {
        Box::pin(async move {
            self.faults.alive()?;
            self.inner.list(kind, after, limit).await
        })
    }

    fn commit(&self, changes: Changes) -> StorageFuture<'_, ()> {
        Box::pin(async move {
            self.faults.alive()?;
            match self.faults.next() {
                None => self.inner.commit(changes).await,
                Some(Fault::CrashBefore) => Err(crashed()),
                Some(Fault::CrashAfter) => {
                    self.inner.commit(changes).await?;
                    Err(crashed())
                }
                Some(Fault::Conflict) => match changes.iter().next() {
                    Some(change) => Err(StorageError::Conflict {
                        id: change.id,
                        expected: change.expected,
                        actual: change.new_version(),
                    }),
                    None => Ok(()),
                },
                Some(Fault::Full) => Err(StorageError::Full { path: "a planned full disk".into() }),
                Some(Fault::Error(error)) => Err(error),
            }
        })
    }

    fn close(&self) -> StorageFuture<'_, ()> {
        Box::pin(async move {
            self.faults.alive()?;
            self.inner.close().await
        })
    }

    fn location(&self) -> String {
        self.inner.location()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{storage::MemoryStorage, test_utils::block_on};

    fn put(n: u8) -> Changes {
        let mut changes = Changes::new();
        changes.put(RecordId::new(RecordKind::Meta, [n; 16]), 0, vec![n]);
        changes
    }

    #[test]
    fn each_fault_strikes_at_its_commit() {
        let disk = MemoryStorage::new();
        let store = FaultyStorage::new(disk.clone());
        let faults = store.faults();
        faults.at_commit(2, Fault::Conflict);
        faults.at_commit(3, Fault::Full);
        faults.at_commit(4, Fault::CrashBefore);
        assert_eq!(block_on(store.commit(put(1))), Ok(()));
        assert!(matches!(block_on(store.commit(put(2))), Err(StorageError::Conflict { .. })));
        assert!(matches!(block_on(store.commit(put(3))), Err(StorageError::Full { .. })));
        assert!(!faults.has_crashed());
        assert!(matches!(block_on(store.commit(put(4))), Err(StorageError::Crashed { .. })));
        assert!(matches!(block_on(store.commit(put(5))), Err(StorageError::Crashed { .. })));
        assert!(block_on(store.close()).is_err());
        assert_eq!(faults.commits(), 4);
        assert_eq!(block_on(disk.list(RecordKind::Meta, None, 9)).unwrap().len(), 1);
    }
}
