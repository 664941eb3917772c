//! Which records an input needs. The driver loads them before the engine sees the input.

use crate::{
    handshake::SessionId,
    identity::Amid,
    storage::{Record, RecordId},
    time::Timestamp,
    wire::{frame::NativeFrame, id::MessageId},
};

#[cfg(feature = "legacy-0-2")]
use super::legacy::{LegacyInbound, LegacyPeer};
use super::{
    CircuitChange, Engine, Inbound, Input, LoadError,
    records::{Chunk, ChunkKey, Peer, Seen, SessionEntry},
    table::Table,
};

/// A record that must be in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// What is known of a peer.
    Peer(Amid),
    /// A session.
    Session(SessionId),
    /// Whether a message was handled before.
    Seen(Amid, MessageId),
    /// A part of a large payload.
    Chunk(ChunkKey),
    /// What is known of a peer that speaks 0.2.
    #[cfg(feature = "legacy-0-2")]
    LegacyPeer(Amid),
}

impl Engine {
    /// The records that `input` needs and that are not in memory. Loading one may bring up another need.
    pub(super) fn needs(&self, input: &Input, now: Timestamp) -> Vec<Need> {
        let mut missing = Missing { engine: self, needs: Vec::new() };
        match input {
            Input::Frame(inbound) => missing.frame(inbound),
            Input::Opened(opened) => {
                missing.peer_with_sessions(opened.from());
                // Of a part, only the whole is ever remembered.
                match opened.group() {
                    Some(whole) => missing.seen(opened.from(), whole),
                    None => missing.seen(opened.from(), opened.message_id()),
                }
                for id in opened.asked() {
                    missing.seen(opened.from(), id);
                }
            }
            Input::Send(message) => {
                missing.peer_with_sessions(message.to);
                missing.legacy_peer(message.to);
            }
            Input::Stream(step) => {
                missing.peer_with_sessions(step.key.peer);
                missing.legacy_peer(step.key.peer);
                for id in &step.handled {
                    missing.seen(step.key.peer, *id);
                }
            }
            Input::SendStatus(status) => missing.peer_with_sessions(status.to),
            #[cfg(feature = "legacy-0-2")]
            Input::Legacy(LegacyInbound { from: peer, .. })
            | Input::LegacyOffer { peer, .. }
            | Input::LegacyKeys { peer, .. } => {
                missing.peer_with_sessions(*peer);
                missing.legacy_peer(*peer);
            }
            Input::Bundle { peer, .. }
            | Input::NoBundle { peer, .. }
            | Input::PeerKey { peer, .. }
            | Input::FlushReceipts(peer) => missing.peer_with_sessions(*peer),
            Input::CloseSession(peer)
            | Input::Circuit(
                CircuitChange::Block(peer) | CircuitChange::Kill(peer) | CircuitChange::Sever(peer),
            ) => {
                missing.peer_with_sessions(*peer);
                missing.legacy_peer(*peer);
            }
            Input::Handled { from, id } => {
                missing.peer_with_sessions(*from);
                missing.seen(*from, *id);
            }
            Input::Decide { session, .. } => {
                missing.session(*session);
                if let Some(entry) = self.sessions.get(session) {
                    missing.peer_with_sessions(entry.peer);
                }
                #[cfg(feature = "legacy-0-2")]
                if let Some(peer) = self.legacy.undecided_peer(session) {
                    missing.peer_with_sessions(peer);
                    missing.legacy_peer(peer);
                }
            }
            Input::RelayRefused { relay_id, .. } => {
                if let Some(entry) =
                    self.by_relay_id.get(relay_id).and_then(|id| self.outbox.get(id))
                {
                    missing.peer_with_sessions(entry.to);
                }
            }
            Input::Tick => {
                for peer in self.peers_due(now) {
                    missing.peer_with_sessions(peer);
                }
                for session in self.unanswered().into_keys() {
                    missing.session(session);
                }
                for (session, peer) in self.overdue_knocks(now) {
                    missing.session(session);
                    missing.peer_with_sessions(peer);
                }
            }
            Input::Parts => {
                let (peers, chunks) = self.parts_needs(now);
                for peer in peers {
                    missing.peer_with_sessions(peer);
                }
                missing.needs.extend(chunks);
            }
            Input::RelayAcked(_)
            | Input::Connected { .. }
            | Input::QueueDrained
            | Input::PrekeysPublished { .. }
            | Input::RegistryForgot
            | Input::Cancel(_)
            | Input::Circuit(_)
            | Input::RotateExchangeKey => {}
        }
        missing.needs
    }

    /// Where the store keeps what is needed.
    pub fn record_id(&self, need: &Need) -> RecordId {
        match need {
            Need::Peer(amid) => Table::<Peer>::record_id(&self.vault, amid),
            Need::Session(id) => Table::<SessionEntry>::record_id(&self.vault, id),
            Need::Seen(from, id) => Table::<Seen>::record_id(&self.vault, &(*from, *id)),
            Need::Chunk(key) => Table::<Chunk>::record_id(&self.vault, key),
            #[cfg(feature = "legacy-0-2")]
            Need::LegacyPeer(amid) => Table::<LegacyPeer>::record_id(&self.vault, amid),
        }
    }

    /// Takes in what the store holds for a need.
    ///
    /// # Errors
    /// [`LoadError`] if the record cannot be opened; the store is damaged or sealed with another key.
    pub fn install(&mut self, need: Need, record: Option<&Record>) -> Result<(), LoadError> {
        match need {
            Need::Peer(amid) => self.peers.install(&self.vault, amid, record),
            Need::Session(id) => self.sessions.install(&self.vault, id, record),
            Need::Seen(from, id) => self.seen.install(&self.vault, (from, id), record),
            Need::Chunk(key) => self.chunks.install(&self.vault, key, record),
            #[cfg(feature = "legacy-0-2")]
            Need::LegacyPeer(amid) => self.legacy.peers.install(&self.vault, amid, record),
        }
    }
}

struct Missing<'a> {
    engine: &'a Engine,
    needs: Vec<Need>,
}

impl Missing<'_> {
    fn push(&mut self, need: Need) {
        if !self.needs.contains(&need) {
            self.needs.push(need);
        }
    }

    fn peer(&mut self, amid: Amid) {
        if !self.engine.peers.is_loaded(&amid) {
            self.push(Need::Peer(amid));
        }
    }

    fn session(&mut self, id: SessionId) {
        if !self.engine.sessions.is_loaded(&id) {
            self.push(Need::Session(id));
        }
    }

    fn seen(&mut self, from: Amid, id: MessageId) {
        let key = (from, id);
        if self.engine.inbox.get(&key).is_none() && !self.engine.seen.is_loaded(&key) {
            self.push(Need::Seen(from, id));
        }
    }

    /// The peer, the session it is sent in, and those that the next change may retire.
    fn peer_with_sessions(&mut self, amid: Amid) {
        self.peer(amid);
        if let Some(peer) = self.engine.peers.get(&amid) {
            for session in peer.sessions() {
                self.session(session);
            }
        }
    }

    /// Only if it may be spoken to in 0.2.
    #[cfg(feature = "legacy-0-2")]
    fn legacy_peer(&mut self, amid: Amid) {
        if self.engine.config.allow_legacy && !self.engine.legacy.peers.is_loaded(&amid) {
            self.push(Need::LegacyPeer(amid));
        }
    }

    #[cfg(not(feature = "legacy-0-2"))]
    #[allow(clippy::unused_self, reason = "there are no such peers in this build")]
    const fn legacy_peer(&mut self, _: Amid) {}

    fn frame(&mut self, inbound: &Inbound) {
        // The hot path: a frame of a session that is in memory needs nothing else.
        let Some((session, is_message)) = NativeFrame::peek(&inbound.frame) else { return };
        self.session(session);
        if !is_message || self.engine.sessions.get(&session).is_none() {
            self.peer_with_sessions(inbound.from);
        }
    }
}
