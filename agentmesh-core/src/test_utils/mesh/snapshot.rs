//! Copies of a store, for rolling an agent back.

use crate::{
    storage::{Changes, MemoryStorage, RecordKind, Storage, StorageError},
    test_utils::block_on,
};

/// A copy of everything that a store holds, for rolling an agent back.
///
/// # Errors
/// What the store says.
pub fn snapshot(storage: &MemoryStorage) -> Result<MemoryStorage, StorageError> {
    let copy = MemoryStorage::new();
    block_on(async {
        for kind in RecordKind::ALL {
            let mut after = None;
            loop {
                let page = storage.list(kind, after, 1000).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.id.key);
                for record in page {
                    // Versions matter, so each record is written as often as it was.
                    for version in 0..record.version {
                        let mut changes = Changes::new();
                        changes.put(record.id, version, record.sealed.clone());
                        copy.commit(changes).await?;
                    }
                }
            }
        }
        Ok(copy)
    })
}
