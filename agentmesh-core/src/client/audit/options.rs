//! How a log is kept, and whose it is.

use std::{sync::Arc, time::Duration};

use crate::{
    audit::{AuditKey, Severity},
    client::platform::Clock,
    identity::{Amid, Identity},
};

/// When lines are made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fsync {
    /// After each group of lines that came together. A power failure loses what came in the last moments.
    #[default]
    Group,
    /// At most once in this time. A power failure loses that much.
    Every(Duration),
    /// When files are closed. For tests, and for disks that are slow and not trusted anyway.
    AtEnd,
}

/// How a log is kept.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct AuditOptions {
    /// Less grave events are not logged. Default: [`Severity::Info`], as in 0.2; messages are `DEBUG`.
    pub min_severity: Severity,
    /// Bytes after which a new file is begun. Default: 16 MiB.
    pub max_file_bytes: u64,
    /// Files that are kept; 0 keeps all. Default: 64.
    pub max_files: u64,
    /// Lines after which the identity signs the end of the log, besides at the end of every file and of the writer; 0
    /// for those only. Default: 1,000.
    pub anchor_every: u64,
    /// When lines are made durable.
    pub fsync: Fsync,
    /// Events that may wait for the writer. Default: 4,096.
    pub queue: usize,
    /// Where the time comes from.
    pub clock: Clock,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self {
            min_severity: Severity::Info,
            max_file_bytes: 16 * 1024 * 1024,
            max_files: 64,
            anchor_every: 1000,
            fsync: Fsync::Group,
            queue: 4096,
            clock: Clock::system(),
        }
    }
}

impl AuditOptions {
    /// Less grave events are not logged.
    #[must_use]
    pub const fn min_severity(mut self, severity: Severity) -> Self {
        self.min_severity = severity;
        self
    }

    /// When a new file is begun, and how many are kept.
    #[must_use]
    pub const fn rotation(mut self, max_file_bytes: u64, max_files: u64) -> Self {
        self.max_file_bytes = max_file_bytes;
        self.max_files = max_files;
        self
    }

    /// When lines are made durable.
    #[must_use]
    pub const fn fsync(mut self, fsync: Fsync) -> Self {
        self.fsync = fsync;
        self
    }
}

/// Whose log it is.
#[derive(Debug)]
pub struct AuditOwner {
    pub(super) amid: Amid,
    pub(super) signer: Option<Arc<Identity>>,
    pub(super) key: Option<AuditKey>,
}

impl AuditOwner {
    /// A log in the clear, without signatures.
    pub const fn new(amid: Amid) -> Self {
        Self { amid, signer: None, key: None }
    }

    /// A log whose end the identity signs now and then.
    pub fn signing(identity: Arc<Identity>) -> Self {
        Self { amid: identity.amid(), signer: Some(identity), key: None }
    }

    /// The same, encrypted. Nothing is written in the clear but numbers, hashes, ids and times.
    #[must_use]
    pub fn encrypted(mut self, key: AuditKey) -> Self {
        self.key = Some(key);
        self
    }
}
