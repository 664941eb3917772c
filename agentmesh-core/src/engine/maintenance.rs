//! What happens because time passes: prekeys, expiry, and everything that was scheduled.

use rand_core::CryptoRng;

use crate::{
    identity::Amid,
    limits,
    prekeys::{PreKeys, Publication},
    time::{SECOND, Timestamp},
};

use super::{Engine, Event, PrekeyChange, Request, SendFailure, Stage, records::Role};

/// How long a frame of an unknown session waits before its sender is asked: its handshake may be right behind.
const PARKED_GRACE: u64 = SECOND;

impl Engine {
    /// When [`Input::Tick`](super::Input::Tick) is due at the latest; `None` if nothing is scheduled.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let handshake = self.handshake_entries().map(|(_, at)| at).min().filter(|_| self.connected);
        let parked = self.parked.oldest().map(|t| t.plus_millis(PARKED_GRACE));
        let fetched = self.parked.next_due().filter(|_| self.connected);
        let probes = self.probes.next_due().filter(|_| self.connected);
        let unacked = self.next_unacked().filter(|_| self.connected && self.relay_acks);
        [
            handshake,
            parked.filter(|_| self.connected),
            fetched,
            probes,
            self.pauses.next_due(),
            unacked,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// When receipts are due for which [`receipts_due`](Self::receipts_due) should be asked.
    pub fn next_receipt(&self) -> Option<Timestamp> {
        self.receipts.next_due()
    }

    /// Peers that a tick may have to deal with; their records must be in memory.
    pub(super) fn peers_due(&self, now: Timestamp) -> Vec<Amid> {
        self.probes.peers_due(now)
    }

    pub(super) fn tick(&mut self, now: Timestamp, rng: &mut dyn CryptoRng) {
        self.maintain_prekeys(now, rng);
        self.expire_outbox(now);
        self.expire_assemblies(now);
        self.release_unanswered(now);
        #[cfg(feature = "legacy-0-2")]
        self.expire_legacy(now);
        self.expire_knocks(now, rng);
        for kept in self.probes.expire(now) {
            self.ack(kept);
        }
        let forgotten = self.parked.expire(now);
        let worth = self.parked.worth_fetching(now);
        // Without a connection they come with the next one.
        if self.connected {
            forgotten.into_iter().for_each(|(_, session)| self.note_forgotten(session));
            worth.into_iter().for_each(|(peer, session)| self.leave_unknown(peer, session));
        }
        for (peer, session) in self.parked.overdue(now.minus_millis(PARKED_GRACE)) {
            if !self.probes.is_missing(&peer, session) {
                self.probes.want(peer, session, now);
            }
        }
        self.send_probes(now, rng);
        self.retransmit_due(now, rng);
        for peer in self.peers_without_session() {
            self.request_bundle(peer);
        }
        self.request_sessions_for_parts(now);
    }

    fn expire_outbox(&mut self, now: Timestamp) {
        let expired: Vec<_> = self
            .outbox_order
            .values()
            .filter_map(|id| self.outbox.get(id))
            .filter(|e| e.expires_at <= now)
            .map(|e| (e.id, e.to, e.is_message() && e.stage < Stage::Delivered))
            .collect();
        for (id, to, unconfirmed) in expired {
            self.drop_entry(id);
            if unconfirmed {
                self.out.events.push(Event::SendFailed {
                    to,
                    id,
                    reason: SendFailure::Unconfirmed,
                });
            }
        }
    }

    /// Ends superseded sessions that are old enough, and forgets tombstones: one that we answered when its signed prekey
    /// is deleted, since a handshake that names it is refused anyway, and one of ours when its time is over.
    pub(super) fn expire_sessions(&mut self, now: Timestamp) {
        let mut ended: Vec<_> = self
            .peers
            .values()
            .flat_map(|p| p.receive_only.iter())
            .filter(|r| r.until <= now)
            .map(|r| r.session)
            .collect();
        ended.sort_unstable();
        for session in ended {
            self.retire(session);
        }
        let mut spent: Vec<_> = self
            .sessions
            .values()
            .filter(|e| match e.role {
                Role::Responder => {
                    e.is_tombstone() && self.prekeys().signed(e.signed_prekey_id).is_none()
                }
                Role::Initiator => e.is_tombstone() && e.expires_at.is_none_or(|at| at <= now),
            })
            .map(|e| e.id)
            .collect();
        spent.sort_unstable();
        for session in spent {
            self.sessions.remove(&session);
        }
    }

    pub(super) fn expire_seen(&mut self, now: Timestamp) {
        let mut old: Vec<_> = self
            .seen
            .values()
            .filter(|s| now.since(s.at) > limits::SEEN_AGE)
            .map(|s| (s.from, s.id))
            .collect();
        old.sort_unstable();
        for key in old {
            self.seen.remove(&key);
        }
    }

    pub(super) fn prekeys(&self) -> &PreKeys {
        self.prekeys.value()
    }

    pub(crate) fn change_prekeys<T>(&mut self, change: impl FnOnce(&mut PreKeys) -> T) -> T {
        change(self.prekeys.value_mut())
    }

    /// Rotates and replenishes what is due, and has the result published.
    pub(super) fn maintain_prekeys(&mut self, now: Timestamp, rng: &mut dyn CryptoRng) {
        if self.prekeys().needs_maintenance(&self.identity, now) {
            let identity = &self.identity;
            let signed = self.prekeys().signed_ids().last();
            let counted = self.prekeys().one_time_made();
            self.prekeys.value_mut().maintain(identity, now, rng);
            if self.prekeys().signed_ids().last() != signed {
                self.tell_prekeys(PrekeyChange::Rotated);
            }
            if self.prekeys().one_time_made() != counted {
                self.tell_prekeys(PrekeyChange::Generated);
            }
        }
        if self.has_unpublished_prekeys() {
            self.out.requests.push(Request::PublishPrekeys);
        }
    }

    pub(super) fn tell_prekeys(&mut self, change: PrekeyChange) {
        self.out.events.push(Event::PrekeysChanged { change });
    }

    /// Whether the registry lacks public prekeys.
    pub fn has_unpublished_prekeys(&self) -> bool {
        self.prekeys().needs_upload()
    }

    /// The date of our current bundle.
    pub fn bundle_created_at(&self) -> Timestamp {
        self.prekeys().bundle_created_at()
    }

    /// Whether a native bundle is to be published, and not only what peers of 0.2 read.
    pub fn speaks_natively(&self) -> bool {
        self.config.speaks_natively()
    }

    /// What the registry should be given now.
    pub fn publication(&self) -> Publication {
        self.prekeys().publication(&self.identity)
    }

    pub(super) fn on_queue_drained(&mut self, now: Timestamp) {
        // A parked or left frame may be a handshake for an older prekey.
        let drained = self.parked.oldest().is_none() && !self.has_left_frames();
        if drained && self.prekeys().signed_ids().nth(1).is_some() {
            self.change_prekeys(|prekeys| prekeys.queue_drained(now));
        }
    }
}
