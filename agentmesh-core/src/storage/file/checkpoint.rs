//! From the journal into the record files, so that the journal can start anew.
//!
//! Until the new journal has its name, the old one stands with all its entries; whatever of this has happened before a
//! crash is done again after it.

use super::{
    super::{RecordId, StorageError, disk_error},
    backend::Files,
    disk::DiskStep,
    journal::encode_header,
    record_file,
};
use std::{
    io,
    path::{Path, PathBuf},
    thread,
};

/// Bytes of entries after which a checkpoint is due; more if the catalogue, which it writes, is large.
const ENTRIES_MAX: u64 = 4 * 1024 * 1024;
/// Records with unsaved changes after which a checkpoint is due; more if the catalogue is large.
const UNSAVED_MAX: usize = 512;
/// Threads that save records.
const SAVERS: usize = 8;

/// The journal length at which the next checkpoint is due, after one that wrote `header` bytes.
pub(super) fn next_checkpoint(header: u64) -> u64 {
    header + ENTRIES_MAX.max(2 * header)
}

/// `path` with `.tmp` appended.
pub(super) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

impl Files {
    pub(super) fn checkpoint_is_due(&self) -> bool {
        self.end >= self.checkpoint_at
            || self.unsaved.len() >= UNSAVED_MAX + self.catalogue.len() / 64
    }

    /// Saves everything unsaved. An error means that the store can no longer be used.
    pub(super) fn checkpoint(&mut self) -> Result<(), StorageError> {
        if self.unsaved.is_empty() {
            return Ok(());
        }
        // For want of space, say. Nothing is lost: go on with the longer journal and try again later.
        let later = next_checkpoint(self.end);
        if self.save_records().is_err() {
            self.checkpoint_at = later;
            return Ok(());
        }
        match self.renew_journal() {
            Err(error) if error.leaves_store_usable() => {
                self.checkpoint_at = later;
                Ok(())
            }
            other => other,
        }
    }

    fn save_records(&self) -> Result<(), StorageError> {
        let records: Vec<_> = self.unsaved.iter().collect();
        let threads = if self.disk.is_in_order() { 1 } else { SAVERS };
        let chunks = records.chunks(records.len().div_ceil(threads).max(1));
        let failed = |e: io::Error| disk_error("save the records of", &self.dir, &e);
        // Each waits for the disk most of the time, and the disk serves many who wait as fast as one.
        thread::scope(|scope| {
            let savers: Vec<_> = chunks
                .map(|chunk| {
                    let save =
                        move || chunk.iter().try_for_each(|(id, value)| self.save(id, value));
                    thread::Builder::new().spawn_scoped(scope, save)
                })
                .collect();
            savers.into_iter().try_for_each(|saver| {
                let saved = saver.map_err(failed)?.join();
                saved.unwrap_or_else(|_| Err(failed(io::Error::other("a bug"))))
            })
        })?;
        self.disk.run(DiskStep::SyncDir { path: &self.dir })
    }

    fn save(&self, id: &RecordId, value: &Option<Vec<u8>>) -> Result<(), StorageError> {
        let path = &self.record_path(id);
        let (Some(sealed), Some(known)) = (value, self.catalogue.get(id)) else {
            return self.disk.run(DiskStep::Remove { path });
        };
        let tmp = &temporary(path);
        let bytes = record_file::encode(*id, known.version, sealed);
        self.disk.replace(tmp, path, &bytes).map(drop).inspect_err(|_| {
            let _ = self.disk.run(DiskStep::Remove { path: tmp });
        })
    }

    fn renew_journal(&mut self) -> Result<(), StorageError> {
        let generation = self.generation.wrapping_add(1);
        let header = encode_header(generation, &self.catalogue);
        let path = self.journal_path();
        let file = self.disk.replace(&temporary(&path), &path, &header)?;
        // The old journal has lost its name. Until the new one's is durable a power cut would bring it back, and
        // entries added to the new one would be missing.
        self.disk.run(DiskStep::SyncDir { path: &self.dir }).map_err(|error| {
            let reason = format!("the new journal's name is not durable: {error}");
            StorageError::Crashed { reason }
        })?;
        self.journal = file;
        self.generation = generation;
        self.next = 0;
        self.end = header.len() as u64;
        self.allocated = self.end;
        self.checkpoint_at = next_checkpoint(self.end);
        self.unsaved.clear();
        Ok(())
    }
}
