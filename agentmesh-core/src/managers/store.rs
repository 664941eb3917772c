//! The store of the managers: records of the kind [`RecordKind::Managed`], each with its name inside.
//!
//! ```text
//! version u8 = 1 | lp(name) | body
//! ```
//! Nothing is kept in memory between two calls: load, compute, commit against the versions that were loaded. So a second
//! manager, of this process or another, is noticed, and a restart changes nothing. `docs/protocol/state.md`, "Managed records".

use std::sync::Arc;

use zeroize::Zeroizing;

use super::ManagerError;
use crate::{
    Error,
    codec::{CodecError, Reader, Write},
    context::Context,
    storage::{Changes, Record, RecordId, RecordKind, Storage, StorageError},
    vault::{StoreKey, Vault, VaultError},
};

const VERSION: u8 = 1;
/// Longest name: a path, or two AMIDs or ids and what stands between them.
const MAX_NAME: usize = 512;
/// Records read at a time.
const PAGE: usize = 256;

/// A store, the key that seals what goes into it, and a clock: what [`Identity::load`](crate::identity::Identity::load),
/// [`PrekeyManager`](super::PrekeyManager) and [`SessionManager`](super::SessionManager) work on. A clone is the same.
///
/// Any number of identities may share one, each with prekeys and sessions of its own; an
/// agent may live in the same store.
#[derive(Debug, Clone)]
pub struct SealedStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    storage: Arc<dyn Storage>,
    vault: Vault,
    context: Context,
}

/// What a store holds under a name: version 0 and no value if nothing.
pub(super) struct Slot<T> {
    pub(super) name: String,
    pub(super) id: RecordId,
    pub(super) version: u64,
    pub(super) value: Option<T>,
}

impl SealedStore {
    /// Joins the three. Pass an `Arc` of the store if something else uses it as well.
    pub fn new(storage: impl Storage + 'static, key: &StoreKey, context: Context) -> Self {
        Self(Arc::new(Inner { storage: Arc::new(storage), vault: Vault::new(key), context }))
    }

    /// Clock and generator.
    pub fn context(&self) -> &Context {
        &self.0.context
    }

    pub(super) fn storage(&self) -> &dyn Storage {
        self.0.storage.as_ref()
    }

    pub(super) fn vault(&self) -> &Vault {
        &self.0.vault
    }

    fn id(&self, name: &str) -> RecordId {
        self.0.vault.record_id(RecordKind::Managed, name.as_bytes())
    }

    /// Reads one record.
    pub(super) async fn load<T>(
        &self,
        name: String,
        decode: impl FnOnce(&[u8]) -> Result<T, CodecError>,
    ) -> Result<Slot<T>, Error> {
        let id = self.id(&name);
        let found = self.0.storage.load(&[id]).await.map_err(|e| self.failed(e))?;
        let Some(record) = found.into_iter().next().flatten() else {
            return Ok(Slot { name, id, version: 0, value: None });
        };
        let (found, value) = self.open(&record, decode)?;
        if found != name {
            return Err(self.undecodable(id, CodecError::InvalidValue { field: "name" }));
        }
        Ok(Slot { name, id, version: record.version, value: Some(value) })
    }

    /// Where nothing is yet.
    pub(super) fn unused<T>(&self, name: String) -> Slot<T> {
        Slot { id: self.id(&name), name, version: 0, value: None }
    }

    /// Whether the key is that of the store: it opens what is there. Told apart from an empty store, or a wrong key
    /// would look like one.
    pub(super) async fn check_key(&self) -> Result<(), Error> {
        for kind in [RecordKind::Managed, RecordKind::Identity] {
            let found = self.0.storage.list(kind, None, 1).await.map_err(|e| self.failed(e))?;
            if let Some(record) = found.first() {
                self.0.vault.open(record).map_err(|e| self.sealed(e))?;
            }
        }
        Ok(())
    }

    /// Reads every record whose name begins with `prefix`. Opens all records of the managers to find them.
    pub(super) async fn list<T>(
        &self,
        prefix: &str,
        decode: impl Fn(&[u8]) -> Result<T, CodecError>,
    ) -> Result<Vec<Slot<T>>, Error> {
        let (mut after, mut found) = (None, Vec::new());
        loop {
            let page = self.0.storage.list(RecordKind::Managed, after, PAGE).await;
            let page = page.map_err(|e| self.failed(e))?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(last.id.key);
            for record in &page {
                let (name, value) = self.open(record, |body| Ok(body.to_vec()))?;
                if name.starts_with(prefix) {
                    let body = Zeroizing::new(value);
                    let value = decode(&body).map_err(|e| self.undecodable(record.id, e))?;
                    let (id, version) = (record.id, record.version);
                    found.push(Slot { name, id, version, value: Some(value) });
                }
            }
        }
    }

    fn open<T>(
        &self,
        record: &Record,
        decode: impl FnOnce(&[u8]) -> Result<T, CodecError>,
    ) -> Result<(String, T), Error> {
        let plain = self.0.vault.open(record).map_err(|e| self.sealed(e))?;
        let read = || {
            let mut r = Reader::new(&plain);
            let version = r.u8("version")?;
            if version != VERSION {
                return Err(CodecError::UnknownVersion { what: "managed record", version });
            }
            let name = r.text(MAX_NAME, "name")?.to_owned();
            Ok((name, decode(r.rest())?))
        };
        read().map_err(|source| self.undecodable(record.id, source))
    }

    /// Notes that `slot` becomes what `encode` writes.
    pub(super) fn put<T>(
        &self,
        changes: &mut Changes,
        slot: &Slot<T>,
        encode: impl FnOnce(&mut Zeroizing<Vec<u8>>),
    ) -> Result<(), Error> {
        let sealed = self.0.context.with_rng(|rng| {
            self.0.vault.seal_with(slot.id, slot.version + 1, rng, |out| {
                out.put_u8(VERSION);
                out.put_lp(slot.name.as_bytes());
                encode(out);
            })
        })?;
        changes.put(slot.id, slot.version, sealed);
        Ok(())
    }

    /// Notes that what is in `slot` goes.
    pub(super) fn delete<T>(&self, changes: &mut Changes, slot: &Slot<T>) {
        changes.delete(slot.id, slot.version);
    }

    pub(super) async fn commit(&self, changes: Changes) -> Result<(), Error> {
        self.0.storage.commit(changes).await.map_err(|e| self.failed(e))
    }

    pub(super) fn failed(&self, error: StorageError) -> Error {
        match error {
            StorageError::Conflict { id, .. } => {
                ManagerError::Conflict { store: self.0.storage.location(), id }.into()
            }
            error => error.into(),
        }
    }

    fn sealed(&self, source: VaultError) -> Error {
        ManagerError::Sealed { store: self.0.storage.location(), source }.into()
    }

    fn undecodable(&self, id: RecordId, source: CodecError) -> Error {
        ManagerError::Undecodable { store: self.0.storage.location(), id, source }.into()
    }
}
