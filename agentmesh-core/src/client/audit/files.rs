//! The files of a log: `audit-000001.jsonl` and so on in one directory, and a lock beside them.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

use crate::audit::AuditError;

const PREFIX: &str = "audit-";
const SUFFIX: &str = ".jsonl";

pub(super) fn io_error(path: &Path, error: &io::Error) -> AuditError {
    AuditError::Io { path: path.display().to_string(), problem: error.to_string() }
}

pub(super) fn path_of(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{PREFIX}{number:06}{SUFFIX}"))
}

/// The numbers of the files that are there, ascending. None if the directory is missing.
pub(super) fn numbers(directory: &Path) -> Result<Vec<u64>, AuditError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error(directory, &error)),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| io_error(directory, &error))?.file_name();
        let number: Option<u64> = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX))
            .filter(|digits| digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes the directory, readable by its owner only.
pub(super) fn make_directory(directory: &Path) -> Result<(), AuditError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(|error| io_error(directory, &error))
}

/// A file to append to, readable by its owner only.
pub(super) fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a new or removed file's name durable.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

/// The lock of the one writer; it ends with the process that holds it.
pub(super) fn lock(directory: &Path) -> Result<File, AuditError> {
    let path = directory.join("audit.lock");
    let file = append_to(&path).map_err(|error| io_error(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(AuditError::Locked { path: directory.display().to_string() })
        }
        Err(TryLockError::Error(error)) => Err(io_error(&path, &error)),
    }
}
