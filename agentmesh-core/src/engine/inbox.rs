//! Messages between their decryption and the end of the application's handler.

use std::collections::BTreeMap;

use crate::{
    handshake::SessionId,
    identity::Amid,
    limits,
    maps::HashSet,
    time::Timestamp,
    wire::{id::MessageId, plaintext::Plaintext},
};

use super::{
    Engine, Event, IncomingMessage, Request, Stage,
    records::{InboxEntry, InboxState, Seen},
};

impl Engine {
    /// A message that waits for its handler. One that came in parts is a [`large_message`](Self::large_message).
    pub fn message(&self, from: &Amid, id: &MessageId) -> Option<IncomingMessage> {
        if self.large_message(from, id).is_some() {
            return None;
        }
        let entry = self.inbox.get(&(*from, *id)).filter(|e| e.state == InboxState::Ready)?;
        Some(Self::incoming(entry, Plaintext::decode(&entry.plaintext).ok()?))
    }

    pub(super) fn incoming(entry: &InboxEntry, plaintext: Plaintext) -> IncomingMessage {
        IncomingMessage {
            from: entry.from,
            id: entry.id,
            kind: plaintext.kind,
            seq: plaintext.seq,
            in_reply_to: plaintext.in_reply_to,
            sent_at: plaintext.sent_at,
            received_at: entry.received_at,
            payload: plaintext.payload,
            headers: plaintext.headers,
        }
    }

    /// Sessions with keys, as far as they were counted: all of them after [`sweep`](Self::sweep).
    pub const fn live_sessions(&self) -> usize {
        self.live
    }

    /// Peers other than this one with a session that has keys, as far as they were counted.
    pub fn sessions_besides(&self, peer: &Amid) -> usize {
        let (mut others, mut in_memory): (HashSet<Amid>, _) = (HashSet::default(), 0);
        for entry in self.sessions.values().filter(|e| !e.is_tombstone()) {
            in_memory += 1;
            if entry.peer != *peer {
                others.insert(entry.peer);
            }
        }
        #[cfg(feature = "legacy-0-2")]
        others.extend(
            self.legacy
                .peers
                .values()
                .filter(|known| known.session.is_some() && known.amid != *peer)
                .map(|known| known.amid),
        );
        // What was put out of memory counts once a session: more rather than less.
        others.len() + self.live.saturating_sub(in_memory)
    }

    /// Unhandled messages, in order of arrival.
    pub fn inbox(&self) -> Vec<(Amid, MessageId)> {
        self.inbox_in_order(|e| e.state == InboxState::Ready)
    }

    #[cfg(test)]
    pub(super) fn parked_frames(&self) -> usize {
        self.parked.len()
    }

    /// Of whom something that is parked comes after what they send again.
    #[cfg(test)]
    pub(super) fn behind(&self) -> impl Iterator<Item = Amid> {
        self.parked.behind()
    }

    #[cfg(test)]
    pub(super) fn take_disordered(&mut self) -> Vec<Amid> {
        self.parked.take_disordered()
    }

    /// Unhandled messages and bytes held for them.
    pub fn inbox_size(&self) -> (usize, usize) {
        (self.inbox.len(), self.inbox_bytes)
    }

    pub(super) fn inbox_in_order(
        &self,
        keep: impl Fn(&InboxEntry) -> bool,
    ) -> Vec<(Amid, MessageId)> {
        let mut found: Vec<_> =
            self.inbox.values().filter(|e| keep(e)).map(|e| (e.order, e.from, e.id)).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, from, id)| (from, id)).collect()
    }

    pub(super) fn has_inbox_room(&self, from: Amid, held: bool, size: usize) -> bool {
        if self.inbox.len() >= self.config.max_inbox_entries
            || self.inbox_bytes + size > self.config.max_inbox_bytes
        {
            return false;
        }
        if !held {
            return true;
        }
        let (mut count, mut bytes) = (0, 0);
        for entry in self.inbox.values().filter(|e| e.from == from && e.state == InboxState::Held) {
            count += 1;
            bytes += entry.plaintext.len();
        }
        count < limits::HELD_MESSAGES_PER_PEER && bytes + size <= limits::HELD_BYTES_PER_PEER
    }

    /// Keeps a message for its handler; one that came before only gets its receipt again.
    pub(super) fn store_message(
        &mut self,
        from: Amid,
        session: SessionId,
        plaintext: &Plaintext,
        encoded: Vec<u8>,
        state: InboxState,
        now: Timestamp,
    ) {
        let key = (from, plaintext.id);
        if let Some(seen) = self.seen.get(&key) {
            let stage = seen.stage;
            self.owe_receipt(from, plaintext.id, stage, now);
            return;
        }
        if let Some(entry) = self.inbox.get(&key) {
            // It may have come under a session whose KNOCK is undecided, and now under one that is accepted.
            if entry.state == InboxState::Held && state == InboxState::Ready {
                self.release(key, now);
            } else if entry.state == InboxState::Held {
                // Or that is undecided as well: what the peer sends on is held there, and may not overtake this.
                if entry.session != session
                    && let Some(entry) = self.inbox.modify(&key)
                {
                    entry.session = session;
                    entry.received_at = now;
                }
            } else if entry.state == InboxState::Ready {
                self.owe_receipt(from, plaintext.id, Stage::Delivered, now);
            }
            return;
        }
        self.inbox_bytes += encoded.len();
        let order = self.next_order();
        self.inbox.put(
            &self.vault,
            InboxEntry {
                from,
                id: plaintext.id,
                session,
                state,
                order,
                received_at: now,
                plaintext: encoded,
            },
        );
        if state == InboxState::Ready {
            self.out.events.push(Event::MessageReady { from, id: plaintext.id });
            self.owe_delivered(from, plaintext, now);
        }
    }

    /// Hands on everything that was held of a peer, in order: part of it may have come again in our own session.
    pub(super) fn release_held_of(&mut self, peer: Amid, now: Timestamp) {
        self.release_in_order(|e| e.from == peer, now);
    }

    /// Hands on what was held for a session.
    pub(super) fn release_held(&mut self, session: SessionId, now: Timestamp) {
        self.release_in_order(|e| e.session == session, now);
    }

    fn release_in_order(&mut self, goes: impl Fn(&InboxEntry) -> bool, now: Timestamp) {
        let held = |e: &InboxEntry| goes(e) && e.state == InboxState::Held;
        self.reorder(held);
        for key in self.inbox_in_order(held) {
            self.release(key, now);
        }
    }

    /// Puts messages into the order in which they were sent, each session's among themselves. Frames that came before their
    /// session did may have waited here, may have been left at the relay and fetched again, and may have been sent again
    /// meanwhile: which one came first says nothing.
    fn reorder(&mut self, goes: impl Fn(&InboxEntry) -> bool) {
        let mut sessions = BTreeMap::<_, Vec<_>>::new();
        for entry in self.inbox.values().filter(|e| goes(e)) {
            let number = Plaintext::decode(&entry.plaintext).map_or(0, |message| message.seq);
            let numbers = sessions.entry(entry.session).or_default();
            numbers.push((number, entry.order, (entry.from, entry.id)));
        }
        for mut messages in sessions.into_values() {
            let mut places: Vec<_> = messages.iter().map(|(_, place, _)| *place).collect();
            places.sort_unstable();
            messages.sort_unstable();
            for (place, (_, before, key)) in places.into_iter().zip(messages) {
                if place != before
                    && let Some(entry) = self.inbox.modify(&key)
                {
                    entry.order = place;
                }
            }
        }
    }

    fn release(&mut self, key: (Amid, MessageId), now: Timestamp) {
        let Some(entry) = self.inbox.modify(&key) else { return };
        entry.state = InboxState::Ready;
        self.out.events.push(Event::MessageReady { from: key.0, id: key.1 });
        self.owe_receipt(key.0, key.1, Stage::Delivered, now);
    }

    /// Removes entries without handing them on: what a rejected peer sent, or a KNOCK that is decided.
    pub(super) fn discard(&mut self, keep: impl Fn(&InboxEntry) -> bool) {
        for key in self.inbox_in_order(|e| !keep(e)) {
            self.take_inbox(key);
        }
    }

    /// The same of what waits in a session for the answer to its KNOCK, when the session ends without.
    pub(super) fn discard_undecided(&mut self, session: SessionId) {
        self.discard(|e| e.session != session || e.state == InboxState::Ready);
    }

    pub(super) fn take_inbox(&mut self, key: (Amid, MessageId)) -> Option<InboxEntry> {
        let entry = self.inbox.remove(&key)?;
        self.inbox_bytes -= entry.plaintext.len();
        Some(entry)
    }

    /// The handler returned: the message is done, and its sender is told so.
    pub(super) fn on_handled(&mut self, from: Amid, id: MessageId, now: Timestamp) {
        let key = (from, id);
        if self.inbox.get(&key).is_none_or(|e| e.state != InboxState::Ready) {
            return;
        }
        self.take_inbox(key);
        self.forget_assembly(&key);
        self.seen.put(&self.vault, Seen { from, id, stage: Stage::Handled, at: now });
        self.owe_receipt(from, id, Stage::Handled, now);
    }

    /// After a start: everything that was under way is taken up again.
    pub fn resume(&mut self, now: Timestamp) {
        for (from, id) in self.inbox_in_order(|e| e.state == InboxState::Ready) {
            self.out.events.push(Event::MessageReady { from, id });
            self.owe_receipt(from, id, Stage::Delivered, now);
        }
        self.receipt_parts_again(now);
        for key in self.inbox_in_order(|e| e.state == InboxState::Knock) {
            if let Some(request) = self.knock_request(&key) {
                self.out.requests.push(request);
            }
        }
        for peer in self.peers_without_session() {
            self.out.requests.push(Request::Bundle(peer));
        }
        if self.has_unpublished_prekeys() {
            self.out.requests.push(Request::PublishPrekeys);
        }
    }
}
