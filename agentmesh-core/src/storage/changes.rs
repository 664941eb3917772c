//! A batch of writes that happens as a whole or not at all.
//!
//! Knows ids, versions and bytes; does not know a store.

use super::{Record, RecordId, StorageError};
use core::fmt;

/// One write of a batch.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// The record it writes.
    pub id: RecordId,
    /// The version it was computed from; 0 says that the record must be absent.
    pub expected: u64,
    /// The new sealed bytes; `None` deletes the record.
    ///
    /// `None` with `expected` 0 writes nothing and only demands that the record be absent.
    pub value: Option<Vec<u8>>,
    /// The version that the value is stored as: `expected + 1`, but for a record that comes from another store.
    pub version: u64,
}

impl Change {
    /// The version that a stored value gets.
    pub const fn new_version(&self) -> u64 {
        self.version
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, expected, value, version } = self;
        match value {
            Some(value) if *version != expected.saturating_add(1) => {
                write!(f, "import {id} at {version} ({} bytes)", value.len())
            }
            Some(value) => write!(f, "put {id} over {expected} ({} bytes)", value.len()),
            None => write!(f, "delete {id} at {expected}"),
        }
    }
}

/// A batch: at most one change a record, in no particular order.
///
/// ```
/// use agentmesh_core::storage::{Changes, RecordId, RecordKind};
///
/// let session = RecordId::new(RecordKind::Session, [1; 16]);
/// let outbox = RecordId::new(RecordKind::Outbox, [2; 16]);
/// let mut changes = Changes::new();
/// changes.put(session, 7, b"session, sealed as version 8".to_vec());
/// changes.put(outbox, 0, b"a new entry".to_vec());
/// assert_eq!(changes.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "changes do nothing until they are committed"]
pub struct Changes(Vec<Change>);

impl Changes {
    /// An empty batch.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Writes `sealed` as version `expected + 1`; `expected` 0 creates the record.
    ///
    /// Replaces an earlier change of the same record in this batch: whoever computes a state twice in one step
    /// keeps the later one. Both are computed from the same stored version, or the commit fails with a conflict.
    pub fn put(&mut self, id: RecordId, expected: u64, sealed: Vec<u8>) {
        let version = expected.saturating_add(1);
        self.set(Change { id, expected, value: Some(sealed), version });
    }

    /// Deletes the record, which must be at version `expected`. Replaces an earlier change of the same record.
    pub fn delete(&mut self, id: RecordId, expected: u64) {
        self.set(Change { id, expected, value: None, version: expected.saturating_add(1) });
    }

    /// Writes a record of another store as it is, with its version; it must be absent here. For copies: anything else counts
    /// versions one by one.
    pub fn import(&mut self, record: Record) {
        let Record { id, version, sealed } = record;
        self.set(Change { id, expected: 0, value: Some(sealed), version });
    }

    fn set(&mut self, change: Change) {
        // Batches hold a handful of changes; a search beats hashing.
        match self.0.iter_mut().find(|old| old.id == change.id) {
            Some(old) => *old = change,
            None => self.0.push(change),
        }
    }

    /// Takes over the changes of `other`.
    ///
    /// # Errors
    /// [`StorageError::ChangedTwice`] if both write the same record: one of the two was computed without knowing
    /// of the other, and would be lost. Then `self` is as it was.
    pub fn merge(&mut self, other: Self) -> Result<(), StorageError> {
        if let Some(twice) = other.iter().find(|change| self.get(&change.id).is_some()) {
            return Err(StorageError::ChangedTwice { id: twice.id });
        }
        self.0.extend(other.0);
        Ok(())
    }

    /// Replaces every value by what `map` makes of record, version and value.
    pub(crate) fn try_map(
        &mut self,
        mut map: impl FnMut(RecordId, u64, &[u8]) -> Result<Vec<u8>, StorageError>,
    ) -> Result<(), StorageError> {
        for change in &mut self.0 {
            if let Some(value) = &mut change.value {
                *value = map(change.id, change.version, value)?;
            }
        }
        Ok(())
    }

    /// The change of that record, if the batch has one.
    pub fn get(&self, id: &RecordId) -> Option<&Change> {
        self.0.iter().find(|change| change.id == *id)
    }

    /// Number of changes.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing to commit.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The changes, in the order of their first mention.
    pub fn iter(&self) -> core::slice::Iter<'_, Change> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Changes {
    type Item = &'a Change;
    type IntoIter = core::slice::Iter<'a, Change>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Changes {
    type Item = Change;
    type IntoIter = std::vec::IntoIter<Change>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::RecordKind;

    fn id(n: u8) -> RecordId {
        RecordId::new(RecordKind::Session, [n; 16])
    }

    #[test]
    fn the_later_change_of_a_record_replaces_the_earlier() {
        let mut changes = Changes::new();
        changes.put(id(1), 3, vec![1]);
        changes.put(id(2), 0, vec![2]);
        changes.delete(id(1), 3);
        assert_eq!(changes.len(), 2);
        assert_eq!(changes.get(&id(1)).map(|c| c.value.clone()), Some(None));
    }

    #[test]
    fn merging_two_writers_of_one_record_is_refused() {
        let (mut a, mut b) = (Changes::new(), Changes::new());
        a.put(id(1), 3, vec![1]);
        b.put(id(2), 0, vec![2]);
        b.put(id(1), 3, vec![9]);
        let before = a.clone();
        assert_eq!(a.merge(b), Err(StorageError::ChangedTwice { id: id(1) }));
        assert_eq!(a, before);
        let mut c = Changes::new();
        c.put(id(2), 0, vec![2]);
        assert_eq!(a.merge(c), Ok(()));
        assert_eq!(a.len(), 2);
    }
}
