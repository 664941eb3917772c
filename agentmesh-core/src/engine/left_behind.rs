//! Frames that were left at the relay, unacked, for want of room. A relay sends them again on the next connection, in
//! their old order; until then nothing of the same peer may overtake them.

use crate::{
    handshake::SessionId,
    identity::Amid,
    limits,
    maps::{HashMap, HashSet},
};

use super::{
    Engine,
    records::{Decision, InboxState},
};

/// Whose frames were left since the connection stands, and what has to come about before it makes sense to ask for them.
#[derive(Debug, Default)]
pub(super) struct LeftBehind {
    /// Peers with messages that later ones would overtake.
    peers: HashMap<Amid, Until>,
    /// Unknown sessions, by the peer, for which no more may wait. The peer's other sessions go on: what cannot be read may
    /// never be.
    sessions: HashMap<SessionId, Amid>,
    /// Sessions whose frames waited here and were forgotten: what comes after those may not overtake them, either. This is no
    /// reason for another connection before the session is there.
    forgotten: HashSet<SessionId>,
    /// Peers of which parts of large messages were left. Parts have their places, whatever comes before them.
    parts: HashMap<Amid, Until>,
    /// A KNOCK was left because too many wait for a decision.
    knocks: bool,
    /// Too many peers to remember: everybody's messages are left.
    everybody: bool,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// Room in the inbox.
    Room,
    /// A decision about the KNOCK of this session: what may be held for it is full.
    Decision(SessionId),
}

impl LeftBehind {
    /// Of what waits for something that can come about.
    fn is_empty(&self) -> bool {
        self.peers.is_empty()
            && self.sessions.is_empty()
            && self.parts.is_empty()
            && !self.knocks
            && !self.everybody
    }
}

impl Engine {
    /// Whether frames were left at the relay for want of room since the connection stands. Once there is
    /// [room](Self::has_room), the driver reconnects, and the relay sends them again.
    pub fn has_left_frames(&self) -> bool {
        !self.left_behind.is_empty() || self.knows_forgotten()
    }

    /// Whether frames were forgotten of a session that is there now.
    fn knows_forgotten(&self) -> bool {
        self.left_behind.forgotten.iter().any(|session| self.sessions.get(session).is_some())
    }

    /// Whether frames that were left at the relay could be taken now.
    pub fn has_room(&self) -> bool {
        let LeftBehind { peers, sessions, parts, knocks, everybody, .. } = &self.left_behind;
        self.inbox.len() <= self.config.max_inbox_entries / 2
            && self.inbox_bytes <= self.config.max_inbox_bytes / 2
            && self.has_room_for_parts()
            && (*everybody
                || self.knows_forgotten()
                || (*knocks && self.has_room_for_knocks())
                || peers.values().chain(parts.values()).any(|until| self.has_come_about(*until))
                || sessions.iter().any(|(session, peer)| {
                    self.sessions.get(session).is_some() || self.parked.has_room_for(peer)
                }))
    }

    /// Whether messages of this peer in this session stay at the relay, because earlier ones did.
    pub(super) fn is_left_behind(&self, from: &Amid, session: Option<&SessionId>) -> bool {
        let LeftBehind { peers, sessions, forgotten, everybody, .. } = &self.left_behind;
        *everybody
            || peers.contains_key(from)
            || session.is_some_and(|s| sessions.contains_key(s) || forgotten.contains(s))
    }

    /// Leaves a message at the relay, and with it what comes after it from the same peer.
    pub(super) fn leave_message(&mut self, from: Amid, until: Until) {
        if !self.relay_acks {
            // Such a relay does not send it again either.
            return;
        }
        let peers = &mut self.left_behind.peers;
        if peers.len() < limits::LEFT_BEHIND_PEERS {
            // What the first one waits for is what the others wait for.
            peers.entry(from).or_insert(until);
        } else if !peers.contains_key(&from) {
            self.left_behind.everybody = true;
        }
    }

    /// Leaves a message of an unknown session.
    pub(super) fn leave_unknown(&mut self, from: Amid, session: SessionId) {
        let sessions = &mut self.left_behind.sessions;
        // Beyond, such a message is fetched with whatever else is: strangers could make up any number.
        if self.relay_acks && sessions.len() < limits::PARKED_PEERS {
            sessions.insert(session, from);
        }
    }

    /// Frames of an unknown session that waited here were forgotten.
    pub(super) fn note_forgotten(&mut self, session: SessionId) {
        let forgotten = &mut self.left_behind.forgotten;
        if self.relay_acks
            && forgotten.len() < limits::PARKED_PEERS * limits::PARKED_FRAMES_PER_PEER
        {
            forgotten.insert(session);
        }
    }

    /// Whether frames of this session were forgotten on this connection.
    pub(super) fn is_forgotten(&self, session: &SessionId) -> bool {
        self.left_behind.forgotten.contains(session)
    }

    /// Leaves a part of a large message at the relay.
    pub(super) fn leave_part(&mut self, from: Amid, until: Until) {
        let parts = &mut self.left_behind.parts;
        if self.relay_acks && parts.len() < limits::LEFT_BEHIND_PEERS {
            parts.insert(from, until);
        }
    }

    /// Leaves a KNOCK at the relay.
    pub(super) const fn leave_knock(&mut self) {
        self.left_behind.knocks |= self.relay_acks;
    }

    /// With a new connection everything that was left comes again.
    pub(super) fn forget_left_frames(&mut self) {
        self.left_behind = LeftBehind::default();
    }

    fn has_come_about(&self, until: Until) -> bool {
        match until {
            Until::Room => true,
            Until::Decision(session) => !self.is_undecided(session),
        }
    }

    fn is_undecided(&self, session: SessionId) -> bool {
        self.inbox.values().any(|e| e.session == session && e.state != InboxState::Ready)
            || self
                .sessions
                .get(&session)
                .is_some_and(|e| e.session.is_some() && e.decision == Decision::Pending)
    }

    /// Whether one more KNOCK may wait for its decision.
    pub(super) fn has_room_for_knock(&self) -> bool {
        self.inbox.values().filter(|e| e.state == InboxState::Knock).count() < limits::HELD_PEERS
    }

    /// The same of every suite.
    fn has_room_for_knocks(&self) -> bool {
        #[cfg(feature = "legacy-0-2")]
        if !self.has_room_for_legacy_knocks() {
            return false;
        }
        self.has_room_for_knock()
    }
}

#[cfg(test)]
mod tests;
