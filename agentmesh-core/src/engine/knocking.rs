//! KNOCKs that wait for the application's decision.

use std::collections::BTreeMap;

use rand_core::CryptoRng;

use crate::{
    codec::{CodecError, Reader, Write},
    handshake::{SessionId, Suite},
    identity::Amid,
    keys::VerifyingKey,
    knock::{self, Answer, Knock, KnockInfo},
    limits,
    time::Timestamp,
    wire::{id::MessageId, plaintext::MessageType},
};

use super::{
    Engine, Event, Request,
    outbound::control,
    records::{Decision, InboxState, Role},
};

/// A KNOCK as the inbox keeps it: with what is needed to ask about it again after a restart.
pub(super) struct StoredKnock {
    pub(super) identity: VerifyingKey,
    pub(super) suite: Suite,
    pub(super) body: Vec<u8>,
}

impl StoredKnock {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.body.len() + 40);
        out.put(self.identity.as_bytes());
        out.put_u8(self.suite.id());
        out.put_lp(&self.body);
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
        let identity = VerifyingKey::from_bytes(r.array("identity")?)
            .map_err(|_| CodecError::InvalidValue { field: "identity" })?;
        let suite =
            Suite::from_u8(r.u8("suite")?).ok_or(CodecError::InvalidValue { field: "suite" })?;
        let body = r.lp(limits::MAX_FRAME, "body")?.to_vec();
        r.finish("stored KNOCK")?;
        Ok(Self { identity, suite, body })
    }
}

impl Engine {
    /// The question for the policy, out of the inbox.
    pub(super) fn knock_request(&self, key: &(Amid, MessageId)) -> Option<Request> {
        let knock = self.stored_knock(key)?;
        Some(Request::DecideKnock { session: knock.session_id, knock: Box::new(knock) })
    }

    /// An undecided KNOCK out of the inbox.
    pub(super) fn stored_knock(&self, key: &(Amid, MessageId)) -> Option<KnockInfo> {
        let entry = self.inbox.get(key)?;
        let StoredKnock { identity, suite, body } = StoredKnock::decode(&entry.plaintext).ok()?;
        KnockInfo::new(identity, entry.session, suite, Knock::decode(&body).ok()?).ok()
    }

    /// KNOCKs that nobody decided in time, as sessions and peers.
    pub(super) fn overdue_knocks(&self, now: Timestamp) -> Vec<(SessionId, Amid)> {
        self.inbox_in_order(|e| {
            e.state == InboxState::Knock && now.since(e.received_at) > limits::KNOCK_MAX_AGE
        })
        .into_iter()
        .filter_map(|key| self.inbox.get(&key).map(|e| (e.session, e.from)))
        .collect()
    }

    pub(super) fn expire_knocks(&mut self, now: Timestamp, rng: &mut dyn CryptoRng) {
        for (session, _) in self.overdue_knocks(now) {
            self.decide(session, &knock::Decision::reject("no decision in time"), now, rng);
        }
    }

    /// KNOCKs without a decision, each with the session it opened.
    pub fn pending_knocks(&self) -> Vec<(SessionId, Amid)> {
        self.inbox_in_order(|e| e.state == InboxState::Knock)
            .into_iter()
            .filter_map(|key| self.inbox.get(&key).map(|e| (e.session, e.from)))
            .collect()
    }

    /// Sessions of ours in which the peer writes although its ACCEPT has not come, and since when.
    pub(super) fn unanswered(&self) -> BTreeMap<SessionId, Timestamp> {
        let mut since = BTreeMap::<_, Timestamp>::new();
        for entry in self.inbox.values().filter(|e| e.state == InboxState::Held) {
            let at = since.entry(entry.session).or_insert(entry.received_at);
            *at = entry.received_at.min(*at);
        }
        // These wait for our own decision.
        for (session, _) in self.pending_knocks() {
            since.remove(&session);
        }
        since
    }

    /// A peer that has written in our session for long has accepted it: its ACCEPT is lost.
    pub(super) fn release_unanswered(&mut self, now: Timestamp) {
        for (id, since) in self.unanswered() {
            let Some(entry) = self.sessions.get(&id) else { continue };
            let peer = entry.peer;
            if entry.role == Role::Initiator && now.since(since) >= limits::ACCEPT_PATIENCE {
                self.on_accept(peer, id, None, now);
            }
        }
    }

    /// Carries a decision out: the answer goes to the peer, held messages are handed on or dropped.
    pub(super) fn decide(
        &mut self,
        id: SessionId,
        decision: &knock::Decision,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        #[cfg(feature = "legacy-0-2")]
        if self.decide_legacy(id, decision, now, rng) {
            return;
        }
        let Some(entry) = self.sessions.get(&id) else { return };
        if entry.role != Role::Responder || entry.decision != Decision::Pending {
            return;
        }
        let (peer, nonce) = (entry.peer, entry.knock_nonce);
        let Some(associated_data) = entry.session.as_ref().map(|s| *s.associated_data()) else {
            return;
        };
        // Whatever was decided meanwhile: a paused agent takes no new sessions.
        let objection = self.circuit_objection().filter(|_| decision.is_accept());
        let decision = objection.as_ref().unwrap_or(decision);
        // Later: the KNOCK stays where it is.
        let rejected = match decision {
            knock::Decision::Accept { .. } => None,
            knock::Decision::Reject { reason, .. } => Some(reason.clone()),
            knock::Decision::Later => return,
        };
        let answer = Answer::new(decision, nonce, now);
        let Ok((kind, signed)) = answer.seal(&self.identity, &associated_data) else { return };
        self.discard(|e| e.session != id || e.state != InboxState::Knock);
        self.out.events.push(Event::KnockDecided { peer, session: id, rejected });
        let mut plaintext = control(kind, now, rng);
        plaintext.signed = Some(signed);
        self.send_control(peer, id, &plaintext, now, rng);
        if kind == MessageType::Accept {
            if let Some(entry) = self.sessions.modify(&id) {
                entry.decision = Decision::Accepted;
            }
            self.release_held_of(peer, now);
            return;
        }
        let was_sending = self.sending_session(peer) == Some(id);
        self.retire(id);
        // What we wanted to say in that session needs a KNOCK of our own.
        if was_sending && !self.unconfirmed(peer).is_empty() {
            self.recall(peer);
            self.request_bundle(peer);
        }
    }
}
