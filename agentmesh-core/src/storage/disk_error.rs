//! What the operating system says, as a [`StorageError`].

use super::StorageError;
use std::{
    io::{self, ErrorKind},
    path::Path,
};

/// The error for `operation`, such as `open`, on `path`.
pub(super) fn disk_error(operation: &'static str, path: &Path, error: &io::Error) -> StorageError {
    let path = path.to_path_buf();
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StorageError::Full { path },
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            StorageError::PermissionDenied { operation, path }
        }
        _ => StorageError::Io { operation, path, message: error.to_string() },
    }
}
