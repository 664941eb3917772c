//! Which stores an engine takes.

use super::*;
use crate::{
    rng::SystemRng,
    storage::{
        Changes, Durability, MemoryStorage, Record, RecordId, RecordKind, Storage, StorageError,
        StorageFuture,
    },
    test_utils::block_on,
    vault::StoreKey,
};

/// A store that says of itself that it is something else than it is.
#[derive(Debug, Default)]
struct Claims(MemoryStorage, Option<Durability>);

impl Storage for Claims {
    fn durability(&self) -> Durability {
        self.1.unwrap_or(Durability::EventuallyConsistent)
    }
    fn load<'a>(&'a self, ids: &'a [RecordId]) -> StorageFuture<'a, Vec<Option<Record>>> {
        self.0.load(ids)
    }
    fn list(
        &self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> StorageFuture<'_, Vec<Record>> {
        self.0.list(kind, after, limit)
    }
    fn commit(&self, changes: Changes) -> StorageFuture<'_, ()> {
        self.0.commit(changes)
    }
    fn close(&self) -> StorageFuture<'_, ()> {
        self.0.close()
    }
}

#[test]
fn ratchets_are_not_kept_in_an_eventually_consistent_store() {
    let vault = Vault::new(&StoreKey::from_bytes([1; 32]));
    let now = Timestamp::from_millis(1_770_206_400_000);
    let create = |store: &Claims| {
        let identity = Identity::generate(now, &mut SystemRng);
        block_on(StoredIdentity::create(store, &vault, identity, now, &mut SystemRng))
    };
    let store = Claims::default();
    for refused in
        [create(&store).unwrap_err(), block_on(StoredIdentity::find(&store, &vault)).unwrap_err()]
    {
        assert!(
            matches!(
                refused,
                LoadError::Storage { source: StorageError::EventuallyConsistent { .. } }
            ),
            "{refused}"
        );
        assert!(refused.to_string().contains("use SQLite"), "{refused}");
    }
    for kind in RecordKind::ALL {
        assert!(block_on(store.list(kind, None, 1)).unwrap().is_empty(), "something was written");
    }
    for taken in [Durability::Volatile, Durability::Process, Durability::Synced] {
        create(&Claims(MemoryStorage::new(), Some(taken))).unwrap();
    }
}
