//! What a store promises of a commit that returned, and what is demanded of stores that hold ratchets.
//!
//! Knows no store; each declares itself ([`Storage::durability`]).

use super::{Storage, StorageError};
use core::fmt;
use std::path::PathBuf;

/// What a store promises of a commit that returned `Ok`, from the least to the most.
///
/// Declared by every store, so that nobody finds out by losing messages. [`require_consistent`] is what the agent
/// demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// Readers may get an older state for a while, and two writers may both succeed: Workers KV, replicated caches,
    /// S3 without conditional writes. No place for ratchets: an older state repeats message keys.
    EventuallyConsistent,
    /// It is gone with the process: memory. Right for tests, and for agents that shall be forgotten.
    Volatile,
    /// It survives the process, but not a power cut: the operating system, or a server's memory, has it.
    Process,
    /// It survives a power cut of the machine that holds it: the commit returned after an fsync, or after a service that
    /// promises as much had confirmed it.
    Synced,
}

impl Durability {
    /// The level's name, as in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EventuallyConsistent => "eventually consistent",
            Self::Volatile => "volatile",
            Self::Process => "process",
            Self::Synced => "synced",
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Lets through stores in which a ratchet is safe: all but eventually consistent ones.
///
/// # Errors
/// [`StorageError::EventuallyConsistent`], which says what to use instead.
///
/// ```
/// use agentmesh_core::storage::{MemoryStorage, require_consistent};
///
/// assert!(require_consistent(&MemoryStorage::new()).is_ok());
/// ```
pub fn require_consistent(storage: &dyn Storage) -> Result<(), StorageError> {
    if storage.durability() == Durability::EventuallyConsistent {
        let path = PathBuf::from(format!("{storage:?}"));
        return Err(StorageError::EventuallyConsistent { path });
    }
    Ok(())
}
