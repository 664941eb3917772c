//! Sending a large payload: one record a part, written with the message in one commit; then a window of parts under way,
//! each encrypted as its turn comes. A part is deleted when the peer has confirmed it, and not sent again.

use rand_core::CryptoRng;

use super::{Bitmap, Direction, cut::cut, part_id, turns::Next};
use crate::{
    identity::Amid,
    keys::kdf,
    limits,
    time::Timestamp,
    wire::{
        id::MessageId,
        json::check_json,
        plaintext::{Part, Payload, Plaintext, Stage as ReceiptStage},
        relay_frame::RelayMessageType,
        relay_id::RelayMessageId,
    },
};

use crate::engine::{
    Engine, Event, NewMessage, SendError, SendFailure, Stage,
    records::{
        Chunk, ChunkKey, Group, OutboxBody, OutboxEntry, Peer, Transmission, chunk::STORE_VERSION,
    },
};

pub(super) const fn outgoing(message: MessageId, index: u32) -> ChunkKey {
    ChunkKey { from: None, message, index }
}

impl Engine {
    /// Takes a message whose payload does not fit one frame.
    pub(in crate::engine) fn send_in_parts(
        &mut self,
        message: NewMessage,
        now: Timestamp,
    ) -> Result<(), SendError> {
        let NewMessage { id, to, kind, in_reply_to, payload, headers, knock_request, expires_in } =
            message;
        let limit = limits::MAX_LARGE_PAYLOAD;
        let actual = payload.len();
        if actual > limit {
            return Err(SendError::PayloadTooLarge { limit, actual });
        }
        if let Payload::Json(text) = &payload {
            check_json(text).map_err(|source| SendError::InvalidJson { source })?;
        }
        let length = u64::try_from(actual).unwrap_or(u64::MAX);
        let entries = self.outbox_order.len();
        if entries >= self.config.max_outbox_entries
            || self.parts.queued_bytes.saturating_add(length) > self.config.max_large_outbox_bytes
        {
            let bytes = usize::try_from(self.parts.queued_bytes).unwrap_or(usize::MAX);
            return Err(SendError::OutboxFull { entries, bytes });
        }
        self.check_rejected(to, now)?;
        let intent = knock_request.map(|request| request.to_json()).transpose();
        let intent = intent.map_err(|e| SendError::knock_request(&e))?;
        let (pieces, empty) = cut(payload);
        let count =
            u32::try_from(pieces.len()).map_err(|_| SendError::Internal { what: "parts" })?;
        let whole: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let sha256 = kdf::sha256(&whole);
        let part = Part { group: *id.as_bytes(), index: 0, count, sha256 };
        let seq = self.peers.get(&to).map_or(0, |p| p.next_seq);
        let mut header = Plaintext::new(id, kind, seq, now);
        header.in_reply_to = in_reply_to;
        header.payload = empty;
        header.headers = headers;
        header.part = Some(part);
        header.encode().map_err(SendError::of)?;

        // From here on nothing fails.
        if self.peers.get(&to).is_none() {
            self.peers.put(&self.vault, Peer::new(to));
        }
        if let Some(peer) = self.peers.modify(&to) {
            peer.next_seq += u64::from(count);
        }
        for (index, bytes) in (0..count).zip(pieces) {
            self.chunks.put(&self.vault, Chunk { key: outgoing(id, index), bytes });
        }
        let age = expires_in.unwrap_or(self.config.outbox_age).min(self.config.outbox_age);
        let order = self.next_order();
        let group = Group { header, part, length, begun: 0, confirmed: Bitmap::new(count), intent };
        self.add_entry(OutboxEntry {
            id,
            to,
            order,
            created_at: now,
            expires_at: now.plus_millis(age),
            stage: Stage::Queued,
            body: OutboxBody::Group(Box::new(group)),
            transmission: None,
        });
        self.register_group(id, order, length, 0..count);
        self.request_sessions_for_parts(now);
        Ok(())
    }

    pub(super) fn register_group(
        &mut self,
        id: MessageId,
        order: u64,
        length: u64,
        missing: impl IntoIterator<Item = u32>,
    ) {
        self.parts.groups.insert(order, id);
        self.parts.queued_bytes += length;
        for index in missing {
            self.parts.by_part.insert(part_id(id, index), (id, index));
        }
    }

    /// Asks for bundles of peers in memory that large messages wait for and that have no session.
    pub(in crate::engine) fn request_sessions_for_parts(&mut self, now: Timestamp) {
        let waiting: Vec<_> = self
            .parts
            .groups
            .values()
            .filter_map(|id| self.outbox.get(id))
            .map(|entry| entry.to)
            .filter(|to| self.peers.is_loaded(to))
            .filter(|to| self.usable_session(*to, now).is_none())
            .collect();
        for peer in waiting {
            self.request_bundle(peer);
        }
    }

    pub(super) fn send_parts(&mut self, now: Timestamp, rng: &mut dyn CryptoRng) {
        self.request_sessions_for_parts(now);
        for next in self.parts_to_send(now, false) {
            self.send_part(next, now, rng);
        }
    }

    fn send_part(&mut self, next: Next, now: Timestamp, rng: &mut dyn CryptoRng) {
        let Next { to, message, index } = next;
        let Some(entry) = self.outbox.get(&message) else { return };
        let (created_at, expires_at) = (entry.created_at, entry.expires_at);
        let Some(group) = entry.group() else { return };
        let Some(chunk) = self.chunks.get(&outgoing(message, index)) else {
            // The store does not have what it took; nothing can be made of the message any more.
            self.fail_group(message, SendFailure::PayloadDamaged);
            return;
        };
        let id = part_id(message, index);
        let mut plaintext = group.header.clone();
        plaintext.id = id;
        plaintext.seq += u64::from(index);
        plaintext.part = Some(Part { index, ..group.part });
        plaintext.payload = match (&plaintext.payload, core::str::from_utf8(&chunk.bytes)) {
            (Payload::Json(_), Ok(text)) => Payload::Json(text.to_owned()),
            _ => Payload::Bytes(chunk.bytes.clone()),
        };
        let Some(session) = self.part_session(to, now) else { return };
        let Ok(encoded) = plaintext.encode() else { return };
        let Some(frame) = self.encrypt(session, &encoded, now, rng) else { return };
        let relay_id = self.part_relay_id(id, session.as_bytes());
        let order = self.next_order();
        self.add_entry(OutboxEntry {
            id,
            to,
            order,
            created_at,
            expires_at,
            stage: Stage::Queued,
            body: OutboxBody::Part { group: message, index },
            transmission: Some(Transmission {
                session,
                relay_id,
                frame: frame.clone(),
                relay_acked: false,
            }),
        });
        self.change_entry(message, |entry| {
            if let OutboxBody::Group(group) = &mut entry.body {
                group.begun = group.begun.max(index + 1);
            }
        });
        self.parts.under_way.entry(message).or_default().sent.insert(index);
        *self.parts.windows.entry(to).or_default() += 1;
        self.parts.in_all += 1;
        self.emit_frame(to, relay_id, RelayMessageType::Message, frame, now);
    }

    /// The relay's name for a part follows from the part: one that is encrypted again after a crash, in the same session,
    /// is no second message to a relay that still has the first.
    fn part_relay_id(&self, part: MessageId, session: &[u8; 16]) -> RelayMessageId {
        let tries = self.parts.tries.get(&part).copied().unwrap_or(0);
        let digest = kdf::sha256(&[
            b"agentmesh/0.3 part relay id",
            self.identity.amid().as_bytes(),
            part.as_bytes(),
            session,
            &tries.to_be_bytes(),
        ]);
        let mut id = [0; 16];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        RelayMessageId::from_bytes(id)
    }

    /// The relay has a part on its disk.
    pub(in crate::engine) fn part_stored(&mut self, message: MessageId, index: u32) {
        let Some(under_way) = self.parts.under_way.get_mut(&message) else { return };
        under_way.stored.insert(index);
        let stored = under_way.stored.len();
        let Some(entry) = self.outbox.modify_lazily(&message) else { return };
        let Some(group) = entry.group() else { return };
        let there = usize::try_from(group.confirmed.count()).unwrap_or(usize::MAX) + stored;
        if entry.stage < Stage::StoredByRelay
            && there >= usize::try_from(group.part.count).unwrap_or(usize::MAX)
        {
            entry.stage = Stage::StoredByRelay;
            let to = entry.to;
            self.stored.push(message);
            let stage = Stage::StoredByRelay;
            self.out.events.push(Event::Progress { to, id: message, stage });
        }
    }

    /// A receipt names what may be a part: true if it was one.
    pub(in crate::engine) fn on_part_receipt(&mut self, from: Amid, id: &MessageId) -> bool {
        let Some((message, index)) = self.parts.by_part.get(id).copied() else { return false };
        if self.outbox.get(&message).is_none_or(|entry| entry.to != from) {
            return true;
        }
        self.drop_entry(*id);
        self.parts.by_part.remove(id);
        self.parts.tries.remove(id);
        self.chunks.delete(&self.vault, &outgoing(message, index), STORE_VERSION);
        let mut progress = None;
        self.change_entry(message, |entry| {
            if let OutboxBody::Group(group) = &mut entry.body {
                group.confirmed.insert(index);
                progress = Some((group.confirmed.count(), group.part.count));
            }
        });
        if let Some((done, total)) = progress {
            self.parts.advanced(Direction::Sending, from, message, done, total);
        }
        true
    }

    /// The peer will not take a large message.
    pub(in crate::engine) fn on_refused(&mut self, id: MessageId, stage: ReceiptStage) {
        let Some(group) = self.outbox.get(&id).and_then(OutboxEntry::group) else { return };
        let actual = group.length;
        let reason = match stage {
            ReceiptStage::TooLarge => SendFailure::PayloadTooLargeForPeer { actual },
            ReceiptStage::Abandoned => SendFailure::PayloadAbandoned,
            ReceiptStage::Busy => SendFailure::PeerBusy,
            _ => SendFailure::PayloadDamaged,
        };
        self.fail_group(id, reason);
    }

    pub(in crate::engine) fn fail_group(&mut self, id: MessageId, reason: SendFailure) {
        let Some(to) = self.outbox.get(&id).map(|entry| entry.to) else { return };
        self.drop_entry(id);
        self.out.events.push(Event::SendFailed { to, id, reason });
    }

    /// Takes a peer's parts back that are under way, as far as `which` says; they are encrypted again as their turn comes.
    pub(in crate::engine) fn recall_parts(
        &mut self,
        peer: Amid,
        which: impl Fn(&Transmission) -> bool,
    ) {
        let ids: Vec<_> = self
            .outbox_order
            .values()
            .filter_map(|id| self.outbox.get(id))
            .filter(|e| e.to == peer && matches!(e.body, OutboxBody::Part { .. }))
            .filter(|e| e.transmission.as_ref().is_some_and(&which))
            .map(|e| e.id)
            .collect();
        for id in ids {
            *self.parts.tries.entry(id).or_default() += 1;
            self.drop_entry(id);
        }
    }

    /// An entry has left the outbox: what belongs to it goes, too.
    pub(in crate::engine) fn entry_dropped(&mut self, entry: &OutboxEntry) {
        match &entry.body {
            OutboxBody::Part { group, index } => {
                if let Some(under_way) = self.parts.under_way.get_mut(group) {
                    under_way.sent.remove(index);
                    under_way.stored.remove(index);
                }
                self.parts.in_all = self.parts.in_all.saturating_sub(1);
                if let Some(window) = self.parts.windows.get_mut(&entry.to) {
                    *window = window.saturating_sub(1);
                    if *window == 0 {
                        self.parts.windows.remove(&entry.to);
                    }
                }
            }
            OutboxBody::Group(group) => self.end_group(entry.id, entry.order, group),
            _ => {}
        }
    }

    /// The payload of a large message is not needed any more.
    pub(in crate::engine) fn end_group(&mut self, id: MessageId, order: u64, group: &Group) {
        if self.parts.groups.remove(&order).is_none() {
            return;
        }
        self.parts.queued_bytes = self.parts.queued_bytes.saturating_sub(group.length);
        for index in group.confirmed.missing() {
            let part = part_id(id, index);
            self.drop_entry(part);
            self.parts.by_part.remove(&part);
            self.parts.tries.remove(&part);
            self.chunks.delete(&self.vault, &outgoing(id, index), STORE_VERSION);
        }
        self.parts.under_way.remove(&id);
    }

    /// The peer has the whole on its disk.
    pub(in crate::engine) fn group_delivered(&mut self, id: MessageId) {
        let Some(entry) = self.outbox.get(&id) else { return };
        let (order, OutboxBody::Group(group)) = (entry.order, &entry.body) else { return };
        let group = group.clone();
        self.end_group(id, order, &group);
    }
}
