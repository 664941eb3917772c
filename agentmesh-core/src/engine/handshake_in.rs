//! Answering a handshake. The order of the checks is that of `docs/protocol/native.md` §4; whatever fails
//! before the last of them consumes nothing.

use rand_core::CryptoRng;

use crate::{
    Error,
    handshake::{HandshakeError, InitialMessage, SessionId, Suite},
    identity::Amid,
    knock::{Knock, KnockError},
    limits,
    session::Session,
    time::Timestamp,
    wire::{control::RefuseReason, frame::HandshakeFrame, id::MessageId},
};

use super::{
    DropReason, Engine, Event, PrekeyChange,
    crossing::{InUse, takes_over},
    inbound::{Opened, Source},
    knocking::StoredKnock,
    opening::{FirstMessage, open_first},
    records::{Decision, InboxEntry, InboxState, Role, SessionEntry},
};

/// Why a handshake gets no session.
#[derive(Clone, Copy)]
enum Turned {
    /// It is dropped.
    Away(DropReason),
    /// It is refused in words, because of a fact that the handshake message alone decides.
    Down(RefuseReason),
}

/// A handshake that passed every check.
struct Verified {
    hs: InitialMessage,
    id: SessionId,
    suite: Suite,
    session: Session,
    knock: Knock,
    knock_id: MessageId,
    body: Vec<u8>,
}

impl Engine {
    pub(super) fn on_handshake(
        &mut self,
        source: Source,
        mut frame: HandshakeFrame,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Option<Opened> {
        let hs = match InitialMessage::parse(frame.hs()) {
            Ok(hs) if hs.initiator() == source.from => hs,
            _ => {
                self.drop_frame(source, DropReason::Rejected);
                return None;
            }
        };
        let id = hs.session_id(self.identity.signing_key());
        if id != frame.session_id() {
            self.drop_frame(source, DropReason::Malformed);
            return None;
        }
        if self.sessions.get(&id).is_some() {
            return self.open_message(source, id, frame.body_mut(), now, rng);
        }
        if !self.has_room_for_knock() {
            self.leave_knock();
            return None;
        }
        let key = *hs.identity();
        match self.verify_handshake(hs, id, frame.body_mut(), now, rng) {
            Ok(verified) => self.admit(source, verified, now, rng),
            Err(Turned::Away(reason)) => self.drop_frame(source, reason),
            Err(Turned::Down(reason)) => {
                self.refuse(source.from, &key, id, reason, now, rng);
                self.drop_frame(source, DropReason::PrekeyGone);
            }
        }
        None
    }

    fn verify_handshake(
        &self,
        hs: InitialMessage,
        id: SessionId,
        message: &mut [u8],
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Verified, Turned> {
        let suite = hs.suite();
        if self.peers.get(&hs.initiator()).is_some_and(|p| p.suite_pin > suite.id()) {
            return Err(Turned::Away(DropReason::SuiteDowngrade));
        }
        if hs.one_time_prekey_id() == 0 && self.tombstones >= limits::MAX_TOMBSTONES {
            return Err(Turned::Down(RefuseReason::PrekeyGone));
        }
        let first = open_first(&self.identity, self.prekeys(), &hs, message, now, rng);
        let FirstMessage { session, knock, knock_id, body } =
            first.map_err(|error| match error {
                Error::Handshake(HandshakeError::PreKeyGone { .. }) => {
                    Turned::Down(RefuseReason::PrekeyGone)
                }
                Error::Handshake(HandshakeError::NoCommonSuite) => {
                    Turned::Down(RefuseReason::Suite)
                }
                Error::Decrypt(_) => Turned::Away(DropReason::Undecryptable),
                Error::Plaintext(_) => Turned::Away(DropReason::Malformed),
                Error::Knock(KnockError::SuiteDowngrade { .. }) => {
                    Turned::Away(DropReason::SuiteDowngrade)
                }
                _ => Turned::Away(DropReason::Rejected),
            })?;
        let knock = knock.knock().clone();
        Ok(Verified { id, suite, session, knock, knock_id, body, hs })
    }

    /// One batch: session, consumed one-time keys, the KNOCK in the inbox. Then the policy is asked.
    fn admit(&mut self, source: Source, v: Verified, now: Timestamp, rng: &mut dyn CryptoRng) {
        let Verified { hs, id, suite, session, knock, knock_id, body } = v;
        let peer = source.from;
        let (opk, kopk) = (hs.one_time_prekey_id(), hs.one_time_kem_id());
        if opk != 0 || kopk != 0 {
            self.change_prekeys(|prekeys| prekeys.consume(opk, kopk));
            self.tell_prekeys(PrekeyChange::Consumed);
        }
        self.pin(peer, *hs.identity(), suite.id());
        self.live += 1;
        self.sessions.put(
            &self.vault,
            SessionEntry {
                id,
                peer,
                role: Role::Responder,
                signed_prekey_id: hs.signed_prekey_id(),
                knock_time: knock.time,
                knock_nonce: knock.nonce,
                decision: Decision::Pending,
                confirmed: true,
                expires_at: None,
                session: Some(session),
            },
        );
        let stored = StoredKnock { identity: *hs.identity(), suite, body }.encode();
        self.inbox_bytes += stored.len();
        let order = self.next_order();
        self.inbox.put(
            &self.vault,
            InboxEntry {
                from: peer,
                id: knock_id,
                session: id,
                state: InboxState::Knock,
                order,
                received_at: now,
                plaintext: stored,
            },
        );
        self.ack(source);
        let recovery = self.adopt(peer, id, &knock, hs.identity().as_bytes(), now);
        self.out.events.push(Event::SessionEstablished {
            peer,
            session: id,
            suite,
            initiator: false,
            recovery,
        });
        if recovery {
            self.recall(peer);
        }
        self.transmit_waiting(peer, now, rng);
        self.wake_receipts(peer);
        self.out.events.push(Event::KnockReceived { peer, session: id });
        if let Some(objection) = self.circuit_objection() {
            self.decide(id, &objection, now, rng);
        } else if let Some(request) = self.knock_request(&(peer, knock_id)) {
            self.out.requests.push(request);
        }
        self.maintain_prekeys(now, rng);
        self.unpark(peer, id);
    }

    /// Decides whether a session that the peer opened is used for sending (`docs/protocol/native.md` §7.6).
    /// True if it replaces one that was in use, so that unconfirmed messages go out again under it.
    fn adopt(
        &mut self,
        peer: Amid,
        new: SessionId,
        knock: &Knock,
        peer_identity: &[u8; 32],
        now: Timestamp,
    ) -> bool {
        let current = self.sending_session(peer).and_then(|id| self.sessions.get(&id));
        let in_use = current.map(|entry| match entry.role {
            Role::Initiator if entry.confirmed || self.probes.is_lacking(&peer, entry.id) => {
                InUse::Ours
            }
            Role::Initiator => InUse::OursPending,
            Role::Responder => InUse::Peers(entry.knock_time),
        });
        let own = self.identity.signing_key().as_bytes();
        let wins = takes_over(own, peer_identity, in_use, knock.time);
        if wins {
            self.supersede(peer, new, now);
        } else if let Some(known) = self.peers.modify(&peer) {
            for evicted in known.keep_for_receiving(new, now) {
                self.retire(evicted);
            }
        }
        wins && in_use.is_some()
    }

    /// Parked frames of a session that exists now come in again.
    pub(super) fn unpark(&mut self, peer: Amid, session: SessionId) {
        self.probes.found(&peer, session);
        self.ready.extend(self.parked.take(&peer, session));
    }
}
