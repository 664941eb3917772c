//! What can be wrong with an audit log.

use crate::error::errors;

errors! {
    /// Why an audit log cannot be written, read or believed.
    pub enum AuditError {
        /// A file of the log cannot be opened, read or written.
        #[error("{path}: {problem}")]
        Io {
            /// The file or directory.
            path: String,
            /// What the system says.
            problem: String,
        } = "AUDIT_IO", Storage, permanent;
        /// Another process, or another handle of this one, writes to the log.
        #[error("the audit log in {path} is in use by another writer")]
        Locked {
            /// The directory.
            path: String,
        } = "AUDIT_LOCKED", Conflict, retryable;
        /// A line was changed, taken out or put in, or is none of ours. What comes before it is sound.
        #[error("{file}, line {line}: {problem}")]
        Broken {
            /// The file.
            file: String,
            /// The line, counted from 1.
            line: u64,
            /// What is wrong with it.
            problem: &'static str,
        } = "AUDIT_BROKEN", Authentication, permanent;
        /// A whole file is missing: one in the middle, or more old ones than were removed by rotation.
        #[error("audit file {number} is missing")]
        FileMissing {
            /// Its number.
            number: u64,
        } = "AUDIT_FILE_MISSING", Authentication, permanent;
        /// The log was written by a newer release.
        #[error("the audit log has format {version}: use a newer release")]
        UnknownVersion {
            /// The format found.
            version: u64,
        } = "AUDIT_UNKNOWN_VERSION", Storage, permanent;
        /// The log is encrypted, and the key is missing or another one.
        #[error("the audit log is encrypted, and this is not its key")]
        Key = "AUDIT_KEY", Authentication, permanent;
        /// The log does not contain the line that an anchor names: its end was cut off, or it is another log.
        #[error("the log does not contain line {seq} as the anchor has it: it was cut off or rewritten")]
        AnchorNotFound {
            /// The number of the line.
            seq: u64,
        } = "AUDIT_ANCHOR_NOT_FOUND", Authentication, permanent;
        /// An anchor's signature is not the agent's.
        #[error("the signature of the anchor for line {seq} is wrong")]
        AnchorForged {
            /// The number of the line.
            seq: u64,
        } = "AUDIT_ANCHOR_FORGED", Authentication, permanent;
        /// Text that is no anchor.
        #[error("this is no anchor of an audit log")]
        AnchorMalformed = "AUDIT_ANCHOR_MALFORMED", InvalidInput, permanent;
        /// The writer is gone; nothing is logged any more.
        #[error("the audit log is closed")]
        Closed = "AUDIT_CLOSED", Closed, permanent;
    }
}
