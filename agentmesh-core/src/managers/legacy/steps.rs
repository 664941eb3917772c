//! The steps of [`SuiteSessions`] in the suite `legacy-0.2`.

use crate::{
    Error,
    identity::{Amid, IdentityPublic},
    keys::{DhPublicKey, VerifyingKey},
    knock::KnockRequest,
    legacy::{
        self, LegacyEncryptError, LegacyHandshakeError, LegacyResponderKeys, LegacySession,
        LegacySessionState,
    },
    limits::RECEIVE_ONLY_AGE,
    maps::HashSet,
    storage::Changes,
    wire::plaintext::{MessageType, Payload},
};

use super::{
    super::{
        Bundle, Envelope, Incoming, Initiated, ManagerError, SessionInfo, X3dhMessage,
        store::Slot,
        suite::{SuiteFuture, SuiteSessions},
    },
    Contact, LegacySessions, describe, objects,
};

impl SuiteSessions for LegacySessions {
    fn know<'a>(&'a self, peer: &'a IdentityPublic) -> SuiteFuture<'a, ()> {
        Box::pin(async move {
            let _turn = self.prekeys.turn().take().await;
            let mut slot = self.contact(peer.amid()).await?;
            let contact = slot.value.get_or_insert_with(Contact::default);
            match contact.exchange.replace(peer.exchange) {
                Some(known) if known == peer.exchange => return Ok(()),
                Some(_) => return Err(LegacyHandshakeError::ExchangeKeyMismatch.into()),
                None => {}
            }
            let mut changes = Changes::new();
            self.put_contact(&mut changes, &slot)?;
            self.store().commit(changes).await
        })
    }

    /// The request travels in the KNOCK that the application makes; X3DH has no room for it.
    fn initiate<'a>(
        &'a self,
        peer: &'a Amid,
        bundle: &'a Bundle,
        signing_key: &'a VerifyingKey,
        _: &'a KnockRequest,
    ) -> SuiteFuture<'a, Initiated> {
        Box::pin(self.initiate_one(*peer, bundle, signing_key))
    }

    fn accept<'a>(&'a self, peer: &'a Amid, message: &'a X3dhMessage) -> SuiteFuture<'a, String> {
        Box::pin(self.accept_one(*peer, message))
    }

    fn activate<'a>(&'a self, id: &'a str, ratchet_key: DhPublicKey) -> SuiteFuture<'a, ()> {
        Box::pin(async move {
            let _turn = self.prekeys.turn().take().await;
            let (slot, mut session) = self.live(id).await?;
            if session.state() != LegacySessionState::Pending {
                return Err(ManagerError::NotPending { session_id: id.to_owned() }.into());
            }
            session.activate(&ratchet_key, self.now())?;
            let mut changes = Changes::new();
            self.put_session(&mut changes, &slot, &session)?;
            self.store().commit(changes).await
        })
    }

    fn ratchet_key<'a>(&'a self, id: &'a str) -> SuiteFuture<'a, Option<DhPublicKey>> {
        Box::pin(async move { Ok(Some(*self.live(id).await?.1.ratchet_public_key())) })
    }

    fn encrypt<'a>(
        &'a self,
        id: &'a str,
        kind: MessageType,
        payload: Payload,
    ) -> SuiteFuture<'a, Envelope> {
        Box::pin(self.encrypt_one(id, kind, payload))
    }

    /// Every message of 0.2 is JSON, so `json_only` says nothing.
    fn decrypt<'a>(
        &'a self,
        id: &'a str,
        envelope: &'a Envelope,
        _: bool,
    ) -> SuiteFuture<'a, Incoming> {
        Box::pin(async move {
            let envelope = objects::envelope(envelope)?;
            let _turn = self.prekeys.turn().take().await;
            let (slot, mut session) = self.live(id).await?;
            let now = self.now();
            let context = self.store().context();
            let opened = context.with_rng(|rng| session.decrypt(&envelope, now, rng));
            let text = opened?;
            let mut changes = Changes::new();
            self.put_session(&mut changes, &slot, &session)?;
            self.store().commit(changes).await?;
            Ok(Incoming {
                from: session.peer(),
                id: None,
                kind: MessageType::Message,
                in_reply_to: None,
                sent_at: None,
                payload: Payload::Json(text),
            })
        })
    }

    fn close<'a>(&'a self, id: &'a str) -> SuiteFuture<'a, ()> {
        Box::pin(async move {
            let _turn = self.prekeys.turn().take().await;
            let (slot, session) = self.live(id).await?;
            let mut contact = self.contact(session.peer()).await?;
            if let Some(known) = &mut contact.value {
                known.forget(id);
            }
            let mut changes = Changes::new();
            self.store().delete(&mut changes, &slot);
            self.put_contact(&mut changes, &contact)?;
            self.store().commit(changes).await
        })
    }

    fn describe<'a>(&'a self, id: &'a str) -> SuiteFuture<'a, SessionInfo> {
        Box::pin(async move {
            let (_, session) = self.live(id).await?;
            let sending = self.contact(session.peer()).await?.value.and_then(|c| c.sending);
            Ok(describe(&session, sending.as_deref() == Some(id)))
        })
    }

    fn by_peer<'a>(&'a self, peer: &'a Amid) -> SuiteFuture<'a, Option<SessionInfo>> {
        Box::pin(async move {
            let sending = self.contact(*peer).await?.value.and_then(|contact| contact.sending);
            let Some(id) = sending else { return Ok(None) };
            Ok(self.session(&id).await?.value.map(|session| describe(&session, true)))
        })
    }

    fn list(&self) -> SuiteFuture<'_, Vec<SessionInfo>> {
        Box::pin(async move {
            let contacts = self.all_contacts().await?;
            let sending: HashSet<String> =
                contacts.into_iter().filter_map(|slot| slot.value?.sending).collect();
            let sessions = self.all_sessions().await?;
            Ok(sessions.iter().map(|s| describe(s, sending.contains(s.id()))).collect())
        })
    }

    /// Sessions that are not sent in and were silent for 96 hours go, and what is remembered of KNOCKs that are too old to come
    /// again.
    fn maintain(&self) -> SuiteFuture<'_, usize> {
        Box::pin(async move {
            let _turn = self.prekeys.turn().take().await;
            let (now, mut done) = (self.now(), 0);
            for mut slot in self.all_contacts().await? {
                let Some(contact) = &mut slot.value else { continue };
                let mut silent = Vec::new();
                for id in &contact.older {
                    let session = self.session(id).await?.value;
                    let used = session.is_some_and(|s| now.since(s.last_used()) < RECEIVE_ONLY_AGE);
                    if !used {
                        silent.push(id.clone());
                    }
                }
                if silent.is_empty() {
                    continue;
                }
                done += silent.len();
                contact.older.retain(|id| !silent.contains(id));
                let mut changes = Changes::new();
                self.put_contact(&mut changes, &slot)?;
                self.delete_all(&mut changes, silent).await?;
                self.store().commit(changes).await?;
            }
            Ok(done + self.forget_knocks(now).await?)
        })
    }
}

impl LegacySessions {
    async fn initiate_one(
        &self,
        amid: Amid,
        bundle: &Bundle,
        signing_key: &VerifyingKey,
    ) -> Result<Initiated, Error> {
        let _turn = self.prekeys.turn().take().await;
        let mut changes = Changes::new();
        let (session, message) = self.begin(amid, bundle, signing_key, &mut changes).await?;
        self.store().commit(changes).await?;
        let session_id = session.id().to_owned();
        Ok(Initiated { session_id, x3dh_message: objects::message_to_send(&message) })
    }

    /// A session of ours, noted in `changes`, and the handshake for the peer. To be called in turn.
    pub(super) async fn begin(
        &self,
        amid: Amid,
        bundle: &Bundle,
        signing_key: &VerifyingKey,
        changes: &mut Changes,
    ) -> Result<(LegacySession, legacy::X3dhMessage), Error> {
        let bundle = objects::bundle(bundle)?;
        if Amid::of(signing_key) != amid || amid == self.own() {
            return Err(ManagerError::WrongPeer { expected: amid }.into());
        }
        self.refuse_downgrade(amid).await?;
        let mut slot = self.contact(amid).await?;
        let contact = slot.value.get_or_insert_with(Contact::default);
        if let Some(session_id) = contact.sending.clone() {
            return Err(ManagerError::SessionExists { peer: amid, session_id }.into());
        }
        // Nothing in a bundle proves whose exchange key it is; what the application said does.
        let exchange = contact.exchange.unwrap_or(bundle.identity_key);
        let peer = IdentityPublic { signing: *signing_key, exchange };
        let (own, now) = (self.prekeys.identity(), self.now());
        let context = self.store().context();
        let (session, message) =
            context.with_rng(|rng| LegacySession::initiate(own, &peer, &bundle, now, rng))?;
        let evicted = contact.add(session.id(), true);
        self.delete_all(changes, evicted).await?;
        self.put_contact(changes, &slot)?;
        self.add_session(changes, &session)?;
        Ok((session, message))
    }

    async fn accept_one(&self, from: Amid, message: &X3dhMessage) -> Result<String, Error> {
        let message = objects::message(message);
        let _turn = self.prekeys.turn().take().await;
        if from == self.own() {
            return Err(ManagerError::WrongPeer { expected: from }.into());
        }
        self.refuse_downgrade(from).await?;
        let slot = self.contact(from).await?;
        let known = slot.value.as_ref().and_then(|contact| contact.exchange);
        if message.identity_key != known.ok_or(ManagerError::UnknownPeer { peer: from })? {
            return Err(LegacyHandshakeError::ExchangeKeyMismatch.into());
        }
        let mut changes = Changes::new();
        let session = self.open_end(from, &message, slot, &mut changes).await?;
        if !changes.is_empty() {
            self.store().commit(changes).await?;
        }
        Ok(session.id().to_owned())
    }

    /// Our end of the session that a handshake begins: as it is if it was opened before, else new and noted in `changes`. To be
    /// called in turn, with the exchange key compared.
    pub(super) async fn open_end(
        &self,
        from: Amid,
        message: &legacy::X3dhMessage,
        mut slot: Slot<Contact>,
        changes: &mut Changes,
    ) -> Result<LegacySession, Error> {
        let contact = slot.value.get_or_insert_with(Contact::default);
        if let Some(id) = contact.taken(message)? {
            let closed = || ManagerError::SessionClosed { session_id: id.to_owned() };
            return Ok(self.session(id).await?.value.ok_or_else(closed)?);
        }
        let mut loaded = self.prekeys.load().await?.ok_or(ManagerError::NoPrekeys)?;
        let id = message.signed_prekey_id;
        let triple = loaded.prekeys.signed(id);
        let triple = triple.ok_or(LegacyHandshakeError::UnknownSignedPrekey { id })?;
        let one_time_prekey = match message.one_time_prekey_id {
            None => None,
            Some(id) => {
                let key = loaded.prekeys.one_time(id);
                Some(key.ok_or(LegacyHandshakeError::UnknownOneTimePrekey { id })?)
            }
        };
        let keys = LegacyResponderKeys {
            exchange: triple.exchange(),
            signed_prekey: triple.key(),
            one_time_prekey,
        };
        let (context, now) = (self.store().context(), self.now());
        let session =
            context.with_rng(|rng| LegacySession::accept_from(from, message, keys, now, rng))?;
        if message.one_time_prekey_id.is_some_and(|id| loaded.prekeys.consume(id, 0)) {
            self.prekeys.put(changes, &loaded)?;
        }
        let is_kept = |id| loaded.prekeys.signed(id).is_some();
        contact.take(message, session.id(), is_kept)?;
        // Two that initiate at once both answer; that of the smaller AMID is the one to write in.
        let ours_waits = match &contact.sending {
            Some(id) => {
                let current = self.session(id).await?.value;
                current.is_some_and(|s| s.state() == LegacySessionState::Pending)
            }
            None => false,
        };
        let evicted = contact.add(session.id(), !ours_waits || from < self.own());
        self.delete_all(changes, evicted).await?;
        self.put_contact(changes, &slot)?;
        self.add_session(changes, &session)?;
        Ok(session)
    }

    async fn encrypt_one(
        &self,
        id: &str,
        kind: MessageType,
        payload: Payload,
    ) -> Result<Envelope, Error> {
        let _turn = self.prekeys.turn().take().await;
        let (slot, mut session) = self.live(id).await?;
        let text = match payload {
            Payload::Json(text) if kind == MessageType::Message => text,
            _ => return Err(LegacyEncryptError::NotAnObject.into()),
        };
        let (context, now) = (self.store().context(), self.now());
        let envelope = context.with_rng(|rng| session.encrypt(&text, now, rng))?;
        let envelope = objects::envelope_to_send(envelope)?;
        let mut changes = Changes::new();
        self.put_session(&mut changes, &slot, &session)?;
        self.store().commit(changes).await?;
        Ok(envelope)
    }
}
