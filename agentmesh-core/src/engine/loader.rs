//! Opening an agent's state out of a store, as much of it as is always in memory. Async only as far as the store is.

use std::sync::Arc;

use rand_core::CryptoRng;

use crate::{
    identity::Identity,
    prekeys::PreKeys,
    storage::{Record, RecordKind, Storage, StorageError},
    time::Timestamp,
    vault::Vault,
};

use super::{
    Engine, EngineConfig, LoadError, Need, Outcome, StoredIdentity,
    own_records::{IdentityRecord, PREKEYS, PrekeyRecord, load_prekeys, new_prekeys},
    records::{CircuitRecord, OutboxBody},
    table::Table,
};

/// Records read from the store at a time.
const PAGE: usize = 256;

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
