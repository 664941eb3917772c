//! Every change to the disk, one step at a time, so that a test can stop at each of them.

use super::super::{StorageError, disk_error};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Seek, SeekFrom, Write},
    path::Path,
    sync::Arc,
};

/// One change to the disk. What is written counts as durable after the `Sync` of its file, a name after the `SyncDir`.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum DiskStep<'a> {
    /// Make an empty file, or empty the one that is there.
    Create {
        /// The file.
        path: &'a Path,
    },
    /// Write bytes into an open file.
    Write {
        /// The file's handle.
        file: &'a File,
        /// The file's name.
        path: &'a Path,
        /// Where to write.
        at: u64,
        /// What to write.
        bytes: &'a [u8],
    },
    /// Cut an open file.
    Truncate {
        /// The file's handle.
        file: &'a File,
        /// The file's name.
        path: &'a Path,
        /// Its new length.
        len: u64,
    },
    /// fsync of a file.
    Sync {
        /// The file's handle.
        file: &'a File,
        /// The file's name.
        path: &'a Path,
    },
    /// Rename, over whatever has the new name.
    Rename {
        /// The old name.
        from: &'a Path,
        /// The new name.
        to: &'a Path,
    },
    /// Remove a file; no error if it is not there.
    Remove {
        /// The file.
        path: &'a Path,
    },
    /// fsync of a directory.
    SyncDir {
        /// The directory.
        path: &'a Path,
    },
}

impl DiskStep<'_> {
    /// What it does, and to which path.
    fn describe(&self) -> (&'static str, &Path) {
        match self {
            Self::Create { path } => ("create", path),
            Self::Write { path, .. } => ("write", path),
            Self::Truncate { path, .. } => ("truncate", path),
            Self::Sync { path, .. } => ("sync", path),
            Self::Rename { to, .. } => ("rename", to),
            Self::Remove { path } => ("remove", path),
            Self::SyncDir { path } => ("sync", path),
        }
    }

    fn perform(&self) -> io::Result<()> {
        match *self {
            Self::Create { path } => create(path).map(drop),
            Self::Write { mut file, at, bytes, .. } => {
                file.seek(SeekFrom::Start(at))?;
                file.write_all(bytes)
            }
            Self::Truncate { file, len, .. } => file.set_len(len),
            // The length is part of the data; times are not needed.
            Self::Sync { file, .. } => file.sync_data(),
            Self::Rename { from, to } => fs::rename(from, to),
            Self::Remove { path } => match fs::remove_file(path) {
                Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
                other => other,
            },
            // Windows cannot sync directories, and its file systems log renames by themselves.
            Self::SyncDir { path } if cfg!(unix) => File::open(path)?.sync_all(),
            Self::SyncDir { .. } => Ok(()),
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// What a hook makes of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiskVerdict {
    /// The step happens.
    Proceed,
    /// The step fails and nothing happens.
    Fail(ErrorKind),
    /// Of a write, only so many bytes reach the file, then it fails; other steps fail.
    Tear(usize, ErrorKind),
}

/// Sees every change of a [`FileStorage`](super::FileStorage) to the disk before it happens.
///
/// To play a crash, let a step fail and every later one as well: then the directory is as a killed process leaves it.
pub trait DiskHook: core::fmt::Debug + Send + Sync {
    /// Decides about a step.
    fn before(&self, step: &DiskStep<'_>) -> DiskVerdict;

    /// Whether the steps come one after another, in the same order each time. Otherwise some come from several threads.
    fn is_in_order(&self) -> bool {
        true
    }
}

/// Performs steps, asking the hook first, if there is one.
#[derive(Debug, Default)]
pub(super) struct Disk {
    hook: Option<Arc<dyn DiskHook>>,
}

impl Disk {
    #[cfg(any(test, feature = "test-utils"))]
    pub(super) fn with_hook(hook: Arc<dyn DiskHook>) -> Self {
        Self { hook: Some(hook) }
    }

    /// Whether the hook wants the steps in the same order each time.
    pub(super) fn is_in_order(&self) -> bool {
        self.hook.as_ref().is_some_and(|hook| hook.is_in_order())
    }

    /// Performs one step.
    pub(super) fn run(&self, step: DiskStep<'_>) -> Result<(), StorageError> {
        let verdict = self.hook.as_ref().map_or(DiskVerdict::Proceed, |hook| hook.before(&step));
        let result = match (verdict, step) {
            (DiskVerdict::Proceed, _) => step.perform(),
            (DiskVerdict::Tear(n, kind), DiskStep::Write { file, path, at, bytes }) => {
                let bytes = bytes.get(..n).unwrap_or(bytes);
                let torn = DiskStep::Write { file, path, at, bytes }.perform();
                torn.and(Err(kind.into()))
            }
            (DiskVerdict::Fail(kind) | DiskVerdict::Tear(_, kind), _) => Err(kind.into()),
        };
        let (operation, path) = step.describe();
        result.map_err(|e| disk_error(operation, path, &e))
    }

    /// Writes a whole file under a temporary name, syncs it, and gives it its name. The name is durable after a
    /// `SyncDir` only. Returns the open file.
    pub(super) fn replace(
        &self,
        tmp: &Path,
        path: &Path,
        bytes: &[u8],
    ) -> Result<File, StorageError> {
        self.run(DiskStep::Create { path: tmp })?;
        let file = OpenOptions::new().read(true).write(true).open(tmp);
        let file = file.map_err(|e| disk_error("open", tmp, &e))?;
        self.run(DiskStep::Write { file: &file, path: tmp, at: 0, bytes })?;
        self.run(DiskStep::Sync { file: &file, path: tmp })?;
        self.run(DiskStep::Rename { from: tmp, to: path })?;
        Ok(file)
    }
}
