//! The responder's side: a handshake is examined, and then kept, answered, or left alone.

use crate::{
    Error,
    engine::{
        crossing::{InUse, takes_over},
        opening::{FirstMessage, open_first},
        records::{Decision, Peer, Role, SessionEntry},
    },
    handshake::{HandshakeError, InitialMessage},
    identity::Amid,
    keys::VerifyingKey,
    knock::{self, Answer, KnockError, KnockInfo, VerifiedKnock},
    limits,
    storage::Changes,
    time::Timestamp,
    wire::{frame::MESSAGE_PREFIX, id::MessageId, plaintext::Plaintext},
};

use super::{
    super::{AnsweredKnock, Envelope, ManagerError, X3dhMessage, prekeys::Loaded, store::Slot},
    NativeSessions, retire,
};

/// What a handshake turned out to be.
#[allow(clippy::large_enum_variant, reason = "lives for one call")]
pub(in super::super) enum Examined {
    /// Its session is open already.
    Known(Slot<SessionEntry>),
    /// It is genuine and new.
    New(Box<New>),
}

/// A handshake that passed every check, with what keeping it changes.
pub(in super::super) struct New {
    hs: InitialMessage,
    slot: Slot<SessionEntry>,
    entry: SessionEntry,
    knock: VerifiedKnock,
    prekeys: Loaded,
    peer: Slot<Peer>,
}

impl New {
    fn info(self) -> KnockInfo {
        self.knock.into_info(self.entry.id, self.hs.suite())
    }
}

impl NativeSessions {
    /// Every check of `docs/protocol/native.md` §4 but for the policy's; changes nothing.
    pub(super) async fn examine(
        &self,
        from: &Amid,
        message: &X3dhMessage,
    ) -> Result<Examined, Error> {
        let (hs, mut frame) = message.parts()?;
        if hs.initiator() != *from || *from == self.own() {
            return Err(ManagerError::WrongPeer { expected: *from }.into());
        }
        let own = self.prekeys.identity();
        let id = hs.session_id(own.signing_key());
        if id != frame.session_id() {
            return Err(ManagerError::Malformed { what: "X3DH message" }.into());
        }
        let slot = self.session(id).await?;
        if let Some(entry) = &slot.value {
            return if entry.is_tombstone() {
                Err(ManagerError::SessionClosed { session_id: id.to_string() }.into())
            } else {
                Ok(Examined::Known(slot))
            };
        }
        let peer = self.peer(*from).await?;
        let (pinned, offered) = (peer.value.as_ref().map_or(0, |p| p.suite_pin), hs.suite().id());
        if pinned > offered {
            return Err(HandshakeError::SuiteDowngrade { wanted: pinned, offered }.into());
        }
        if hs.one_time_prekey_id() == 0 && self.tombstones().await? >= limits::MAX_TOMBSTONES {
            return Err(ManagerError::TooManyClosed.into());
        }
        let prekeys = self.prekeys.load().await?.ok_or(ManagerError::NoPrekeys)?;
        let now = self.now();
        let first = self
            .store()
            .context()
            .with_rng(|rng| open_first(own, &prekeys.prekeys, &hs, frame.body_mut(), now, rng));
        let FirstMessage { session, knock, knock_id: _, body: _ } = first?;
        let entry = SessionEntry {
            id,
            peer: *from,
            role: Role::Responder,
            signed_prekey_id: hs.signed_prekey_id(),
            knock_time: knock.knock().time,
            knock_nonce: knock.knock().nonce,
            decision: Decision::Accepted,
            confirmed: true,
            expires_at: None,
            session: Some(session),
        };
        Ok(Examined::New(Box::new(New { hs, slot, entry, knock, prekeys, peer })))
    }

    /// The KNOCK in a handshake, believed but not taken.
    pub(in super::super) async fn verify_knock(
        &self,
        from: &Amid,
        message: &X3dhMessage,
    ) -> Result<KnockInfo, Error> {
        match self.examine(from, message).await? {
            Examined::Known(_) => Err(KnockError::Replayed.into()),
            Examined::New(new) => Ok(new.info()),
        }
    }

    pub(super) async fn accept_one(
        &self,
        from: &Amid,
        message: &X3dhMessage,
    ) -> Result<String, Error> {
        let _turn = self.prekeys.turn().take().await;
        match self.examine(from, message).await? {
            Examined::Known(slot) => {
                Ok(slot.value.map(|entry| entry.id.to_string()).unwrap_or_default())
            }
            Examined::New(new) => {
                let id = new.entry.id.to_string();
                let mut changes = Changes::new();
                self.keep(*new, true, &mut changes).await?;
                self.store().commit(changes).await?;
                Ok(id)
            }
        }
    }

    /// Accepts or rejects a KNOCK in words. Of a session that is open already the answer is made anew, since the one before
    /// may never have left the machine.
    pub(in super::super) async fn answer_knock(
        &self,
        from: &Amid,
        message: &X3dhMessage,
        decision: &knock::Decision,
    ) -> Result<AnsweredKnock, Error> {
        let _turn = self.prekeys.turn().take().await;
        let mut changes = Changes::new();
        let (mut slot, mut entry, is_new) = match self.examine(from, message).await? {
            Examined::Known(mut slot) => {
                let entry = slot.value.take().filter(|entry| entry.role == Role::Responder);
                let entry = entry.ok_or(ManagerError::WrongPeer { expected: *from })?;
                (slot, entry, false)
            }
            Examined::New(new) => {
                let name = new.slot.name.clone();
                let entry = self.keep(*new, decision.is_accept(), &mut changes).await?;
                (self.store().unused(name), entry, true)
            }
        };
        let session_id = entry.id.to_string();
        let envelope = self.encrypt_answer(&mut entry, decision)?;
        slot.value = Some(entry);
        if !decision.is_accept() {
            retire(&mut slot);
            if !is_new {
                let mut peer = self.peer(*from).await?;
                if let (Some(peer), Some(entry)) = (&mut peer.value, &slot.value) {
                    peer.forget(entry.id);
                }
                self.put_peer(&mut changes, &peer)?;
            }
        }
        self.put_session(&mut changes, &slot)?;
        self.store().commit(changes).await?;
        Ok(AnsweredKnock { session_id, envelope })
    }

    fn encrypt_answer(
        &self,
        entry: &mut SessionEntry,
        decision: &knock::Decision,
    ) -> Result<Envelope, Error> {
        let now = self.now();
        let not_found = ManagerError::SessionNotFound { session_id: entry.id.to_string() };
        let session = entry.session.as_mut().ok_or(not_found)?;
        let answer = Answer::new(decision, entry.knock_nonce, now);
        let (kind, signed) = answer.seal(self.prekeys.identity(), session.associated_data())?;
        let mut frame = MESSAGE_PREFIX.to_vec();
        self.store().context().with_rng(|rng| {
            let mut plaintext = Plaintext::new(MessageId::new_v7(now, rng), kind, 0, now);
            plaintext.signed = Some(signed);
            session.encrypt_into(&plaintext.encode()?, &mut frame, now, rng)?;
            Ok::<_, Error>(())
        })?;
        Ok(Envelope::from_frame(frame)?)
    }

    /// Notes what keeping the session changes: itself, the one-time keys, what is known of the peer. Returns the entry, for
    /// callers that go on with it and note it again.
    async fn keep(
        &self,
        new: New,
        accepted: bool,
        changes: &mut Changes,
    ) -> Result<SessionEntry, Error> {
        let New { hs, mut slot, entry, knock: _, mut prekeys, mut peer } = new;
        let now = self.now();
        if prekeys.prekeys.consume(hs.one_time_prekey_id(), hs.one_time_kem_id()) {
            self.prekeys.put(changes, &prekeys)?;
        }
        let known = peer.value.get_or_insert_with(|| Peer::new(entry.peer));
        known.identity = Some(*hs.identity());
        known.suite_pin = known.suite_pin.max(hs.suite().id());
        if accepted {
            let evicted = self.adopt(known, &entry, hs.identity(), now).await?;
            self.retire_all(changes, evicted).await?;
        }
        self.put_peer(changes, &peer)?;
        slot.value = Some(entry);
        self.put_session(changes, &slot)?;
        slot.value.ok_or(ManagerError::Malformed { what: "session" }.into())
    }

    /// Which session is used for sending from now on (`docs/protocol/native.md` §7.6); returns those that no longer fit.
    async fn adopt(
        &self,
        known: &mut Peer,
        new: &SessionEntry,
        peer_key: &VerifyingKey,
        now: Timestamp,
    ) -> Result<Vec<crate::handshake::SessionId>, Error> {
        let current = match known.sending {
            Some(id) => self.session(id).await?.value.filter(|entry| !entry.is_tombstone()),
            None => None,
        };
        let in_use = current.map(|entry| match entry.role {
            Role::Initiator if entry.confirmed => InUse::Ours,
            Role::Initiator => InUse::OursPending,
            Role::Responder => InUse::Peers(entry.knock_time),
        });
        let own = self.prekeys.identity().signing_key();
        if !takes_over(own.as_bytes(), peer_key.as_bytes(), in_use, new.knock_time) {
            return Ok(known.keep_for_receiving(new.id, now));
        }
        let old = known.sending.replace(new.id).filter(|old| *old != new.id);
        Ok(old.map_or_else(Vec::new, |old| known.keep_for_receiving(old, now)))
    }

    async fn tombstones(&self) -> Result<usize, Error> {
        let dead = |slot: &Slot<SessionEntry>| {
            slot.value.as_ref().is_some_and(SessionEntry::is_spent_handshake)
        };
        Ok(self.all_sessions().await?.iter().filter(|slot| dead(slot)).count())
    }
}
