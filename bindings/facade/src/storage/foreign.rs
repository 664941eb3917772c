//! A store written in another language: a queue of calls that a binding reads and answers.
//!
//! Calls come as they are made, several at a time; the order of answers is free. A call that is dropped without an answer
//! fails, and so do all later ones once the queue is dropped.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError},
};

use agentmesh_core::storage::{
    Changes, Durability, Holder, Record, RecordId, RecordKind, Storage as CoreStorage,
    StorageError, StorageFuture,
};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::Storage;
use crate::{FacadeError, owned::Owned};

/// Calls that wait for a store that does not read them, at most; beyond, callers wait.
const CALLS: usize = 64;
/// Records on a page, at most; more than there ever are.
const MAX_PAGE: usize = i32::MAX as usize;

/// Names a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ForeignRecordId {
    /// What the record is about, by name.
    pub kind: String,
    /// 16 bytes.
    pub key: Vec<u8>,
}

/// A stored record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignRecord {
    /// Its name.
    pub id: ForeignRecordId,
    /// 1 when first written, one more with every write.
    pub version: u64,
    /// Sealed bytes.
    pub sealed: Vec<u8>,
}

/// One write of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignChange {
    /// The record it writes.
    pub id: ForeignRecordId,
    /// The version it must be at; 0 says that it must be absent.
    pub expected: u64,
    /// The new sealed bytes; `None` deletes the record.
    pub value: Option<Vec<u8>>,
    /// The version that the value is stored as.
    pub version: u64,
}

pub(super) fn record_kind(name: &str) -> Result<RecordKind, FacadeError> {
    RecordKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == name)
        .ok_or_else(|| FacadeError::argument("there is no such kind of record"))
}

pub(super) fn record_key(key: &[u8]) -> Result<[u8; 16], FacadeError> {
    key.try_into().map_err(|_| FacadeError::argument("the key of a record has 16 bytes"))
}

impl ForeignRecordId {
    pub(super) fn core(&self) -> Result<RecordId, FacadeError> {
        Ok(RecordId::new(record_kind(&self.kind)?, record_key(&self.key)?))
    }
}

impl From<RecordId> for ForeignRecordId {
    fn from(id: RecordId) -> Self {
        Self { kind: id.kind.as_str().to_owned(), key: id.key.to_vec() }
    }
}

impl From<Record> for ForeignRecord {
    fn from(record: Record) -> Self {
        Self { id: record.id.into(), version: record.version, sealed: record.sealed }
    }
}

impl ForeignRecord {
    fn core(self) -> Result<Record, FacadeError> {
        Ok(Record { id: self.id.core()?, version: self.version, sealed: self.sealed })
    }
}

/// Why a foreign store did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForeignError {
    /// A record is at another version than was expected. Nothing was written.
    Conflict {
        /// The record.
        id: ForeignRecordId,
        /// What was expected.
        expected: u64,
        /// What it is at; 0 if it is absent.
        actual: u64,
    },
    /// The store was closed.
    Closed,
    /// No space is left. Nothing was written.
    Full,
    /// Somebody else has it open.
    Locked,
    /// The service behind it cannot be reached. Nothing was written.
    Unreachable(String),
    /// What is stored is damaged.
    Corrupt(String),
    /// Anything else: whether a commit was written is unknown.
    Failed(String),
}

impl ForeignError {
    pub(crate) fn core(self, location: &str, operation: &'static str) -> StorageError {
        let path = PathBuf::from(location);
        match self {
            Self::Conflict { id, expected, actual } => match id.core() {
                Ok(id) => StorageError::Conflict { id, expected, actual },
                Err(error) => StorageError::Io { operation, path, message: error.message },
            },
            Self::Closed => StorageError::Closed,
            Self::Full => StorageError::Full { path },
            Self::Locked => StorageError::Locked { path, holder: Box::new(Holder::UNKNOWN) },
            Self::Unreachable(message) => StorageError::Unreachable { operation, path, message },
            Self::Corrupt(hint) => StorageError::Corrupt { path, hint },
            Self::Failed(message) => StorageError::Io { operation, path, message },
        }
    }
}

/// The answer to a call.
#[derive(Debug)]
pub struct StorageReply<T>(oneshot::Sender<Result<T, ForeignError>>);

#[cfg(feature = "conformance")]
pub(crate) const fn reply<T>(sender: oneshot::Sender<Result<T, ForeignError>>) -> StorageReply<T> {
    StorageReply(sender)
}

impl<T> StorageReply<T> {
    /// Answers. Whether anybody still waits for it does not matter.
    pub fn answer(self, result: Result<T, ForeignError>) {
        let _ = self.0.send(result);
    }
}

/// What a store is asked to do. The contract is that of the core's trait `Storage`.
#[derive(Debug)]
pub enum StorageCall {
    /// The records with these ids, in their order.
    Load {
        /// Which.
        ids: Vec<ForeignRecordId>,
        /// The records; `None` for those that are absent.
        reply: StorageReply<Vec<Option<ForeignRecord>>>,
    },
    /// A page of the records of a kind, by ascending key.
    List {
        /// Which kind.
        kind: String,
        /// From the first key greater than this.
        after: Option<Vec<u8>>,
        /// At most so many.
        limit: usize,
        /// The page.
        reply: StorageReply<Vec<ForeignRecord>>,
    },
    /// Writes the whole batch or nothing of it.
    Commit {
        /// The batch.
        changes: Vec<ForeignChange>,
        /// When it is durable.
        reply: StorageReply<()>,
    },
    /// Finishes what is under way and releases what it holds.
    Close {
        /// When that is done.
        reply: StorageReply<()>,
    },
}

/// A store whose calls are answered elsewhere, and the queue of its calls. `durability` is one of `eventually consistent`, `volatile`,
/// `process`, `synced`; agents refuse the first.
///
/// # Errors
/// `BINDING_ARGUMENT` for another durability.
pub fn foreign_storage(
    location: String,
    durability: &str,
) -> Result<(Storage, StorageCalls), FacadeError> {
    let (storage, calls) = foreign(location, durability)?;
    Ok((Storage::new(Arc::new(storage)), calls))
}

pub(crate) fn foreign(
    location: String,
    durability: &str,
) -> Result<(ForeignStorage, StorageCalls), FacadeError> {
    let durability = [
        Durability::EventuallyConsistent,
        Durability::Volatile,
        Durability::Process,
        Durability::Synced,
    ]
    .into_iter()
    .find(|known| known.as_str() == durability)
    .ok_or_else(|| FacadeError::argument("there is no such durability"))?;
    let (calls, receiver) = mpsc::channel(CALLS);
    let closings = Closings::default();
    let storage = ForeignStorage { location, durability, calls, closings };
    Ok((storage, StorageCalls(Owned::new(Mutex::new(receiver)))))
}

/// The calls of a foreign store.
#[derive(Debug)]
pub struct StorageCalls(Owned<Mutex<mpsc::Receiver<StorageCall>>>);

impl StorageCalls {
    /// The next call, `None` once nobody uses the store any more. Safe to cancel.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub async fn next(&self) -> Result<Option<StorageCall>, FacadeError> {
        Ok(self.0.get()?.lock().await.recv().await)
    }
}

/// Stores that were dropped, and when they are closed.
pub(crate) type Closings = Arc<std::sync::Mutex<Vec<oneshot::Receiver<Result<(), ForeignError>>>>>;

/// The core's side.
pub(crate) struct ForeignStorage {
    location: String,
    durability: Durability,
    calls: mpsc::Sender<StorageCall>,
    closings: Closings,
}

/// Where it is; errors name it.
impl std::fmt::Debug for ForeignStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.location)
    }
}

/// Dropped, it is closed, too. Nobody waits for it, but whoever looks at `closings`.
impl Drop for ForeignStorage {
    fn drop(&mut self) {
        let (reply, closed) = oneshot::channel();
        if self.calls.try_send(StorageCall::Close { reply: StorageReply(reply) }).is_ok() {
            self.closings.lock().unwrap_or_else(PoisonError::into_inner).push(closed);
        }
    }
}

impl ForeignStorage {
    /// The same, with its end to be seen in `closings`.
    #[cfg(feature = "conformance")]
    pub(crate) fn closing_in(mut self, closings: &Closings) -> Self {
        self.closings = Arc::clone(closings);
        self
    }

    async fn call<T>(
        &self,
        operation: &'static str,
        call: impl FnOnce(StorageReply<T>) -> StorageCall,
    ) -> Result<T, StorageError> {
        let (reply, answer) = oneshot::channel();
        let gone = || {
            ForeignError::Failed("nobody answers for the store any more".to_owned())
                .core(&self.location, operation)
        };
        self.calls.send(call(StorageReply(reply))).await.map_err(|_| gone())?;
        let answered = answer.await.map_err(|_| gone())?;
        answered.map_err(|error| error.core(&self.location, operation))
    }

    /// What a store answers is believed no further than its form.
    fn malformed(&self, operation: &'static str, problem: &str) -> StorageError {
        let path = PathBuf::from(&self.location);
        StorageError::Io { operation, path, message: problem.to_owned() }
    }

    fn records(
        &self,
        operation: &'static str,
        found: Vec<ForeignRecord>,
    ) -> Result<Vec<Record>, StorageError> {
        let records: Result<Vec<_>, _> = found.into_iter().map(ForeignRecord::core).collect();
        records.map_err(|error| self.malformed(operation, &error.message))
    }
}

impl CoreStorage for ForeignStorage {
    fn durability(&self) -> Durability {
        self.durability
    }

    fn load<'a>(&'a self, ids: &'a [RecordId]) -> StorageFuture<'a, Vec<Option<Record>>> {
        Box::pin(async move {
            let asked = ids.iter().copied().map(Into::into).collect();
            let found = self.call("load", |reply| StorageCall::Load { ids: asked, reply }).await?;
            if found.len() != ids.len() {
                return Err(self.malformed("load", "not as many answers as ids"));
            }
            let mut records = Vec::with_capacity(found.len());
            for (id, record) in ids.iter().zip(found) {
                let record = record.map(ForeignRecord::core).transpose();
                let record = record.map_err(|error| self.malformed("load", &error.message))?;
                if record.as_ref().is_some_and(|record| record.id != *id) {
                    return Err(self.malformed("load", "another record than the one asked for"));
                }
                records.push(record);
            }
            Ok(records)
        })
    }

    fn list(
        &self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> StorageFuture<'_, Vec<Record>> {
        Box::pin(async move {
            let (kind, after) = (kind.as_str().to_owned(), after.map(|key| key.to_vec()));
            // "All of them" in a number that every language and database has.
            let limit = limit.min(MAX_PAGE);
            let call = |reply| StorageCall::List { kind, after, limit, reply };
            let found = self.call("list", call).await?;
            self.records("list", found)
        })
    }

    fn commit(&self, changes: Changes) -> StorageFuture<'_, ()> {
        Box::pin(async move {
            let changes = changes
                .into_iter()
                .map(|change| ForeignChange {
                    id: change.id.into(),
                    expected: change.expected,
                    version: change.new_version(),
                    value: change.value,
                })
                .collect();
            self.call("commit", |reply| StorageCall::Commit { changes, reply }).await
        })
    }

    fn close(&self) -> StorageFuture<'_, ()> {
        Box::pin(async move {
            if self.calls.is_closed() {
                return Ok(());
            }
            self.call("close", |reply| StorageCall::Close { reply }).await
        })
    }

    fn location(&self) -> String {
        self.location.clone()
    }
}
