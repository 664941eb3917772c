//! The sans-IO heart: inputs in, an [`Outcome`] out. Time and randomness are parameters.
//!
//! The driver loads the records that an input needs ([`Step::Load`]), gives it to [`Engine::handle`], and
//! after one or more inputs takes the [`Outcome`]: commit the changes, then send and ack, then emit.
//! A frame that fails to authenticate changes nothing. If a commit fails, the engine is thrown away and
//! opened anew from the store: memory is never ahead of the disk for longer than one step.
//!
//! Knows sessions, prekeys, messages and their order; does not know sockets, tasks, clocks or any store.
//! `docs/protocol/native.md` §4-§7 says what must happen; `docs/protocol/state.md` what is kept.

mod circuit;
mod clock;
mod config;
mod continuation;
mod control;
pub(crate) mod crossing;
mod describe;
mod event;
mod handshake_in;
mod handshake_out;
mod inbound;
mod inbox;
mod input;
mod knocking;
mod left_behind;
#[cfg(feature = "legacy-0-2")]
mod legacy;
mod load_error;
mod loader;
mod lookup;
mod maintenance;
mod needs;
pub(crate) mod opening;
mod outbound;
mod outcome;
mod own_records;
mod parking;
pub(crate) mod parts;
mod pauses;
mod probes;
mod receipts;
pub(crate) mod records;
mod recovery;
mod relaying;
mod rotation;
mod status;
mod stored_identity;
mod streams;
mod surface;
pub(crate) mod table;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use rand_core::CryptoRng;

pub use circuit::{CircuitChange, CircuitState, CircuitStatus};
pub use config::EngineConfig;
pub use continuation::Continuation;
pub use describe::SessionSummary;
pub use event::{DropReason, Event, IncomingMessage, PrekeyChange};
pub use inbound::Opened;
pub use input::{Inbound, Input, Step};
#[cfg(feature = "legacy-0-2")]
pub use legacy::{LegacyInbound, LegacyOffer};
pub use load_error::LoadError;
pub(crate) use lookup::AgentPrekeys;
pub use lookup::DEFAULT_IDENTITY_KEY;
pub use needs::Need;
pub use outbound::NewMessage;
pub use outcome::{Outcome, Outgoing, RelayAck, Request, SendError, SendFailure, Stage};
pub use parts::Direction;
pub use records::ChunkKey;
pub use rotation::RotationError;
pub use status::NewStatus;
pub use stored_identity::{Origin, StoredIdentity};
pub use streams::StreamStep;
pub use surface::{Awaited, InboxItem, OutboxItem, PendingKnock};

use crate::{
    identity::{Amid, Identity},
    maps::{HashMap, HashSet},
    time::Timestamp,
    vault::{Vault, VaultError},
    wire::{id::MessageId, relay_id::RelayMessageId},
};
use left_behind::LeftBehind;
use own_records::{IdentityRecord, PrekeyRecord};
use parking::Parked;
use parts::Parts;
use pauses::Pauses;
use probes::Probes;
use receipts::PendingReceipts;
use records::{
    Assembly, Chunk, CircuitRecord, InboxEntry, OutboxEntry, Peer, Seen, SessionEntry, StreamEntry,
};
use surface::Attempts;
use table::Table;

/// The state machine of one agent.
#[derive(Debug)]
pub struct Engine {
    identity: Arc<Identity>,
    identity_record: IdentityRecord,
    vault: Vault,
    config: EngineConfig,
    prekeys: PrekeyRecord,
    peers: Table<Peer>,
    sessions: Table<SessionEntry>,
    outbox: Table<OutboxEntry>,
    inbox: Table<InboxEntry>,
    seen: Table<Seen>,
    circuit: Table<CircuitRecord>,
    streams: Table<StreamEntry>,
    assemblies: Table<Assembly>,
    /// In memory only between their loading and the end of a step.
    chunks: Table<Chunk>,
    parts: Parts,
    #[cfg(feature = "legacy-0-2")]
    legacy: legacy::LegacyState,
    attempts: Attempts,
    /// Outbox entries in the order of sending.
    outbox_order: BTreeMap<u64, MessageId>,
    /// Those among them that are handshakes.
    handshakes: BTreeMap<u64, MessageId>,
    by_relay_id: HashMap<RelayMessageId, MessageId>,
    outbox_bytes: usize,
    inbox_bytes: usize,
    next_order: u64,
    /// Entries that may go with the next commit, whenever that is.
    spent: Vec<MessageId>,
    /// Entries whose progress at the relay is in memory only.
    stored: Vec<MessageId>,
    /// When each frame that the relay has not acked was last handed to it.
    in_flight: HashMap<RelayMessageId, Timestamp>,
    relay_acks: bool,
    connected: bool,
    parked: Parked,
    left_behind: LeftBehind,
    /// Parked frames whose session has appeared.
    ready: VecDeque<Inbound>,
    probes: Probes,
    receipts: PendingReceipts,
    pauses: Pauses,
    /// Peers that must be knocked on even if nothing waits for them.
    wanted: HashSet<Amid>,
    tombstones: usize,
    live: usize,
    /// What the clock showed last.
    latest: Timestamp,
    out: Outcome,
}

impl Engine {
    /// Who this is.
    pub const fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// Deals with one input. An `Err` is a refused [`Input::Send`], [`Input::SendStatus`], [`Input::Stream`] or [`Input::Circuit`]; nothing has
    /// changed then.
    pub fn handle(
        &mut self,
        input: Input,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, SendError> {
        let needs = self.needs(&input, now);
        if !needs.is_empty() {
            return Ok(Step::Load(needs, input));
        }
        self.note_time(now);
        match input {
            Input::Frame(inbound) => {
                if let Some(opened) = self.receive(inbound, now, rng) {
                    let opened = Input::Opened(Box::new(opened));
                    let needs = self.needs(&opened, now);
                    if !needs.is_empty() {
                        return Ok(Step::Load(needs, opened));
                    }
                    if let Input::Opened(opened) = opened {
                        self.apply(*opened, now);
                    }
                }
            }
            Input::Opened(opened) => self.apply(*opened, now),
            Input::Send(message) => {
                self.send(message, now, rng)?;
            }
            Input::SendStatus(status) => self.send_status(status, now, rng)?,
            Input::Stream(step) => self.step_stream(*step, now, rng)?,
            Input::Bundle { peer, bundle } => self.on_bundle(peer, *bundle, now, rng),
            Input::NoBundle { peer, reason } => self.no_new_session(peer, &reason, now),
            Input::PeerKey { peer, key } => self.on_peer_key(peer, key, now, rng),
            #[cfg(feature = "legacy-0-2")]
            Input::Legacy(inbound) => self.receive_legacy(inbound, now, rng),
            #[cfg(feature = "legacy-0-2")]
            Input::LegacyOffer { peer, offer } => self.on_legacy_offer(peer, &offer, now, rng),
            #[cfg(feature = "legacy-0-2")]
            Input::LegacyKeys { peer, keys } => self.on_legacy_keys(peer, &keys, now, rng),
            Input::Decide { session, decision } => self.decide(session, &decision, now, rng),
            Input::Handled { from, id } => self.on_handled(from, id, now),
            Input::RelayAcked(relay_id) => self.on_relay_acked(relay_id, now, rng),
            Input::RelayRefused { relay_id, retryable, retry_after } => {
                self.on_relay_refused(relay_id, retryable, retry_after, now, rng);
            }
            Input::Connected { acks } => self.on_connected(acks, now, rng),
            Input::QueueDrained => self.on_queue_drained(now),
            Input::PrekeysPublished { receipt, stock } => {
                self.change_prekeys(|prekeys| prekeys.confirm_uploaded(receipt, stock, now));
                self.tell_prekeys(PrekeyChange::Published);
            }
            Input::RegistryForgot => {
                self.change_prekeys(|prekeys| prekeys.registry_forgot(now));
                self.maintain_prekeys(now, rng);
            }
            Input::FlushReceipts(peer) => self.flush_receipts(peer, now, rng),
            Input::CloseSession(peer) => self.close_session(peer, now, rng),
            Input::Cancel(id) => self.cancel(id),
            Input::Circuit(change) => self.change_circuit(change, now, rng)?,
            Input::Parts => self.move_parts(now, rng),
            Input::RotateExchangeKey => self.rotate_exchange_key(now, rng),
            Input::Tick => self.tick(now, rng),
        }
        Ok(Step::Done)
    }

    /// A frame that was parked and can be handled now; the driver hands it in as [`Input::Frame`].
    pub fn next_ready(&mut self) -> Option<Inbound> {
        self.ready.pop_front()
    }

    /// Takes the effects of everything since the last call. With `settle`, bookkeeping that may wait for
    /// another commit is included even if there is none.
    pub fn finish(&mut self, settle: bool, rng: &mut dyn CryptoRng) -> Result<Outcome, VaultError> {
        let mut out = core::mem::take(&mut self.out);
        // First how far parts came, then what became of the whole.
        out.events.splice(..0, self.parts.take_progress());
        if settle || self.has_changes() {
            for id in core::mem::take(&mut self.spent) {
                self.drop_entry(id);
            }
        }
        if settle {
            for id in core::mem::take(&mut self.stored) {
                let _ = self.outbox.modify(&id);
            }
        }
        let changes = &mut out.changes;
        self.identity_record.seal_into(&self.identity, &self.vault, rng, changes)?;
        self.prekeys.seal_into(&self.vault, rng, changes)?;
        self.peers.seal_into(&self.vault, rng, changes)?;
        self.sessions.seal_into(&self.vault, rng, changes)?;
        self.outbox.seal_into(&self.vault, rng, changes)?;
        self.inbox.seal_into(&self.vault, rng, changes)?;
        self.seen.seal_into(&self.vault, rng, changes)?;
        self.circuit.seal_into(&self.vault, rng, changes)?;
        #[cfg(feature = "legacy-0-2")]
        self.legacy.peers.seal_into(&self.vault, rng, changes)?;
        self.streams.seal_into(&self.vault, rng, changes)?;
        if self.circuit_state() == CircuitState::Stopped {
            // Asked for again once the agent works.
            out.requests.clear();
        }
        self.assemblies.seal_into(&self.vault, rng, changes)?;
        self.chunks.seal_into(&self.vault, rng, changes)?;
        self.chunks.evict();
        self.peers.shrink(MAX_CACHED);
        self.sessions.shrink(MAX_CACHED);
        self.seen.shrink(MAX_CACHED);
        #[cfg(feature = "legacy-0-2")]
        self.legacy.peers.shrink(MAX_CACHED);
        Ok(out)
    }

    fn has_changes(&self) -> bool {
        #[cfg(feature = "legacy-0-2")]
        if self.legacy.peers.is_dirty() {
            return true;
        }
        self.identity_record.dirty
            || self.prekeys.is_dirty()
            || self.peers.is_dirty()
            || self.sessions.is_dirty()
            || self.outbox.is_dirty()
            || self.inbox.is_dirty()
            || self.seen.is_dirty()
            || self.circuit.is_dirty()
            || self.streams.is_dirty()
            || self.assemblies.is_dirty()
            || self.chunks.is_dirty()
    }

    fn next_order(&mut self) -> u64 {
        let order = self.next_order;
        self.next_order += 1;
        order
    }
}

/// Peers, sessions and seen ids kept in memory between steps.
const MAX_CACHED: usize = 4096;
