//! The outbox: messages from the application's call to the peer's receipt.

use rand_core::CryptoRng;

#[cfg(test)]
use crate::planted::{self, Defect};
use crate::{
    handshake::SessionId,
    identity::Amid,
    knock::KnockRequest,
    limits,
    time::Timestamp,
    wire::{
        frame::MESSAGE_PREFIX,
        id::MessageId,
        plaintext::{Headers, MessageType, Payload, Plaintext},
        relay_frame::RelayMessageType,
        relay_id::RelayMessageId,
    },
};

use super::{
    CircuitState, Engine, Event, Outgoing, Request, SendError, SendFailure, Stage,
    records::{OutboxBody, OutboxEntry, Peer, Transmission},
};

/// A message that the application wants sent.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessage {
    /// Its id. Sending the same id to the same peer twice sends one message.
    pub id: MessageId,
    /// The recipient.
    pub to: Amid,
    /// What it is.
    pub kind: MessageType,
    /// The message it answers.
    pub in_reply_to: Option<MessageId>,
    /// What it says.
    pub payload: Payload,
    /// What is said of the payload.
    pub headers: Headers,
    /// What the KNOCK asks for, if this message opens a session.
    pub knock_request: Option<KnockRequest>,
    /// Milliseconds until it is given up, if less than the configured age.
    pub expires_in: Option<u64>,
}

impl Engine {
    /// How far a message of ours is; `None` if it left the outbox.
    pub fn stage(&self, id: &MessageId) -> Option<Stage> {
        self.outbox.get(id).filter(|e| e.is_message()).map(|e| e.stage)
    }

    /// Whether the relay has whatever is to be sent, as far as it is known to have it.
    pub fn has_sent_all(&self) -> bool {
        self.outbox.values().all(|entry| match &entry.transmission {
            Some(transmission) => transmission.relay_acked,
            // Receipts that wait for a session go when there is one, which nobody knows.
            None => entry.stage > Stage::Queued || matches!(entry.body, OutboxBody::Receipts(_)),
        })
    }

    #[cfg(any(test, feature = "metrics"))]
    pub(crate) fn messages_under_way(&self) -> usize {
        self.outbox.values().filter(|entry| entry.is_message()).count()
    }

    pub(super) fn send(
        &mut self,
        message: NewMessage,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), SendError> {
        let (id, to) = (message.id, message.to);
        if to == self.identity.amid() {
            return Err(SendError::ToSelf);
        }
        if self.circuit_state() == CircuitState::Stopped {
            return Err(SendError::Stopped { since: self.circuit().since });
        }
        if self.is_blocked(&to) {
            return Err(SendError::PeerBlocked { amid: to });
        }
        if let Some(entry) = self.outbox.get(&id) {
            return if entry.to == to { Ok(()) } else { Err(SendError::IdInUse { id }) };
        }
        let actual = message.payload.len();
        if actual > limits::MAX_PAYLOAD {
            return self.send_in_parts(message, now);
        }
        let NewMessage { kind, in_reply_to, payload, headers, knock_request, expires_in, .. } =
            message;
        let entries = self.outbox_order.len();
        if entries >= self.config.max_outbox_entries
            || self.outbox_bytes + 2 * actual > self.config.max_outbox_bytes
        {
            return Err(SendError::OutboxFull { entries, bytes: self.outbox_bytes });
        }
        self.check_rejected(to, now)?;
        let peer = self.peers.get(&to);
        let seq = peer.map_or(0, |p| p.next_seq);
        let mut plaintext = Plaintext::new(id, kind, seq, now);
        plaintext.in_reply_to = in_reply_to;
        plaintext.payload = payload;
        plaintext.headers = headers;
        let encoded = plaintext.encode().map_err(SendError::of)?;
        let intent = knock_request.map(|request| request.to_json()).transpose();
        let intent = intent.map_err(|e| SendError::knock_request(&e))?;

        // From here on nothing fails.
        if peer.is_none() {
            self.peers.put(&self.vault, Peer::new(to));
        }
        if let Some(peer) = self.peers.modify(&to) {
            peer.next_seq += 1;
        }
        let age = expires_in.unwrap_or(self.config.outbox_age).min(self.config.outbox_age);
        let entry = OutboxEntry {
            id,
            to,
            order: self.next_order(),
            created_at: now,
            expires_at: now.plus_millis(age),
            stage: Stage::Queued,
            body: OutboxBody::Message { plaintext: Some(encoded), intent },
            transmission: None,
        };
        self.add_entry(entry);
        self.transmit(id, now, rng);
        Ok(())
    }

    /// Whether the peer asked not to be knocked on now.
    pub(super) fn check_rejected(&self, to: Amid, now: Timestamp) -> Result<(), SendError> {
        let until = self.peers.get(&to).map_or(Timestamp::ZERO, |p| p.rejected_until);
        if self.sending_session(to).is_none() && until > now {
            let retry_after_s = until.since(now).div_ceil(1000);
            return Err(SendError::RejectedRecently { retry_after_s });
        }
        Ok(())
    }

    /// The session to send in, if there is one and it is not used up.
    pub(super) fn sending_session(&self, peer: Amid) -> Option<SessionId> {
        let id = self.peers.get(&peer)?.sending?;
        self.sessions.get(&id).filter(|e| !e.is_tombstone()).map(|_| id)
    }

    /// The same, if a message may be sent in it now: not if its time is up.
    pub(super) fn usable_session(&self, peer: Amid, now: Timestamp) -> Option<SessionId> {
        let id = self.sending_session(peer)?;
        self.sessions.get(&id).filter(|e| e.is_usable(now)).map(|_| id)
    }

    /// Encrypts a message that has no frame yet and hands it to the relay; asks for a bundle if there is no session.
    pub(super) fn transmit(&mut self, id: MessageId, now: Timestamp, rng: &mut dyn CryptoRng) {
        let Some(entry) = self.outbox.get(&id) else { return };
        let to = entry.to;
        #[cfg(feature = "legacy-0-2")]
        if self.transmit_legacy(id, now, rng) {
            return;
        }
        let Some(entry) = self.outbox.get(&id) else { return };
        let OutboxBody::Message { plaintext: Some(plaintext), .. } = &entry.body else { return };
        let Some(session) = self.usable_session(to, now) else {
            self.request_bundle(to);
            return;
        };
        let plaintext = plaintext.clone();
        let Some(frame) = self.encrypt(session, &plaintext, now, rng) else {
            self.request_bundle(to);
            return;
        };
        let relay_id = RelayMessageId::random(rng);
        #[cfg(test)]
        let relay_id = if planted::has(Defect::SameRelayId) {
            RelayMessageId::from_bytes(*id.as_bytes())
        } else {
            relay_id
        };
        self.change_entry(id, |entry| {
            entry.transmission =
                Some(Transmission { session, relay_id, frame: frame.clone(), relay_acked: false });
        });
        self.by_relay_id.insert(relay_id, id);
        self.emit_frame(to, relay_id, RelayMessageType::Message, frame, now);
    }

    /// A kind-2 frame of a session.
    pub(super) fn encrypt(
        &mut self,
        session: SessionId,
        plaintext: &[u8],
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Option<Vec<u8>> {
        let live = self.sessions.modify(&session)?.session.as_mut()?;
        let mut frame = Vec::with_capacity(plaintext.len() + limits::PADDING_BLOCK + 128);
        frame.extend_from_slice(&MESSAGE_PREFIX);
        live.encrypt_into(plaintext, &mut frame, now, rng).ok()?;
        Some(frame)
    }

    /// Hands a frame to the relay, unless the peer's inbox there is full at the moment.
    pub(super) fn emit_frame(
        &mut self,
        to: Amid,
        relay_id: RelayMessageId,
        kind: RelayMessageType,
        frame: Vec<u8>,
        now: Timestamp,
    ) {
        if self.connected && !self.pauses.is_paused(&to) && !self.is_blocked(&to) {
            if let Some(id) = self.by_relay_id.get(&relay_id) {
                self.attempts.made(*id);
            }
            self.in_flight.insert(relay_id, now);
            self.out.outgoing.push(Outgoing { to, relay_id, kind, frame });
        }
    }

    pub(super) fn request_bundle(&mut self, peer: Amid) {
        #[cfg(feature = "legacy-0-2")]
        if self.has_legacy_session(&peer) && !self.wanted.contains(&peer) {
            return;
        }
        let request = Request::Bundle(peer);
        if !self.out.requests.contains(&request) {
            self.out.requests.push(request);
        }
    }

    /// Peers with messages that wait for a session.
    pub(super) fn peers_without_session(&self) -> Vec<Amid> {
        let mut peers: Vec<_> = self
            .outbox
            .values()
            .filter(|e| matches!(e.body, OutboxBody::Message { .. }))
            .filter(|e| e.transmission.is_none() && e.stage < Stage::Delivered)
            .map(|e| e.to)
            .chain(self.wanted.iter().copied())
            .collect();
        peers.sort_unstable();
        peers.dedup();
        peers
    }

    /// Ids of messages to a peer that it has not confirmed, in order.
    pub(super) fn unconfirmed(&self, peer: Amid) -> Vec<MessageId> {
        self.outbox_order
            .values()
            .filter_map(|id| self.outbox.get(id))
            .filter(|e| e.to == peer && e.is_message() && e.stage < Stage::Delivered)
            .map(|e| e.id)
            .collect()
    }

    /// Takes the frames off a peer's unconfirmed messages, so that the next session encrypts them again.
    pub(super) fn recall(&mut self, peer: Amid) {
        self.recall_parts(peer, |_| true);
        for id in self.unconfirmed(peer) {
            self.recall_one(id);
        }
    }

    pub(super) fn recall_one(&mut self, id: MessageId) {
        if let Some(t) = self.outbox.get(&id).and_then(|e| e.transmission.as_ref()) {
            self.by_relay_id.remove(&t.relay_id);
        }
        self.change_entry(id, |entry| entry.transmission = None);
    }

    /// Encrypts what waits for a session with a peer in the one that is used for sending now: messages, then receipts.
    pub(super) fn transmit_waiting(&mut self, peer: Amid, now: Timestamp, rng: &mut dyn CryptoRng) {
        for id in self.unconfirmed(peer) {
            if self.outbox.get(&id).is_some_and(|e| e.transmission.is_none()) {
                self.transmit(id, now, rng);
            }
        }
        self.send_waiting_receipts(peer, now, rng);
    }

    /// Gives up every unconfirmed message to a peer.
    pub(super) fn fail_peer(&mut self, peer: Amid, reason: &SendFailure) {
        self.wanted.remove(&peer);
        for id in self.unconfirmed(peer) {
            self.drop_entry(id);
            self.out.events.push(Event::SendFailed { to: peer, id, reason: reason.clone() });
        }
    }

    pub(super) fn cancel(&mut self, id: MessageId) {
        let Some(to) = self.outbox.get(&id).filter(|e| e.is_message()).map(|e| e.to) else {
            return;
        };
        self.drop_entry(id);
        self.out.events.push(Event::SendFailed { to, id, reason: SendFailure::Cancelled });
    }

    pub(super) fn add_entry(&mut self, entry: OutboxEntry) {
        self.outbox_bytes += entry.weight();
        self.outbox_order.insert(entry.order, entry.id);
        if matches!(entry.body, OutboxBody::Handshake { .. }) {
            self.handshakes.insert(entry.order, entry.id);
        }
        if let Some(t) = &entry.transmission {
            self.by_relay_id.insert(t.relay_id, entry.id);
        }
        self.receipts.entry_added(&entry);
        self.outbox.put(&self.vault, entry);
    }

    pub(super) fn change_entry(&mut self, id: MessageId, change: impl FnOnce(&mut OutboxEntry)) {
        let Some(entry) = self.outbox.modify(&id) else { return };
        let before = entry.weight();
        change(entry);
        self.outbox_bytes = self.outbox_bytes + entry.weight() - before;
    }

    pub(super) fn drop_entry(&mut self, id: MessageId) {
        let Some(entry) = self.outbox.remove(&id) else { return };
        self.attempts.forget(&id);
        self.receipts.entry_dropped(&entry);
        self.outbox_bytes -= entry.weight();
        self.outbox_order.remove(&entry.order);
        self.handshakes.remove(&entry.order);
        if let Some(t) = &entry.transmission {
            self.by_relay_id.remove(&t.relay_id);
        }
        self.entry_dropped(&entry);
    }

    /// A message that carries no application payload, sent until the relay has it. False if the session is used up.
    pub(super) fn send_control(
        &mut self,
        to: Amid,
        session: SessionId,
        plaintext: &Plaintext,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> bool {
        let Ok(encoded) = plaintext.encode() else { return false };
        let Some(frame) = self.encrypt(session, &encoded, now, rng) else { return false };
        let relay_id = RelayMessageId::random(rng);
        let entry = OutboxEntry {
            id: plaintext.id,
            to,
            order: self.next_order(),
            created_at: now,
            expires_at: now.plus_millis(self.config.outbox_age),
            stage: Stage::Queued,
            body: OutboxBody::Control,
            transmission: Some(Transmission {
                session,
                relay_id,
                frame: frame.clone(),
                relay_acked: false,
            }),
        };
        self.add_entry(entry);
        self.emit_frame(to, relay_id, RelayMessageType::Message, frame, now);
        if !self.relay_acks && self.connected {
            self.spent.push(plaintext.id);
        }
        true
    }
}

/// A message without application payload. It takes no number: only messages that applications see are counted.
pub(super) fn control(kind: MessageType, now: Timestamp, rng: &mut dyn CryptoRng) -> Plaintext {
    Plaintext::new(MessageId::new_v7(now, rng), kind, 0, now)
}
