//! What is in the store, as of the last head read or written: which record is where.
//!
//! Pure: knows the head and the index; fetches nothing.

use core::ops::Bound;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::format::{Entry, Fresh, Head, Index, ObjectName, Place};
use crate::{
    limits::MAX_RECORD,
    storage::{Changes, RecordId, RecordKind, StorageError, check_size, check_version},
};

/// A record: its version, and its bytes or where they are.
#[derive(Clone)]
pub(super) enum Found {
    Here { version: u64, sealed: Bytes },
    There(Entry),
}

/// The head and the index that it names.
#[derive(Clone)]
pub(super) struct State {
    pub(super) head: Head,
    pub(super) index: Index,
}

impl State {
    pub(super) fn find(&self, id: &RecordId) -> Option<Found> {
        match self.head.fresh.get(id) {
            Some(fresh) => fresh.found(),
            None => self.index.0.get(id).copied().map(Found::There),
        }
    }

    /// At most `limit` records of a kind behind `after`, by key.
    pub(super) fn list(
        &self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> Vec<(RecordId, Found)> {
        let first = after.map_or(Bound::Included(RecordId::new(kind, [0; 16])), |key| {
            Bound::Excluded(RecordId::new(kind, key))
        });
        let range = (first, Bound::Included(RecordId::new(kind, [0xff; 16])));
        let mut old = self.index.0.range(range).peekable();
        let mut new = self.head.fresh.range(range).peekable();
        let mut found = Vec::new();
        while found.len() < limit {
            let next_is_old = match (old.peek(), new.peek()) {
                (None, None) => break,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some((old, _)), Some((new, _))) => old < new,
            };
            if next_is_old {
                found.extend(old.next().map(|(id, entry)| (*id, Found::There(*entry))));
            } else if let Some((id, fresh)) = new.next() {
                // What the head says of a record replaces what the index says.
                old.next_if(|(old, _)| *old == id);
                found.extend(fresh.found().map(|found| (*id, found)));
            }
        }
        found
    }

    /// Every object that holds a record, and how many of its bytes are in use.
    pub(super) fn objects(&self) -> BTreeMap<ObjectName, u64> {
        let mut objects = self.index.objects();
        for fresh in self.head.fresh.values() {
            if let Fresh::There { place, .. } = fresh {
                let used = objects.entry(place.object).or_default();
                *used = used.saturating_add(place.length);
            }
        }
        objects
    }

    /// Every object but the head itself.
    pub(super) fn referenced(&self) -> BTreeSet<ObjectName> {
        let index = self.head.index.map(|index| index.name);
        self.objects().into_keys().chain(index).collect()
    }

    /// Applies each batch as if alone; one answer a batch. A batch that is refused changes nothing.
    pub(super) fn apply(&mut self, group: &[Changes]) -> Vec<Result<(), StorageError>> {
        group.iter().map(|changes| self.apply_one(changes)).collect()
    }

    fn apply_one(&mut self, changes: &Changes) -> Result<(), StorageError> {
        for change in changes {
            check_size(change, MAX_RECORD)?;
            let version = self.find(&change.id).map_or(0, |found| found.version());
            check_version(change, version)?;
        }
        for change in changes {
            let fresh = match &change.value {
                Some(sealed) => Fresh::Here {
                    version: change.new_version(),
                    sealed: Bytes::copy_from_slice(sealed),
                },
                None if !self.index.0.contains_key(&change.id) => {
                    self.head.fresh.remove(&change.id);
                    continue;
                }
                None => Fresh::Deleted,
            };
            self.head.fresh.insert(change.id, fresh);
        }
        Ok(())
    }
}

impl Fresh {
    fn found(&self) -> Option<Found> {
        match self {
            Self::Deleted => None,
            Self::Here { version, sealed } => {
                Some(Found::Here { version: *version, sealed: sealed.clone() })
            }
            Self::There { version, place } => {
                Some(Found::There(Entry { version: *version, place: *place }))
            }
        }
    }
}

impl Found {
    pub(super) const fn version(&self) -> u64 {
        match self {
            Self::Here { version, .. } | Self::There(Entry { version, .. }) => *version,
        }
    }

    pub(super) const fn place(&self) -> Option<&Place> {
        match self {
            Self::Here { .. } => None,
            Self::There(entry) => Some(&entry.place),
        }
    }
}
