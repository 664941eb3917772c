//! The steps of [`SuiteSessions`], natively.

use crate::{
    Error,
    engine::{
        SendError,
        opening::{Begun, begin},
        records::{Decision, Peer, Role, SessionEntry},
    },
    handshake::{SessionId, Suite},
    identity::Amid,
    keys::{DhPublicKey, VerifyingKey},
    knock::{Answer, Knock, KnockRequest, Tier},
    limits,
    maps::HashSet,
    prekeys::KnownPeer,
    storage::Changes,
    time::SECOND,
    wire::{
        frame::MESSAGE_PREFIX,
        id::MessageId,
        plaintext::{MessageType, Payload, Plaintext},
    },
};

use super::{
    super::{
        Bundle, Envelope, Incoming, Initiated, ManagerError, SessionInfo, X3dhMessage,
        store::Slot,
        suite::{SuiteFuture, SuiteSessions},
    },
    BATCH, NativeSessions, SUITES, describe, retire, usable,
};

impl SuiteSessions for NativeSessions {
    fn initiate<'a>(
        &'a self,
        peer: &'a Amid,
        bundle: &'a Bundle,
        signing_key: &'a VerifyingKey,
        request: &'a KnockRequest,
    ) -> SuiteFuture<'a, Initiated> {
        Box::pin(self.initiate_one(*peer, bundle, signing_key, request))
    }

    fn accept<'a>(&'a self, peer: &'a Amid, message: &'a X3dhMessage) -> SuiteFuture<'a, String> {
        Box::pin(self.accept_one(peer, message))
    }

    fn activate<'a>(&'a self, id: &'a str, _: DhPublicKey) -> SuiteFuture<'a, ()> {
        Box::pin(async move {
            let slot = self.live(id).await?;
            if slot.value.is_some_and(|entry| entry.role == Role::Initiator) {
                Ok(())
            } else {
                Err(ManagerError::NotPending { session_id: id.to_owned() }.into())
            }
        })
    }

    fn ratchet_key<'a>(&'a self, id: &'a str) -> SuiteFuture<'a, Option<DhPublicKey>> {
        Box::pin(async move {
            let session = self.live(id).await?.value.and_then(|entry| entry.session);
            Ok(session.and_then(|session| session.ratchet_public_key()))
        })
    }

    fn encrypt<'a>(
        &'a self,
        id: &'a str,
        kind: MessageType,
        payload: Payload,
    ) -> SuiteFuture<'a, Envelope> {
        Box::pin(self.encrypt_one(id, kind, payload))
    }

    fn decrypt<'a>(
        &'a self,
        id: &'a str,
        envelope: &'a Envelope,
        json_only: bool,
    ) -> SuiteFuture<'a, Incoming> {
        Box::pin(async move {
            let readable = |message: &Plaintext| {
                let json = message.kind.is_application()
                    && message.part.is_none()
                    && message.payload.as_json().is_some();
                !message.kind.is_signed() && (json || !json_only)
            };
            let (_, message) = self
                .open_one(id, envelope, |message, _, _| {
                    if readable(message) { Ok(()) } else { Err(ManagerError::NotJson.into()) }
                })
                .await?;
            Ok(message)
        })
    }

    fn close<'a>(&'a self, id: &'a str) -> SuiteFuture<'a, ()> {
        Box::pin(async move {
            let _turn = self.prekeys.turn().take().await;
            let mut slot = self.live(id).await?;
            let mut changes = Changes::new();
            if let Some(entry) = &slot.value {
                let mut peer = self.peer(entry.peer).await?;
                if let Some(known) = &mut peer.value {
                    known.forget(entry.id);
                }
                self.put_peer(&mut changes, &peer)?;
            }
            retire(&mut slot);
            self.put_session(&mut changes, &slot)?;
            self.store().commit(changes).await
        })
    }

    fn describe<'a>(&'a self, id: &'a str) -> SuiteFuture<'a, SessionInfo> {
        Box::pin(async move {
            let entry = self.live(id).await?.value;
            let not_found = ManagerError::SessionNotFound { session_id: id.to_owned() };
            let entry = entry.ok_or(not_found.clone())?;
            let sending = self.peer(entry.peer).await?.value.and_then(|peer| peer.sending);
            describe(&entry, sending == Some(entry.id)).ok_or_else(|| not_found.into())
        })
    }

    fn by_peer<'a>(&'a self, peer: &'a Amid) -> SuiteFuture<'a, Option<SessionInfo>> {
        Box::pin(async move {
            let sending = self.peer(*peer).await?.value.and_then(|peer| peer.sending);
            let Some(id) = sending else { return Ok(None) };
            Ok(self.session(id).await?.value.and_then(|entry| describe(&entry, true)))
        })
    }

    fn list(&self) -> SuiteFuture<'_, Vec<SessionInfo>> {
        Box::pin(async move {
            let peers = self.all_peers().await?;
            let sending: HashSet<SessionId> =
                peers.into_iter().filter_map(|slot| slot.value?.sending).collect();
            let sessions = self.all_sessions().await?.into_iter().filter_map(|slot| slot.value);
            Ok(sessions.filter_map(|entry| describe(&entry, sending.contains(&entry.id))).collect())
        })
    }

    fn maintain(&self) -> SuiteFuture<'_, usize> {
        Box::pin(self.maintain_all())
    }
}

impl NativeSessions {
    async fn initiate_one(
        &self,
        amid: Amid,
        bundle: &Bundle,
        signing_key: &VerifyingKey,
        request: &KnockRequest,
    ) -> Result<Initiated, Error> {
        let _turn = self.prekeys.turn().take().await;
        let wrong = || ManagerError::WrongPeer { expected: amid };
        if Amid::of(signing_key) != amid || amid == self.own() {
            return Err(wrong().into());
        }
        let (context, now) = (self.store().context(), self.now());
        let mut peer = self.peer(amid).await?;
        let known = peer.value.get_or_insert_with(|| Peer::new(amid));
        if let Some(id) = known.sending
            && usable(self.session(id).await?.value.as_ref(), now).is_some()
        {
            let session_id = id.to_string();
            return Err(ManagerError::SessionExists { peer: amid, session_id }.into());
        }
        if known.rejected_until > now {
            let retry_after_s = known.rejected_until.since(now).div_ceil(SECOND);
            return Err(SendError::RejectedRecently { retry_after_s }.into());
        }
        let about =
            KnownPeer { amid, newest_bundle: known.newest_bundle, pinned_suite: known.suite_pin };
        let choice = context.with_rng(|rng| rng.next_u32());
        let verified = bundle.verify(&about, now, choice)?;
        if verified.identity() != signing_key {
            return Err(wrong().into());
        }
        let suite = Suite::choose(&SUITES, &verified, Suite::from_u8(known.suite_pin))?;
        let own = self.prekeys.identity();
        let begun = context.with_rng(|rng| {
            let knock = |rng: &mut dyn rand_core::CryptoRng| {
                Knock::new(request, Tier::Anonymous, &SUITES, now, rng)
            };
            begin(own, &verified, suite, knock, now, rng)
        });
        let Begun { id, hs, session, knock, knock_id: _, frame } = begun?;
        known.identity = Some(*signing_key);
        known.suite_pin = known.suite_pin.max(suite.id());
        known.newest_bundle = known.newest_bundle.max(verified.created_at());
        let old = known.sending.replace(id);
        let evicted = old.map_or_else(Vec::new, |old| known.keep_for_receiving(old, now));
        let mut changes = Changes::new();
        self.retire_all(&mut changes, evicted).await?;
        self.put_peer(&mut changes, &peer)?;
        let mut slot = self.session(id).await?;
        slot.value = Some(SessionEntry {
            id,
            peer: amid,
            role: Role::Initiator,
            signed_prekey_id: hs.signed_prekey_id(),
            knock_time: knock.time,
            knock_nonce: knock.nonce,
            decision: Decision::Pending,
            confirmed: false,
            expires_at: None,
            session: Some(session),
        });
        self.put_session(&mut changes, &slot)?;
        self.store().commit(changes).await?;
        Ok(Initiated { session_id: id.to_string(), x3dh_message: X3dhMessage::new(&hs, frame) })
    }

    async fn encrypt_one(
        &self,
        id: &str,
        kind: MessageType,
        payload: Payload,
    ) -> Result<Envelope, Error> {
        let _turn = self.prekeys.turn().take().await;
        let mut slot = self.live(id).await?;
        let not_found = || ManagerError::SessionNotFound { session_id: id.to_owned() };
        let entry = slot.value.as_mut().ok_or_else(not_found)?;
        let mut peer = self.peer(entry.peer).await?;
        let known = peer.value.get_or_insert_with(|| Peer::new(entry.peer));
        let mut changes = Changes::new();
        let now = self.now();
        let seq = if kind.is_application() { known.next_seq } else { 0 };
        known.next_seq += u64::from(kind.is_application());
        let session = entry.session.as_mut().ok_or_else(not_found)?;
        let mut frame = MESSAGE_PREFIX.to_vec();
        self.store().context().with_rng(|rng| {
            let mut message = Plaintext::new(MessageId::new_v7(now, rng), kind, seq, now);
            message.payload = payload;
            session.encrypt_into(&message.encode()?, &mut frame, now, rng)?;
            Ok::<_, Error>(())
        })?;
        if kind.is_application() {
            self.put_peer(&mut changes, &peer)?;
        }
        self.put_session(&mut changes, &slot)?;
        self.store().commit(changes).await?;
        Ok(Envelope::from_frame(frame)?)
    }

    /// Opens an envelope, lets `check` look at it and change the entry and what is known of the peer, and commits.
    async fn open_one<T>(
        &self,
        id: &str,
        envelope: &Envelope,
        check: impl FnOnce(&Plaintext, &mut Slot<SessionEntry>, &mut Peer) -> Result<T, Error>,
    ) -> Result<(T, Incoming), Error> {
        let mut frame = envelope.frame()?;
        if envelope.session_id != id {
            return Err(ManagerError::Malformed { what: "envelope: another session" }.into());
        }
        let _turn = self.prekeys.turn().take().await;
        let now = self.now();
        let mut slot = self.live(id).await?;
        let not_found = || ManagerError::SessionNotFound { session_id: id.to_owned() };
        let entry = slot.value.as_mut().ok_or_else(not_found)?;
        let (from, sid) = (entry.peer, entry.id);
        let session = entry.session.as_mut().ok_or_else(not_found)?;
        let opened = session.open(frame.body_mut(), now)?;
        let message = Plaintext::decode(opened.plaintext())?;
        session.commit(opened)?;
        entry.confirmed = true;
        let mut peer = self.peer(from).await?;
        let known = peer.value.get_or_insert_with(|| Peer::new(from));
        let before = (known.sending, known.receive_only.clone(), known.rejected_until);
        if let Some(kept) = known.receive_only.iter_mut().find(|kept| kept.session == sid) {
            kept.until = now.plus_millis(limits::RECEIVE_ONLY_AGE);
        }
        let checked = check(&message, &mut slot, known)?;
        let mut changes = Changes::new();
        if before != (known.sending, known.receive_only.clone(), known.rejected_until) {
            self.put_peer(&mut changes, &peer)?;
        }
        self.put_session(&mut changes, &slot)?;
        self.store().commit(changes).await?;
        let Plaintext { id, kind, in_reply_to, sent_at, payload, .. } = message;
        let (id, sent_at) = (Some(id), Some(sent_at));
        Ok((checked, Incoming { from, id, kind, in_reply_to, sent_at, payload }))
    }

    /// Opens the answer to a KNOCK of ours and does what it says.
    pub(in super::super) async fn verify_answer(
        &self,
        id: &str,
        envelope: &Envelope,
    ) -> Result<Answer, Error> {
        let now = self.now();
        let (answer, _) = self
            .open_one(id, envelope, |message, slot, peer| {
                let not_pending = || ManagerError::NotPending { session_id: id.to_owned() };
                let entry = slot.value.as_mut().ok_or_else(not_pending)?;
                if entry.role != Role::Initiator || entry.decision != Decision::Pending {
                    return Err(not_pending().into());
                }
                let not_an_answer = || Error::from(crate::knock::KnockError::NotAnAnswer);
                let signed = message.signed.as_ref().ok_or_else(not_an_answer)?;
                let key = peer.identity.ok_or_else(not_an_answer)?;
                let session = entry.session.as_ref().ok_or_else(not_pending)?;
                let (data, nonce) = (session.associated_data(), &entry.knock_nonce);
                let answer = Answer::open(message.kind, signed, &key, data, nonce)?;
                match &answer {
                    Answer::Accept(_) => entry.decision = Decision::Accepted,
                    Answer::Reject(reject) => {
                        let pause = reject.retry_after_s.unwrap_or(0).saturating_mul(SECOND);
                        peer.rejected_until = now.plus_millis(pause);
                        peer.forget(entry.id);
                        retire(slot);
                    }
                }
                Ok(answer)
            })
            .await?;
        Ok(answer)
    }

    async fn maintain_all(&self) -> Result<usize, Error> {
        let _turn = self.prekeys.turn().take().await;
        let (now, mut done) = (self.now(), 0);
        for mut slot in self.all_peers().await? {
            let Some(known) = &mut slot.value else { continue };
            let (gone, kept): (Vec<_>, Vec<_>) =
                known.receive_only.drain(..).partition(|kept| kept.until <= now);
            known.receive_only = kept;
            if gone.is_empty() {
                continue;
            }
            done += gone.len();
            let mut changes = Changes::new();
            self.put_peer(&mut changes, &slot)?;
            self.retire_all(&mut changes, gone.into_iter().map(|kept| kept.session).collect())
                .await?;
            self.store().commit(changes).await?;
        }
        // Without prekeys it is not known which handshakes could still be replayed.
        let Some(prekeys) = self.prekeys.load().await? else { return Ok(done) };
        let ids: HashSet<u32> = prekeys.prekeys.signed_ids().collect();
        let spent = |entry: &SessionEntry| {
            let is_over = entry.expires_at.is_none_or(|at| at <= now);
            let is_replayable = ids.contains(&entry.signed_prekey_id);
            entry.is_tombstone()
                && if entry.is_spent_handshake() { !is_replayable } else { is_over }
        };
        let mut sessions = self.all_sessions().await?;
        sessions.retain(|slot| slot.value.as_ref().is_some_and(spent));
        for batch in sessions.chunks(BATCH) {
            let mut changes = Changes::new();
            batch.iter().for_each(|slot| self.store().delete(&mut changes, slot));
            self.store().commit(changes).await?;
            done += batch.len();
        }
        Ok(done)
    }
}
