//! Circuit breakers: the owner's means to end a conversation, to take no new ones, to shut a peer out, to stop.
//!
//! All of it is kept in one record that is committed before anything follows from it, and so holds over restarts.
//! Knows peers, sessions and the outbox; does not know connections: the driver goes offline when the agent is
//! stopped. `docs/guides/control.md` says what each of them means for the peer.

use core::fmt;

use rand_core::CryptoRng;
use serde::Serialize;

use crate::{
    handshake::SessionId,
    identity::Amid,
    knock::Decision,
    limits,
    storage::Storage,
    time::{MINUTE, SECOND, Timestamp},
    wire::plaintext::MessageType,
};

use super::{
    DropReason, Engine, Event, LoadError, SendError, SendFailure, inbound::Source,
    outbound::control, records::CircuitRecord,
};

/// What a peer is told to wait when its KNOCK met a paused agent.
const PAUSED_RETRY_S: u64 = MINUTE / SECOND;

/// Whether an agent works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum CircuitState {
    /// As usual.
    #[default]
    Running = 0,
    /// New KNOCKs are rejected; sessions that exist go on.
    Paused = 1,
    /// Nothing is sent and no connection is made until it is resumed.
    Stopped = 2,
}

impl CircuitState {
    /// From its number in the record.
    pub(crate) const fn from_u8(n: u8) -> Option<Self> {
        match n {
            0 => Some(Self::Running),
            1 => Some(Self::Paused),
            2 => Some(Self::Stopped),
            _ => None,
        }
    }

    /// Stable name, as in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for CircuitState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The circuit breakers as they stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CircuitStatus {
    /// Whether the agent works.
    pub state: CircuitState,
    /// Since when; the epoch if it never was otherwise.
    pub since: Timestamp,
    /// Who was blocked by [`CircuitChange::Block`], and when. The policy's block list is not among them.
    pub blocked: Vec<(Amid, Timestamp)>,
}

/// An order to the circuit breakers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CircuitChange {
    /// Reject new KNOCKs. A stopped agent stays stopped.
    Pause,
    /// Work again, whether paused or stopped. Blocked peers stay blocked.
    Resume,
    /// End every session, give up what was to be sent, send nothing more. All sessions must be in memory: see
    /// [`Engine::load_sessions`].
    Stop,
    /// Shut a peer out: end its sessions without a word, send it nothing, drop what comes from it.
    Block(Amid),
    /// Let a peer in again. It has to knock anew.
    Unblock(Amid),
    /// End every session with a peer and tell it so; what was to be sent to it is given up. The next message, of
    /// either side, knocks anew.
    Kill(Amid),
    /// End every session with a peer without a word, as when the policy's file begins to block it.
    Sever(Amid),
}

impl Engine {
    /// The circuit breakers as they stand.
    pub fn circuit(&self) -> CircuitStatus {
        let Some(record) = self.circuit.get(&()) else { return CircuitStatus::default() };
        let blocked = record.blocked.iter().map(|(peer, at)| (*peer, *at)).collect();
        CircuitStatus { state: record.state, since: record.since, blocked }
    }

    /// Whether the agent works.
    pub fn circuit_state(&self) -> CircuitState {
        self.circuit.get(&()).map_or(CircuitState::Running, |record| record.state)
    }

    /// Whether a peer is shut out, by an order or by the policy.
    pub fn is_blocked(&self, peer: &Amid) -> bool {
        self.config.blocked.contains(peer)
            || self.circuit.get(&()).is_some_and(|record| record.blocked.contains_key(peer))
    }

    /// Replaces the block list that came with the configuration. Returns who is new on it; their sessions end with
    /// [`CircuitChange::Sever`].
    pub fn set_blocked(&mut self, blocked: impl IntoIterator<Item = Amid>) -> Vec<Amid> {
        let blocked = blocked.into_iter().collect();
        let mut new: Vec<_> = std::mem::replace(&mut self.config.blocked, blocked)
            .symmetric_difference(&self.config.blocked)
            .copied()
            .collect();
        new.retain(|peer| self.config.blocked.contains(peer));
        new.sort_unstable();
        new
    }

    /// Loads every peer and session, as [`CircuitChange::Stop`] needs them. Changes nothing.
    ///
    /// # Errors
    /// [`LoadError`]
    pub async fn load_sessions(&mut self, storage: &dyn Storage) -> Result<(), LoadError> {
        self.load_all_sessions(storage).await?;
        #[cfg(feature = "legacy-0-2")]
        self.load_legacy_peers(storage).await?;
        Ok(())
    }

    pub(super) fn change_circuit(
        &mut self,
        change: CircuitChange,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), SendError> {
        match change {
            CircuitChange::Pause if self.circuit_state() == CircuitState::Running => {
                self.enter(CircuitState::Paused, now);
            }
            CircuitChange::Pause => {}
            CircuitChange::Resume => self.enter(CircuitState::Running, now),
            CircuitChange::Stop => self.stop(now, rng),
            CircuitChange::Block(peer) => return self.block(peer, now, rng),
            CircuitChange::Unblock(peer) => {
                let known = self.circuit.get(&()).is_some_and(|r| r.blocked.contains_key(&peer));
                if known && let Some(record) = self.circuit.modify(&()) {
                    record.blocked.remove(&peer);
                    self.out.events.push(Event::PeerUnblocked { peer });
                }
            }
            CircuitChange::Kill(peer) => {
                if self.cut_off(peer, Farewell::Said, &SendFailure::SessionKilled, now, rng) {
                    self.out.events.push(Event::SessionKilled { peer });
                }
            }
            CircuitChange::Sever(peer) => {
                self.cut_off(peer, Farewell::None, &SendFailure::PeerBlocked, now, rng);
            }
        }
        Ok(())
    }

    /// What a KNOCK is answered, whatever the policy says, while no new sessions are wanted.
    pub(super) fn circuit_objection(&self) -> Option<Decision> {
        match self.circuit_state() {
            CircuitState::Running => None,
            CircuitState::Paused => Some(Decision::reject_for("agent_paused", PAUSED_RETRY_S)),
            CircuitState::Stopped => Some(Decision::reject("agent_stopped")),
        }
    }

    fn enter(&mut self, state: CircuitState, now: Timestamp) {
        if self.circuit_state() == state {
            return;
        }
        self.with_circuit(|record| {
            record.state = state;
            record.since = now;
        });
        self.out.events.push(Event::CircuitChanged { state, since: now });
    }

    fn with_circuit(&mut self, change: impl FnOnce(&mut CircuitRecord)) {
        if self.circuit.get(&()).is_none() {
            self.circuit.put(&self.vault, CircuitRecord::default());
        }
        if let Some(record) = self.circuit.modify(&()) {
            change(record);
        }
    }

    fn stop(&mut self, now: Timestamp, rng: &mut dyn CryptoRng) {
        let mut peers: Vec<_> = self.peers.values().map(|p| p.amid).collect();
        peers.extend(self.outbox.values().map(|e| e.to));
        peers.sort_unstable();
        peers.dedup();
        for peer in peers {
            let farewell = if self.is_blocked(&peer) { Farewell::None } else { Farewell::Said };
            if self.cut_off(peer, farewell, &SendFailure::Stopped, now, rng) {
                self.out.events.push(Event::SessionKilled { peer });
            }
        }
        self.wanted.clear();
        self.enter(CircuitState::Stopped, now);
    }

    fn block(
        &mut self,
        peer: Amid,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), SendError> {
        let blocked = self.circuit.get(&()).map(|record| &record.blocked);
        if blocked.is_some_and(|b| b.contains_key(&peer)) {
            return Ok(());
        }
        if blocked.is_some_and(|b| b.len() >= limits::MAX_BLOCKED_PEERS) {
            return Err(SendError::BlockListFull { limit: limits::MAX_BLOCKED_PEERS });
        }
        self.with_circuit(|record| {
            record.blocked.insert(peer, now);
        });
        self.cut_off(peer, Farewell::None, &SendFailure::PeerBlocked, now, rng);
        self.out.events.push(Event::PeerBlocked { peer });
        Ok(())
    }

    /// Ends every session with a peer, and everything that was under way to it. False if there was nothing.
    fn cut_off(
        &mut self,
        peer: Amid,
        farewell: Farewell,
        reason: &SendFailure,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> bool {
        let sending = self.sending_session(peer);
        let mut found = self.wanted.contains(&peer) || !self.unconfirmed(peer).is_empty();
        // First, so that nothing waits for a session and asks for a new one.
        self.fail_peer(peer, reason);
        // A peer that never heard of the session would not understand its end.
        let heard = sending.filter(|id| !self.is_unheard(*id));
        self.drop_controls(peer);
        if farewell == Farewell::Said
            && let Some(id) = heard
        {
            let plaintext = control(MessageType::Close, now, rng);
            self.send_control(peer, id, &plaintext, now, rng);
        }
        #[cfg(feature = "legacy-0-2")]
        {
            found |= match farewell {
                Farewell::Said => self.close_legacy(peer, "session_killed", now, rng),
                Farewell::None => self.drop_legacy_session(peer).is_some(),
            };
        }
        let sessions: Vec<_> =
            self.peers.get(&peer).map(|p| p.sessions().collect()).unwrap_or_default();
        found |= !sessions.is_empty();
        for id in sessions {
            self.bury(id, now);
            self.out.events.push(Event::SessionClosed { peer, session: id });
        }
        self.receipts.forget(&peer);
        if let Some(kept) = self.probes.forget(&peer) {
            self.ack(kept);
        }
        let reason = match farewell {
            Farewell::Said => DropReason::SessionClosed,
            Farewell::None => DropReason::Blocked,
        };
        for parked in self.parked.take_all(&peer) {
            self.drop_frame(Source::of(&parked), reason);
        }
        found
    }

    /// Whether the relay may not have the handshake of a session.
    fn is_unheard(&self, session: SessionId) -> bool {
        let entries = self.handshakes.values().filter_map(|id| self.outbox.get(id));
        let mut unheard =
            entries.filter_map(|e| e.transmission.as_ref()).filter(|t| !t.relay_acked);
        unheard.any(|t| t.session == session)
    }

    /// Receipts, answers and handshakes for a peer that is not to hear them any more.
    fn drop_controls(&mut self, peer: Amid) {
        let mut ids: Vec<_> = self
            .outbox
            .values()
            .filter(|e| e.to == peer && !e.is_message())
            .map(|e| (e.order, e.id))
            .collect();
        ids.sort_unstable();
        for (_, id) in ids {
            self.drop_entry(id);
        }
    }
}

/// Whether the peer is told that its session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Farewell {
    Said,
    None,
}
