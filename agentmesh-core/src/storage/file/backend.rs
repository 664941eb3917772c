//! Reads and commits, on the store's thread.

use super::{
    super::{
        Change, Changes, Record, RecordId, RecordKind, StorageError, call::Answer, check_size,
        check_version, disk_error, lock::StoreLock, worker::Backend,
    },
    disk::{Disk, DiskStep},
    journal::{self, Catalogue, Known, Unsaved},
    record_file,
};
use crate::limits::MAX_RECORD;
use core::ops::Bound;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
};

/// The journal grows by this much at a time. Writing into space that the file already has is cheaper to sync.
const GROWTH: u64 = 64 * 1024;

/// An open store.
pub(super) struct Files {
    pub(super) dir: PathBuf,
    pub(super) disk: Disk,
    pub(super) journal: File,
    pub(super) generation: u64,
    /// Number of the next entry.
    pub(super) next: u64,
    /// Where the next entry goes.
    pub(super) end: u64,
    /// The journal file's length.
    pub(super) allocated: u64,
    /// Journal length at which the next checkpoint is due.
    pub(super) checkpoint_at: u64,
    pub(super) catalogue: Catalogue,
    /// What the journal's entries say and the record files do not yet.
    pub(super) unsaved: Unsaved,
    // Last, so that it is released last.
    pub(super) _lock: StoreLock,
}

impl Files {
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn journal_path(&self) -> PathBuf {
        self.dir.join("journal")
    }

    pub(super) fn record_path(&self, id: &RecordId) -> PathBuf {
        self.dir.join(id.to_string())
    }

    fn read(&self, id: RecordId, version: u64) -> Answer<Record> {
        if let Some(Some(sealed)) = self.unsaved.get(&id) {
            return Ok(Record { id, version, sealed: sealed.clone() });
        }
        let path = self.record_path(&id);
        let bytes = fs::read(&path).map_err(|e| disk_error("read", &path, &e))?;
        record_file::decode(&bytes, id, version, &path)
    }

    /// Appends one entry for all these batches and syncs it. An error that leaves the store usable means that the
    /// journal is as it was.
    fn append<'a>(
        &mut self,
        batches: impl Iterator<Item = &'a Changes> + Clone,
    ) -> Result<(), StorageError> {
        let mut entry = journal::encode_entry(self.generation, self.next, batches);
        let end = self.end + entry.len() as u64;
        let allocated = self.allocated.max(end.next_multiple_of(GROWTH));
        if allocated > self.allocated {
            let room = usize::try_from(allocated - end).unwrap_or(0);
            entry.resize(entry.len() + room, 0);
        }
        let (path, file) = (&self.journal_path(), &self.journal);
        let written = self
            .disk
            .run(DiskStep::Write { file, path, at: self.end, bytes: &entry })
            .and_then(|()| self.disk.run(DiskStep::Sync { file, path }));
        match written {
            Ok(()) => {
                self.next += 1;
                (self.end, self.allocated) = (end, allocated);
                Ok(())
            }
            Err(error) if error.leaves_store_usable() => self.undo(error),
            Err(error) => Err(error),
        }
    }

    /// Cuts off what a failed append left. If that fails, too, nobody knows what the disk has.
    fn undo(&mut self, error: StorageError) -> Result<(), StorageError> {
        let (path, file) = (&self.journal_path(), &self.journal);
        self.disk
            .run(DiskStep::Truncate { file, path, len: self.end })
            .and_then(|()| self.disk.run(DiskStep::Sync { file, path }))
            .map_err(|second| StorageError::Crashed {
                reason: format!("{error}, and undoing the write failed: {second}"),
            })?;
        self.allocated = self.end;
        Err(error)
    }
}

/// Whether the batch fits the versions; if so, they are raised.
fn check(
    changes: &Changes,
    catalogue: &Catalogue,
    raised: &mut BTreeMap<RecordId, u64>,
) -> Answer<()> {
    for change in changes {
        let stored = || catalogue.get(&change.id).map_or(0, |known| known.version);
        check_size(change, MAX_RECORD)?;
        check_version(change, raised.get(&change.id).copied().unwrap_or_else(stored))?;
    }
    for change in changes {
        raised.insert(change.id, change.value.as_ref().map_or(0, |_| change.new_version()));
    }
    Ok(())
}

impl Backend for Files {
    fn load(&mut self, ids: &[RecordId]) -> Answer<Vec<Option<Record>>> {
        ids.iter()
            .map(|id| {
                let known = self.catalogue.get(id);
                known.map(|known| self.read(*id, known.version)).transpose()
            })
            .collect()
    }

    fn list(
        &mut self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> Answer<Vec<Record>> {
        let first = after.map_or(Bound::Included(RecordId { kind, key: [0; 16] }), |key| {
            Bound::Excluded(RecordId { kind, key })
        });
        let last = Bound::Included(RecordId { kind, key: [0xff; 16] });
        let page = self.catalogue.range((first, last)).take(limit);
        page.map(|(id, known)| self.read(*id, known.version)).collect()
    }

    fn commit(&mut self, group: Vec<Changes>) -> Vec<Answer<()>> {
        let mut raised = BTreeMap::new();
        let mut answers: Vec<_> =
            group.iter().map(|changes| check(changes, &self.catalogue, &mut raised)).collect();
        let accepted = group.iter().zip(&answers).filter(|(changes, answer)| {
            // A batch that only demands absence, or nothing, needs no entry.
            answer.is_ok() && changes.iter().any(|c| c.value.is_some() || c.expected > 0)
        });
        let accepted = accepted.map(|(changes, _)| changes);
        if accepted.clone().next().is_none() {
            return answers;
        }
        match self.append(accepted) {
            Ok(()) => {
                for (changes, _) in group.into_iter().zip(&answers).filter(|(_, a)| a.is_ok()) {
                    changes.into_iter().for_each(|change| self.apply(change));
                }
            }
            // What does not fit together may fit alone.
            Err(error) if error.leaves_store_usable() && group.len() > 1 => {
                return group.into_iter().flat_map(|changes| self.commit(vec![changes])).collect();
            }
            Err(error) => {
                answers.iter_mut().filter(|a| a.is_ok()).for_each(|a| *a = Err(error.clone()));
            }
        }
        answers
    }

    fn maintain(&mut self) -> Answer<()> {
        if self.checkpoint_is_due() { self.checkpoint() } else { Ok(()) }
    }

    fn close(mut self) {
        // If it fails, everything is still in the journal, and the next open reads it there.
        let _ = self.checkpoint();
    }
}

impl Files {
    /// Takes over a change that is in the journal.
    fn apply(&mut self, change: Change) {
        let version = change.new_version();
        match &change.value {
            Some(sealed) => {
                let len = sealed.len() as u64;
                self.catalogue.insert(change.id, Known { version, len });
            }
            None if change.expected == 0 => return,
            None => {
                self.catalogue.remove(&change.id);
            }
        }
        self.unsaved.insert(change.id, change.value);
    }
}
