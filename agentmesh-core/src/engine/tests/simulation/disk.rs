//! A disk in memory that remembers what was before each commit, so that it can go back in time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use crate::storage::{
    Changes, Durability, Record, RecordId, RecordKind, Storage, StorageError, StorageFuture,
    check_version,
};

type Value = Option<(u64, Vec<u8>)>;

#[derive(Debug, Default)]
struct Inner {
    records: BTreeMap<RecordId, (u64, Vec<u8>)>,
    /// Of each commit, what its records were before.
    undo: Vec<Vec<(RecordId, Value)>>,
}

/// A clone is the same disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Arc<Mutex<Inner>>);

impl Disk {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Another disk with the same records, and no past.
    pub(super) fn copy(&self) -> Self {
        let records = self.lock().records.clone();
        Self(Arc::new(Mutex::new(Inner { records, undo: Vec::new() })))
    }

    /// Forgets the last commits; says how many there were to forget.
    pub(super) fn roll_back(&self, commits: usize) -> usize {
        let mut inner = self.lock();
        let mut forgotten = 0;
        while forgotten < commits
            && let Some(batch) = inner.undo.pop()
        {
            forgotten += 1;
            for (id, before) in batch {
                match before {
                    Some(value) => inner.records.insert(id, value),
                    None => inner.records.remove(&id),
                };
            }
        }
        forgotten
    }

    /// What is on it now stays.
    pub(super) fn settle(&self) {
        self.lock().undo.clear();
    }

    /// Records on it.
    pub(super) fn len(&self) -> usize {
        self.lock().records.len()
    }
}

fn commit(inner: &mut Inner, changes: Changes) -> Result<(), StorageError> {
    for change in &changes {
        check_version(change, inner.records.get(&change.id).map_or(0, |(version, _)| *version))?;
    }
    let mut undo = Vec::new();
    for change in changes {
        let version = change.new_version();
        let before = match change.value {
            Some(sealed) => inner.records.insert(change.id, (version, sealed)),
            None => inner.records.remove(&change.id),
        };
        undo.push((change.id, before));
    }
    inner.undo.push(undo);
    Ok(())
}

fn record(id: RecordId, (version, sealed): &(u64, Vec<u8>)) -> Record {
    Record { id, version: *version, sealed: sealed.clone() }
}

impl Storage for Disk {
    fn durability(&self) -> Durability {
        Durability::Synced
    }

    fn load<'a>(&'a self, ids: &'a [RecordId]) -> StorageFuture<'a, Vec<Option<Record>>> {
        let inner = self.lock();
        let found = ids.iter().map(|id| inner.records.get(id).map(|v| record(*id, v))).collect();
        Box::pin(async move { Ok(found) })
    }

    fn list(
        &self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> StorageFuture<'_, Vec<Record>> {
        let inner = self.lock();
        let all = inner
            .records
            .iter()
            .filter(|(id, _)| id.kind == kind && after.is_none_or(|after| id.key > after));
        let found = all.take(limit).map(|(id, value)| record(*id, value)).collect();
        Box::pin(async move { Ok(found) })
    }

    fn commit(&self, changes: Changes) -> StorageFuture<'_, ()> {
        let result = commit(&mut self.lock(), changes);
        Box::pin(async move { result })
    }

    fn close(&self) -> StorageFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}
