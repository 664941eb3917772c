//! Plain values that cannot be written or read.

use std::sync::atomic::{AtomicU64, Ordering};

use agentmesh_core::{
    Context,
    storage::{Durability, Record, StorageFuture},
    values::{KeyValue, KeyValueError, SetOptions, Values},
};

use super::*;

fn values<S: Storage>(storage: S) -> Values<S> {
    Values::new(storage, Context::with_clock(|| agentmesh_core::Timestamp::from_millis(1)))
}

#[tokio::test]
async fn names_and_values_have_their_bounds() {
    let values = values(MemoryStorage::new());
    let set = |name: String, value: Vec<u8>| {
        let values = &values;
        async move { values.set(&name, &value, SetOptions::default()).await.unwrap_err() }
    };
    let (limit, actual) = (limits::MAX_VALUE_NAME, limits::MAX_VALUE_NAME + 1);
    let invalid = KeyValueError::InvalidName { limit, actual };
    assert_eq!(set("n".repeat(actual), Vec::new()).await, invalid);
    let large = set("n".to_owned(), vec![0; limits::MAX_VALUE + 1]).await;
    assert!(matches!(large, KeyValueError::TooLarge { .. }), "{large}");
    assert!(values.list("").await.unwrap().is_empty());
}

#[tokio::test]
async fn value_of_another_release_is_named_and_left_alone() {
    let storage = MemoryStorage::new();
    let values = values(storage.clone());
    values.set("a", b"1", SetOptions::default()).await.unwrap();
    let record = storage.list(RecordKind::Value, None, 1).await.unwrap().remove(0);
    let mut sealed = record.sealed.clone();
    sealed.truncate(sealed.len() - 1);
    let mut changes = Changes::new();
    changes.put(record.id, record.version, sealed);
    storage.commit(changes).await.unwrap();
    let error = values.get("a").await.unwrap_err();
    assert!(matches!(error, KeyValueError::Unreadable { id, .. } if id == record.id), "{error}");
}

#[tokio::test]
async fn what_the_store_says_is_passed_on() {
    let storage = MemoryStorage::new();
    let values = values(storage.clone());
    storage.close().await.unwrap();
    let error = values.get("a").await.unwrap_err();
    assert!(matches!(error, KeyValueError::Storage { source: StorageError::Closed }), "{error}");
}

/// A store in which somebody else is always a little quicker.
#[derive(Debug)]
struct Crowded {
    store: MemoryStorage,
    others: AtomicU64,
}

impl Storage for Crowded {
    fn durability(&self) -> Durability {
        self.store.durability()
    }

    fn load<'a>(&'a self, ids: &'a [RecordId]) -> StorageFuture<'a, Vec<Option<Record>>> {
        self.store.load(ids)
    }

    fn list(
        &self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> StorageFuture<'_, Vec<Record>> {
        self.store.list(kind, after, limit)
    }

    fn commit(&self, changes: Changes) -> StorageFuture<'_, ()> {
        Box::pin(async move {
            let Some(id) = changes.iter().next().map(|change| change.id) else {
                return Ok(());
            };
            let version = self.others.fetch_add(1, Ordering::Relaxed);
            let mut quicker = Changes::new();
            quicker.put(id, version, vec![0]);
            self.store.commit(quicker).await?;
            self.store.commit(changes).await
        })
    }

    fn close(&self) -> StorageFuture<'_, ()> {
        self.store.close()
    }
}

#[tokio::test]
async fn value_that_others_keep_writing_is_given_up_with_a_hint_to_try_again() {
    let store = Crowded { store: MemoryStorage::new(), others: AtomicU64::new(0) };
    let error = values(store).set("a", b"1", SetOptions::default()).await.unwrap_err();
    assert_eq!(error, KeyValueError::Contended);
    assert!(error.is_retryable());
}
