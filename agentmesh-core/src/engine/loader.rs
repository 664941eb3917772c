//! Creating an agent's state in a store, and opening it again. Async only as far as the store is.

use core::fmt;
use std::sync::Arc;

use rand_core::CryptoRng;

use crate::{
    codec::CodecError,
    error::errors,
    identity::Identity,
    prekeys::PreKeys,
    storage::{
        Changes, CopyError, Record, RecordId, RecordKind, Storage, StorageError, copy,
        require_consistent,
    },
    time::Timestamp,
    vault::{Vault, VaultError, passphrase},
};

use super::{
    Continuation, Engine, EngineConfig, Need, Outcome,
    lookup::{DEFAULT_IDENTITY_KEY, explain_absence, put_key},
    records::{CircuitRecord, OutboxBody},
    table::Table,
};

/// Records read from the store at a time.
const PAGE: usize = 256;
pub(super) const IDENTITY: &[u8] = b"identity";
pub(super) const PREKEYS: &[u8] = b"prekeys";

errors! {
    /// Why an agent's state could not be opened or created. Nothing is ever created in place of it.
    pub enum LoadError {
        /// The store failed.
        #[error("{source}")]
        Storage {
            /// What the store says.
            #[from]
            source: StorageError,
        } = "STATE_STORAGE", Storage, permanent;
        /// The store was moved elsewhere, or is a copy that is not complete.
        #[error("{source}")]
        Copied {
            /// Which of the two.
            #[from]
            source: CopyError,
        } = "STATE_COPIED", Conflict, permanent;
        /// A record cannot be unsealed although others can: it is damaged.
        #[error("{store}: {source}; restore the store from a copy")]
        Vault {
            /// The store.
            store: String,
            /// What the vault says.
            source: VaultError,
        } = "STATE_VAULT", Storage, permanent;
        /// Nothing in the store opens with this key: it is the key of another store.
        #[error("{store} is sealed with another store key; use the key that it was made with")]
        WrongStoreKey {
            /// The store.
            store: String,
        } = "STATE_WRONG_STORE_KEY", Storage, permanent;
        /// A record was unsealed but does not parse: a newer release wrote it, or a bug.
        #[error("{store}: record {id} does not parse: {source}; use the release that wrote it")]
        Undecodable {
            /// The store.
            store: String,
            /// The record.
            id: RecordId,
            /// Where it stops making sense.
            source: CodecError,
        } = "STATE_UNDECODABLE", Storage, permanent;
        /// The identity or prekey record does not parse.
        #[error("{store}: the {what} record does not parse: {detail}; use the release that wrote it, or restore the store from a copy")]
        Unreadable {
            /// The store.
            store: String,
            /// Which one.
            what: &'static str,
            /// What is wrong, without content.
            detail: String,
        } = "STATE_UNREADABLE", Storage, permanent;
        /// There are records but no identity among them: part of the store was lost.
        #[error("{store} holds records but no identity; restore it from a copy of the whole store, or restore the identity from a backup into a new one")]
        IdentityMissing {
            /// The store.
            store: String,
        } = "STATE_IDENTITY_MISSING", Storage, permanent;
        /// The store already holds an identity.
        #[error("{store} already holds an identity; open it, or use another store")]
        IdentityExists {
            /// The store.
            store: String,
        } = "STATE_IDENTITY_EXISTS", Conflict, permanent;
    }
}

/// What an error says of the store until somebody names it.
const UNNAMED: &str = "the store";

impl From<VaultError> for LoadError {
    fn from(source: VaultError) -> Self {
        Self::Vault { store: UNNAMED.to_owned(), source }
    }
}

impl LoadError {
    pub(super) fn undecodable(id: RecordId, source: CodecError) -> Self {
        Self::Undecodable { store: UNNAMED.to_owned(), id, source }
    }

    pub(super) fn unreadable(what: &'static str, detail: impl fmt::Display) -> Self {
        Self::Unreadable { store: UNNAMED.to_owned(), what, detail: detail.to_string() }
    }

    /// Names the store. Errors of stores name theirs themselves.
    #[must_use]
    pub fn in_store(mut self, storage: &dyn Storage) -> Self {
        match &mut self {
            Self::Storage { .. } | Self::Copied { .. } => {}
            Self::Vault { store, .. }
            | Self::WrongStoreKey { store }
            | Self::Undecodable { store, .. }
            | Self::Unreadable { store, .. }
            | Self::IdentityMissing { store }
            | Self::IdentityExists { store } => *store = storage.location(),
        }
        self
    }
}

/// Where a new store's identity comes from: ids of prekeys must not be used twice.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    /// It was generated just now.
    New,
    /// It was in use elsewhere, with these numbers if they are known.
    Elsewhere(Option<&'a Continuation>),
}

/// An identity found in a store.
#[derive(Debug)]
pub struct StoredIdentity {
    /// The identity.
    pub identity: Identity,
    record: Record,
}

/// Where the identity is stored. It is written again only when its exchange key is rotated.
#[derive(Debug)]
pub(super) struct IdentityRecord {
    id: RecordId,
    version: u64,
    pub(super) dirty: bool,
}

impl IdentityRecord {
    pub(super) fn seal_into(
        &mut self,
        identity: &Identity,
        vault: &Vault,
        rng: &mut dyn CryptoRng,
        changes: &mut Changes,
    ) -> Result<(), VaultError> {
        if self.dirty {
            let sealed = vault.seal(self.id, self.version + 1, &identity.to_record(), rng)?;
            changes.put(self.id, self.version, sealed);
            self.version += 1;
            self.dirty = false;
        }
        Ok(())
    }
}

/// The prekeys: always in memory, one record.
pub(super) struct PrekeyRecord {
    id: RecordId,
    version: u64,
    value: PreKeys,
    dirty: bool,
}

impl fmt::Debug for PrekeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrekeyRecord").field("version", &self.version).finish_non_exhaustive()
    }
}

impl PrekeyRecord {
    pub(super) const fn value(&self) -> &PreKeys {
        &self.value
    }

    pub(super) const fn value_mut(&mut self) -> &mut PreKeys {
        self.dirty = true;
        &mut self.value
    }

    pub(super) const fn is_dirty(&self) -> bool {
        self.dirty
    }

    pub(super) fn seal_into(
        &mut self,
        vault: &Vault,
        rng: &mut dyn CryptoRng,
        changes: &mut Changes,
    ) -> Result<(), VaultError> {
        if self.dirty {
            let sealed = vault.seal(self.id, self.version + 1, &self.value.to_record(), rng)?;
            changes.put(self.id, self.version, sealed);
            self.version += 1;
            self.dirty = false;
        }
        Ok(())
    }
}

impl StoredIdentity {
    /// Looks for an identity. `None` only if the store is empty: a store with records but without an identity
    /// is an error, and so is an identity that cannot be read.
    ///
    /// # Errors
    /// [`LoadError`]
    pub async fn find(storage: &dyn Storage, vault: &Vault) -> Result<Option<Self>, LoadError> {
        Self::look_for(storage, vault).await.map_err(|e| e.in_store(storage))
    }

    async fn look_for(storage: &dyn Storage, vault: &Vault) -> Result<Option<Self>, LoadError> {
        require_consistent(storage)?;
        copy::require_here(storage).await.map_err(|error| match error {
            CopyError::Storage { source } => LoadError::Storage { source },
            source => LoadError::Copied { source },
        })?;
        let id = vault.record_id(RecordKind::Identity, IDENTITY);
        let loaded = storage.load(&[id]).await?.into_iter().next().flatten();
        let Some(record) = loaded else {
            explain_absence(storage, vault).await?;
            return Ok(None);
        };
        let plain = vault.open(&record)?;
        let identity =
            Identity::from_record(&plain).map_err(|e| LoadError::unreadable("identity", e))?;
        Ok(Some(Self { identity, record }))
    }

    /// Puts an identity and its first prekeys into an empty store.
    ///
    /// # Errors
    /// [`LoadError::IdentityExists`] if there is one, and what the store says.
    pub async fn create(
        storage: &dyn Storage,
        vault: &Vault,
        identity: Identity,
        now: Timestamp,
        rng: &mut (dyn CryptoRng + Send),
    ) -> Result<Self, LoadError> {
        let (key, origin) = (DEFAULT_IDENTITY_KEY, Origin::New);
        Self::create_as(storage, vault, identity, key, origin, now, rng).await
    }

    /// As [`StoredIdentity::create`], for an identity that was in use elsewhere, such as one out of a backup: it goes on
    /// above the numbers in `continuation`; without one, the ids of its first prekeys are at random, far from those
    /// that it used before.
    ///
    /// # Errors
    /// As [`StoredIdentity::create`].
    pub async fn restore(
        storage: &dyn Storage,
        vault: &Vault,
        identity: Identity,
        continuation: Option<&Continuation>,
        now: Timestamp,
        rng: &mut (dyn CryptoRng + Send),
    ) -> Result<Self, LoadError> {
        let (key, origin) = (DEFAULT_IDENTITY_KEY, Origin::Elsewhere(continuation));
        Self::create_as(storage, vault, identity, key, origin, now, rng).await
    }

    /// As [`StoredIdentity::create`] or [`StoredIdentity::restore`], under an identity key of the caller's.
    ///
    /// # Errors
    /// As [`StoredIdentity::create`].
    pub async fn create_as(
        storage: &dyn Storage,
        vault: &Vault,
        identity: Identity,
        key: &str,
        origin: Origin<'_>,
        now: Timestamp,
        rng: &mut (dyn CryptoRng + Send),
    ) -> Result<Self, LoadError> {
        let (prekeys, continuation) = match origin {
            Origin::New => (PreKeys::generate(&identity, now, rng), None),
            Origin::Elsewhere(None) => (PreKeys::recover(&identity, now, rng), None),
            Origin::Elsewhere(Some(from)) => (from.prekeys(&identity, now, rng), Some(from)),
        };
        if Self::find(storage, vault).await?.is_some() {
            return Err(LoadError::IdentityExists { store: storage.location() });
        }
        let id = vault.record_id(RecordKind::Identity, IDENTITY);
        let sealed = vault.seal(id, 1, &identity.to_record(), rng)?;
        let mut changes = Changes::new();
        changes.put(id, 0, sealed.clone());
        put_key(vault, key, rng, &mut changes)?;
        new_prekeys(vault, prekeys).seal_into(vault, rng, &mut changes)?;
        if let Some(continuation) = continuation {
            continuation.put_peers(vault, rng, &mut changes)?;
        }
        storage.commit(changes).await?;
        Ok(Self { identity, record: Record { id, version: 1, sealed } })
    }

    /// Version of the record.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.record.version
    }
}

/// The prekeys in a store, and the version of their record.
pub(super) async fn load_prekeys(
    storage: &dyn Storage,
    vault: &Vault,
) -> Result<Option<(PreKeys, u64)>, LoadError> {
    let id = vault.record_id(RecordKind::Prekeys, PREKEYS);
    let Some(record) = storage.load(&[id]).await?.into_iter().next().flatten() else {
        return Ok(None);
    };
    let plain = vault.open(&record)?;
    let value = PreKeys::from_record(&plain).map_err(|e| LoadError::unreadable("prekeys", e))?;
    Ok(Some((value, record.version)))
}

/// Whether a record is about the store itself rather than about the agent in it.
pub(super) fn is_about_the_store(id: RecordId) -> bool {
    id == passphrase::ID || copy::is_mark(id)
}

fn new_prekeys(vault: &Vault, value: PreKeys) -> PrekeyRecord {
    let id = vault.record_id(RecordKind::Prekeys, PREKEYS);
    PrekeyRecord { id, version: 0, value, dirty: true }
}

impl Engine {
    /// Opens the state of an agent. Call [`resume`](Self::resume) before the first input.
    ///
    /// Reads prekeys, outbox and inbox; peers and sessions are read when they are needed. If the prekeys are
    /// gone but the identity is there, new ones are made with ids that were never used.
    ///
    /// # Errors
    /// [`LoadError`]
    pub async fn open(
        storage: &dyn Storage,
        vault: Vault,
        stored: StoredIdentity,
        config: EngineConfig,
        now: Timestamp,
        rng: &mut (dyn CryptoRng + Send),
    ) -> Result<Self, LoadError> {
        let StoredIdentity { identity, record } = stored;
        let identity_record =
            IdentityRecord { id: record.id, version: record.version, dirty: false };
        let id = vault.record_id(RecordKind::Prekeys, PREKEYS);
        let prekeys = match load_prekeys(storage, &vault).await? {
            Some((value, version)) => PrekeyRecord { id, version, value, dirty: false },
            None => new_prekeys(&vault, PreKeys::recover(&identity, now, rng)),
        };
        let mut engine = Self::empty(identity, identity_record, vault, config, prekeys);
        engine.load_all(storage).await?;
        Ok(engine)
    }

    fn empty(
        identity: Identity,
        identity_record: IdentityRecord,
        vault: Vault,
        config: EngineConfig,
        prekeys: PrekeyRecord,
    ) -> Self {
        Self {
            identity: Arc::new(identity),
            identity_record,
            vault,
            config,
            prekeys,
            peers: Default::default(),
            sessions: Default::default(),
            outbox: Default::default(),
            inbox: Default::default(),
            seen: Default::default(),
            circuit: Default::default(),
            streams: Default::default(),
            assemblies: Default::default(),
            chunks: Default::default(),
            parts: Default::default(),
            #[cfg(feature = "legacy-0-2")]
            legacy: Default::default(),
            attempts: Default::default(),
            outbox_order: Default::default(),
            handshakes: Default::default(),
            by_relay_id: Default::default(),
            outbox_bytes: 0,
            inbox_bytes: 0,
            next_order: 1,
            spent: Vec::new(),
            stored: Vec::new(),
            in_flight: Default::default(),
            relay_acks: true,
            connected: false,
            parked: Default::default(),
            left_behind: Default::default(),
            ready: Default::default(),
            probes: Default::default(),
            receipts: Default::default(),
            pauses: Default::default(),
            wanted: Default::default(),
            tombstones: 0,
            live: 0,
            latest: Timestamp::ZERO,
            out: Outcome::default(),
        }
    }

    async fn load_all(&mut self, storage: &dyn Storage) -> Result<(), LoadError> {
        let id = Table::<CircuitRecord>::record_id(&self.vault, &());
        let circuit = storage.load(&[id]).await?.into_iter().next().flatten();
        self.circuit.install(&self.vault, (), circuit.as_ref())?;
        let mut after = None;
        while let Some(page) = page(storage, RecordKind::Outbox, &mut after).await? {
            for record in &page {
                self.outbox.install_listed(&self.vault, record)?;
            }
        }
        while let Some(page) = page(storage, RecordKind::Stream, &mut after).await? {
            for record in &page {
                self.streams.install_listed(&self.vault, record)?;
            }
        }
        while let Some(page) = page(storage, RecordKind::Inbox, &mut after).await? {
            for record in &page {
                self.inbox.install_listed(&self.vault, record)?;
            }
        }
        while let Some(page) = page(storage, RecordKind::Assembly, &mut after).await? {
            for record in &page {
                self.assemblies.install_listed(&self.vault, record)?;
            }
        }
        for entry in self.outbox.values() {
            self.outbox_order.insert(entry.order, entry.id);
            self.receipts.entry_added(entry);
            if matches!(entry.body, OutboxBody::Handshake { .. }) {
                self.handshakes.insert(entry.order, entry.id);
            }
            self.outbox_bytes += entry.weight();
            self.next_order = self.next_order.max(entry.order + 1);
            if let Some(t) = &entry.transmission {
                self.by_relay_id.insert(t.relay_id, entry.id);
            }
        }
        for entry in self.inbox.values() {
            self.inbox_bytes += entry.plaintext.len();
            self.next_order = self.next_order.max(entry.order + 1);
        }
        self.load_parts();
        Ok(())
    }

    /// Loads the records that [`Step::Load`](super::Step::Load) names.
    ///
    /// # Errors
    /// [`LoadError`]
    pub async fn fetch(
        &mut self,
        storage: &dyn Storage,
        needs: Vec<Need>,
    ) -> Result<(), LoadError> {
        let ids: Vec<_> = needs.iter().map(|need| self.record_id(need)).collect();
        let records = storage.load(&ids).await?;
        for (need, record) in needs.into_iter().zip(records) {
            self.install(need, record.as_ref())?;
        }
        Ok(())
    }

    pub(super) async fn load_all_sessions(
        &mut self,
        storage: &dyn Storage,
    ) -> Result<(), LoadError> {
        let mut after = None;
        while let Some(page) = page(storage, RecordKind::Peer, &mut after).await? {
            for record in &page {
                self.peers.install_listed(&self.vault, record)?;
            }
        }
        while let Some(page) = page(storage, RecordKind::Session, &mut after).await? {
            for record in &page {
                self.sessions.install_listed(&self.vault, record)?;
            }
        }
        Ok(())
    }

    /// Goes through everything that expires by age alone: superseded sessions, tombstones, remembered ids. To be
    /// called every few hours; the deletions are part of the next [`finish`](Self::finish).
    ///
    /// # Errors
    /// [`LoadError`]
    pub async fn sweep(&mut self, storage: &dyn Storage, now: Timestamp) -> Result<(), LoadError> {
        self.load_all_sessions(storage).await?;
        let (mut after, mut tombstones) = (None, 0);
        self.expire_sessions(now);
        self.expire_streams(now);
        for entry in self.sessions.values() {
            tombstones += usize::from(entry.is_spent_handshake());
        }
        self.tombstones = tombstones;
        self.live = self.sessions.values().filter(|e| !e.is_tombstone()).count();
        while let Some(page) = page(storage, RecordKind::Seen, &mut after).await? {
            for record in &page {
                self.seen.install_listed(&self.vault, record)?;
            }
            self.expire_seen(now);
        }
        Ok(())
    }
}

/// The next page of a kind; `after` is reset at the end, for the next kind.
async fn page(
    storage: &dyn Storage,
    kind: RecordKind,
    after: &mut Option<[u8; 16]>,
) -> Result<Option<Vec<Record>>, StorageError> {
    let records = storage.list(kind, *after, PAGE).await?;
    *after = records.last().map(|r| r.id.key);
    Ok(if records.is_empty() { None } else { Some(records) })
}
