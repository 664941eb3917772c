//! The steps behind [`LegacyKnockProtocol`](super::LegacyKnockProtocol): check, compute, one commit.

use crate::{
    Error,
    identity::{Amid, IdentityPublic},
    keys::{DhPublicKey, VerifyingKey},
    knock::{Decision, KnockError, KnockRequest},
    legacy::{
        LegacyAnswer, LegacyHandshakeError, LegacyKnock, LegacySession, LegacySessionState,
        LegacyVerdict, VerifiedLegacyKnock,
    },
    limits::{LEGACY_KNOCK_WINDOW, MAX_REASON},
    storage::Changes,
    time::Timestamp,
};

use super::{
    super::{Bundle, ManagerError, store::Slot},
    AnsweredLegacyKnock, Contact, KnockMemory, LegacyKnocked, LegacySessions,
    memory::Asked,
};

/// A KNOCK that passed every check.
struct Examined {
    knock: VerifiedLegacyKnock,
    contact: Slot<Contact>,
    memory: Slot<KnockMemory>,
    /// Whether it was answered before. Its nonce is in `memory` either way.
    replayed: bool,
}

impl LegacySessions {
    pub(super) async fn create_knock(
        &self,
        amid: Amid,
        bundle: &Bundle,
        signing_key: &VerifyingKey,
        request: &KnockRequest,
    ) -> Result<LegacyKnocked, Error> {
        let _turn = self.prekeys.turn().take().await;
        let mut changes = Changes::new();
        let (session, x3dh) = self.begin(amid, bundle, signing_key, &mut changes).await?;
        let (own, now) = (self.prekeys.identity(), self.now());
        let knock = self
            .store()
            .context()
            .with_rng(|rng| LegacyKnock::sign(own, amid, request, Some(&x3dh), now, rng))?;
        let mut memory = self.knocks(amid).await?;
        memory.value.get_or_insert_with(KnockMemory::default).asked = Some(Asked {
            session: session.id().to_owned(),
            nonce: knock.nonce().to_owned(),
            signer: *signing_key,
        });
        self.put_knocks(&mut changes, &memory)?;
        self.store().commit(changes).await?;
        Ok(LegacyKnocked { session_id: session.id().to_owned(), knock })
    }

    pub(super) async fn verify_knock(
        &self,
        peer: &IdentityPublic,
        knock: &LegacyKnock,
    ) -> Result<VerifiedLegacyKnock, Error> {
        let examined = self.examine(peer, knock).await?;
        if examined.replayed { Err(KnockError::Replayed.into()) } else { Ok(examined.knock) }
    }

    /// Nothing is looked up, let alone remembered, before the signature has verified.
    async fn examine(&self, peer: &IdentityPublic, knock: &LegacyKnock) -> Result<Examined, Error> {
        let (own, now) = (self.own(), self.now());
        let knock = knock.verify(&own, &peer.signing, now)?;
        if knock.from == own {
            return Err(ManagerError::WrongPeer { expected: own }.into());
        }
        self.refuse_downgrade(knock.from).await?;
        let contact = self.contact(knock.from).await?;
        let known = contact.value.as_ref().and_then(|contact| contact.exchange);
        let named = knock.request.x3dh.map(|message| message.identity_key);
        if [known, named].into_iter().flatten().any(|key| key != peer.exchange) {
            return Err(LegacyHandshakeError::ExchangeKeyMismatch.into());
        }
        let mut memory = self.knocks(knock.from).await?;
        let answered = &mut memory.value.get_or_insert_with(KnockMemory::default).answered;
        let admitted = answered.admit_nonce(knock.nonce, knock.time, LEGACY_KNOCK_WINDOW, now);
        let replayed = match admitted {
            Ok(()) => false,
            Err(KnockError::Replayed) => true,
            Err(error) => return Err(error.into()),
        };
        Ok(Examined { knock, contact, memory, replayed })
    }

    pub(super) async fn answer_knock(
        &self,
        peer: &IdentityPublic,
        knock: &LegacyKnock,
        decision: &Decision,
    ) -> Result<AnsweredLegacyKnock, Error> {
        let _turn = self.prekeys.turn().take().await;
        let examined = self.examine(peer, knock).await?;
        let (mut changes, mut session_id) = (Changes::new(), None);
        if !examined.replayed {
            self.put_knocks(&mut changes, &examined.memory)?;
        }
        let knock = examined.knock.clone();
        let verdict = match decision {
            Decision::Accept { .. } => {
                let session = self.accept_examined(examined, peer.exchange, &mut changes).await?;
                let id = session_id.insert(session.id().to_owned()).clone();
                let ratchet_key = Some(*session.ratchet_public_key());
                LegacyVerdict::Accept { session_id: id, ratchet_key }
            }
            Decision::Reject { reason, .. } => {
                self.reject_examined(examined, &mut changes).await?;
                refusal(reason)
            }
            Decision::Later => {
                self.reject_examined(examined, &mut changes).await?;
                refusal("not decided yet")
            }
        };
        if !changes.is_empty() {
            self.store().commit(changes).await?;
        }
        let own = self.prekeys.identity();
        let answer = LegacyAnswer::sign(own, &knock, verdict, self.now());
        Ok(AnsweredLegacyKnock { session_id, answer })
    }

    /// A KNOCK that comes again opens nothing: it finds its session as it left it, or none.
    async fn accept_examined(
        &self,
        examined: Examined,
        exchange: DhPublicKey,
        changes: &mut Changes,
    ) -> Result<LegacySession, Error> {
        let Examined { knock, mut contact, replayed, .. } = examined;
        let message = knock.request.x3dh.ok_or(ManagerError::Malformed { what: "KNOCK" })?;
        let known = contact.value.get_or_insert_with(Contact::default);
        known.exchange = Some(exchange);
        if replayed && known.taken(&message)?.is_none() {
            return Err(KnockError::Replayed.into());
        }
        let session = self.open_end(knock.from, &message, contact, changes).await?;
        // What the initiator wrote first showed that it has our key; by now there is another.
        if session.must_wait() { Ok(session) } else { Err(KnockError::Replayed.into()) }
    }

    /// Closes what the KNOCK opened, if it was accepted before.
    async fn reject_examined(
        &self,
        examined: Examined,
        changes: &mut Changes,
    ) -> Result<(), Error> {
        let Examined { knock, mut contact, replayed, .. } = examined;
        if let (Some(known), Some(message)) = (&mut contact.value, knock.request.x3dh)
            && let Some(id) = known.taken(&message)?.map(str::to_owned)
        {
            let slot = self.session(&id).await?;
            if slot.version > 0 {
                known.forget(&id);
                self.store().delete(changes, &slot);
                return self.put_contact(changes, &contact);
            }
        }
        if replayed { Err(KnockError::Replayed.into()) } else { Ok(()) }
    }

    pub(super) async fn verify_answer(
        &self,
        id: &str,
        answer: &LegacyAnswer,
    ) -> Result<LegacyVerdict, Error> {
        let _turn = self.prekeys.turn().take().await;
        let (slot, mut session) = self.live(id).await?;
        let not_pending = || ManagerError::NotPending { session_id: id.to_owned() };
        if session.state() != LegacySessionState::Pending {
            return Err(not_pending().into());
        }
        let mut memory = self.knocks(session.peer()).await?;
        let asked = memory.value.as_mut().and_then(|m| m.asked.take_if(|a| a.session == id));
        let asked = asked.ok_or_else(not_pending)?;
        let now = self.now();
        let verdict = answer.verify(&self.own(), &asked.signer, &asked.nonce, now)?;
        let mut changes = Changes::new();
        match verdict {
            LegacyVerdict::Accept { ratchet_key: Some(key), .. } => {
                session.activate(key, now)?;
                self.put_session(&mut changes, &slot, &session)?;
            }
            LegacyVerdict::Accept { ratchet_key: None, .. } => {}
            LegacyVerdict::Reject { .. } => {
                let mut contact = self.contact(session.peer()).await?;
                if let Some(known) = &mut contact.value {
                    known.forget(id);
                }
                self.store().delete(&mut changes, &slot);
                self.put_contact(&mut changes, &contact)?;
            }
        }
        self.put_knocks(&mut changes, &memory)?;
        self.store().commit(changes).await?;
        Ok(verdict.clone())
    }

    /// Deletes the memory of peers whose KNOCKs are all too old to come again, and on whom nothing waits.
    pub(super) async fn forget_knocks(&self, now: Timestamp) -> Result<usize, Error> {
        let mut done = 0;
        for mut slot in self.store().list(&self.knocks_prefix(), KnockMemory::decode).await? {
            let Some(memory) = &mut slot.value else { continue };
            memory.answered.drop_old(now);
            let waits = match &memory.asked {
                Some(asked) => self.session(&asked.session).await?.version > 0,
                None => false,
            };
            if waits || !memory.answered.is_empty() {
                continue;
            }
            let mut changes = Changes::new();
            self.store().delete(&mut changes, &slot);
            self.store().commit(changes).await?;
            done += 1;
        }
        Ok(done)
    }
}

fn refusal(reason: &str) -> LegacyVerdict {
    let mut reason = reason.to_owned();
    reason.truncate(reason.floor_char_boundary(MAX_REASON));
    LegacyVerdict::Reject { reason }
}
