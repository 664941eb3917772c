//! Stores, and the calls of a store that is written in JavaScript.

use std::sync::{Mutex, PoisonError};

use agentmesh_facade as facade;
use facade::{
    FacadeError, ForeignChange, ForeignError, ForeignRecord, ForeignRecordId, StorageCalls,
    foreign_storage,
};
use js_sys::{Array, Function, Promise, Uint8Array};
use wasm_bindgen::{JsCast, prelude::*};

use crate::{
    bridge::{Members, Value, beside, call, notify},
    error::{run, thrown},
};

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "versions")]
const fn version(number: f64) -> u64 {
    number as u64
}

#[allow(clippy::cast_precision_loss, reason = "versions")]
const fn number(version: u64) -> f64 {
    version as f64
}

/// What an array holds, by place; what does not fit reads as nothing, and is refused where it is used.
struct Row(Array);

impl Row {
    fn new(value: &JsValue) -> Self {
        Self(value.dyn_ref::<Array>().cloned().unwrap_or_default())
    }

    fn text(&self, place: u32) -> String {
        self.0.get(place).as_string().unwrap_or_default()
    }

    fn number(&self, place: u32) -> u64 {
        version(self.0.get(place).as_f64().unwrap_or_default())
    }

    fn bytes(&self, place: u32) -> Option<Vec<u8>> {
        self.0.get(place).dyn_ref::<Uint8Array>().map(Uint8Array::to_vec)
    }

    /// Kind and key.
    fn id(&self) -> ForeignRecordId {
        ForeignRecordId { kind: self.text(0), key: self.bytes(1).unwrap_or_default() }
    }

    /// Kind, key, version, sealed bytes.
    fn record(&self) -> ForeignRecord {
        let sealed = self.bytes(3).unwrap_or_default();
        ForeignRecord { id: self.id(), version: self.number(2), sealed }
    }

    /// Kind, key, the version that is expected, sealed bytes or nothing, the version that it is stored as.
    fn change(&self) -> ForeignChange {
        let (expected, value, version) = (self.number(2), self.bytes(3), self.number(4));
        ForeignChange { id: self.id(), expected, value, version }
    }
}

impl Value for ForeignRecordId {
    fn js(self) -> JsValue {
        (self.kind, self.key).js()
    }
}

impl Value for ForeignRecord {
    fn js(self) -> JsValue {
        let (version, sealed) = (number(self.version), self.sealed);
        Array::of4(&self.id.kind.js(), &self.id.key.js(), &version.js(), &sealed.js()).into()
    }
}

impl Value for ForeignChange {
    fn js(self) -> JsValue {
        let (expected, at) = (number(self.expected), number(self.version));
        let row =
            Array::of4(&self.id.kind.js(), &self.id.key.js(), &expected.js(), &self.value.js());
        row.push(&at.js());
        row.into()
    }
}

/// A store that is open.
#[wasm_bindgen]
pub struct Storage(pub(crate) facade::Storage);

#[wasm_bindgen]
impl Storage {
    /// In memory.
    #[wasm_bindgen]
    pub fn memory() -> Result<Self, JsValue> {
        run(|| Ok(Self(facade::Storage::memory())))
    }

    /// A store whose calls go to a function.
    #[wasm_bindgen]
    pub fn foreign(
        location: String,
        durability: String,
        on_call: Function,
    ) -> Result<Self, JsValue> {
        let (storage, calls) = run(|| foreign_storage(location, &durability))?;
        pump(calls, on_call);
        Ok(Self(storage))
    }

    /// Which store this is.
    #[wasm_bindgen(getter)]
    pub fn location(&self) -> Result<String, JsValue> {
        run(|| self.0.location())
    }

    /// The records with these ids.
    pub fn load(&self, ids: Array) -> Result<Promise, JsValue> {
        let storage = self.0.clone();
        let ids = ids.iter().map(|id| Row::new(&id).id()).collect();
        call(None, async move { storage.load(ids).await })
    }

    /// A page of the records of a kind.
    pub fn list(
        &self,
        kind: String,
        after: Option<Vec<u8>>,
        limit: u32,
    ) -> Result<Promise, JsValue> {
        let storage = self.0.clone();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        call(None, async move { storage.list(&kind, after, limit).await })
    }

    /// Writes a batch.
    pub fn commit(&self, changes: Array) -> Result<Promise, JsValue> {
        let storage = self.0.clone();
        let changes = changes.iter().map(|change| Row::new(&change).change()).collect();
        call(None, async move { storage.commit(changes).await })
    }

    /// Releases what it holds.
    #[wasm_bindgen]
    pub fn close(&self) -> Result<Promise, JsValue> {
        let storage = self.0.clone();
        call(None, async move { storage.close().await })
    }
}

/// A call of a store that is written in JavaScript. Forgotten, it fails.
#[wasm_bindgen]
pub struct StorageCall(Mutex<Option<facade::StorageCall>>);

impl StorageCall {
    fn taken(&self) -> Option<facade::StorageCall> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[wasm_bindgen]
impl StorageCall {
    /// What is asked for.
    #[wasm_bindgen]
    pub fn asked(&self) -> JsValue {
        use facade::StorageCall as C;
        let mut call = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = Members::new();
        let asked = match call.as_mut() {
            None => asked.with("operation", String::new()),
            Some(C::Load { ids, .. }) => {
                asked.with("operation", "load".to_owned()).with("ids", std::mem::take(ids))
            }
            Some(C::List { kind, after, limit, .. }) => asked
                .with("operation", "list".to_owned())
                .with("kind", std::mem::take(kind))
                .with("after", after.take())
                .with("limit", number(u64::try_from(*limit).unwrap_or(u64::MAX))),
            Some(C::Commit { changes, .. }) => {
                let changes = std::mem::take(changes);
                asked.with("operation", "commit".to_owned()).with("changes", changes)
            }
            Some(C::Close { .. }) => asked.with("operation", "close".to_owned()),
        };
        asked.js()
    }

    /// Answers `load` and `list`.
    #[wasm_bindgen(js_name = answerRecords)]
    pub fn answer_records(&self, found: Array) {
        let record = |found: JsValue| {
            (!found.is_null() && !found.is_undefined()).then(|| Row::new(&found).record())
        };
        match self.taken() {
            Some(facade::StorageCall::Load { reply, .. }) => {
                reply.answer(Ok(found.iter().map(record).collect()));
            }
            Some(facade::StorageCall::List { reply, .. }) => {
                reply.answer(Ok(found.iter().filter_map(record).collect()));
            }
            _ => {}
        }
    }

    /// Answers `commit` and `close`.
    #[wasm_bindgen(js_name = answerDone)]
    pub fn answer_done(&self) {
        if let Some(
            facade::StorageCall::Commit { reply, .. } | facade::StorageCall::Close { reply },
        ) = self.taken()
        {
            reply.answer(Ok(()));
        }
    }

    /// Says that a record of a commit is at another version.
    #[wasm_bindgen]
    pub fn conflict(&self, kind: String, key: Vec<u8>, expected: f64, actual: f64) {
        if let Some(facade::StorageCall::Commit { reply, .. }) = self.taken() {
            let (expected, actual) = (version(expected), version(actual));
            reply.answer(Err(ForeignError::Conflict {
                id: ForeignRecordId { kind, key },
                expected,
                actual,
            }));
        }
    }

    /// Says what went wrong: `closed`, `full`, `locked`, `unreachable`, `corrupt` or `failed`.
    #[wasm_bindgen]
    pub fn fail(&self, kind: String, message: String) -> Result<(), JsValue> {
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

pub(crate) fn failure(kind: &str, message: String) -> Result<ForeignError, JsValue> {
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
pub(crate) fn pump(calls: StorageCalls, on_call: Function) {
    beside(async move {
        while let Some(call) = calls.next().await? {
            notify(&on_call, StorageCall(Mutex::new(Some(call))));
        }
        Ok(())
    });
}
