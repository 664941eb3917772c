//! Stores, and the calls of a store that is written in JavaScript.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use agentmesh_facade as facade;
use facade::{
    FacadeError, ForeignChange, ForeignError, ForeignRecord, ForeignRecordId, StorageCalls,
    foreign_storage, start,
};
use napi::{
    Env,
    bindgen_prelude::{FnArgs, Function, Object, Uint8Array, Unknown},
};
use napi_derive::napi;

use crate::{
    bridge::{Callback, call, callback, notify},
    error::{run, thrown},
};

/// A record: kind, key, version, sealed bytes. Versions are far below 2^53.
type Record = (String, Uint8Array, f64, Uint8Array);
/// A change: kind, key, the version that is expected, sealed bytes or nothing, the version that it is stored as.
type Change = (String, Uint8Array, f64, Option<Uint8Array>, f64);

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "versions")]
const fn version(number: f64) -> u64 {
    number as u64
}

#[allow(clippy::cast_precision_loss, reason = "versions")]
const fn number(version: u64) -> f64 {
    version as f64
}

fn id(kind: String, key: &Uint8Array) -> ForeignRecordId {
    ForeignRecordId { kind, key: key.to_vec() }
}

fn read((kind, key, at, sealed): Record) -> ForeignRecord {
    ForeignRecord { id: id(kind, &key), version: version(at), sealed: sealed.to_vec() }
}

fn written(record: ForeignRecord) -> Record {
    (record.id.kind, record.id.key.into(), number(record.version), record.sealed.into())
}

/// A store that is open.
#[napi]
pub struct Storage(pub(crate) facade::Storage);

#[napi]
impl Storage {
    /// In memory.
    #[napi(factory)]
    pub fn memory() -> napi::Result<Self> {
        run(|| Ok(Self(facade::Storage::memory())))
    }

    /// An SQLite file. Blocks.
    #[napi(factory)]
    pub fn sqlite(path: String) -> napi::Result<Self> {
        run(|| facade::Storage::sqlite(Path::new(&path)).map(Self))
    }

    /// A directory. Blocks.
    #[napi(factory)]
    pub fn directory(path: String) -> napi::Result<Self> {
        run(|| facade::Storage::directory(Path::new(&path)).map(Self))
    }

    /// A store whose calls go to a function.
    #[napi(factory)]
    pub fn foreign(
        location: String,
        durability: String,
        on_call: Function<'_, FnArgs<(StorageCall,)>, Unknown<'static>>,
    ) -> napi::Result<Self> {
        let (storage, calls) = run(|| foreign_storage(location, &durability))?;
        pump(calls, callback(&on_call)?)?;
        Ok(Self(storage))
    }

    /// Which store this is.
    #[napi(getter)]
    pub fn location(&self) -> napi::Result<String> {
        run(|| self.0.location())
    }

    /// The records with these ids.
    #[napi]
    pub fn load<'env>(
        &self,
        env: &'env Env,
        ids: Vec<(String, Uint8Array)>,
    ) -> napi::Result<Object<'env>> {
        let storage = self.0.clone();
        let ids = ids.into_iter().map(|(kind, key)| id(kind, &key)).collect();
        call(env, None, async move {
            let found = storage.load(ids).await?;
            Ok(found.into_iter().map(|record| record.map(written)).collect::<Vec<_>>())
        })
    }

    /// A page of the records of a kind.
    #[napi]
    pub fn list<'env>(
        &self,
        env: &'env Env,
        kind: String,
        after: Option<Uint8Array>,
        limit: u32,
    ) -> napi::Result<Object<'env>> {
        let (storage, after) = (self.0.clone(), after.map(|key| key.to_vec()));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        call(env, None, async move {
            let found = storage.list(&kind, after, limit).await?;
            Ok(found.into_iter().map(written).collect::<Vec<_>>())
        })
    }

    /// Writes a batch.
    #[napi]
    pub fn commit<'env>(&self, env: &'env Env, changes: Vec<Change>) -> napi::Result<Object<'env>> {
        let storage = self.0.clone();
        let changes = changes.into_iter().map(|(kind, key, expected, value, at)| ForeignChange {
            id: id(kind, &key),
            expected: version(expected),
            value: value.map(|value| value.to_vec()),
            version: version(at),
        });
        let changes = changes.collect();
        call(env, None, async move { storage.commit(changes).await })
    }

    /// Releases what it holds.
    #[napi]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let storage = self.0.clone();
        call(env, None, async move { storage.close().await })
    }
}

/// Opens the store that a URL names.
#[napi]
pub fn open_storage<'env>(env: &'env Env, url: String) -> napi::Result<Object<'env>> {
    call(env, None, async move { Ok(Storage(facade::Storage::open(&url).await?)) })
}

/// A call of a store that is written in JavaScript. Forgotten, it fails.
#[napi]
pub struct StorageCall(Mutex<Option<facade::StorageCall>>);

impl StorageCall {
    fn taken(&self) -> Option<facade::StorageCall> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What a store is asked for.
#[napi(object, object_from_js = false)]
pub struct Asked {
    /// `load`, `list`, `commit`, `close`, or nothing once it was answered.
    pub operation: String,
    /// Of `load`: which records.
    pub ids: Vec<(String, Uint8Array)>,
    /// Of `list`: which kind.
    pub kind: String,
    /// Of `list`: from the first key greater than this.
    pub after: Option<Uint8Array>,
    /// Of `list`: at most so many.
    pub limit: f64,
    /// Of `commit`: the batch.
    pub changes: Vec<Change>,
}

#[napi]
impl StorageCall {
    /// What is asked for.
    #[napi]
    pub fn asked(&self) -> Asked {
        use facade::StorageCall as C;
        let mut asked = Asked {
            operation: String::new(),
            ids: Vec::new(),
            kind: String::new(),
            after: None,
            limit: 0.0,
            changes: Vec::new(),
        };
        let mut call = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let operation = match call.as_mut() {
            None => "",
            Some(C::Load { ids, .. }) => {
                let ids = std::mem::take(ids).into_iter();
                asked.ids = ids.map(|id| (id.kind, id.key.into())).collect();
                "load"
            }
            Some(C::List { kind, after, limit, .. }) => {
                asked.kind = std::mem::take(kind);
                asked.after = after.take().map(Into::into);
                asked.limit = number(u64::try_from(*limit).unwrap_or(u64::MAX));
                "list"
            }
            Some(C::Commit { changes, .. }) => {
                let changes = std::mem::take(changes).into_iter();
                let change = |change: ForeignChange| {
                    let (expected, at) = (number(change.expected), number(change.version));
                    let value = change.value.map(Into::into);
                    (change.id.kind, change.id.key.into(), expected, value, at)
                };
                asked.changes = changes.map(change).collect();
                "commit"
            }
            Some(C::Close { .. }) => "close",
        };
        operation.clone_into(&mut asked.operation);
        asked
    }

    /// Answers `load` and `list`.
    #[napi]
    pub fn answer_records(&self, found: Vec<Option<Record>>) {
        match self.taken() {
            Some(facade::StorageCall::Load { reply, .. }) => {
                reply.answer(Ok(found.into_iter().map(|r| r.map(read)).collect()));
            }
            Some(facade::StorageCall::List { reply, .. }) => {
                reply.answer(Ok(found.into_iter().flatten().map(read).collect()));
            }
            _ => {}
        }
    }

    /// Answers `commit` and `close`.
    #[napi]
    pub fn answer_done(&self) {
        if let Some(
            facade::StorageCall::Commit { reply, .. } | facade::StorageCall::Close { reply },
        ) = self.taken()
        {
            reply.answer(Ok(()));
        }
    }

    /// Says that a record of a commit is at another version.
    #[napi]
    pub fn conflict(&self, kind: String, key: Uint8Array, expected: f64, actual: f64) {
        if let Some(facade::StorageCall::Commit { reply, .. }) = self.taken() {
            let (expected, actual) = (version(expected), version(actual));
            reply.answer(Err(ForeignError::Conflict { id: id(kind, &key), expected, actual }));
        }
    }

    /// Says what went wrong: `closed`, `full`, `locked`, `unreachable`, `corrupt` or `failed`.
    #[napi]
    pub fn fail(&self, kind: String, message: String) -> napi::Result<()> {
        use facade::StorageCall as C;
        let failure = failure(&kind, message)?;
        match self.taken() {
            Some(C::Load { reply, .. }) => reply.answer(Err(failure)),
            Some(C::List { reply, .. }) => reply.answer(Err(failure)),
            Some(C::Commit { reply, .. } | C::Close { reply }) => reply.answer(Err(failure)),
            None => {}
        }
        Ok(())
    }
}

pub(crate) fn failure(kind: &str, message: String) -> napi::Result<ForeignError> {
    Ok(match kind {
        "closed" => ForeignError::Closed,
        "full" => ForeignError::Full,
        "locked" => ForeignError::Locked,
        "unreachable" => ForeignError::Unreachable(message),
        "corrupt" => ForeignError::Corrupt(message),
        "failed" => ForeignError::Failed(message),
        _ => return Err(thrown(FacadeError::argument("there is no such failure of stores"))),
    })
}

/// Hands every call to a function, until nobody uses the store any more.
pub(crate) fn pump(calls: StorageCalls, on_call: Callback<StorageCall>) -> napi::Result<()> {
    let pumping = async move {
        while let Some(call) = calls.next().await? {
            notify(&on_call, StorageCall(Mutex::new(Some(call))));
        }
        Ok(())
    };
    start(pumping, |_: Result<(), FacadeError>| {}).map(drop).map_err(thrown)
}
