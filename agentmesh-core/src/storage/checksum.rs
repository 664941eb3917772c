//! A checksum against accidents: bit rot, truncation, files put in each other's place.
//!
//! No key is involved, so it stops nobody who means harm; [`crate::vault`] does.

use sha2::{Digest, Sha256};

#[cfg(any(feature = "file", feature = "sqlite"))]
use super::RecordId;

/// Bytes of a checksum.
pub(crate) const SUM_LEN: usize = 16;

/// The first half of SHA-256 over `parts`.
pub(crate) fn checksum(parts: &[&[u8]]) -> [u8; SUM_LEN] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let mut sum = [0; SUM_LEN];
    for (to, from) in sum.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    sum
}

/// The checksum of a record: of its id and version, too, so that no record passes for another.
#[cfg(any(feature = "file", feature = "sqlite"))]
pub(crate) fn record_checksum(id: RecordId, version: u64, sealed: &[u8]) -> [u8; SUM_LEN] {
    checksum(&[&[id.kind.as_u8()], &id.key, &version.to_be_bytes(), sealed])
}
