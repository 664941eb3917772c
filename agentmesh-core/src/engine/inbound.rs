//! From a frame to its effects. A frame is opened beside its session; nothing changes until the tag, the plaintext
//! and the room for it were checked (`docs/protocol/native.md` §5, §7).

use core::fmt;

use rand_core::CryptoRng;

use crate::{
    handshake::SessionId,
    identity::Amid,
    limits,
    session::{Advance, DecryptError},
    time::Timestamp,
    wire::{
        frame::NativeFrame,
        id::MessageId,
        plaintext::{MessageType, Plaintext, Receipt, Stage},
        relay_id::RelayMessageId,
    },
};

use super::{
    DropReason, Engine, Event, Inbound, RelayAck,
    left_behind::Until,
    records::{Decision, InboxState},
};

/// Where a frame came from: enough to ack it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) from: Amid,
    pub(super) relay_id: Option<RelayMessageId>,
}

impl Source {
    pub(super) const fn of(inbound: &Inbound) -> Self {
        Self { from: inbound.from, relay_id: inbound.relay_id }
    }
}

/// A frame that decrypted and waits to be applied. Dropping it leaves everything as it was.
pub struct Opened {
    source: Source,
    session: SessionId,
    advance: Advance,
    plaintext: Plaintext,
    encoded: Vec<u8>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("from", &self.source.from)
            .field("session", &self.session)
            .field("kind", &self.plaintext.kind)
            .finish_non_exhaustive()
    }
}

impl Opened {
    pub(super) const fn from(&self) -> Amid {
        self.source.from
    }

    /// The message that a part belongs to.
    pub(super) fn group(&self) -> Option<MessageId> {
        self.plaintext.part.and_then(|part| MessageId::from_bytes(part.group).ok())
    }

    pub(super) const fn message_id(&self) -> MessageId {
        self.plaintext.id
    }

    /// Messages that the peer asks about.
    pub(super) fn asked(&self) -> impl Iterator<Item = MessageId> {
        let asked = |receipt: &&Receipt| receipt.stage == Stage::Asked;
        self.plaintext.receipts.iter().filter(asked).map(|receipt| receipt.id)
    }
}

impl Engine {
    /// Looks at a frame. Returns it opened if it belongs to a session; everything else is dealt with here.
    pub(super) fn receive(
        &mut self,
        inbound: Inbound,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Option<Opened> {
        let source = Source::of(&inbound);
        if self.is_blocked(&source.from) {
            self.drop_frame(source, DropReason::Blocked);
            return None;
        }
        match NativeFrame::parse(inbound.frame) {
            Err(_) => self.drop_frame(source, DropReason::Malformed),
            Ok(NativeFrame::Handshake(frame)) => return self.on_handshake(source, frame, now, rng),
            Ok(NativeFrame::Message(mut message)) => {
                let id = message.session_id();
                if self.sessions.get(&id).is_some() {
                    return self.open_message(source, id, message.body_mut(), now, rng);
                }
                let Source { from, relay_id } = source;
                let inbound = Inbound { from, relay_id, frame: message.into_bytes() };
                if self.is_forgotten(&id) {
                    self.parked.hasten(from, id, now);
                } else if self.is_left_behind(&from, Some(&id))
                    || !self.parked.park(id, inbound, now)
                {
                    self.leave_unknown(from, id);
                }
            }
            Ok(NativeFrame::Probe(probe)) => self.on_probe(source, &probe, now, rng),
            Ok(NativeFrame::ProbeReply(reply)) => self.on_probe_reply(source, &reply, now),
            Ok(NativeFrame::Refuse(refuse)) => self.on_refuse(source, &refuse, now, rng),
        }
        None
    }

    /// Decrypts a message of a session that exists.
    pub(super) fn open_message(
        &mut self,
        source: Source,
        id: SessionId,
        body: &mut [u8],
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Option<Opened> {
        let entry = self.sessions.get(&id)?;
        // A session id is not secret: only the peer that the session was made with may use it.
        if entry.peer != source.from {
            self.drop_frame(source, DropReason::Rejected);
            return None;
        }
        let Some(session) = &entry.session else {
            self.on_frame_of_closed(source, id, now);
            return None;
        };
        let (encoded, advance) = match session.open(body, now) {
            Ok(opened) => {
                let (plaintext, advance) = opened.split();
                (plaintext.to_vec(), advance)
            }
            Err(error) => {
                self.on_undecryptable(source, id, &error, now, rng);
                return None;
            }
        };
        let Ok(plaintext) = Plaintext::decode(&encoded) else {
            // The peer's own software wrote nonsense under a good key: the key is spent all the same.
            self.commit_candidate(id, advance);
            self.drop_frame(source, DropReason::Malformed);
            return None;
        };
        Some(Opened { source, session: id, advance, plaintext, encoded })
    }

    fn on_undecryptable(
        &mut self,
        source: Source,
        session: SessionId,
        error: &DecryptError,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        match error {
            DecryptError::Duplicate => self.drop_frame(source, DropReason::Duplicate),
            DecryptError::Malformed | DecryptError::WrongSuite { .. } => {
                self.drop_frame(source, DropReason::Malformed);
            }
            _ => self.probe(source, session, now, rng),
        }
    }

    /// Applies an opened frame: session, inbox, receipts, ack, all in one batch.
    pub(super) fn apply(&mut self, opened: Opened, now: Timestamp) {
        let Opened { source, session, advance, plaintext, encoded } = opened;
        let from = source.from;
        let Some(entry) = self.sessions.get(&session) else { return };
        let held = entry.decision == Decision::Pending;
        // Unacked and uncommitted, what finds no room stays at the relay until then.
        let until = if held { Until::Decision(session) } else { Until::Room };
        let is_application = plaintext.kind.is_application();
        if is_application && let Some(part) = plaintext.part {
            // A part is kept for good or not at all, so none is before the KNOCK is decided.
            if held || !self.has_room_for_part(encoded.len()) {
                self.leave_part(from, until);
                return;
            }
            self.commit_candidate(session, advance);
            self.keep_receiving(from, session, now);
            self.forget_missing(from, session);
            self.take_part(source, session, part, &plaintext, now);
            return;
        }
        let key = (from, plaintext.id);
        let known = self.inbox.get(&key).is_some() || self.seen.get(&key).is_some();
        if is_application && !known {
            if self.is_left_behind(&from, Some(&session)) {
                return;
            }
            if !self.has_inbox_room(from, held, encoded.len()) {
                self.leave_message(from, until);
                return;
            }
        }
        self.commit_candidate(session, advance);
        self.keep_receiving(from, session, now);
        self.ack(source);
        if is_application || plaintext.kind == MessageType::Receipt {
            self.forget_missing(from, session);
        }
        if is_application {
            let state = if held { InboxState::Held } else { InboxState::Ready };
            self.store_message(from, session, &plaintext, encoded, state, now);
            return;
        }
        match plaintext.kind {
            MessageType::Receipt => self.on_receipts(from, &plaintext.receipts, now),
            MessageType::Accept | MessageType::Reject => {
                self.on_answer(from, session, &plaintext, now);
            }
            MessageType::Close => self.on_close(from, session, now),
            MessageType::Status => self.on_status(from, session, plaintext),
            // A KNOCK opens sessions, never arrives in one.
            _ => {}
        }
    }

    /// Writes an opened frame's change into its session, and notes that the peer has the session.
    pub(super) fn commit_candidate(&mut self, id: SessionId, advance: Advance) {
        let Some(entry) = self.sessions.modify(&id) else { return };
        let Some(session) = &mut entry.session else { return };
        // Stale is impossible: the driver applies a frame before it opens the next.
        let advanced = session.advance(advance);
        debug_assert!(advanced.is_ok(), "opened frames are applied in order");
        if !entry.confirmed {
            entry.confirmed = true;
            let peer = entry.peer;
            self.end_handshake_resends(id);
            self.wake_receipts(peer);
        }
    }

    /// A superseded session that is still used by the peer lives on.
    fn keep_receiving(&mut self, peer: Amid, session: SessionId, now: Timestamp) {
        let until = now.plus_millis(limits::RECEIVE_ONLY_AGE);
        // Half the time is reason enough to write; not every frame is.
        let stale = self.peers.get(&peer).is_some_and(|p| {
            p.receive_only.iter().any(|r| {
                r.session == session && until.since(r.until) > limits::RECEIVE_ONLY_AGE / 2
            })
        });
        if stale && let Some(known) = self.peers.modify(&peer) {
            known
                .receive_only
                .iter_mut()
                .filter(|r| r.session == session)
                .for_each(|r| r.until = until);
        }
    }

    /// Acks a frame to the relay, so that it does not come again.
    pub(super) fn ack(&mut self, source: Source) {
        if let Some(relay_id) = source.relay_id {
            self.out.acks.push(RelayAck { from: source.from, relay_id });
        }
    }

    /// Acks and forgets a frame that has no effect.
    pub(super) fn drop_frame(&mut self, source: Source, reason: DropReason) {
        self.ack(source);
        self.out.events.push(Event::FrameDropped { from: source.from, reason });
    }
}

#[cfg(test)]
mod tests;
