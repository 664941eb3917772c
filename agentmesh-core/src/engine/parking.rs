//! Frames of sessions that are not known yet. Kind 2 can overtake kind 1; such frames wait here, unacked.

use crate::{
    handshake::SessionId,
    identity::Amid,
    limits,
    maps::HashMap,
    time::{HOUR, MINUTE, Timestamp},
};

use super::Inbound;

/// A frame that waits for its session.
#[derive(Debug)]
struct Waiting {
    session: SessionId,
    since: Timestamp,
    /// Its peer sends again what it says, and what came before it: that goes first.
    behind: bool,
    inbound: Inbound,
}

/// When frames that were forgotten are asked for again, if the peer does not show up before.
#[derive(Debug)]
struct Again {
    session: SessionId,
    due: Timestamp,
    /// They were asked for then, and have not been forgotten once more.
    asked: bool,
    pause: u64,
}

/// Longest time between two such attempts for a peer.
const AGAIN_MAX: u64 = 24 * HOUR;
/// Shortest time between two attempts: whoever makes up peers cannot keep the connection from standing.
const AGAIN_MIN: u64 = MINUTE;

/// Bounded in frames a peer, in peers and in bytes. What does not fit stays at the relay.
#[derive(Debug, Default)]
pub(super) struct Parked {
    peers: HashMap<Amid, Vec<Waiting>>,
    again: HashMap<Amid, Again>,
    asked_at: Timestamp,
    bytes: usize,
    /// Of whom something was forgotten that had been put behind.
    #[cfg(test)]
    disordered: Vec<Amid>,
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
        waiting.push(Waiting { session, since: now, behind: false, inbound });
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
        self.again.remove(peer);
        self.remove(peer, session, until)
    }

    /// What waits of a session comes after what is parked of it from now on.
    pub(super) fn put_behind(&mut self, peer: &Amid, session: SessionId) {
        let waiting = self.peers.get_mut(peer).into_iter().flatten();
        waiting.filter(|w| w.session == session).for_each(|w| w.behind = true);
    }

    fn remove(&mut self, peer: &Amid, session: SessionId, until: Timestamp) -> Vec<Inbound> {
        let Some(waiting) = self.peers.get_mut(peer) else { return Vec::new() };
        let goes = |w: &Waiting| w.session == session && w.since <= until;
        let (mut taken, kept): (Vec<_>, Vec<_>) = waiting.drain(..).partition(goes);
        taken.sort_by_key(|w| w.behind);
        let taken: Vec<_> = taken.into_iter().map(|w| w.inbound).collect();
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
        self.again.remove(peer);
        let taken: Vec<_> =
            self.peers.remove(peer).unwrap_or_default().into_iter().map(|w| w.inbound).collect();
        self.bytes -= taken.iter().map(|i| i.frame.len()).sum::<usize>();
        taken
    }

    /// Forgets what nobody answered for, all frames of a session together: later ones would overtake. They were never acked,
    /// so the relay sends them again on the next connection. Returns whose sessions those are.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<(Amid, SessionId)> {
        let old = |w: &&Waiting| now.since(w.since) >= limits::PARKED_AGE;
        let of = |(peer, waiting): (&Amid, &Vec<Waiting>)| {
            let old = waiting.iter().filter(old).map(|w| (*peer, w.session));
            old.collect::<Vec<_>>()
        };
        let mut forgotten: Vec<_> = self.peers.iter().flat_map(of).collect();
        forgotten.sort_unstable();
        forgotten.dedup();
        for (peer, session) in &forgotten {
            #[cfg(test)]
            self.note_disordered(peer);
            self.remove(peer, *session, Timestamp::MAX);
            self.schedule(*peer, *session, now);
        }
        forgotten
    }

    /// Whose sessions are worth another connection, of those whose frames were forgotten: at the first time, and later ever
    /// more rarely.
    pub(super) fn worth_fetching(&mut self, now: Timestamp) -> Vec<(Amid, SessionId)> {
        self.again.retain(|_, a| !a.asked || now.since(a.due) < 2 * limits::PARKED_AGE);
        let mut worth = Vec::new();
        if now.since(self.asked_at) < AGAIN_MIN {
            return worth;
        }
        for (peer, again) in self.again.iter_mut().filter(|(_, a)| !a.asked && a.due <= now) {
            again.asked = true;
            again.due = now;
            worth.push((*peer, again.session));
        }
        if !worth.is_empty() {
            self.asked_at = now;
        }
        worth.sort_unstable();
        worth
    }

    fn schedule(&mut self, peer: Amid, session: SessionId, now: Timestamp) {
        let has_room = self.again.len() < limits::PARKED_PEERS;
        match self.again.get_mut(&peer) {
            Some(again) if again.asked => {
                again.due = now.plus_millis(again.pause);
                again.asked = false;
                again.pause = (again.pause * 2).min(AGAIN_MAX);
            }
            Some(_) => {}
            None if has_room => {
                let pause = limits::PARKED_AGE;
                self.again.insert(peer, Again { session, due: now, asked: false, pause });
            }
            None => {}
        }
    }

    /// A frame came of a session whose frames were forgotten: whoever writes it is there, so they are worth fetching.
    pub(super) fn hasten(&mut self, peer: Amid, session: SessionId, now: Timestamp) {
        match self.again.get_mut(&peer) {
            Some(again) => again.due = again.due.min(now),
            None => self.schedule(peer, session, now),
        }
    }

    /// The clock was put back.
    pub(super) fn put_back(&mut self, now: Timestamp) {
        self.peers.values_mut().flatten().for_each(|w| w.since = now.min(w.since));
        for again in self.again.values_mut() {
            again.due = again.due.min(now.plus_millis(again.pause));
        }
        self.asked_at = self.asked_at.min(now);
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

    /// Of whom something comes after what they send again.
    #[cfg(test)]
    pub(super) fn behind(&self) -> impl Iterator<Item = Amid> {
        let is_behind = |(_, waiting): &(_, &Vec<Waiting>)| waiting.iter().any(|w| w.behind);
        self.peers.iter().filter(is_behind).map(|(peer, _)| *peer)
    }

    #[cfg(test)]
    fn note_disordered(&mut self, peer: &Amid) {
        if self.behind().any(|other| other == *peer) {
            self.disordered.push(*peer);
        }
    }

    #[cfg(test)]
    pub(super) fn take_disordered(&mut self) -> Vec<Amid> {
        core::mem::take(&mut self.disordered)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.peers.values().map(Vec::len).sum()
    }

    /// When forgotten frames are asked for again.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let due = self.again.values().filter(|again| !again.asked).map(|again| again.due).min()?;
        Some(due.max(self.asked_at.plus_millis(AGAIN_MIN)))
    }

    /// When the oldest frame was parked.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.peers.values().flatten().map(|w| w.since).min()
    }
}

#[cfg(test)]
mod tests;
