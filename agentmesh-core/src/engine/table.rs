//! The engine's working set: typed records, loaded by the driver, sealed back into one batch of changes.
//!
//! Knows versions and which records changed; does not know what they mean, nor any store.

use std::{fmt, hash::Hash};

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    codec::CodecError,
    engine::LoadError,
    maps::HashMap,
    storage::{Changes, Record, RecordId, RecordKind},
    vault::{Vault, VaultError},
};

/// A type that is kept as one sealed record.
pub(crate) trait Stored: Sized {
    /// The kind it is stored under.
    const KIND: RecordKind;
    /// What names one of them.
    type Key: Eq + Hash + Clone + fmt::Debug;

    /// The name of this one.
    fn key(&self) -> Self::Key;
    /// The bytes from which the vault derives the opaque record id.
    fn logical(key: &Self::Key) -> Vec<u8>;
    /// Writes the versioned form.
    fn encode(&self, out: &mut Zeroizing<Vec<u8>>);
    /// Whether it is stored at all. What is not lives until the next start.
    fn persists(&self) -> bool {
        true
    }
    /// Reads what [`Self::encode`] wrote.
    fn decode(bytes: &[u8]) -> Result<Self, CodecError>;
}

/// One record in memory. Version 0 means that the store has none.
struct Slot<T> {
    id: RecordId,
    version: u64,
    value: Option<T>,
    dirty: bool,
}

/// Records of one type that are in memory.
pub(crate) struct Table<T: Stored> {
    slots: HashMap<T::Key, Slot<T>>,
    dirty: Vec<T::Key>,
}

impl<T: Stored> Default for Table<T> {
    fn default() -> Self {
        Self { slots: HashMap::default(), dirty: Vec::new() }
    }
}

impl<T: Stored> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("kind", &T::KIND)
            .field("loaded", &self.slots.len())
            .field("dirty", &self.dirty.len())
            .finish()
    }
}

impl<T: Stored> Table<T> {
    /// Where the store keeps `key`.
    pub(crate) fn record_id(vault: &Vault, key: &T::Key) -> RecordId {
        vault.record_id(T::KIND, &T::logical(key))
    }

    /// Whether it is known what the store holds for `key`.
    pub(crate) fn is_loaded(&self, key: &T::Key) -> bool {
        self.slots.contains_key(key)
    }

    /// Takes in what the store answered for `key`. What is in memory already stays: it is newer.
    pub(crate) fn install(
        &mut self,
        vault: &Vault,
        key: T::Key,
        record: Option<&Record>,
    ) -> Result<(), LoadError> {
        if self.is_loaded(&key) {
            return Ok(());
        }
        let slot = match record {
            None => {
                Slot { id: Self::record_id(vault, &key), version: 0, value: None, dirty: false }
            }
            Some(record) => {
                let value = open::<T>(vault, record)?;
                Slot { id: record.id, version: record.version, value: Some(value), dirty: false }
            }
        };
        self.slots.insert(key, slot);
        Ok(())
    }

    /// Takes in a record found by listing; its key is inside it.
    pub(crate) fn install_listed(
        &mut self,
        vault: &Vault,
        record: &Record,
    ) -> Result<(), LoadError> {
        let value = open::<T>(vault, record)?;
        let key = value.key();
        let slot =
            Slot { id: record.id, version: record.version, value: Some(value), dirty: false };
        self.slots.entry(key).or_insert(slot);
        Ok(())
    }

    pub(crate) fn get(&self, key: &T::Key) -> Option<&T> {
        self.slots.get(key)?.value.as_ref()
    }

    /// The value, to be changed; it will be part of the next batch.
    pub(crate) fn modify(&mut self, key: &T::Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(key)?;
        let value = slot.value.as_mut()?;
        if !slot.dirty {
            slot.dirty = true;
            self.dirty.push(key.clone());
        }
        Some(value)
    }

    /// The value, to be changed in memory only; whatever writes the record next takes the change along.
    pub(crate) fn modify_lazily(&mut self, key: &T::Key) -> Option<&mut T> {
        self.slots.get_mut(key)?.value.as_mut()
    }

    /// Adds or replaces a value. A key that was never loaded is taken to be absent from the store.
    pub(crate) fn put(&mut self, vault: &Vault, value: T) {
        let key = value.key();
        let slot = self.slots.entry(key.clone()).or_insert_with(|| Slot {
            id: Self::record_id(vault, &key),
            version: 0,
            value: None,
            dirty: false,
        });
        slot.value = Some(value);
        if !slot.dirty {
            slot.dirty = true;
            self.dirty.push(key);
        }
    }

    /// Removes a value and returns it.
    pub(crate) fn remove(&mut self, key: &T::Key) -> Option<T> {
        let slot = self.slots.get_mut(key)?;
        let value = slot.value.take();
        if value.is_some() && !slot.dirty {
            slot.dirty = true;
            self.dirty.push(key.clone());
        }
        value
    }

    /// Deletes a record of which `version` is in the store, whether it is in memory or not. One that was put since the
    /// last sealing never gets there.
    pub(crate) fn delete(&mut self, vault: &Vault, key: &T::Key, version: u64) {
        let slot = self.slots.entry(key.clone()).or_insert_with(|| Slot {
            id: Self::record_id(vault, key),
            version,
            value: None,
            dirty: false,
        });
        slot.value = None;
        if !slot.dirty {
            slot.dirty = true;
            self.dirty.push(key.clone());
        }
    }

    /// Forgets every clean record: they are read again when they are needed.
    pub(crate) fn evict(&mut self) {
        if !self.slots.is_empty() {
            self.slots.retain(|_, slot| slot.dirty);
            self.slots.shrink_to_fit();
        }
    }

    /// Values in memory, in no particular order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.slots.values().filter_map(|slot| slot.value.as_ref())
    }

    /// Whether anything changed since the last sealing.
    pub(crate) const fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// How many records are in memory.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Seals every changed record into `changes`; versions advance as if the commit succeeds. If it does
    /// not, the whole working set is thrown away and loaded again.
    pub(crate) fn seal_into(
        &mut self,
        vault: &Vault,
        rng: &mut dyn CryptoRng,
        changes: &mut Changes,
    ) -> Result<(), VaultError> {
        for key in self.dirty.drain(..) {
            let Some(slot) = self.slots.get_mut(&key) else { continue };
            slot.dirty = false;
            match &slot.value {
                Some(value) if !value.persists() => {}
                Some(value) => {
                    let version = slot.version + 1;
                    let sealed = vault.seal_with(slot.id, version, rng, |out| value.encode(out))?;
                    changes.put(slot.id, slot.version, sealed);
                    slot.version += 1;
                }
                None => {
                    if slot.version > 0 {
                        changes.delete(slot.id, slot.version);
                    }
                    self.slots.remove(&key);
                }
            }
        }
        Ok(())
    }

    /// Forgets clean records until `max` are in memory; waits for twice as many, so that it costs little a step.
    pub(crate) fn shrink(&mut self, max: usize) {
        if self.slots.len() <= 2 * max {
            return;
        }
        let mut excess = self.slots.len() - max;
        self.slots.retain(|_, slot| {
            if excess == 0 || slot.dirty {
                return true;
            }
            excess -= 1;
            false
        });
    }
}

fn open<T: Stored>(vault: &Vault, record: &Record) -> Result<T, LoadError> {
    let plain = vault.open(record)?;
    T::decode(&plain).map_err(|source| LoadError::undecodable(record.id, source))
}

#[cfg(test)]
mod tests;
