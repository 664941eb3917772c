//! Messages to peers that speak only 0.2, and the KNOCK that comes before the first.

use rand_core::CryptoRng;

use super::{LegacyOffer, LegacyPeer, relay_kind, session_id};
use crate::{
    engine::{
        Engine, Event, SendFailure, Stage,
        records::{OutboxBody, OutboxEntry, Transmission},
    },
    error::ErrorInfo,
    handshake::{SessionId, Suite},
    identity::Amid,
    legacy::{LegacyHandshakeError, LegacyKnock, LegacySession},
    limits::MAX_ENCRYPTED_PAYLOAD,
    time::Timestamp,
    wire::{
        id::MessageId,
        plaintext::{Payload, Plaintext},
        relay_id::RelayMessageId,
    },
};

impl Engine {
    /// Sends a message in a legacy session, or leaves it waiting for one that is under way. False if there is none, and it
    /// should be asked what else the peer offers.
    pub(in crate::engine) fn transmit_legacy(
        &mut self,
        id: MessageId,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> bool {
        let Some(entry) = self.outbox.get(&id) else { return false };
        let to = entry.to;
        if !self.has_legacy_session(&to) {
            return false;
        }
        let Some(known) = self.legacy.peers.get(&to) else { return false };
        let Some(session) = &known.session else { return false };
        if !known.accepted || session.must_wait() {
            return true;
        }
        let OutboxBody::Message { plaintext: Some(plaintext), .. } = &entry.body else {
            return true;
        };
        let sid = session_id(session);
        let Some(text) = json(plaintext) else {
            self.fail_legacy(id, to);
            return true;
        };
        let Some(session) = self.legacy.peers.modify(&to).and_then(|p| p.session.as_mut()) else {
            return false;
        };
        let Ok(envelope) = session.encrypt(&text, now, rng) else {
            self.fail_legacy(id, to);
            return true;
        };
        let frame = envelope.to_json().into_bytes();
        // What fits a native frame fits this one, too.
        debug_assert!(frame.len() <= MAX_ENCRYPTED_PAYLOAD, "an envelope fits the relay");
        let relay_id = RelayMessageId::random(rng);
        let handed_over = self.connected && !self.relay_acks;
        self.change_entry(id, |entry| {
            let (session, frame) = (sid, frame.clone());
            entry.transmission =
                Some(Transmission { session, relay_id, frame, relay_acked: handed_over });
        });
        self.by_relay_id.insert(relay_id, id);
        self.emit_frame(to, relay_id, relay_kind(&frame), frame, now);
        true
    }

    /// Peers of 0.2 take JSON objects, and not too long ones.
    fn fail_legacy(&mut self, id: MessageId, to: Amid) {
        self.drop_entry(id);
        let reason = SendFailure::NotForLegacy { amid: to };
        self.out.events.push(Event::SendFailed { to, id, reason });
    }

    /// The registry has no native bundle of a peer, but one of 0.2.
    pub(in crate::engine) fn on_legacy_offer(
        &mut self,
        peer: Amid,
        offer: &LegacyOffer,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        if self.unconfirmed(peer).is_empty() {
            return;
        }
        if !self.config.allow_legacy {
            self.fail_peer(peer, &SendFailure::NativeBundleUnavailable { amid: peer });
            return;
        }
        if let Some(pinned) = self.native_pin(&peer) {
            let offered = Suite::Legacy02.id();
            self.fail_peer(peer, &SendFailure::SuiteDowngrade { amid: peer, pinned, offered });
            return;
        }
        if self.has_legacy_session(&peer) {
            self.transmit_waiting(peer, now, rng);
            return;
        }
        if let Err(error) = self.start_legacy(peer, offer, now, rng) {
            self.fail_peer(peer, &SendFailure::BundleRefused { amid: peer, code: error });
        }
    }

    /// X3DH with the peer's bundle, and a KNOCK that carries it under our signature. Messages wait for the answer.
    fn start_legacy(
        &mut self,
        peer: Amid,
        offer: &LegacyOffer,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), &'static str> {
        let pinned = self.legacy.peers.get(&peer).and_then(|known| known.exchange);
        if offer.peer.amid() != peer || pinned.is_some_and(|key| key != offer.peer.exchange) {
            return Err(LegacyHandshakeError::ExchangeKeyMismatch.code());
        }
        let (session, x3dh) =
            LegacySession::initiate(&self.identity, &offer.peer, &offer.bundle, now, rng)
                .map_err(|e| e.code())?;
        let request = self.knock_request_for(peer).map_err(|e| e.code())?;
        let knock = LegacyKnock::sign(&self.identity, peer, &request, Some(&x3dh), now, rng)
            .map_err(|e| e.code())?;
        let sid = session_id(&session);
        self.pin(peer, offer.peer.signing, Suite::Legacy02.id());
        self.with_legacy_peer(peer, |known| {
            known.exchange = Some(offer.peer.exchange);
            known.replace_session(session, now);
            known.knock_nonce = Some(knock.nonce().to_owned());
        });
        self.send_legacy_control(peer, sid, knock.to_json(), now, rng);
        Ok(())
    }

    pub(super) fn with_legacy_peer(&mut self, peer: Amid, change: impl FnOnce(&mut LegacyPeer)) {
        if self.legacy.peers.get(&peer).is_none() {
            self.legacy.peers.put(&self.vault, LegacyPeer::new(peer));
        }
        if let Some(known) = self.legacy.peers.modify(&peer) {
            change(known);
        }
    }

    /// A KNOCK, an answer or a farewell: gone as soon as the relay has it.
    pub(super) fn send_legacy_control(
        &mut self,
        to: Amid,
        session: SessionId,
        text: String,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        let frame = text.into_bytes();
        let kind = relay_kind(&frame);
        let (id, relay_id) = (MessageId::new_v7(now, rng), RelayMessageId::random(rng));
        let transmission =
            Transmission { session, relay_id, frame: frame.clone(), relay_acked: false };
        let entry = OutboxEntry {
            id,
            to,
            order: self.next_order(),
            created_at: now,
            // Nobody believes it for longer.
            expires_at: now.plus_millis(crate::limits::LEGACY_KNOCK_WINDOW),
            stage: Stage::Queued,
            body: OutboxBody::Control,
            transmission: Some(transmission),
        };
        self.add_entry(entry);
        self.emit_frame(to, relay_id, kind, frame, now);
        if !self.relay_acks && self.connected {
            self.spent.push(id);
        }
    }

    /// Tells a peer that its legacy session is over, and ends it. Whether there was one.
    pub(in crate::engine) fn close_legacy(
        &mut self,
        peer: Amid,
        reason: &str,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> bool {
        let Some(id) = self.drop_legacy_session(peer) else { return false };
        let text = format!("{{\"type\":\"close\",\"reason\":\"{reason}\"}}");
        self.send_legacy_control(peer, id, text, now, rng);
        true
    }
}

/// The text of a message, if it is one; the session takes none but that of an object.
fn json(plaintext: &[u8]) -> Option<String> {
    match Plaintext::decode(plaintext).ok()?.payload {
        Payload::Json(text) => Some(text),
        _ => None,
    }
}
