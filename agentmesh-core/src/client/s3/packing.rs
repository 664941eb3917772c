//! Moves records out of the head: large ones at once, all of them when the head has grown, and those of objects that have
//! become mostly waste or too many.
//!
//! Pure: says what objects to write; writes none.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{
    format::{Entry, Fresh, Index, IndexRef, ObjectName, Place},
    state::State,
};
use crate::storage::{RecordId, checksum, record_checksum};

/// Records beyond this go into an object of their own right away: the head is written with every commit.
pub(super) const INLINE: usize = 16 * 1024;
/// The head is emptied when its records take more than this.
pub(super) const HEAVY: usize = 128 * 1024;
/// Bytes that are moved from old objects into a new one at a time.
const MOVED: u64 = 4 * 1024 * 1024;
/// Objects smaller than this are joined when there are many.
const SMALL: u64 = 512 * 1024;
/// How many small ones there may be.
const MANY: usize = 32;

/// An object to be written before the head that names it.
pub(super) struct NewObject {
    pub(super) name: ObjectName,
    pub(super) bytes: Bytes,
}

/// Collects records into one object. Its name, which has the length in it, is known at the end.
#[derive(Default)]
pub(super) struct Packer {
    bytes: Vec<u8>,
    placed: Vec<(RecordId, u64, u64, u64, [u8; 16])>,
}

impl Packer {
    pub(super) fn add(&mut self, id: RecordId, version: u64, sealed: &[u8]) {
        let sum = record_checksum(id, version, sealed);
        let (offset, length) = (self.bytes.len() as u64, sealed.len() as u64);
        self.bytes.extend_from_slice(sealed);
        self.placed.push((id, version, offset, length, sum));
    }

    /// The object and where the records are in it; `None` if there are none.
    pub(super) fn finish(
        self,
        epoch: u64,
        random: [u8; 16],
    ) -> Option<(NewObject, Vec<(RecordId, Entry)>)> {
        if self.placed.is_empty() {
            return None;
        }
        let name = ObjectName { epoch, random, length: self.bytes.len() as u64 };
        let entries = self.placed.into_iter().map(|(id, version, offset, length, sum)| {
            (id, Entry { version, place: Place { object: name, offset, length, sum } })
        });
        Some((NewObject { name, bytes: self.bytes.into() }, entries.collect()))
    }
}

impl State {
    /// Moves large records out of the head.
    pub(super) fn spill(&mut self, random: [u8; 16]) -> Option<NewObject> {
        let mut packer = Packer::default();
        for (id, fresh) in &self.head.fresh {
            if let Fresh::Here { version, sealed } = fresh
                && sealed.len() > INLINE
            {
                packer.add(*id, *version, sealed);
            }
        }
        let (object, entries) = packer.finish(self.head.epoch, random)?;
        for (id, Entry { version, place }) in entries {
            self.head.fresh.insert(id, Fresh::There { version, place });
        }
        Some(object)
    }

    /// Whether the head should be emptied.
    pub(super) fn is_heavy(&self) -> bool {
        self.head.weight() > HEAVY
    }

    /// Objects whose records should move into the next one, with those records.
    pub(super) fn wasteful(&self) -> Vec<(ObjectName, Vec<(RecordId, Entry)>)> {
        let used = self.objects();
        let small: Vec<_> = used.keys().filter(|name| name.length < SMALL).collect();
        let join: BTreeSet<_> =
            if small.len() > MANY { small.into_iter().copied().collect() } else { BTreeSet::new() };
        let mut moved = 0;
        let mut chosen: BTreeMap<ObjectName, Vec<(RecordId, Entry)>> = BTreeMap::new();
        for (name, used) in used {
            let waste = used.saturating_mul(2) < name.length;
            if (waste || join.contains(&name)) && moved + used <= MOVED {
                moved += used;
                chosen.insert(name, Vec::new());
            }
        }
        for (id, entry) in &self.index.0 {
            if !self.head.fresh.contains_key(id)
                && let Some(records) = chosen.get_mut(&entry.place.object)
            {
                records.push((*id, *entry));
            }
        }
        // What the head places moves into the index as it is.
        for fresh in self.head.fresh.values() {
            if let Fresh::There { place, .. } = fresh {
                chosen.remove(&place.object);
            }
        }
        chosen.into_iter().collect()
    }

    /// Empties the head: its records and `moved` go into one new object, and all are listed in a new index.
    pub(super) fn checkpoint(
        &mut self,
        moved: &[(RecordId, u64, Bytes)],
        randoms: [[u8; 16]; 2],
    ) -> Vec<NewObject> {
        let [data, index] = randoms;
        let mut entries = core::mem::take(&mut self.index).0;
        let mut packer = Packer::default();
        for (id, fresh) in core::mem::take(&mut self.head.fresh) {
            match fresh {
                Fresh::Deleted => {
                    entries.remove(&id);
                }
                Fresh::Here { version, sealed } => packer.add(id, version, &sealed),
                Fresh::There { version, place } => {
                    entries.insert(id, Entry { version, place });
                }
            }
        }
        for (id, version, sealed) in moved {
            packer.add(*id, *version, sealed);
        }
        let mut objects = Vec::new();
        if let Some((object, placed)) = packer.finish(self.head.epoch, data) {
            entries.extend(placed);
            objects.push(object);
        }
        self.index = Index(entries);
        let bytes = self.index.encode(&self.head.store);
        let name = ObjectName { epoch: self.head.epoch, random: index, length: bytes.len() as u64 };
        self.head.index = Some(IndexRef { name, sum: checksum(&[&bytes]) });
        objects.push(NewObject { name, bytes: bytes.into() });
        objects
    }
}
