//! Why a store could not be opened, read or written.

use super::{Holder, RecordId};
use crate::error::errors;
use std::path::PathBuf;

errors! {
    /// Why a store could not be opened, read or written.
    ///
    /// After `ChangedTwice`, `Closed`, `Conflict`, `Full`, `Locked`, `TooLarge` and `Unreachable` from a commit nothing was written and
    /// the store goes on. After any other error of a commit it is open whether the batch was written; the
    /// store answers [`Self::Crashed`] until it is opened again, and then holds all of the batch or none of it.
    pub enum StorageError {
        /// Two halves of one batch change the same record.
        #[error("the batch changes {id} twice")]
        ChangedTwice {
            /// The record.
            id: RecordId,
        } = "STORAGE_CHANGED_TWICE", InvalidInput, permanent;
        /// The store was closed.
        #[error("the store is closed")]
        Closed = "STORAGE_CLOSED", Closed, permanent;
        /// A record is not at the version that the change was computed from. Somebody else wrote it; load it again
        /// and compute again.
        #[error("{id} is at version {actual}, not {expected}")]
        Conflict {
            /// The record.
            id: RecordId,
            /// The version that the change expects; 0 for absent.
            expected: u64,
            /// The version found; 0 for absent.
            actual: u64,
        } = "STORAGE_CONFLICT", Conflict, permanent;
        /// What is stored is damaged: truncated, altered or partly missing. Restore it from a backup; the
        /// store never starts afresh over it.
        #[error("{path} is damaged: {hint}")]
        Corrupt {
            /// The damaged file, or the store's name for the place.
            path: PathBuf,
            /// What is wrong, and what to do.
            hint: String,
        } = "STORAGE_CORRUPT", Storage, permanent;
        /// An earlier failure left the store in an unknown state. Open it again.
        #[error("the store failed before and must be opened again: {reason}")]
        Crashed {
            /// The earlier failure.
            reason: String,
        } = "STORAGE_CRASHED", Storage, permanent;
        /// The store may answer with an older state than the last one written. Session state in it would repeat
        /// message keys, so the agent does not use it: take SQLite, a directory, Durable Object storage, or an S3
        /// bucket with conditional writes.
        #[error("{path} is only eventually consistent, and an older session state repeats message keys: use SQLite, a directory, Durable Object storage, or S3 with conditional writes")]
        EventuallyConsistent {
            /// The store.
            path: PathBuf,
        } = "STORAGE_EVENTUALLY_CONSISTENT", InvalidInput, permanent;
        /// The file is there and has no content. A store that was once created is never empty, so this one was
        /// truncated. Restore it, or delete it to start without it.
        #[error("{path} is empty; a store never is, so it was truncated: restore it, or delete it to start afresh")]
        Empty {
            /// The file.
            path: PathBuf,
        } = "STORAGE_EMPTY", Storage, permanent;
        /// The store was written in a format that this build does not know, by a newer release.
        #[error("{path} has format version {found}, this build knows {supported}: use a newer release")]
        ForeignVersion {
            /// The store or the file.
            path: PathBuf,
            /// The version found.
            found: u32,
            /// The version that this build reads and writes.
            supported: u32,
        } = "STORAGE_FOREIGN_VERSION", Storage, permanent;
        /// The process forked after the store was opened. Only the parent may use it; open stores after forking.
        #[error("{path} was opened by process {opened_by}; a forked child cannot use it")]
        Forked {
            /// The store.
            path: PathBuf,
            /// The process that opened it.
            opened_by: u32,
        } = "STORAGE_FORKED", InvalidInput, permanent;
        /// No space is left. Nothing was written; the store is consistent and goes on when there is space again.
        #[error("no space is left for {path}")]
        Full {
            /// The store or the file.
            path: PathBuf,
        } = "STORAGE_FULL", Storage, retryable;
        /// The address of a store cannot be used.
        #[error("not a usable address of a store: {hint}")]
        InvalidUrl {
            /// What is wrong with it, and what to do. Without credentials.
            hint: String,
        } = "STORAGE_INVALID_URL", InvalidInput, permanent;
        /// The operating system or the back end reported a failure that has no variant of its own.
        #[error("{operation} {path}: {message}")]
        Io {
            /// What was being done, such as `open`.
            operation: &'static str,
            /// The store or the file.
            path: PathBuf,
            /// The back end's words.
            message: String,
        } = "STORAGE_IO", Storage, permanent;
        /// This process did not renew its lease in time, such as while it slept, and somebody else took the store over.
        /// Nothing was written, and nothing will be: load again what the other one wrote, after it is done.
        #[error("{path} was taken over by {holder}, since the lease of this process had ended")]
        LeaseLost {
            /// The store.
            path: PathBuf,
            /// Who has it now, as far as known.
            holder: Box<Holder>,
        } = "STORAGE_LEASE_LOST", Conflict, permanent;
        /// Somebody else has the store open. A store has one writer, or two ratchets would fork.
        #[error("{path} is in use by {holder}")]
        Locked {
            /// The store.
            path: PathBuf,
            /// Who has it open, and since when, as far as known.
            holder: Box<Holder>,
        } = "STORAGE_LOCKED", Conflict, retryable;
        /// The service lets two writers of one object both succeed, so that a ratchet could fork. It needs `If-None-Match` and
        /// `If-Match` on PUT, as Amazon S3, Cloudflare R2 and MinIO have them.
        #[error("{path} cannot be used: the service has no conditional writes ({found}); Amazon S3, Cloudflare R2 and MinIO have them")]
        NoConditionalWrites {
            /// The store.
            path: PathBuf,
            /// What it did.
            found: String,
        } = "STORAGE_NO_CONDITIONAL_WRITES", InvalidInput, permanent;
        /// The path holds something that is not a store of ours. It is left as it is.
        #[error("{path} is not a store: {hint}")]
        NotAStore {
            /// The path.
            path: PathBuf,
            /// What was found.
            hint: String,
        } = "STORAGE_NOT_A_STORE", InvalidInput, permanent;
        /// The operating system does not let this process use the path.
        #[error("{operation} {path}: permission denied")]
        PermissionDenied {
            /// What was being done, such as `open`.
            operation: &'static str,
            /// The path.
            path: PathBuf,
        } = "STORAGE_PERMISSION_DENIED", Storage, permanent;
        /// A record exceeds [`MAX_RECORD`](crate::limits::MAX_RECORD), or the smaller limit of this store.
        #[error("{id} has {actual} bytes, the limit is {limit}")]
        TooLarge {
            /// The record.
            id: RecordId,
            /// Its sealed bytes.
            actual: usize,
            /// The limit.
            limit: usize,
        } = "STORAGE_TOO_LARGE", InvalidInput, permanent;
        /// No answer told whether a commit was written, for as long as it was asked for. Open the store again: it holds
        /// all of it or nothing.
        #[error("whether the last commit to {path} was written is unknown: {message}")]
        Uncertain {
            /// The store.
            path: PathBuf,
            /// The last trouble.
            message: String,
        } = "STORAGE_UNCERTAIN", Storage, permanent;
        /// The service that keeps the store could not be reached, or failed. Nothing was written.
        #[error("{operation} {path}: {message}")]
        Unreachable {
            /// What was being done, such as `read`.
            operation: &'static str,
            /// The store or the object.
            path: PathBuf,
            /// What the network or the service said, without credentials.
            message: String,
        } = "STORAGE_UNREACHABLE", Storage, retryable;
    }
}

impl StorageError {
    /// Somebody of whom nothing is known has the store open.
    #[cfg(feature = "sqlite")]
    pub(super) fn locked(path: &std::path::Path) -> Self {
        Self::Locked { path: path.to_path_buf(), holder: Box::new(Holder::UNKNOWN) }
    }
}

impl StorageError {
    /// Whether a store whose commit failed with this error wrote nothing and goes on. After any other error of a
    /// commit, open the store again.
    pub const fn leaves_store_usable(&self) -> bool {
        matches!(
            self,
            Self::ChangedTwice { .. }
                | Self::Closed
                | Self::Conflict { .. }
                | Self::Forked { .. }
                | Self::Full { .. }
                | Self::Locked { .. }
                | Self::TooLarge { .. }
                | Self::Unreachable { .. }
        )
    }
}
