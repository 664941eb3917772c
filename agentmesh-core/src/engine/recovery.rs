//! Recovery that nobody else can trigger: probes, their answers, refusals (`docs/protocol/native.md` §7.7, §7.8). When and
//! how often something is asked is for `probes.rs`.

use rand_core::CryptoRng;

use crate::{
    handshake::SessionId,
    identity::Amid,
    keys::VerifyingKey,
    limits,
    prekeys::{BundleParts, PreKeyBundle},
    time::{HOUR, Timestamp},
    wire::{
        control::{Probe, ProbeReply, Refuse, RefuseReason},
        frame::MessageFrame,
        plaintext::MessageType,
    },
};

#[cfg(test)]
use crate::planted::{self, Defect};

#[cfg(test)]
use super::probes::Outstanding;
use super::{
    DropReason, Engine, Event, Request, SendFailure, inbound::Source, outbound::control,
    probes::Kept, records::SessionEntry,
};

impl Engine {
    /// A frame of a peer failed in a session that exists here.
    pub(super) fn probe(
        &mut self,
        source: Source,
        session: SessionId,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        self.probes.want_answer(source.from, session, now);
        self.drop_in_question(source, session, DropReason::Undecryptable);
        if self.peers.is_loaded(&source.from) {
            self.send_probes(now, rng);
        }
    }

    /// A frame of a session that is over here. Its content comes again in another one, once the peer knows of the end. If
    /// that was lost on the way, or the peer's store went back in time and forgot it, it never would, whatever other session
    /// we write in. So the peer is asked, unless it gets a new session anyway.
    pub(super) fn on_frame_of_closed(
        &mut self,
        source: Source,
        session: SessionId,
        now: Timestamp,
    ) {
        let in_use = self.sending_session(source.from).is_some();
        if !in_use || self.is_heard(source.from) {
            self.probes.want_answer(source.from, session, now);
        }
        if in_use {
            // What the peer says in that needs the room at the relay.
            self.drop_frame(source, DropReason::SessionClosed);
        } else {
            self.drop_in_question(source, session, DropReason::SessionClosed);
        }
    }

    /// Drops a frame. If it brought up a question, it stays at the relay until the answer.
    fn drop_in_question(&mut self, source: Source, session: SessionId, reason: DropReason) {
        match self.probes.keep(session, source) {
            Kept::Yes => self.out.events.push(Event::FrameDropped { from: source.from, reason }),
            Kept::Still => {}
            Kept::No => self.drop_frame(source, reason),
        }
    }

    /// Sends the probes that are due to peers whose key is in memory.
    pub(super) fn send_probes(&mut self, now: Timestamp, rng: &mut dyn CryptoRng) {
        if !self.connected {
            return;
        }
        for (peer, session) in self.probes.due(now) {
            if !self.peers.is_loaded(&peer) {
                continue;
            }
            let Some(key) = self.peers.get(&peer).and_then(|p| p.identity) else {
                self.out.requests.push(Request::PeerKey(peer));
                continue;
            };
            let probe = Probe::sign(&self.identity, &key, session, now, rng);
            let nonce = *probe.nonce();
            let again = self.probes.asked(peer, session, nonce, now);
            // What is parked stays at the relay, too. Should the mailbox be full of it, there is no room for any answer.
            if again
                && self.parked.oldest().is_some()
                && let Some(kept) = self.probes.release(&peer)
            {
                self.ack(kept);
            }
            self.emit_once(peer, probe.encode(), rng);
        }
    }

    pub(super) fn on_peer_key(
        &mut self,
        peer: Amid,
        key: VerifyingKey,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        if Amid::of(&key) == peer {
            self.pin(peer, key, 0);
            self.send_probes(now, rng);
        }
    }

    /// Somebody asks whether we still have a session. The answer is signed, so a relay cannot give it.
    pub(super) fn on_probe(
        &mut self,
        source: Source,
        probe: &Probe,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        let own = self.identity.signing_key();
        if probe.verify(&source.from, own, now).is_err()
            || !self.probes.may_answer(source.from, *probe.nonce(), now)
        {
            self.drop_frame(source, DropReason::Rejected);
            return;
        }
        self.ack(source);
        let known = self
            .sessions
            .get(&probe.session_id())
            .is_some_and(|e| e.peer == source.from && !e.is_tombstone());
        let status = control(MessageType::Status, now, rng);
        let frame = known
            .then(|| status.encode().ok())
            .flatten()
            .and_then(|encoded| self.encrypt(probe.session_id(), &encoded, now, rng));
        let enclosed = frame.and_then(|frame| MessageFrame::from_frame(frame).ok());
        if let Ok(reply) = ProbeReply::sign(&self.identity, probe, enclosed) {
            self.emit_once(source.from, reply.encode(), rng);
        }
        if known {
            self.probes.lacks(&source.from, probe.session_id());
            self.resend_in_doubt(source.from, probe.session_id(), now, rng);
        }
    }

    /// The peer had frames of a session that it could not open. If it was our store that went back in time, those were
    /// ours, and the next ones open again: nothing would show that some are missing. So what the relay has and the
    /// peer has not confirmed is encrypted again; ids make that harmless, and answers to probes are rare.
    fn resend_in_doubt(
        &mut self,
        peer: Amid,
        session: SessionId,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        self.recall_parts(peer, |t| t.session == session);
        let in_doubt: Vec<_> = self
            .unconfirmed(peer)
            .into_iter()
            .filter(|id| {
                let transmission = self.outbox.get(id).and_then(|e| e.transmission.as_ref());
                transmission.is_some_and(|t| t.session == session)
            })
            .collect();
        for id in in_doubt {
            self.recall_one(id);
            self.transmit(id, now, rng);
        }
    }

    /// The answer to our probe. Only here can a failing session lead to a new handshake.
    pub(super) fn on_probe_reply(&mut self, source: Source, reply: &ProbeReply, now: Timestamp) {
        let own = self.identity.signing_key();
        let peer = source.from;
        let id = reply.session_id();
        let ours = self.probes.outstanding(&peer).filter(|o| {
            #[cfg(test)]
            let o = &Outstanding { nonce: asked_nonce(reply, o.nonce), ..*o };
            reply.verify(&peer, own, &o.session, &o.nonce).is_ok()
        });
        let Some(asked_at) = ours.map(|o| o.sent_at) else {
            self.drop_frame(source, DropReason::Rejected);
            return;
        };
        self.ack(source);
        if let Some(kept) = self.probes.settle(&peer) {
            self.ack(kept);
        }
        let live = self.sessions.get(&id).is_some_and(|e| e.peer == peer && !e.is_tombstone());
        if self.settle_closed(peer, id, reply.enclosed().is_some(), now) {
            return;
        }
        let heals = match reply.enclosed() {
            None => live,
            Some(frame) => !self.opens_enclosed(peer, id, frame, now),
        };
        if !live {
            // Nothing will ever open these, or their handshake is late. Either way the peer has sent their content again
            // since it was asked; what was parked since then may be that, and stays. If it is not, then it comes again, behind
            // what was sent before it, and must not take the room of that.
            let until = match reply.enclosed() {
                Some(_) => asked_at,
                None => Timestamp::MAX,
            };
            for parked in self.parked.take_until(&peer, id, until) {
                self.drop_frame(Source::of(&parked), DropReason::NoSession);
            }
            self.parked.put_behind(&peer, id);
            if heals {
                self.probes.miss(peer, id);
            }
        }
        if heals {
            self.knock_anew(peer, id, now);
        }
    }

    /// Whether the answer was about a session that is over here. The peer gets a new one, but seldom: it may have the old one
    /// long after, and somebody who sends frames of that again would have ever more made.
    fn settle_closed(&mut self, peer: Amid, id: SessionId, is_known: bool, now: Timestamp) -> bool {
        let closed = |e: &SessionEntry| e.peer == peer && e.is_tombstone();
        if !self.sessions.get(&id).is_some_and(closed) {
            return false;
        }
        let knocks = self.sending_session(peer).is_some() && !self.is_heard(peer);
        if is_known && !knocks {
            match self.probes.may_replace_closed(peer, now) {
                Ok(()) => self.knock_anew(peer, id, now),
                // Not before then.
                Err(at) => self.probes.want_answer(peer, id, at),
            }
        }
        true
    }

    /// The peer writes in the session that we opened, in the place of one that is missing here: what we had not receipted before
    /// comes in it. That the peer accepted it would not do: it may write on in the other, whose handshake is late.
    pub(super) fn forget_missing(&mut self, peer: Amid, session: SessionId) {
        if self.sending_session(peer) == Some(session)
            && let Some(missing) = self.probes.take_missing(&peer)
        {
            for parked in self.parked.take(&peer, missing) {
                self.drop_frame(Source::of(&parked), DropReason::NoSession);
            }
        }
    }

    fn opens_enclosed(
        &mut self,
        peer: Amid,
        id: SessionId,
        frame: &MessageFrame,
        now: Timestamp,
    ) -> bool {
        if frame.session_id() != id {
            return false;
        }
        let Some(entry) = self.sessions.get(&id).filter(|e| e.peer == peer) else { return false };
        let Some(session) = &entry.session else { return false };
        let mut body = frame.body().to_vec();
        let Ok(opened) = session.open(&mut body, now) else { return false };
        let (_, advance) = opened.split();
        self.commit_candidate(id, advance);
        true
    }

    /// Asks for a bundle, so that another session takes the place of one that does not work; unconfirmed messages go out again
    /// in that. If it was in use, nothing is sent in it any more; any other one that is in use may work, and goes on until then.
    fn knock_anew(&mut self, peer: Amid, instead_of: SessionId, now: Timestamp) {
        let Some(known) = self.peers.modify(&peer) else { return };
        if known.sending == Some(instead_of) {
            for session in known.keep_for_receiving(instead_of, now) {
                self.retire(session);
            }
            self.recall(peer);
        }
        self.wanted.insert(peer);
        self.request_bundle(peer);
    }

    /// There is no bundle to make a session of. One that works is not given up for that.
    pub(super) fn no_new_session(&mut self, peer: Amid, reason: &SendFailure, now: Timestamp) {
        if !self.wanted.remove(&peer) || self.usable_session(peer, now).is_none() {
            self.fail_peer(peer, reason);
        }
    }

    /// Tells a peer that its handshake cannot be answered, with the bundle that can.
    pub(super) fn refuse(
        &mut self,
        to: Amid,
        key: &VerifyingKey,
        session: SessionId,
        reason: RefuseReason,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        if !self.connected || !self.probes.may_refuse(to, now) {
            return;
        }
        let bundle = self.prekeys().bundle(&self.identity);
        if let Ok(refuse) = Refuse::sign(&self.identity, key, session, reason, &bundle) {
            self.emit_once(to, refuse.encode(), rng);
        }
    }

    /// The peer cannot answer our handshake. Heeded only for a session of ours that is still pending.
    pub(super) fn on_refuse(
        &mut self,
        source: Source,
        refuse: &Refuse,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        let peer = source.from;
        let id = refuse.session_id();
        let own = self.identity.signing_key();
        let pending = self
            .sessions
            .get(&id)
            .is_some_and(|e| e.peer == peer && e.is_unconfirmed_initiator() && !e.is_tombstone());
        if !pending || refuse.verify(&peer, own).is_err() {
            self.drop_frame(source, DropReason::Rejected);
            return;
        }
        self.ack(source);
        let Some(known) = self.peers.modify(&peer) else { return };
        known.refused_at.retain(|at| now.since(*at) < HOUR);
        if known.refused_at.len() >= limits::REFUSED_RETRIES_PER_HOUR {
            return;
        }
        known.refused_at.push(now);
        let known = self.known_peer(peer);
        // A relay cannot forge this; a peer that refuses with a bad bundle gets no other try.
        let Ok(bundle) = PreKeyBundle::verify(BundleParts::bundle_only(refuse.blob()), &known, now)
        else {
            return;
        };
        match self.choose_suite(peer, &bundle) {
            Ok(suite) => {
                self.retire(id);
                self.recall(peer);
                self.start_handshake(peer, &bundle, suite, now, rng);
            }
            Err(reason) => self.fail_peer(peer, &reason),
        }
    }
}

/// The nonce that a reply must answer: that of the outstanding probe.
#[cfg(test)]
fn asked_nonce(reply: &ProbeReply, outstanding: [u8; 16]) -> [u8; 16] {
    if planted::has(Defect::AnyProbeNonce) { *reply.nonce() } else { outstanding }
}
