//! Opening a session: a verified bundle in, a handshake frame with the KNOCK out.

use rand_core::CryptoRng;

#[cfg(test)]
use crate::planted::{self, Defect};
use crate::{
    error::ErrorInfo,
    handshake::{SessionId, Suite},
    identity::Amid,
    keys::VerifyingKey,
    knock::{Knock, KnockError, KnockRequest},
    limits,
    prekeys::{BundleError, KnownPeer, PreKeyBundle},
    time::Timestamp,
    wire::{id::MessageId, relay_frame::RelayMessageType, relay_id::RelayMessageId},
};

use super::{
    Engine, Event, SendFailure, Stage,
    opening::{Begun, begin},
    records::{Decision, OutboxBody, OutboxEntry, Peer, Role, SessionEntry, Transmission},
};

impl Engine {
    /// The registry's answer to our question for a bundle.
    pub(super) fn on_bundle(
        &mut self,
        peer: Amid,
        bundle: PreKeyBundle,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        // Meanwhile the peer may have knocked on us, or nothing waits any more.
        self.attempts.cleared(&peer);
        if !self.wanted.contains(&peer) && self.usable_session(peer, now).is_some() {
            self.transmit_waiting(peer, now, rng);
            return;
        }
        if !self.wanted.contains(&peer) && self.unconfirmed(peer).is_empty() {
            return;
        }
        match self.choose_suite(peer, &bundle) {
            Ok(suite) => self.start_handshake(peer, &bundle, suite, now, rng),
            Err(reason) => self.no_new_session(peer, &reason, now),
        }
    }

    /// Checks a verified bundle against what is known of the peer, and pins the suite that both speak.
    pub(super) fn choose_suite(
        &mut self,
        peer: Amid,
        bundle: &PreKeyBundle,
    ) -> Result<Suite, SendFailure> {
        bundle.check_known(&self.known_peer(peer)).map_err(|error| match error {
            BundleError::SuiteDowngrade { pinned, offered } => {
                SendFailure::SuiteDowngrade { amid: peer, pinned, offered }
            }
            error => SendFailure::BundleRefused { amid: peer, code: error.code() },
        })?;
        let suite = Suite::strongest_common(&self.suite_ids(), bundle.suites())
            .ok_or(SendFailure::NativeBundleUnavailable { amid: peer })?;
        // What both speak, not all that the peer offers: it could not use the rest with us, and a pin on that would
        // turn its own handshakes away.
        self.pin(peer, *bundle.identity(), suite.id());
        if let Some(known) = self.peers.modify(&peer) {
            known.newest_bundle = known.newest_bundle.max(bundle.created_at());
        }
        Ok(suite)
    }

    pub(super) fn known_peer(&self, amid: Amid) -> KnownPeer {
        let known = self.peers.get(&amid);
        KnownPeer {
            amid,
            newest_bundle: known.map_or(Timestamp::ZERO, |p| p.newest_bundle),
            pinned_suite: known.map_or(0, |p| p.suite_pin),
        }
    }

    /// Remembers a peer's key and the strongest suite it was seen with; pins only ever go up.
    pub(super) fn pin(&mut self, amid: Amid, identity: VerifyingKey, suite: u8) {
        if self.peers.get(&amid).is_none() {
            self.peers.put(&self.vault, Peer::new(amid));
        }
        if let Some(peer) = self.peers.modify(&amid) {
            peer.identity = Some(identity);
            peer.suite_pin = peer.suite_pin.max(suite);
        }
    }

    /// Computes the handshake, and writes everything that waits for the peer: it goes when the relay has the handshake.
    pub(super) fn start_handshake(
        &mut self,
        peer: Amid,
        bundle: &PreKeyBundle,
        suite: Suite,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        let knock = |rng: &mut dyn CryptoRng| self.compose_knock(peer, now, rng);
        let Ok(Begun { id, hs, session, knock, knock_id, frame }) =
            begin(&self.identity, bundle, suite, knock, now, rng)
        else {
            self.fail_peer(
                peer,
                &SendFailure::BundleRefused { amid: peer, code: "HANDSHAKE_FAILED" },
            );
            return;
        };
        let recovery = self.wanted.remove(&peer);
        self.live += 1;
        self.sessions.put(
            &self.vault,
            SessionEntry {
                id,
                peer,
                role: Role::Initiator,
                signed_prekey_id: hs.signed_prekey_id(),
                knock_time: knock.time,
                knock_nonce: knock.nonce,
                decision: Decision::Pending,
                confirmed: false,
                expires_at: None,
                session: Some(session),
            },
        );
        self.supersede(peer, id, now);
        self.queue_handshake(peer, id, knock_id, frame, now, rng);
        self.out.events.push(Event::SessionEstablished {
            peer,
            session: id,
            suite,
            initiator: true,
            recovery,
        });
        self.recall(peer);
        self.transmit_waiting(peer, now, rng);
    }

    /// Ids of the suites that this agent speaks, ascending.
    pub(super) fn suite_ids(&self) -> Vec<u8> {
        let mut ids: Vec<u8> = self.config.suites.iter().map(|s| s.id()).collect();
        ids.sort_unstable();
        ids
    }

    fn compose_knock(
        &self,
        peer: Amid,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Knock, KnockError> {
        let request = self.knock_request_for(peer)?;
        Knock::new(&request, self.config.tier.clone(), &self.suite_ids(), now, rng)
    }

    /// What our KNOCK asks for: what the first message that waits says, or what is configured.
    pub(super) fn knock_request_for(&self, peer: Amid) -> Result<KnockRequest, KnockError> {
        self.unconfirmed(peer)
            .iter()
            .filter_map(|id| self.outbox.get(id))
            .find_map(|e| match &e.body {
                OutboxBody::Message { intent, .. } => intent.clone(),
                OutboxBody::Group(group) => group.intent.clone(),
                _ => None,
            })
            .map_or_else(
                || Ok(self.config.default_knock_request.clone()),
                |request| KnockRequest::parse(&request),
            )
    }

    fn queue_handshake(
        &mut self,
        to: Amid,
        session: SessionId,
        id: MessageId,
        frame: Vec<u8>,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) {
        let relay_id = RelayMessageId::random(rng);
        let entry = OutboxEntry {
            id,
            to,
            order: self.next_order(),
            created_at: now,
            expires_at: now.plus_millis(limits::KNOCK_MAX_AGE),
            stage: Stage::Queued,
            body: OutboxBody::Handshake {
                resend_at: now.plus_millis(limits::HANDSHAKE_RESEND_MIN),
                pause: 2 * limits::HANDSHAKE_RESEND_MIN,
            },
            transmission: Some(Transmission {
                session,
                relay_id,
                frame: frame.clone(),
                relay_acked: false,
            }),
        };
        self.add_entry(entry);
        let goes = self.connected && !self.pauses.is_paused(&to);
        self.emit_frame(to, relay_id, RelayMessageType::Knock, frame, now);
        if goes && self.relay_acks {
            // Refused for want of room, it would find none later where what goes behind it did.
            self.pauses.hold(to, now);
        }
    }

    /// The peer has the session (or it is no more): its handshake need not be sent again.
    pub(super) fn end_handshake_resends(&mut self, session: SessionId) {
        let done: Vec<_> = self
            .handshake_entries()
            .map(|(id, _)| id)
            .filter(|id| {
                self.outbox
                    .get(id)
                    .and_then(|e| e.transmission.as_ref())
                    .is_some_and(|t| t.session == session)
            })
            .collect();
        for id in done {
            if let Some(entry) = self.outbox.get(&id) {
                self.pauses.end_hold(&entry.to);
            }
            self.drop_entry(id);
        }
    }

    /// Makes `new` the session to send in; the one before is kept for what is still under way in it.
    pub(super) fn supersede(&mut self, peer: Amid, new: SessionId, now: Timestamp) {
        let Some(known) = self.peers.modify(&peer) else { return };
        let old = known.sending.replace(new).filter(|old| *old != new);
        let evicted = old.map_or_else(Vec::new, |old| known.keep_for_receiving(old, now));
        if let Some(old) = old {
            self.end_handshake_resends(old);
        }
        for session in evicted {
            self.retire(session);
        }
    }

    /// Ends a session by our own will, or by the peer's. The peer may have written in it before it hears of that, or what it
    /// wrote before may come after, and its frames at the relay would be those of an unknown session, unacked and in the way
    /// of everything else: so that they are known for what they are, a session of ours leaves a tombstone, too, until the
    /// relay has forgotten them.
    pub(super) fn bury(&mut self, id: SessionId, now: Timestamp) {
        let ours = |e: &&SessionEntry| e.role == Role::Initiator && !e.is_tombstone();
        let Some(peer) = self.sessions.get(&id).filter(ours).map(|e| e.peer) else {
            self.retire(id);
            return;
        };
        self.end_handshake_resends(id);
        self.discard_undecided(id);
        self.live = self.live.saturating_sub(1);
        if let Some(peer) = self.peers.modify(&peer) {
            peer.forget(id);
        }
        if let Some(entry) = self.sessions.modify(&id) {
            entry.session = None;
            entry.expires_at = Some(now.plus_millis(limits::RECEIVE_ONLY_AGE));
        }
    }

    /// Ends a session: its keys go. A responder remembers its id, or a replayed handshake would open it again.
    pub(super) fn retire(&mut self, id: SessionId) {
        self.end_handshake_resends(id);
        self.discard_undecided(id);
        let Some(entry) = self.sessions.get(&id) else { return };
        let (peer, role, was_tombstone) = (entry.peer, entry.role, entry.is_tombstone());
        self.live = self.live.saturating_sub(usize::from(!was_tombstone));
        if let Some(peer) = self.peers.modify(&peer) {
            peer.forget(id);
        }
        #[cfg(test)]
        let role = if planted::has(Defect::EvictTombstone) { Role::Initiator } else { role };
        match role {
            Role::Initiator => {
                self.sessions.remove(&id);
            }
            Role::Responder => {
                if let Some(entry) = self.sessions.modify(&id) {
                    entry.session = None;
                }
                self.tombstones += usize::from(!was_tombstone);
            }
        }
    }
}
