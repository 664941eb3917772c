//! The lock file beside a store: one process, one handle.
//!
//! The lock is the operating system's, so it ends with the process that holds it, however that ends. The
//! file stays, with the last holder's process id in it; only the lock on it means anything.

use super::{Holder, StorageError, disk_error};
use crate::Timestamp;
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

/// Held while the store is open.
#[derive(Debug)]
pub(super) struct StoreLock {
    _file: File,
}

impl StoreLock {
    /// Takes the lock at `path` for the store `store`.
    pub(super) fn acquire(path: &Path, store: &Path) -> Result<Self, StorageError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(|e| disk_error("open", path, &e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = Box::new(holder(&mut file));
                return Err(StorageError::Locked { path: store.to_path_buf(), holder });
            }
            Err(TryLockError::Error(e)) => return Err(disk_error("lock", path, &e)),
        }
        write_pid(&mut file);
        Ok(Self { _file: file })
    }
}

/// Who holds the lock, and since when: whoever takes it writes the file.
fn holder(file: &mut File) -> Holder {
    let written = file.metadata().and_then(|found| found.modified()).ok();
    let age = written.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let since = age.and_then(|age| u64::try_from(age.as_millis()).ok());
    Holder { pid: read_pid(file), since: since.map(Timestamp::from_millis), ..Holder::UNKNOWN }
}

/// The holder's process id. On Windows a locked file cannot be read, so it stays unknown there.
fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Only information for whoever finds the store locked: a full disk must not keep us from opening.
fn write_pid(file: &mut File) {
    let _ = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
}
