//! What the relay says about our frames, and what is sent again after it was gone.

use rand_core::CryptoRng;

use crate::{
    identity::Amid,
    limits,
    time::{SECOND, Timestamp},
    wire::{id::MessageId, relay_frame::RelayMessageType, relay_id::RelayMessageId},
};

#[cfg(feature = "legacy-0-2")]
use super::legacy::is_legacy_frame;
use super::{
    Engine, Event, Outgoing, SendFailure, Stage,
    records::{OutboxBody, OutboxEntry, Transmission},
};

/// A relay writes to its disk within milliseconds; after this, a frame counts as lost on the way.
const ACK_TIMEOUT: u64 = 15 * SECOND;

impl Engine {
    /// The connection to the relay is gone; frames wait for the next one.
    pub const fn disconnected(&mut self) {
        self.connected = false;
    }

    pub(super) fn on_connected(&mut self, acks: bool, now: Timestamp, rng: &mut dyn CryptoRng) {
        self.connected = true;
        self.relay_acks = acks;
        self.in_flight.clear();
        self.pauses.clear();
        self.forget_left_frames();
        let mut ids: Vec<_> = self.outbox_order.values().copied().collect();
        for (id, to) in self.unheard_handshakes() {
            self.retransmit(id, true, now, rng);
            self.pauses.hold(to, now);
            ids.retain(|other| *other != id);
        }
        for id in ids {
            self.retransmit(id, true, now, rng);
        }
    }

    /// Handshakes that the relay may not have, and for whom they are. Messages of a session that arrive without its handshake
    /// wait at the relay, and once they fill the peer's inbox there, the handshake has no room any more: so it goes first,
    /// and the rest when the relay has it.
    fn unheard_handshakes(&self) -> Vec<(MessageId, Amid)> {
        let unheard = |id: &MessageId| {
            let entry = self.outbox.get(id)?;
            let heard = entry.transmission.as_ref().is_none_or(|t| t.relay_acked);
            (!heard && self.relay_acks).then_some((*id, entry.to))
        };
        self.handshakes.values().filter_map(unheard).collect()
    }

    /// Sends an entry's frame again if the relay may not have it, or if it is a handshake that nobody answered.
    fn retransmit(
        &mut self,
        id: MessageId,
        reconnected: bool,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        let Some(entry) = self.outbox.get(&id) else { return };
        let is_handshake = matches!(entry.body, OutboxBody::Handshake { .. });
        let Some(t) = &entry.transmission else { return };
        let relay_has_it = t.relay_acked && self.relay_acks;
        if relay_has_it && !is_handshake {
            return;
        }
        let (to, frame, old_id) = (entry.to, t.frame.clone(), t.relay_id);
        let is_ahead = is_handshake && is_dated_ahead(entry, now);
        #[cfg(feature = "legacy-0-2")]
        if is_legacy_frame(&frame) && !self.relay_acks {
            // Such a relay would deliver it twice, and a peer of 0.2 does not survive that.
            if t.relay_acked {
                return;
            }
            self.change_entry(id, |entry| {
                if let Some(t) = &mut entry.transmission {
                    t.relay_acked = true;
                }
            });
        }
        // A frame that the relay already stored is a new relay message if it goes out again.
        let relay_id = if relay_has_it { self.rename(id, old_id, rng) } else { old_id };
        let kind = if is_handshake { RelayMessageType::Knock } else { RelayMessageType::Message };
        #[cfg(feature = "legacy-0-2")]
        let kind = if is_legacy_frame(&frame) { super::legacy::relay_kind(&frame) } else { kind };
        if is_handshake && reconnected {
            self.schedule_resend(id, now);
        }
        if is_ahead {
            // The clock was. Nobody takes it before its time, so another takes its place as soon as one can be made.
            self.wanted.insert(to);
            self.request_bundle(to);
        }
        self.emit_frame(to, relay_id, kind, frame, now);
        if !self.relay_acks && self.outbox.get(&id).is_some_and(|e| e.body == OutboxBody::Control) {
            self.spent.push(id);
        }
    }

    fn rename(
        &mut self,
        id: MessageId,
        old: RelayMessageId,
        rng: &mut dyn CryptoRng,
    ) -> RelayMessageId {
        let relay_id = RelayMessageId::random(rng);
        self.by_relay_id.remove(&old);
        self.by_relay_id.insert(relay_id, id);
        // In memory is enough: after a crash the old name is used once more, which is a duplicate at worst.
        if let Some(t) = self.outbox.modify_lazily(&id).and_then(|e| e.transmission.as_mut()) {
            t.relay_id = relay_id;
            t.relay_acked = false;
        }
        relay_id
    }

    /// The clock was put back.
    pub(super) fn put_handshakes_back(&mut self, now: Timestamp) {
        let ids: Vec<_> = self.handshakes.values().copied().collect();
        for id in ids {
            let Some(entry) = self.outbox.modify_lazily(&id) else { continue };
            let is_ahead = is_dated_ahead(entry, now);
            if let OutboxBody::Handshake { resend_at, pause } = &mut entry.body {
                // What nobody takes is replaced, and not when the old one would have been due.
                let wait = if is_ahead { 0 } else { *pause };
                *resend_at = now.plus_millis(wait).min(*resend_at);
            }
        }
    }

    fn schedule_resend(&mut self, id: MessageId, now: Timestamp) {
        if let Some(OutboxEntry { body: OutboxBody::Handshake { resend_at, pause }, .. }) =
            self.outbox.modify_lazily(&id)
        {
            *resend_at = now.plus_millis(*pause);
            *pause = (*pause * 2).min(limits::HANDSHAKE_RESEND_MAX);
        }
    }

    /// The relay has the frame on its disk, or the recipient acked it: no more retransmission.
    pub(super) fn on_relay_acked(
        &mut self,
        relay_id: RelayMessageId,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        self.in_flight.remove(&relay_id);
        let Some(id) = self.by_relay_id.get(&relay_id).copied() else { return };
        let Some(entry) = self.outbox.modify_lazily(&id) else { return };
        let to = entry.to;
        match entry.body {
            OutboxBody::Control => self.spent.push(id),
            OutboxBody::Part { group, index } => {
                if let Some(t) = entry.transmission.as_mut() {
                    t.relay_acked = true;
                }
                self.part_stored(group, index);
            }
            OutboxBody::Group(_) | OutboxBody::Receipts(_) => {}
            OutboxBody::Handshake { .. } => {
                if let Some(t) = entry.transmission.as_mut() {
                    t.relay_acked = true;
                }
                if self.pauses.is_paused(&to) {
                    self.pauses.lift(&to);
                    self.retransmit_to(to, now, rng);
                }
            }
            OutboxBody::Message { .. } => {
                if let Some(t) = entry.transmission.as_mut() {
                    t.relay_acked = true;
                }
                if entry.is_message() && entry.stage < Stage::StoredByRelay {
                    entry.stage = Stage::StoredByRelay;
                    self.stored.push(id);
                    self.out.events.push(Event::Progress { to, id, stage: Stage::StoredByRelay });
                    #[cfg(feature = "legacy-0-2")]
                    if entry.transmission.as_ref().is_some_and(|t| is_legacy_frame(&t.frame)) {
                        self.spent.push(id);
                        self.out.events.push(Event::NotConfirmable { to, id });
                    }
                }
            }
        }
        if !self.pauses.is_paused(&to) {
            self.pauses.lift(&to);
        }
    }

    pub(super) fn on_relay_refused(
        &mut self,
        relay_id: RelayMessageId,
        retryable: bool,
        retry_after: Option<u64>,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        let Some(id) = self.by_relay_id.get(&relay_id).copied() else { return };
        let Some(entry) = self.outbox.get(&id) else { return };
        let to = entry.to;
        // Answered: what brings it on its way again is room.
        self.in_flight.remove(&relay_id);
        if retryable {
            if !self.pauses.is_paused(&to) || self.pauses.is_held(&to) {
                self.pauses.pause(to, retry_after, now, rng);
            }
            return;
        }
        if let OutboxBody::Part { group, .. } = entry.body {
            self.fail_group(group, SendFailure::TooLarge);
            return;
        }
        let failed = entry.is_message();
        self.drop_entry(id);
        if failed {
            self.out.events.push(Event::SendFailed { to, id, reason: SendFailure::TooLarge });
        }
    }

    /// A handshake that the relay may not have takes the room that there is again, and the relay's word on it ends the pause.
    fn goes_first(&mut self, peer: Amid, now: Timestamp) -> bool {
        let unheard = self.unheard_handshakes().into_iter().find(|(_, to)| *to == peer);
        let transmission = unheard.and_then(|(id, _)| self.outbox.get(&id)?.transmission.as_ref());
        let Some((relay_id, frame)) = transmission.map(|t| (t.relay_id, t.frame.clone())) else {
            return false;
        };
        #[cfg(feature = "legacy-0-2")]
        if is_legacy_frame(&frame) {
            return false;
        }
        if !self.in_flight.contains_key(&relay_id)
            && let Some(pause) = self.pauses.lift(&peer)
        {
            self.emit_frame(peer, relay_id, RelayMessageType::Knock, frame, now);
            self.pauses.restore(peer, pause);
        }
        true
    }

    /// A peer whose inbox at the relay was full has taken messages out of it: as many of those that wait go at once,
    /// without the end of the pause.
    pub(super) fn refill(&mut self, peer: Amid, taken: usize, now: Timestamp) {
        if taken == 0 || !self.connected || !self.relay_acks || !self.pauses.is_paused(&peer) {
            return;
        }
        if self.goes_first(peer, now) {
            return;
        }
        let waits = |id: &&MessageId| {
            self.outbox.get(id).is_some_and(|entry| {
                let waits =
                    |t: &Transmission| !t.relay_acked && !self.in_flight.contains_key(&t.relay_id);
                entry.to == peer
                    && matches!(entry.body, OutboxBody::Message { .. })
                    && entry.transmission.as_ref().is_some_and(waits)
            })
        };
        let next: Vec<_> = self.outbox_order.values().filter(waits).take(taken).copied().collect();
        let room_left = next.len() < taken;
        let Some(pause) = self.pauses.lift(&peer) else { return };
        for id in next {
            let Some(t) = self.outbox.get(&id).and_then(|entry| entry.transmission.as_ref()) else {
                continue;
            };
            let (relay_id, frame) = (t.relay_id, t.frame.clone());
            #[cfg(feature = "legacy-0-2")]
            if is_legacy_frame(&frame) {
                continue;
            }
            self.emit_frame(peer, relay_id, RelayMessageType::Message, frame, now);
        }
        if room_left {
            // Nothing waits any more, so there is nothing to pause.
            return;
        }
        self.pauses.restore(peer, pause);
    }

    /// Sends again what the relay had no room for, and handshakes that nobody answered.
    pub(super) fn retransmit_due(&mut self, now: Timestamp, rng: &mut dyn CryptoRng) {
        if !self.connected {
            return;
        }
        for peer in self.pauses.take_over(now) {
            let unheard = self.unheard_handshakes().into_iter().find(|(_, to)| *to == peer);
            if let Some((handshake, _)) = unheard {
                self.retransmit(handshake, false, now, rng);
                self.pauses.hold(peer, now);
                continue;
            }
            self.retransmit_to(peer, now, rng);
        }
        for id in self.handshakes_due(now) {
            self.schedule_resend(id, now);
            self.retransmit(id, false, now, rng);
        }
        for id in self.unacked(now) {
            self.retransmit(id, false, now, rng);
        }
    }

    /// Sends again what the relay had no room for.
    fn retransmit_to(&mut self, peer: Amid, now: Timestamp, rng: &mut dyn CryptoRng) {
        let mut ids: Vec<_> = self
            .outbox_order
            .values()
            .filter(|id| self.outbox.get(id).is_some_and(|e| e.to == peer))
            .copied()
            .collect();
        // What is short goes before parts of what is long.
        let is_part = |id: &MessageId| {
            self.outbox.get(id).is_some_and(|e| matches!(e.body, OutboxBody::Part { .. }))
        };
        ids.sort_by_key(is_part);
        for id in ids {
            if self
                .outbox
                .get(&id)
                .is_some_and(|e| e.transmission.as_ref().is_some_and(|t| !t.relay_acked))
            {
                self.retransmit(id, false, now, rng);
            }
        }
    }

    /// Entries that a relay which acks has not acked for long. It knows frames by their ids, so sending one again is
    /// harmless; a relay that lost one would otherwise keep it waiting until the next connection.
    fn unacked(&mut self, now: Timestamp) -> Vec<MessageId> {
        let by_relay_id = &self.by_relay_id;
        self.in_flight.retain(|relay_id, _| by_relay_id.contains_key(relay_id));
        let mut late: Vec<_> = self
            .in_flight
            .iter()
            .filter(|(_, sent)| self.relay_acks && now.since(**sent) >= ACK_TIMEOUT)
            .filter_map(|(relay_id, _)| by_relay_id.get(relay_id).copied())
            .collect();
        late.sort_by_key(|id| self.outbox.get(id).map(|e| e.order));
        late
    }

    /// When the first of them is due.
    pub(super) fn next_unacked(&self) -> Option<Timestamp> {
        self.in_flight.values().min().map(|sent| sent.plus_millis(ACK_TIMEOUT))
    }

    fn handshakes_due(&self, now: Timestamp) -> Vec<MessageId> {
        self.handshake_entries().filter(|(_, at)| *at <= now).map(|(id, _)| id).collect()
    }

    /// Handshakes under way and when each is sent again.
    pub(super) fn handshake_entries(&self) -> impl Iterator<Item = (MessageId, Timestamp)> {
        self.handshakes.values().filter_map(|id| match self.outbox.get(id)?.body {
            OutboxBody::Handshake { resend_at, .. } => Some((*id, resend_at)),
            _ => None,
        })
    }

    /// The entry of the outbox that a frame belongs to.
    #[cfg(any(test, feature = "test-utils"))]
    pub(crate) fn entry_of(&self, relay_id: &RelayMessageId) -> Option<MessageId> {
        self.by_relay_id.get(relay_id).copied()
    }

    #[cfg(test)]
    pub(super) fn forget_relay_ack(&mut self, relay_id: &RelayMessageId) {
        let id = self.by_relay_id[relay_id];
        if let Some(t) = self.outbox.modify_lazily(&id).and_then(|e| e.transmission.as_mut()) {
            t.relay_acked = false;
        }
        // As if it had just been sent: tests take the relay's word back at once.
        self.in_flight
            .insert(*relay_id, self.outbox.get(&id).map_or(Timestamp::ZERO, |e| e.created_at));
    }

    /// A frame that nobody has to keep: answers to probes and refusals.
    pub(super) fn emit_once(&mut self, to: Amid, frame: Vec<u8>, rng: &mut dyn CryptoRng) {
        if self.connected && !self.is_blocked(&to) {
            let relay_id = RelayMessageId::random(rng);
            self.out.outgoing.push(Outgoing {
                to,
                relay_id,
                kind: RelayMessageType::Message,
                frame,
            });
        }
    }
}

/// Whether nobody takes a handshake yet: it was made while the clock was ahead.
fn is_dated_ahead(entry: &OutboxEntry, now: Timestamp) -> bool {
    entry.created_at > now.plus_millis(limits::CLOCK_SKEW)
}
