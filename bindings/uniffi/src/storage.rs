//! Stores, and the calls of a store that is written in another language.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use agentmesh_facade::{
    ForeignChange, ForeignError, ForeignRecord, ForeignRecordId, Storage, StorageCall,
    StorageCalls, StorageReply, foreign_storage,
};

use crate::{
    NativeError,
    calls::{blocking, call, run},
};

/// Names a record.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NativeRecordId {
    /// What the record is about, by name.
    pub kind: String,
    /// 16 bytes.
    pub key: Vec<u8>,
}

impl From<NativeRecordId> for ForeignRecordId {
    fn from(NativeRecordId { kind, key }: NativeRecordId) -> Self {
        Self { kind, key }
    }
}

impl From<ForeignRecordId> for NativeRecordId {
    fn from(ForeignRecordId { kind, key }: ForeignRecordId) -> Self {
        Self { kind, key }
    }
}

/// A stored record.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NativeRecord {
    /// Its name.
    pub id: NativeRecordId,
    /// 1 when first written, one more with every write.
    pub version: u64,
    /// Sealed bytes.
    pub sealed: Vec<u8>,
}

impl From<NativeRecord> for ForeignRecord {
    fn from(NativeRecord { id, version, sealed }: NativeRecord) -> Self {
        Self { id: id.into(), version, sealed }
    }
}

impl From<ForeignRecord> for NativeRecord {
    fn from(ForeignRecord { id, version, sealed }: ForeignRecord) -> Self {
        Self { id: id.into(), version, sealed }
    }
}

/// One write of a batch.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NativeChange {
    /// The record it writes.
    pub id: NativeRecordId,
    /// The version it must be at; 0 says that it must be absent.
    pub expected: u64,
    /// The new sealed bytes; nothing deletes the record.
    pub value: Option<Vec<u8>>,
    /// The version that the value is stored as.
    pub version: u64,
}

impl From<NativeChange> for ForeignChange {
    fn from(NativeChange { id, expected, value, version }: NativeChange) -> Self {
        Self { id: id.into(), expected, value, version }
    }
}

impl From<ForeignChange> for NativeChange {
    fn from(ForeignChange { id, expected, value, version }: ForeignChange) -> Self {
        Self { id: id.into(), expected, value, version }
    }
}

/// A store that is open.
#[derive(uniffi::Object)]
pub struct NativeStorage(pub(crate) Storage);

impl NativeStorage {
    fn shared(storage: Storage) -> Arc<Self> {
        Arc::new(Self(storage))
    }
}

/// An SQLite file as a store.
///
/// # Errors
/// `STORAGE_LOCKED` and others.
#[uniffi::export]
pub async fn open_sqlite(path: String) -> Result<Arc<NativeStorage>, NativeError> {
    blocking(move || Ok(NativeStorage::shared(Storage::sqlite(Path::new(&path))?))).await
}

/// A directory as a store, one file a record.
///
/// # Errors
/// `STORAGE_LOCKED` and others.
#[uniffi::export]
pub async fn open_directory(path: String) -> Result<Arc<NativeStorage>, NativeError> {
    blocking(move || Ok(NativeStorage::shared(Storage::directory(Path::new(&path))?))).await
}

/// The store that a URL names: `sqlite:PATH`, `file:DIR`, `s3://BUCKET/PREFIX`.
///
/// # Errors
/// `STORAGE_INVALID_URL` and others.
#[uniffi::export]
pub async fn open_store(url: String) -> Result<Arc<NativeStorage>, NativeError> {
    call(async move { Ok(NativeStorage::shared(Storage::open(&url).await?)) }).await
}

#[uniffi::export]
impl NativeStorage {
    /// A store in memory.
    #[uniffi::constructor]
    pub fn memory() -> Arc<Self> {
        Self::shared(Storage::memory())
    }

    /// Which store this is, for people.
    pub fn location(&self) -> Result<String, NativeError> {
        run(|| self.0.location())
    }

    /// The records with these ids, as they are stored: sealed.
    pub async fn load(
        &self,
        ids: Vec<NativeRecordId>,
    ) -> Result<Vec<Option<NativeRecord>>, NativeError> {
        let storage = self.0.clone();
        call(async move {
            let found = storage.load(ids.into_iter().map(Into::into).collect()).await?;
            Ok(found.into_iter().map(|record| record.map(Into::into)).collect())
        })
        .await
    }

    /// At most `limit` records of a kind by ascending key, from the first key greater than `after`.
    pub async fn list(
        &self,
        kind: String,
        after: Option<Vec<u8>>,
        limit: u32,
    ) -> Result<Vec<NativeRecord>, NativeError> {
        let storage = self.0.clone();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        call(async move {
            let found = storage.list(&kind, after, limit).await?;
            Ok(found.into_iter().map(Into::into).collect())
        })
        .await
    }

    /// Writes the whole batch or nothing of it.
    pub async fn commit(&self, changes: Vec<NativeChange>) -> Result<(), NativeError> {
        let storage = self.0.clone();
        call(async move { storage.commit(changes.into_iter().map(Into::into).collect()).await })
            .await
    }

    /// Releases files and locks. Again is fine.
    pub async fn close(&self) -> Result<(), NativeError> {
        let storage = self.0.clone();
        call(async move { storage.close().await }).await
    }
}

/// A store whose calls are answered by the application, and the queue of its calls.
#[derive(uniffi::Record)]
pub struct NativeForeignStorage {
    /// For agents and managers.
    pub storage: Arc<NativeStorage>,
    /// For whoever answers.
    pub calls: Arc<NativeStorageCalls>,
}

/// A store whose calls are answered by the application. `durability` is one of `eventually consistent`, `volatile`, `process`,
/// `synced`.
///
/// # Errors
/// `BINDING_ARGUMENT` for another durability.
#[uniffi::export]
pub fn make_foreign_storage(
    location: String,
    durability: String,
) -> Result<NativeForeignStorage, NativeError> {
    run(|| {
        let (storage, calls) = foreign_storage(location, &durability)?;
        Ok(NativeForeignStorage {
            storage: NativeStorage::shared(storage),
            calls: NativeStorageCalls::new(calls),
        })
    })
}

/// The calls of a store that the application answers. Dropped, all later calls fail.
#[derive(uniffi::Object)]
pub struct NativeStorageCalls(Arc<StorageCalls>);

impl NativeStorageCalls {
    pub(crate) fn new(calls: StorageCalls) -> Arc<Self> {
        Arc::new(Self(Arc::new(calls)))
    }
}

/// What a store is asked to do. The contract is that of the core's trait `Storage`.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum NativeStorageOperation {
    /// The records with these ids, in their order.
    Load {
        /// Which.
        ids: Vec<NativeRecordId>,
    },
    /// A page of the records of a kind, by ascending key.
    List {
        /// Which kind.
        kind: String,
        /// From the first key greater than this.
        after: Option<Vec<u8>>,
        /// At most so many.
        limit: u32,
    },
    /// Writes the whole batch or nothing of it.
    Commit {
        /// The batch.
        changes: Vec<NativeChange>,
    },
    /// Finishes what is under way and releases what it holds.
    Close,
}

/// A call, and its answer.
#[derive(uniffi::Record)]
pub struct NativeStorageCall {
    /// What is asked for.
    pub operation: NativeStorageOperation,
    /// Where to answer. Dropped without an answer, the call fails.
    pub reply: Arc<NativeStorageReply>,
}

enum Reply {
    Load(StorageReply<Vec<Option<ForeignRecord>>>),
    List(StorageReply<Vec<ForeignRecord>>),
    Done(StorageReply<()>),
}

/// The answer to a call, once.
#[derive(uniffi::Object)]
pub struct NativeStorageReply(Mutex<Option<Reply>>);

impl NativeStorageReply {
    fn taken(&self) -> Option<Reply> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn refuse(&self, error: ForeignError) {
        match self.taken() {
            Some(Reply::Load(reply)) => reply.answer(Err(error)),
            Some(Reply::List(reply)) => reply.answer(Err(error)),
            Some(Reply::Done(reply)) => reply.answer(Err(error)),
            None => {}
        }
    }
}

fn read(call: StorageCall) -> NativeStorageCall {
    let (operation, reply) = match call {
        StorageCall::Load { ids, reply } => {
            let ids = ids.into_iter().map(Into::into).collect();
            (NativeStorageOperation::Load { ids }, Reply::Load(reply))
        }
        StorageCall::List { kind, after, limit, reply } => {
            let limit = u32::try_from(limit).unwrap_or(u32::MAX);
            (NativeStorageOperation::List { kind, after, limit }, Reply::List(reply))
        }
        StorageCall::Commit { changes, reply } => {
            let changes = changes.into_iter().map(Into::into).collect();
            (NativeStorageOperation::Commit { changes }, Reply::Done(reply))
        }
        StorageCall::Close { reply } => (NativeStorageOperation::Close, Reply::Done(reply)),
    };
    NativeStorageCall { operation, reply: Arc::new(NativeStorageReply(Mutex::new(Some(reply)))) }
}

#[uniffi::export]
impl NativeStorageCalls {
    /// The next call, nothing once nobody uses the store any more. Safe to cancel.
    pub async fn next(&self) -> Result<Option<NativeStorageCall>, NativeError> {
        let calls = Arc::clone(&self.0);
        call(async move { Ok(calls.next().await?.map(read)) }).await
    }
}

/// Why a store did not do what it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum NativeStorageFailure {
    /// The store was closed.
    Closed,
    /// No space is left. Nothing was written.
    Full,
    /// Somebody else has it open.
    Locked,
    /// The service behind it cannot be reached. Nothing was written.
    Unreachable,
    /// What is stored is damaged.
    Corrupt,
    /// Anything else: whether a commit was written is unknown.
    Failed,
}

impl NativeStorageFailure {
    pub(crate) fn with(self, message: String) -> ForeignError {
        match self {
            Self::Closed => ForeignError::Closed,
            Self::Full => ForeignError::Full,
            Self::Locked => ForeignError::Locked,
            Self::Unreachable => ForeignError::Unreachable(message),
            Self::Corrupt => ForeignError::Corrupt(message),
            Self::Failed => ForeignError::Failed(message),
        }
    }
}

#[uniffi::export]
impl NativeStorageReply {
    /// Answers "load" and "list".
    pub fn records(&self, found: Vec<Option<NativeRecord>>) {
        match self.taken() {
            Some(Reply::Load(reply)) => {
                reply.answer(Ok(found.into_iter().map(|r| r.map(Into::into)).collect()));
            }
            Some(Reply::List(reply)) => {
                reply.answer(Ok(found.into_iter().flatten().map(Into::into).collect()));
            }
            // Dropped, the call fails.
            Some(Reply::Done(_)) | None => {}
        }
    }

    /// Answers "commit" and "close".
    pub fn done(&self) {
        if let Some(Reply::Done(reply)) = self.taken() {
            reply.answer(Ok(()));
        }
    }

    /// Says that a record of a commit is at another version; 0 if it is absent.
    pub fn conflict(&self, id: NativeRecordId, expected: u64, actual: u64) {
        self.refuse(ForeignError::Conflict { id: id.into(), expected, actual });
    }

    /// Says what went wrong.
    pub fn fail(&self, failure: NativeStorageFailure, message: String) {
        self.refuse(failure.with(message));
    }
}
