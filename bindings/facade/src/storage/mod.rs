//! Stores: those of the core, and one that is written in another language.

mod foreign;

#[cfg(feature = "conformance")]
pub(crate) use foreign::{Closings, ForeignStorage, foreign, reply};
pub use foreign::{
    ForeignChange, ForeignError, ForeignRecord, ForeignRecordId, StorageCall, StorageCalls,
    StorageReply, foreign_storage,
};

#[cfg(not(target_arch = "wasm32"))]
use std::path::Path;
use std::{fmt, sync::Arc};

use agentmesh_core::storage::{Changes, MemoryStorage, Storage as CoreStorage};
#[cfg(not(target_arch = "wasm32"))]
use agentmesh_core::{
    client::StoreUrl,
    storage::{FileStorage, SqliteStorage},
};

use crate::{FacadeError, owned::Owned};

/// A store that is open. A clone is the same store.
#[derive(Clone)]
pub struct Storage(Arc<Owned<Arc<dyn CoreStorage>>>);

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get() {
            Ok(storage) => write!(f, "Storage({})", storage.location()),
            Err(_) => f.write_str("Storage(of another process)"),
        }
    }
}

impl Storage {
    pub(crate) fn new(storage: Arc<dyn CoreStorage>) -> Self {
        Self(Arc::new(Owned::new(storage)))
    }

    /// Nothing survives the process.
    pub fn memory() -> Self {
        Self::new(Arc::new(MemoryStorage::new()))
    }

    /// One SQLite file. Blocks.
    ///
    /// # Errors
    /// `STORAGE_LOCKED` and others.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn sqlite(path: &Path) -> Result<Self, FacadeError> {
        Ok(Self::new(Arc::new(SqliteStorage::open(path)?)))
    }

    /// One directory, one file a record. Blocks.
    ///
    /// # Errors
    /// `STORAGE_LOCKED` and others.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn directory(path: &Path) -> Result<Self, FacadeError> {
        Ok(Self::new(Arc::new(FileStorage::open(path)?)))
    }

    /// The store that a URL names: `sqlite:PATH`, `file:DIR`, `s3://BUCKET/PREFIX`.
    ///
    /// # Errors
    /// `STORAGE_INVALID_URL` and others.
    #[cfg(not(target_arch = "wasm32"))]
    pub async fn open(url: &str) -> Result<Self, FacadeError> {
        let url: StoreUrl = url.parse()?;
        Ok(Self::new(url.open().await?))
    }

    /// Which store this is, for people.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn location(&self) -> Result<String, FacadeError> {
        Ok(self.0.get()?.location())
    }

    /// The records with these ids, as they are stored: sealed. For tests and tools.
    ///
    /// # Errors
    /// As the core's stores.
    pub async fn load(
        &self,
        ids: Vec<ForeignRecordId>,
    ) -> Result<Vec<Option<ForeignRecord>>, FacadeError> {
        let ids = ids.iter().map(ForeignRecordId::core).collect::<Result<Vec<_>, _>>()?;
        let found = self.0.get()?.load(&ids).await?;
        Ok(found.into_iter().map(|record| record.map(Into::into)).collect())
    }

    /// At most `limit` records of a kind by ascending key, from the first key greater than `after`.
    ///
    /// # Errors
    /// As the core's stores.
    pub async fn list(
        &self,
        kind: &str,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<Vec<ForeignRecord>, FacadeError> {
        let kind = foreign::record_kind(kind)?;
        let after = after.as_deref().map(foreign::record_key).transpose()?;
        let found = self.0.get()?.list(kind, after, limit).await?;
        Ok(found.into_iter().map(Into::into).collect())
    }

    /// Writes the whole batch or nothing of it.
    ///
    /// # Errors
    /// As the core's stores.
    pub async fn commit(&self, changes: Vec<ForeignChange>) -> Result<(), FacadeError> {
        let mut batch = Changes::new();
        for change in changes {
            let id = change.id.core()?;
            match change.value {
                Some(sealed) => batch.put(id, change.expected, sealed),
                None => batch.delete(id, change.expected),
            }
        }
        Ok(self.0.get()?.commit(batch).await?)
    }

    /// Releases files and locks. Agents close their store themselves. Again is fine.
    ///
    /// # Errors
    /// As the core's stores.
    pub async fn close(&self) -> Result<(), FacadeError> {
        Ok(self.0.get()?.close().await?)
    }

    pub(crate) fn shared(&self) -> Result<Arc<dyn CoreStorage>, FacadeError> {
        Ok(Arc::clone(self.0.get()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::block_on;

    #[test]
    fn records_go_through_every_kind_of_store_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let sqlite = Storage::sqlite(&dir.path().join("a.db")).unwrap();
        let files = Storage::directory(&dir.path().join("files")).unwrap();
        for storage in [Storage::memory(), sqlite, files] {
            block_on(async move {
                let id = ForeignRecordId { kind: "meta".to_owned(), key: vec![7; 16] };
                let put = |expected, value| {
                    vec![ForeignChange { id: id.clone(), expected, value, version: expected + 1 }]
                };
                storage.commit(put(0, Some(vec![1, 2]))).await?;
                let conflict = storage.commit(put(0, Some(vec![3]))).await.unwrap_err();
                assert_eq!(conflict.code, "STORAGE_CONFLICT");
                let found = storage.load(vec![id.clone()]).await?;
                assert_eq!(
                    found[0].as_ref().map(|r| (r.version, r.sealed.clone())),
                    Some((1, vec![1, 2]))
                );
                assert_eq!(storage.list("meta", None, 10).await?.len(), 1);
                storage.commit(put(1, None)).await?;
                assert_eq!(storage.list("meta", Some(vec![0; 16]), 10).await?, vec![]);
                storage.close().await?;
                storage.close().await
            })
            .unwrap();
        }
        assert!(block_on(async { Storage::open("agent.db").await }).is_err());
    }
}
