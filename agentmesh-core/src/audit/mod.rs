//! The audit log's lines: what happened, in a chain in which nothing can be changed, taken out or put in unnoticed.
//!
//! Each line is one JSON object and carries the SHA-256 of the line before; the identity signs the end of the chain
//! now and then. Knows lines and what is wrong with them; does not know files, threads or clocks: those are
//! `client/audit`. The format, and what it can and cannot show, are in `docs/audit.md`.

mod anchor;
mod chain;
mod entry;
mod error;
mod line;
mod query;
mod seal;
mod verify;

pub use anchor::Anchor;
pub use chain::{Chain, ChainId};
pub use entry::{AuditEntry, AuditFields, AuditType, Severity};
pub use error::AuditError;
pub use query::AuditQuery;
pub use seal::AuditKey;
pub use verify::{AuditReport, Verifier};

/// Hash of a line, by which the next one names it.
pub type LineHash = [u8; 32];

/// Characters of a message that are kept.
pub(crate) const MAX_MESSAGE: usize = 1024;
/// Bytes of metadata, as JSON, that are kept; more is replaced by its size.
pub(crate) const MAX_METADATA: usize = 8 * 1024;
/// Bytes of one line that are read; more is no line of ours.
pub const MAX_LINE: usize = 64 * 1024;

#[cfg(test)]
mod tests;
