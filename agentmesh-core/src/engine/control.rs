//! ACCEPT, REJECT and close, as they arrive inside a session.

use rand_core::CryptoRng;

use crate::{
    handshake::SessionId,
    identity::Amid,
    knock::{Answer, Reject},
    time::{SECOND, Timestamp},
    wire::plaintext::{MessageType, Plaintext},
};

use super::{
    Engine, Event, SendFailure,
    outbound::control,
    records::{Decision, Role},
};

impl Engine {
    /// The peer's answer to our KNOCK. What is not signed for this very KNOCK has no effect.
    pub(super) fn on_answer(
        &mut self,
        from: Amid,
        id: SessionId,
        plaintext: &Plaintext,
        now: Timestamp,
    ) {
        let Some(entry) = self.sessions.get(&id) else { return };
        if entry.role != Role::Initiator || entry.decision != Decision::Pending {
            return;
        }
        let Some(identity) = self.peers.get(&from).and_then(|p| p.identity) else { return };
        let (Some(session), Some(signed)) = (&entry.session, &plaintext.signed) else { return };
        let nonce = entry.knock_nonce;
        match Answer::open(plaintext.kind, signed, &identity, session.associated_data(), &nonce) {
            Ok(Answer::Accept(accept)) => self.on_accept(from, id, accept.ttl_s, now),
            Ok(Answer::Reject(reject)) => self.on_reject(from, id, reject, now),
            Err(error) => tracing::debug!(target: "agentmesh", %error, "answer to a KNOCK dropped"),
        }
    }

    pub(super) fn on_accept(
        &mut self,
        from: Amid,
        id: SessionId,
        ttl_s: Option<u64>,
        now: Timestamp,
    ) {
        if let Some(entry) = self.sessions.modify(&id) {
            entry.decision = Decision::Accepted;
            entry.expires_at = ttl_s.map(|s| now.plus_millis(s.saturating_mul(SECOND)));
        }
        self.out.events.push(Event::KnockAccepted { peer: from, session: id });
        self.release_held(id, now);
    }

    fn on_reject(&mut self, from: Amid, id: SessionId, reject: Reject, now: Timestamp) {
        let Reject { reason, retry_after_s, .. } = reject;
        let was_sending = self.sending_session(from) == Some(id);
        if let (Some(peer), Some(seconds)) = (self.peers.modify(&from), retry_after_s) {
            peer.rejected_until = now.plus_millis(seconds.saturating_mul(SECOND));
        }
        self.retire(id);
        let event = Event::KnockRejected { peer: from, reason: reason.clone(), retry_after_s };
        self.out.events.push(event);
        // In a crossing, the peer's own session may be in use instead; then our messages go there.
        if was_sending {
            self.fail_peer(from, &SendFailure::Rejected { reason, retry_after_s });
        }
    }

    /// The peer ended the session. Messages that it has not confirmed need a new one.
    pub(super) fn on_close(&mut self, from: Amid, id: SessionId, now: Timestamp) {
        let was_sending = self.sending_session(from) == Some(id);
        // Some of what the peer wrote in it may come later than this.
        self.bury(id, now);
        self.after_end(from, id, was_sending);
    }

    /// Ends the session with a peer from our side.
    pub(super) fn close_session(&mut self, peer: Amid, now: Timestamp, rng: &mut dyn CryptoRng) {
        #[cfg(feature = "legacy-0-2")]
        self.close_legacy(peer, "session_closed", now, rng);
        let Some(id) = self.sending_session(peer) else { return };
        let plaintext = control(MessageType::Close, now, rng);
        self.send_control(peer, id, &plaintext, now, rng);
        self.bury(id, now);
        self.after_end(peer, id, true);
    }

    fn after_end(&mut self, peer: Amid, id: SessionId, was_sending: bool) {
        self.out.events.push(Event::SessionClosed { peer, session: id });
        if was_sending {
            self.recall(peer);
            if !self.unconfirmed(peer).is_empty() {
                self.request_bundle(peer);
            }
        }
    }
}
