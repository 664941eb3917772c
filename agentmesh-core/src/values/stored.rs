//! Values over the records of a store.
//!
//! One record a value, of the kind [`RecordKind::Value`]. A plain one is `00` and the value; its key is a hash of the name.
//! A sealed one is what [`Vault::seal`] gives, which begins with `01`; its key is the vault's. So both live side by side in one
//! store, each unseen by the other.

use super::{
    Entry, KeyValue, KeyValueError, KeyValueFuture, SetOptions,
    record::{Named, check_name},
};
use crate::{
    codec::CodecError,
    context::Context,
    keys::kdf::{lp_len, sha256},
    storage::{Changes, Record, RecordId, RecordKind, Storage, StorageError},
    vault::{StoreKey, Vault},
};

const PLAIN: u8 = 0;
const LABEL: &[u8] = b"agentmesh/0.3 value";
/// Records read at a time.
const PAGE: usize = 256;
/// Tries against others that write the same value at the same time.
const TRIES: usize = 16;

/// Plain values in a store.
///
/// [`list`](KeyValue::list) and [`sweep`](Self::sweep) read every value of the store: this is for hundreds of them, not for
/// millions. Values whose time is up stay on disk until they are swept or written again.
///
/// ```
/// # #[cfg(feature = "getrandom")] {
/// use agentmesh_core::{
///     Context, Timestamp,
///     storage::MemoryStorage,
///     values::{KeyValue, SetOptions, Values},
/// };
///
/// # async fn example() -> Result<(), agentmesh_core::values::KeyValueError> {
/// # let context = Context::with_clock(|| Timestamp::from_millis(1_770_206_400_000));
/// let values = Values::new(MemoryStorage::new(), context);
/// values.set("presence:anna", br#"{"status":"online"}"#, SetOptions::ttl(60)).await?;
/// assert_eq!(values.list("presence:").await?, ["presence:anna"]);
/// assert!(values.exists("presence:anna").await?);
/// # Ok(())
/// # }
/// # }
/// ```
#[derive(Debug)]
pub struct Values<S> {
    storage: S,
    vault: Option<Vault>,
    context: Context,
}

impl<S: Storage> Values<S> {
    /// Values that are **stored as they are**: whoever reads the store reads them, and may change them unnoticed.
    pub const fn new(storage: S, context: Context) -> Self {
        Self { storage, vault: None, context }
    }

    /// Values sealed with a store key, as an agent's own records are: the store sees neither names nor values, and
    /// cannot change them unnoticed, except back to an older one.
    pub fn sealed(storage: S, key: &StoreKey, context: Context) -> Self {
        Self { storage, vault: Some(Vault::new(key)), context }
    }

    /// Deletes the values whose time is up; how many there were.
    ///
    /// # Errors
    /// [`KeyValueError`].
    pub async fn sweep(&self) -> Result<usize, KeyValueError> {
        let now = self.context.now();
        let (mut after, mut swept) = (None, 0);
        loop {
            let page = self.storage.list(RecordKind::Value, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(swept) };
            after = Some(last.id.key);
            for record in &page {
                if !self.parse(record)?.is_some_and(|named| named.is_expired(now)) {
                    continue;
                }
                let mut changes = Changes::new();
                changes.delete(record.id, record.version);
                match self.storage.commit(changes).await {
                    // Written again meanwhile, so it lives.
                    Err(StorageError::Conflict { .. }) => {}
                    result => {
                        result?;
                        swept += 1;
                    }
                }
            }
        }
    }

    fn id(&self, name: &str) -> RecordId {
        if let Some(vault) = &self.vault {
            return vault.record_id(RecordKind::Value, name.as_bytes());
        }
        let hash = sha256(&[&lp_len(LABEL), LABEL, name.as_bytes()]);
        let mut key = [0; 16];
        for (to, from) in key.iter_mut().zip(hash) {
            *to = from;
        }
        RecordId::new(RecordKind::Value, key)
    }

    async fn load(&self, id: RecordId) -> Result<Option<Record>, KeyValueError> {
        Ok(self.storage.load(&[id]).await?.into_iter().next().flatten())
    }

    /// `None` for a value of the other sort.
    fn parse(&self, record: &Record) -> Result<Option<Named>, KeyValueError> {
        let unreadable = |source| KeyValueError::Unreadable { id: record.id, source };
        let named = match (&self.vault, record.sealed.split_first()) {
            (None, Some((&PLAIN, plain))) => Named::read(plain).map_err(unreadable)?,
            (Some(_), Some((&PLAIN, _))) | (None, Some(_)) => return Ok(None),
            (Some(vault), Some(_)) => Named::read(&vault.open(record)?).map_err(unreadable)?,
            (_, None) => return Err(unreadable(CodecError::Truncated { field: "value" })),
        };
        if self.id(&named.name) == record.id {
            Ok(Some(named))
        } else {
            Err(unreadable(CodecError::InvalidValue { field: "name" }))
        }
    }

    fn encode(&self, id: RecordId, version: u64, named: &Named) -> Result<Vec<u8>, KeyValueError> {
        match &self.vault {
            Some(vault) => Ok(self
                .context
                .with_rng(|rng| vault.seal_with(id, version, rng, |out| named.write(out)))?),
            None => {
                let mut out = vec![PLAIN];
                named.write(&mut out);
                Ok(out)
            }
        }
    }
}

impl<S: Storage> KeyValue for Values<S> {
    fn entry<'a>(&'a self, name: &'a str) -> KeyValueFuture<'a, Option<Entry>> {
        Box::pin(async move {
            check_name(name)?;
            let Some(record) = self.load(self.id(name)).await? else { return Ok(None) };
            let named = self.parse(&record)?.filter(|named| !named.is_expired(self.context.now()));
            Ok(named.map(|named| named.entry))
        })
    }

    fn set<'a>(
        &'a self,
        name: &'a str,
        value: &'a [u8],
        options: SetOptions,
    ) -> KeyValueFuture<'a, ()> {
        Box::pin(async move {
            let named = Named::new(name, value, options, self.context.now())?;
            let id = self.id(name);
            for _ in 0..TRIES {
                // What is there need not be readable to be replaced.
                let version = self.load(id).await?.map_or(0, |record| record.version);
                let mut changes = Changes::new();
                changes.put(id, version, self.encode(id, version + 1, &named)?);
                match self.storage.commit(changes).await {
                    Err(StorageError::Conflict { .. }) => {}
                    result => return Ok(result?),
                }
            }
            Err(KeyValueError::Contended)
        })
    }

    fn delete<'a>(&'a self, name: &'a str) -> KeyValueFuture<'a, bool> {
        Box::pin(async move {
            check_name(name)?;
            let id = self.id(name);
            for _ in 0..TRIES {
                let Some(record) = self.load(id).await? else { return Ok(false) };
                // Nor need it be readable to be deleted.
                let expired = self
                    .parse(&record)
                    .is_ok_and(|named| named.is_some_and(|n| n.is_expired(self.context.now())));
                let mut changes = Changes::new();
                changes.delete(id, record.version);
                match self.storage.commit(changes).await {
                    Err(StorageError::Conflict { .. }) => {}
                    result => {
                        result?;
                        return Ok(!expired);
                    }
                }
            }
            Err(KeyValueError::Contended)
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> KeyValueFuture<'a, Vec<String>> {
        Box::pin(async move {
            let now = self.context.now();
            let (mut after, mut names) = (None, Vec::new());
            loop {
                let page = self.storage.list(RecordKind::Value, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.id.key);
                for record in &page {
                    if let Some(named) = self.parse(record)?
                        && !named.is_expired(now)
                        && named.name.starts_with(prefix)
                    {
                        names.push(named.name);
                    }
                }
            }
            names.sort_unstable();
            Ok(names)
        })
    }
}
