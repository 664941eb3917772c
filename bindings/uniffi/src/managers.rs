//! The low-level API. Bundles, X3DH messages, envelopes and sessions are JSON text.

use std::sync::Arc;

use agentmesh_facade::{
    IncomingEnvelope, InitiatedSession, KnockProtocol, PrekeyManager, SealedStore, SessionManager,
};

use crate::{
    NativeDecision, NativeError, NativeIdentity, NativePayload, NativeStorage,
    calls::{call, count, json, run},
};

/// A store and the key that seals what goes into it.
#[derive(uniffi::Object)]
pub struct NativeSealedStore(pub(crate) SealedStore);

#[uniffi::export]
impl NativeSealedStore {
    /// Joins a store and a key of 32 bytes.
    #[uniffi::constructor]
    pub fn new(storage: Arc<NativeStorage>, key: Vec<u8>) -> Result<Arc<Self>, NativeError> {
        run(|| Ok(Arc::new(Self(storage.0.sealed(&key)?))))
    }
}

/// The prekeys of an identity.
#[derive(uniffi::Object)]
pub struct NativePrekeyManager(Arc<PrekeyManager>);

#[uniffi::export]
impl NativePrekeyManager {
    /// Those of an identity, in a store.
    #[uniffi::constructor]
    pub fn new(
        identity: Arc<NativeIdentity>,
        store: Arc<NativeSealedStore>,
    ) -> Result<Arc<Self>, NativeError> {
        run(|| Ok(Arc::new(Self(Arc::new(PrekeyManager::new(&identity.0, &store.0)?)))))
    }

    /// The bundle to publish. Makes the first prekeys if there are none.
    pub async fn load_or_initialize(&self) -> Result<String, NativeError> {
        let prekeys = Arc::clone(&self.0);
        call(async move { prekeys.load_or_initialize().await }).await
    }

    /// Adds one-time prekeys; the bundle with all of them.
    pub async fn replenish_one_time_prekeys(&self, number: u32) -> Result<String, NativeError> {
        let prekeys = Arc::clone(&self.0);
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        call(async move { prekeys.replenish_one_time_prekeys(number).await }).await
    }

    /// Replaces the signed prekey; the bundle with the new one.
    pub async fn rotate_signed_prekey(&self) -> Result<String, NativeError> {
        let prekeys = Arc::clone(&self.0);
        call(async move { prekeys.rotate_signed_prekey().await }).await
    }

    /// The bundle as it is.
    pub async fn bundle(&self) -> Result<String, NativeError> {
        let prekeys = Arc::clone(&self.0);
        call(async move { prekeys.bundle().await }).await
    }

    /// One-time prekeys that are left.
    pub async fn remaining(&self) -> Result<u64, NativeError> {
        let prekeys = Arc::clone(&self.0);
        call(async move { Ok(count(prekeys.remaining().await?)) }).await
    }

    /// Whether it is time to add some.
    pub async fn needs_replenishment(&self) -> Result<bool, NativeError> {
        let prekeys = Arc::clone(&self.0);
        call(async move { prekeys.needs_replenishment().await }).await
    }
}

/// A session that was opened, and what the peer needs to open its end.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NativeInitiatedSession {
    /// The session.
    pub session_id: String,
    /// For the peer, as JSON.
    pub x3dh_message: String,
}

impl From<InitiatedSession> for NativeInitiatedSession {
    fn from(InitiatedSession { session_id, x3dh_message }: InitiatedSession) -> Self {
        Self { session_id, x3dh_message }
    }
}

/// A message that was decrypted, of whatever type.
#[derive(Clone, PartialEq, uniffi::Record)]
pub struct NativeOpenedEnvelope {
    /// Who sent it.
    pub sender: String,
    /// Its id.
    pub id: Option<String>,
    /// What kind of message it is.
    pub kind: String,
    /// The message that it answers.
    pub in_reply_to: Option<String>,
    /// When it was sent, by the sender's clock, in milliseconds.
    pub sent_at: Option<u64>,
    /// What it says.
    pub payload: NativePayload,
}

impl From<IncomingEnvelope> for NativeOpenedEnvelope {
    fn from(envelope: IncomingEnvelope) -> Self {
        let IncomingEnvelope { sender, id, kind, in_reply_to, sent_at, payload } = envelope;
        Self { sender, id, kind, in_reply_to, sent_at, payload: payload.into() }
    }
}

/// The sessions of one identity.
#[derive(uniffi::Object)]
pub struct NativeSessionManager(Arc<SessionManager>);

#[uniffi::export]
impl NativeSessionManager {
    /// Those of the identity that the prekeys belong to.
    #[uniffi::constructor]
    pub fn new(
        prekeys: Arc<NativePrekeyManager>,
        allow_legacy: bool,
    ) -> Result<Arc<Self>, NativeError> {
        run(|| Ok(Arc::new(Self(Arc::new(SessionManager::new(&prekeys.0, allow_legacy)?)))))
    }

    /// Opens a session with a peer whose bundle and key came from wherever the application trusts.
    pub async fn initiate_session(
        &self,
        peer: String,
        bundle: String,
        signing_key: Vec<u8>,
        request: Option<String>,
    ) -> Result<NativeInitiatedSession, NativeError> {
        let sessions = Arc::clone(&self.0);
        call(async move {
            let begun = sessions.initiate_session(&peer, &bundle, &signing_key, request.as_deref());
            Ok(begun.await?.into())
        })
        .await
    }

    /// Opens our end of a session that a peer initiated.
    pub async fn accept_session(
        &self,
        peer: String,
        message: String,
    ) -> Result<String, NativeError> {
        let sessions = Arc::clone(&self.0);
        call(async move { sessions.accept_session(&peer, &message).await }).await
    }

    /// Hands the initiator the responder's ratchet key; only 0.2 needs it.
    pub async fn activate_session(&self, session: String, key: Vec<u8>) -> Result<(), NativeError> {
        let sessions = Arc::clone(&self.0);
        call(async move { sessions.activate_session(&session, &key).await }).await
    }

    /// The public half of our current ratchet key.
    pub async fn ratchet_public_key(
        &self,
        session: String,
    ) -> Result<Option<Vec<u8>>, NativeError> {
        let sessions = Arc::clone(&self.0);
        call(async move { sessions.ratchet_public_key(&session).await }).await
    }

    /// Encrypts JSON or bytes; the envelope as JSON.
    pub async fn encrypt(
        &self,
        session: String,
        payload: NativePayload,
    ) -> Result<String, NativeError> {
        let sessions = Arc::clone(&self.0);
        call(async move { sessions.encrypt_message(&session, payload.into()).await }).await
    }

    /// Decrypts a message of the application; its JSON, as the peer wrote it.
    pub async fn decrypt(&self, session: String, envelope: String) -> Result<String, NativeError> {
        let sessions = Arc::clone(&self.0);
        call(async move { sessions.decrypt_message(&session, &envelope).await }).await
    }

    /// Decrypts a message of whatever type.
    pub async fn open(
        &self,
        session: String,
        envelope: String,
    ) -> Result<NativeOpenedEnvelope, NativeError> {
        let sessions = Arc::clone(&self.0);
        call(async move { Ok(sessions.open_envelope(&session, &envelope).await?.into()) }).await
    }

    /// All sessions.
    pub async fn sessions(&self) -> Result<String, NativeError> {
        let sessions = Arc::clone(&self.0);
        call(async move { json(&sessions.sessions().await?) }).await
    }

    /// The session in which messages to a peer go.
    pub async fn session_by_peer(&self, peer: String) -> Result<Option<String>, NativeError> {
        let sessions = Arc::clone(&self.0);
        call(async move {
            let found = sessions.session_by_peer(&peer).await?;
            found.map(|session| json(&session)).transpose()
        })
        .await
    }

    /// Ends a session here.
    pub async fn close_session(&self, session: String) -> Result<(), NativeError> {
        let sessions = Arc::clone(&self.0);
        call(async move { sessions.close_session(&session).await }).await
    }

    /// Deletes what has served; how many records.
    pub async fn maintain(&self) -> Result<u64, NativeError> {
        let sessions = Arc::clone(&self.0);
        call(async move { Ok(count(sessions.maintain().await?)) }).await
    }
}

/// A KNOCK that was believed, and what the policy says of it.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct NativeJudgedKnock {
    /// Who knocks, and what for: a JSON object.
    pub knock: String,
    /// What the policy says.
    pub decision: NativeDecision,
}

/// What answering a KNOCK came to.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NativeAnsweredKnock {
    /// The session.
    pub session_id: String,
    /// For the one who knocked, as JSON.
    pub envelope: String,
}

/// KNOCKs and their answers.
#[derive(uniffi::Object)]
pub struct NativeKnockProtocol(Arc<KnockProtocol>);

#[uniffi::export]
impl NativeKnockProtocol {
    /// KNOCKs for the sessions of a manager, judged by a policy in JSON.
    #[uniffi::constructor]
    pub fn new(
        sessions: Arc<NativeSessionManager>,
        policy: String,
    ) -> Result<Arc<Self>, NativeError> {
        run(|| Ok(Arc::new(Self(Arc::new(KnockProtocol::new(&sessions.0, &policy)?)))))
    }

    /// Believes a KNOCK, changes nothing, and asks the policy about it, with what the registry says of the peer.
    pub async fn judge(
        &self,
        peer: String,
        message: String,
        tier: String,
        reputation: f64,
    ) -> Result<NativeJudgedKnock, NativeError> {
        let knocks = Arc::clone(&self.0);
        call(async move {
            let judged = knocks.judge(&peer, &message, &tier, reputation).await?;
            Ok(NativeJudgedKnock { knock: json(&judged.knock)?, decision: judged.decision.into() })
        })
        .await
    }

    /// Answers a KNOCK: the session, and the envelope for the one who knocked.
    pub async fn answer(
        &self,
        peer: String,
        message: String,
        decision: NativeDecision,
    ) -> Result<NativeAnsweredKnock, NativeError> {
        let knocks = Arc::clone(&self.0);
        call(async move {
            let (session_id, envelope) = knocks.answer(&peer, &message, decision.into()).await?;
            Ok(NativeAnsweredKnock { session_id, envelope })
        })
        .await
    }

    /// Believes the answer to a KNOCK of ours.
    pub async fn verify_answer(
        &self,
        session: String,
        envelope: String,
    ) -> Result<NativeDecision, NativeError> {
        let knocks = Arc::clone(&self.0);
        call(async move { Ok(knocks.verify_answer(&session, &envelope).await?.into()) }).await
    }
}
