//! A store around another one that seals what passes: for applications that keep records of their own in a
//! [`Storage`], and for a second key around an agent's.
//!
//! Agents seal their records themselves and need no such store. Kinds, ids, versions and sizes stay visible to the store
//! inside; contents do not. Knows the vault; does not know what is in the records.

use core::fmt;
use std::sync::{Mutex, PoisonError};

use rand_core::CryptoRng;

use super::{StoreKey, Vault, VaultError};
use crate::storage::{
    Changes, Durability, Record, RecordId, RecordKind, Storage, StorageError, StorageFuture,
};

/// A store whose records are encrypted and authenticated under a [`StoreKey`]: a raw one, or one out of
/// [`passphrase::unlock`](super::passphrase::unlock). See the [module](self).
///
/// A record that was sealed under another key, moved to another id or version, or altered is
/// [`StorageError::Corrupt`], never an absent one.
///
/// ```
/// # #[cfg(feature = "getrandom")] {
/// use agentmesh_core::{
///     rng::SystemRng,
///     storage::MemoryStorage,
///     vault::{StoreKey, encrypted::EncryptedStorage},
/// };
///
/// let key = StoreKey::generate(&mut SystemRng);
/// let store = EncryptedStorage::new(MemoryStorage::new(), &key, SystemRng);
/// # let _ = store;
/// # }
/// ```
pub struct EncryptedStorage<S> {
    inner: S,
    vault: Vault,
    rng: Mutex<Box<dyn CryptoRng + Send>>,
}

impl<S> EncryptedStorage<S> {
    /// Seals what goes into `inner` with `key`. All salts and nonces come out of `rng`.
    pub fn new(inner: S, key: &StoreKey, rng: impl CryptoRng + Send + 'static) -> Self {
        Self { inner, vault: Vault::new(key), rng: Mutex::new(Box::new(rng)) }
    }

    /// The store inside, whose records are sealed.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    fn open(&self, mut record: Record) -> Result<Record, StorageError> {
        let opened = self.vault.open(&record).map_err(|error| {
            let hint = match error {
                VaultError::UnknownVersion { .. } => "a newer release sealed it",
                _ => "it does not open: another key, or it was altered",
            };
            StorageError::Corrupt { path: record.id.to_string().into(), hint: hint.to_owned() }
        })?;
        record.sealed.clear();
        record.sealed.extend_from_slice(&opened);
        Ok(record)
    }

    fn seal(&self, mut changes: Changes) -> Result<Changes, StorageError> {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        changes.try_map(|id, version, plain| {
            self.vault.seal(id, version, plain, &mut **rng).map_err(|_| StorageError::TooLarge {
                id,
                actual: plain.len(),
                limit: crate::limits::MAX_RECORD,
            })
        })?;
        Ok(changes)
    }
}

impl<S: Storage> Storage for EncryptedStorage<S> {
    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    fn load<'a>(&'a self, ids: &'a [RecordId]) -> StorageFuture<'a, Vec<Option<Record>>> {
        Box::pin(async move {
            let found = self.inner.load(ids).await?;
            found.into_iter().map(|record| record.map(|r| self.open(r)).transpose()).collect()
        })
    }

    fn list(
        &self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> StorageFuture<'_, Vec<Record>> {
        Box::pin(async move {
            let found = self.inner.list(kind, after, limit).await?;
            found.into_iter().map(|record| self.open(record)).collect()
        })
    }

    fn commit(&self, changes: Changes) -> StorageFuture<'_, ()> {
        Box::pin(async move { self.inner.commit(self.seal(changes)?).await })
    }

    fn close(&self) -> StorageFuture<'_, ()> {
        self.inner.close()
    }

    fn location(&self) -> String {
        self.inner.location()
    }
}

impl<S: fmt::Debug> fmt::Debug for EncryptedStorage<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EncryptedStorage").field(&self.inner).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        storage::{MemoryStorage, conformance::Fixture},
        test_utils::{block_on, seeded_rng},
    };

    #[derive(Default)]
    struct Encrypted(Mutex<MemoryStorage>);

    impl Fixture for Encrypted {
        type Store = EncryptedStorage<MemoryStorage>;

        fn open(&self) -> StorageFuture<'_, Self::Store> {
            Box::pin(async {
                let mut current = self.0.lock().unwrap();
                *current = current.reopen();
                Ok(store(current.clone(), 1))
            })
        }

        fn is_exclusive(&self) -> bool {
            false
        }
    }

    fn store(inner: MemoryStorage, key: u8) -> EncryptedStorage<MemoryStorage> {
        EncryptedStorage::new(inner, &StoreKey::from_bytes([key; 32]), seeded_rng(5))
    }

    crate::storage_conformance_tests!(Encrypted::default());

    #[test]
    fn the_store_inside_sees_nothing_and_changes_nothing_unnoticed() {
        let inner = MemoryStorage::new();
        let encrypted = store(inner.clone(), 1);
        let id = RecordId::new(RecordKind::Value, [1; 16]);
        let mut changes = Changes::new();
        changes.put(id, 0, b"a text that would be found".to_vec());
        block_on(encrypted.commit(changes)).unwrap();
        let sealed = block_on(inner.load(&[id])).unwrap().remove(0).unwrap().sealed;
        assert!(!sealed.windows(11).any(|w| w == b"would be fo"));
        assert!(!format!("{encrypted:?}").contains("Vault"));

        let other = block_on(store(inner.clone(), 2).load(&[id])).unwrap_err();
        assert!(matches!(other, StorageError::Corrupt { .. }), "{other}");
        // Rolled forward under another version by the store.
        let mut changes = Changes::new();
        changes.put(id, 1, sealed);
        block_on(inner.commit(changes)).unwrap();
        let moved = block_on(encrypted.list(RecordKind::Value, None, 9)).unwrap_err();
        assert!(matches!(moved, StorageError::Corrupt { .. }), "{moved}");
    }

    #[test]
    fn record_of_a_newer_release_is_told_from_an_altered_one_and_the_place_is_that_inside() {
        let inner = MemoryStorage::new();
        let encrypted = store(inner.clone(), 1);
        assert_eq!(encrypted.location(), inner.location());
        let ids = [1, 2].map(|n| RecordId::new(RecordKind::Value, [n; 16]));
        let mut changes = Changes::new();
        changes.put(ids[0], 0, vec![2; 80]);
        changes.put(ids[1], 0, vec![1; 80]);
        block_on(inner.commit(changes)).unwrap();
        let hint = |id| match block_on(encrypted.load(&[id])).unwrap_err() {
            StorageError::Corrupt { hint, .. } => hint,
            other => panic!("{other}"),
        };
        assert!(hint(ids[0]).contains("newer release"));
        assert!(hint(ids[1]).contains("does not open"));
    }
}
