//! KNOCKs of peers that speak only 0.2, and what is answered. The handshake goes along, under the KNOCK's signature.

use rand_core::CryptoRng;

use super::{LegacyInbound, session_id};
use crate::{
    engine::{DropReason, Engine, Event, Request, inbound::Source},
    handshake::{SessionId, Suite},
    identity::{Amid, IdentityPublic},
    knock::{self, Knock, KnockInfo, KnockRequest, SessionType, Tier},
    legacy::{
        LegacyAnswer, LegacyHandshakeError, LegacyKnock, LegacyResponderKeys, LegacySession,
        LegacyVerdict, VerifiedLegacyKnock,
    },
    limits::{HELD_PEERS, LEGACY_KNOCK_WINDOW, MAX_REASON, PARKED_FRAMES_PER_PEER, PARKED_PEERS},
    time::Timestamp,
};

impl Engine {
    /// A KNOCK; its sender's keys may have to be asked for first.
    pub(super) fn on_legacy_knock(
        &mut self,
        source: Source,
        inbound: LegacyInbound,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        let from = source.from;
        let signing = self.peers.get(&from).and_then(|p| p.identity);
        let exchange = self.legacy.peers.get(&from).and_then(|p| p.exchange);
        if let Some((signing, exchange)) = signing.zip(exchange) {
            let keys = IdentityPublic { signing, exchange };
            return self.take_legacy_knock(source, &inbound.text, &keys, now, rng);
        }
        let of_peer = self.legacy.parked.iter().filter(|(p, _)| p.from == from).count();
        if of_peer >= PARKED_FRAMES_PER_PEER || self.legacy.parked.len() >= PARKED_PEERS {
            self.leave_knock();
            return;
        }
        self.legacy.parked.push((inbound, now));
        self.out.requests.push(Request::LegacyPeer(from));
    }

    /// Whether KNOCKs that were left at the relay could be taken now.
    pub(in crate::engine) fn has_room_for_legacy_knocks(&self) -> bool {
        self.legacy.parked.is_empty() && self.legacy.undecided.len() < HELD_PEERS
    }

    /// The registry's word on a peer's keys; that of the signing key is proven by the AMID.
    pub(in crate::engine) fn on_legacy_keys(
        &mut self,
        peer: Amid,
        keys: &IdentityPublic,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        let waiting = core::mem::take(&mut self.legacy.parked);
        let (of_peer, others) = waiting.into_iter().partition(|(inbound, _)| inbound.from == peer);
        self.legacy.parked = others;
        let of_peer: Vec<(LegacyInbound, Timestamp)> = of_peer;
        for (inbound, _) in of_peer {
            let source = Source { from: inbound.from, relay_id: inbound.relay_id };
            self.take_legacy_knock(source, &inbound.text, keys, now, rng);
        }
    }

    fn take_legacy_knock(
        &mut self,
        source: Source,
        text: &str,
        keys: &IdentityPublic,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        let from = source.from;
        let Ok(knock) = LegacyKnock::from_json(text) else {
            return self.drop_frame(source, DropReason::Malformed);
        };
        let own = self.identity.amid();
        let verified = knock.verify(&own, &keys.signing, now).ok().filter(|k| k.from == from);
        let Some(verified) = verified else {
            return self.drop_frame(source, DropReason::Rejected);
        };
        // Two knock at once: that of the smaller name counts, as both can see.
        let ours = self.legacy.peers.get(&from).is_some_and(|p| p.knock_nonce.is_some());
        if ours && own.cmp(&from).is_lt() {
            return self.drop_frame(source, DropReason::SessionClosed);
        }
        if self.legacy.undecided.len() >= HELD_PEERS {
            self.leave_knock();
            return;
        }
        // From here on it is known who knocks, and something is remembered.
        let mut admitted = false;
        self.with_legacy_peer(from, |known| {
            let (nonce, time) = (verified.nonce, verified.time);
            admitted = known.replay.admit_nonce(nonce, time, LEGACY_KNOCK_WINDOW, now).is_ok();
        });
        if !admitted {
            return self.drop_frame(source, DropReason::Duplicate);
        }
        self.pin(from, keys.signing, Suite::Legacy02.id());
        self.ack(source);
        match self.accept_x3dh(&verified, keys, now, rng) {
            Ok(session) => self.ask_about_legacy(verified, session, keys, now, rng),
            Err(error) => {
                let reason = match error {
                    LegacyHandshakeError::UnknownSignedPrekey { .. }
                    | LegacyHandshakeError::UnknownOneTimePrekey { .. } => DropReason::PrekeyGone,
                    _ => DropReason::Rejected,
                };
                self.out.events.push(Event::FrameDropped { from, reason });
                self.answer_legacy(
                    &verified,
                    SessionId::from_bytes([0; 16]),
                    refusal(error.to_string()),
                    now,
                    rng,
                );
            }
        }
    }

    /// The session that the KNOCK's X3DH message begins; its one-time prekey is used up in the same commit.
    fn accept_x3dh(
        &mut self,
        knock: &VerifiedLegacyKnock,
        peer: &IdentityPublic,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<LegacySession, LegacyHandshakeError> {
        // Without it there is nothing to accept; id 0 stands for none.
        let unknown = |id| LegacyHandshakeError::UnknownSignedPrekey { id };
        let message = knock.request.x3dh.ok_or_else(|| unknown(0))?;
        let prekeys = self.prekeys();
        let id = message.signed_prekey_id;
        let triple = prekeys.signed(id).ok_or_else(|| unknown(id))?;
        let one_time_prekey = message
            .one_time_prekey_id
            .map(|id| prekeys.one_time(id).ok_or(LegacyHandshakeError::UnknownOneTimePrekey { id }))
            .transpose()?;
        let keys = LegacyResponderKeys {
            exchange: triple.exchange(),
            signed_prekey: triple.key(),
            one_time_prekey,
        };
        let session = LegacySession::accept(peer, &message, keys, now, rng)?;
        if let Some(id) = message.one_time_prekey_id {
            self.change_prekeys(|prekeys| prekeys.consume(id, 0));
        }
        Ok(session)
    }

    /// Keeps the session, and asks the policy.
    fn ask_about_legacy(
        &mut self,
        knock: VerifiedLegacyKnock,
        session: LegacySession,
        keys: &IdentityPublic,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        let (peer, id) = (knock.from, session_id(&session));
        let Some(info) = knock_info(&knock, id) else {
            let reason = refusal("request not understood".to_owned());
            return self.answer_legacy(&knock, id, reason, now, rng);
        };
        self.with_legacy_peer(peer, |known| {
            known.exchange = Some(keys.exchange);
            known.replace_session(session, now);
        });
        self.out.events.push(Event::KnockReceived { peer, session: id });
        self.legacy.undecided.insert(id, (knock, now));
        let knock = Box::new(info);
        self.out.requests.push(Request::DecideKnock { session: id, knock });
    }

    /// Carries a decision on a legacy KNOCK out. False if it is not about one.
    pub(in crate::engine) fn decide_legacy(
        &mut self,
        id: SessionId,
        decision: &knock::Decision,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> bool {
        let Some((knock, _)) = self.legacy.undecided.remove(&id) else { return false };
        let peer = knock.from;
        let objection = self.circuit_objection().filter(|_| decision.is_accept());
        let decision = objection.as_ref().unwrap_or(decision);
        let ratchet_key = self
            .legacy
            .peers
            .get(&peer)
            .and_then(|known| known.session.as_ref())
            .filter(|session| session_id(session) == id)
            .map(|session| *session.ratchet_public_key());
        // Replaced meanwhile by another KNOCK of the same peer.
        let Some(ratchet_key) = ratchet_key else { return true };
        let rejected = match decision {
            knock::Decision::Accept { .. } => None,
            knock::Decision::Reject { reason, .. } => Some(reason.clone()),
            // A peer of 0.2 does not wait: it has a reply within seconds, or gives up.
            knock::Decision::Later => Some("not decided yet".to_owned()),
        };
        let verdict = match rejected.clone() {
            None => {
                let session_id = format!("sess_{id}");
                LegacyVerdict::Accept { session_id, ratchet_key: Some(ratchet_key) }
            }
            Some(reason) => refusal(reason),
        };
        self.out.events.push(Event::KnockDecided { peer, session: id, rejected: rejected.clone() });
        self.answer_legacy(&knock, id, verdict, now, rng);
        if rejected.is_some() {
            self.drop_legacy_session(peer);
        } else {
            self.with_legacy_peer(peer, |known| known.accepted = true);
            self.legacy_established(peer, id, false);
        }
        true
    }

    pub(super) fn legacy_established(&mut self, peer: Amid, session: SessionId, initiator: bool) {
        self.out.events.push(Event::SessionEstablished {
            peer,
            session,
            suite: Suite::Legacy02,
            initiator,
            recovery: false,
        });
    }

    fn answer_legacy(
        &mut self,
        knock: &VerifiedLegacyKnock,
        session: SessionId,
        verdict: LegacyVerdict,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        let answer = LegacyAnswer::sign(&self.identity, knock, verdict, now);
        self.send_legacy_control(knock.from, session, answer.to_json(), now, rng);
    }
}

fn refusal(mut reason: String) -> LegacyVerdict {
    reason.truncate(reason.floor_char_boundary(MAX_REASON));
    LegacyVerdict::Reject { reason }
}

/// A KNOCK as policies and handlers see KNOCKs.
fn knock_info(knock: &VerifiedLegacyKnock, session: SessionId) -> Option<KnockInfo> {
    let asked = &knock.request;
    let mut request = KnockRequest::new(asked.capability.clone(), asked.action.clone());
    request.ttl_s = asked.ttl_s;
    request.intent.params.clone_from(&asked.params);
    request.session_type = match asked.session_type.as_str() {
        "streaming" => SessionType::Streaming,
        "persistent" => SessionType::Persistent,
        _ => SessionType::OneShot,
    };
    let native = Knock {
        request: request.to_json().ok()?,
        tier: Tier::Anonymous,
        certificate: None,
        time: knock.time,
        nonce: knock.nonce,
        suites: vec![Suite::Legacy02.id()],
    };
    KnockInfo::new(knock.signer, session, Suite::Legacy02, native).ok()
}

#[cfg(test)]
mod tests;
