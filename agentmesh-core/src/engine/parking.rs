//! Frames of sessions that are not known yet. Kind 2 can overtake kind 1; such frames wait here, unacked.

use std::collections::HashMap;

use crate::{handshake::SessionId, identity::Amid, limits, time::Timestamp};

use super::Inbound;

/// A frame that waits for its session.
#[derive(Debug)]
struct Waiting {
    session: SessionId,
    since: Timestamp,
    inbound: Inbound,
}

/// Bounded in frames a peer, in peers and in bytes. What does not fit stays at the relay.
#[derive(Debug, Default)]
pub(super) struct Parked {
    peers: HashMap<Amid, Vec<Waiting>>,
    bytes: usize,
}

impl Parked {
    /// Keeps a frame; `false` if there is no room.
    pub(super) fn park(&mut self, session: SessionId, inbound: Inbound, now: Timestamp) -> bool {
        let size = inbound.frame.len();
        if self.bytes + size > limits::PARKED_BYTES {
            return false;
        }
        if !self.peers.contains_key(&inbound.from) && self.peers.len() >= limits::PARKED_PEERS {
            return false;
        }
        let waiting = self.peers.entry(inbound.from).or_default();
        if waiting.iter().any(|w| w.inbound == inbound) {
            return true;
        }
        if waiting.len() >= limits::PARKED_FRAMES_PER_PEER {
            return false;
        }
        waiting.push(Waiting { session, since: now, inbound });
        self.bytes += size;
        true
    }

    /// Whether a peer of which nothing waits could park something.
    pub(super) fn has_room_for(&self, peer: &Amid) -> bool {
        !self.peers.contains_key(peer)
            && self.peers.len() < limits::PARKED_PEERS
            && self.bytes <= limits::PARKED_BYTES / 2
    }

    /// Takes out the frames of a session, oldest first.
    pub(super) fn take(&mut self, peer: &Amid, session: SessionId) -> Vec<Inbound> {
        self.take_until(peer, session, Timestamp::MAX)
    }

    /// The same, of those that were parked by `until`.
    pub(super) fn take_until(
        &mut self,
        peer: &Amid,
        session: SessionId,
        until: Timestamp,
    ) -> Vec<Inbound> {
        let Some(waiting) = self.peers.get_mut(peer) else { return Vec::new() };
        let mut taken = Vec::new();
        let mut kept = Vec::new();
        for w in waiting.drain(..) {
            if w.session == session && w.since <= until {
                taken.push(w.inbound);
            } else {
                kept.push(w);
            }
        }
        self.bytes -= taken.iter().map(|i: &Inbound| i.frame.len()).sum::<usize>();
        if kept.is_empty() {
            self.peers.remove(peer);
        } else {
            *waiting = kept;
        }
        taken
    }

    /// Takes out all frames of a peer.
    pub(super) fn take_all(&mut self, peer: &Amid) -> Vec<Inbound> {
        let taken: Vec<_> =
            self.peers.remove(peer).unwrap_or_default().into_iter().map(|w| w.inbound).collect();
        self.bytes -= taken.iter().map(|i| i.frame.len()).sum::<usize>();
        taken
    }

    /// Forgets what nobody answered for. It was never acked, so the relay sends it again on the next connection.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let mut freed = 0;
        self.peers.retain(|_, waiting| {
            waiting.retain(|w| {
                let keep = now.since(w.since) < limits::PARKED_AGE;
                freed += if keep { 0 } else { w.inbound.frame.len() };
                keep
            });
            !waiting.is_empty()
        });
        self.bytes -= freed;
    }

    /// Peers and sessions with frames that have waited since `before` or longer.
    pub(super) fn overdue(&self, before: Timestamp) -> Vec<(Amid, SessionId)> {
        let mut due: Vec<_> = self
            .peers
            .iter()
            .filter_map(|(peer, waiting)| {
                waiting.iter().find(|w| w.since <= before).map(|w| (*peer, w.session))
            })
            .collect();
        due.sort_unstable();
        due
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.peers.values().map(Vec::len).sum()
    }

    /// When the oldest frame was parked.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.peers.values().flatten().map(|w| w.since).min()
    }
}
