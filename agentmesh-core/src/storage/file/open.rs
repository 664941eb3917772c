//! Opening and creating the directory, and telling apart everything that can be wrong with it.

use super::{
    super::{RecordId, StorageError, disk_error, lock::StoreLock},
    backend::Files,
    checkpoint::{next_checkpoint, temporary},
    disk::{Disk, DiskStep},
    journal::{self, Catalogue, FORMAT, JournalFault, encode_header},
    record_file::HEADER_LEN,
};
use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, OpenOptions},
    io::ErrorKind,
    path::{Path, PathBuf},
};

pub(super) fn open(dir: &Path, disk: Disk) -> Result<Files, StorageError> {
    let dir = ensure_dir(dir)?;
    // Before anything is written, the lock file included: this may be the wrong directory.
    Listing::read(&dir)?.check(&dir)?;
    let lock = StoreLock::acquire(&dir.join("lock"), &dir)?;
    let listing = Listing::read(&dir)?;
    listing.check(&dir)?;
    let path = dir.join("journal");
    if !listing.has_journal {
        disk.replace(&temporary(&path), &path, &encode_header(0, &Catalogue::new()))?;
        disk.run(DiskStep::SyncDir { path: &dir })?;
    }
    let bytes = fs::read(&path).map_err(|e| disk_error("read", &path, &e))?;
    let parsed = journal::parse(&bytes).map_err(|fault| journal_error(fault, &path))?;
    check_files(&dir, &listing.records, &parsed)?;
    for leftover in listing.temporary {
        disk.run(DiskStep::Remove { path: &leftover })?;
    }
    let file = OpenOptions::new().read(true).write(true).open(&path);
    let file = file.map_err(|e| disk_error("open", &path, &e))?;
    Ok(Files {
        dir,
        disk,
        journal: file,
        generation: parsed.generation,
        next: parsed.next,
        end: parsed.end as u64,
        // What a torn entry left lies in there, and is written over.
        allocated: bytes.len() as u64,
        checkpoint_at: next_checkpoint(encode_header(0, &parsed.catalogue).len() as u64),
        catalogue: parsed.catalogue,
        unsaved: parsed.unsaved,
        _lock: lock,
    })
}

/// Creates the directory if it is absent; its full name either way.
fn ensure_dir(dir: &Path) -> Result<PathBuf, StorageError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(dir) {
        Ok(()) => {}
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            let hint = "it is a file; this store is a directory".to_owned();
            return Err(StorageError::NotAStore { path: dir.to_path_buf(), hint });
        }
        Err(e) => return Err(disk_error("create", dir, &e)),
    }
    fs::canonicalize(dir).map_err(|e| disk_error("open", dir, &e))
}

/// What is in the directory.
#[derive(Default)]
struct Listing {
    has_journal: bool,
    records: BTreeSet<RecordId>,
    temporary: Vec<PathBuf>,
    /// Something that is not ours.
    stranger: Option<String>,
}

impl Listing {
    fn read(dir: &Path) -> Result<Self, StorageError> {
        let failed = |e: std::io::Error| disk_error("list", dir, &e);
        let mut listing = Self::default();
        for entry in fs::read_dir(dir).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let name = name.to_string_lossy();
            match (name.as_ref(), name.strip_suffix(".tmp")) {
                ("lock", _) => {}
                ("journal", _) => listing.has_journal = true,
                (_, Some(whole)) if whole == "journal" || RecordId::parse(whole).is_some() => {
                    listing.temporary.push(dir.join(name.as_ref()));
                }
                (text, _) => match RecordId::parse(text) {
                    Some(id) => {
                        listing.records.insert(id);
                    }
                    None => listing.stranger = Some(text.to_owned()),
                },
            }
        }
        Ok(listing)
    }

    /// Whether this is a store, or empty. A store's directory may contain strangers, such as what file managers leave; a
    /// directory of strangers is not turned into a store.
    fn check(&self, dir: &Path) -> Result<(), StorageError> {
        if self.has_journal {
            return Ok(());
        }
        if let Some(id) = self.records.first() {
            return Err(StorageError::Corrupt {
                path: dir.join("journal"),
                hint: format!(
                    "it is missing, and there are records such as {id}; restore the whole directory from a backup"
                ),
            });
        }
        match &self.stranger {
            None => Ok(()),
            Some(name) => Err(StorageError::NotAStore {
                path: dir.to_path_buf(),
                hint: format!("the directory contains {name:?} and no journal"),
            }),
        }
    }
}

fn journal_error(fault: JournalFault, path: &Path) -> StorageError {
    let path = path.to_path_buf();
    match fault {
        JournalFault::Empty => StorageError::Empty { path },
        JournalFault::Foreign(found) => {
            StorageError::ForeignVersion { path, found, supported: FORMAT }
        }
        JournalFault::Damaged(what) => StorageError::Corrupt {
            path,
            hint: format!("{what}; restore the whole directory from a backup"),
        },
    }
}

/// Every record that the journal does not hold itself has a file of the right length, and no other record has one.
fn check_files(
    dir: &Path,
    files: &BTreeSet<RecordId>,
    parsed: &journal::Journal,
) -> Result<(), StorageError> {
    let corrupt = |id: &RecordId, what: &str| StorageError::Corrupt {
        path: dir.join(id.to_string()),
        hint: format!("{what}; restore the whole directory from a backup"),
    };
    for (id, known) in &parsed.catalogue {
        if parsed.unsaved.contains_key(id) {
            continue;
        }
        let path = dir.join(id.to_string());
        match fs::metadata(&path) {
            Ok(found) if found.len() == known.len.saturating_add(HEADER_LEN as u64) => {}
            Ok(_) => return Err(corrupt(id, "its length is not what the journal says")),
            Err(e) if e.kind() == ErrorKind::NotFound => return Err(corrupt(id, "it is missing")),
            Err(e) => return Err(disk_error("open", &path, &e)),
        }
    }
    let known =
        |id: &&RecordId| parsed.catalogue.contains_key(id) || parsed.unsaved.contains_key(id);
    match files.iter().find(|id| !known(id)) {
        None => Ok(()),
        Some(id) => Err(corrupt(id, "the journal does not know it")),
    }
}
