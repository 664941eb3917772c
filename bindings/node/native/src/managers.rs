//! The low-level API. Bundles, X3DH messages and envelopes are JSON text.

use std::sync::Arc;

use agentmesh_facade as facade;
use facade::Decision;
use napi::{
    Env,
    bindgen_prelude::{Object, Uint8Array},
};
use napi_derive::napi;

use crate::{
    bridge::call,
    error::{run, thrown},
    identity::Identity,
    json,
    payload::{Content, content, payload},
    storage::Storage,
};

/// A store and its key.
#[napi]
pub struct SealedStore(Arc<facade::SealedStore>);

impl SealedStore {
    pub(crate) fn shared(&self) -> Arc<facade::SealedStore> {
        Arc::clone(&self.0)
    }
}

#[napi]
impl SealedStore {
    /// Joins the two.
    #[napi(constructor)]
    pub fn new(storage: &Storage, key: &[u8]) -> napi::Result<Self> {
        run(|| Ok(Self(Arc::new(facade::SealedStore::new(&storage.0, key)?))))
    }
}

/// The prekeys of an identity.
#[napi]
pub struct PrekeyManager(Arc<facade::PrekeyManager>);

#[napi]
impl PrekeyManager {
    /// Those of an identity, in a store.
    #[napi(constructor)]
    pub fn new(identity: &Identity, store: &SealedStore) -> napi::Result<Self> {
        run(|| Ok(Self(Arc::new(facade::PrekeyManager::new(&identity.0, &store.0)?))))
    }

    /// The bundle; made if there is none.
    #[napi]
    pub fn load_or_initialize<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let prekeys = Arc::clone(&self.0);
        call(env, None, async move { prekeys.load_or_initialize().await })
    }

    /// Adds one-time prekeys.
    #[napi]
    pub fn replenish_one_time_prekeys<'env>(
        &self,
        env: &'env Env,
        n: u32,
    ) -> napi::Result<Object<'env>> {
        let prekeys = Arc::clone(&self.0);
        let n = usize::try_from(n).unwrap_or(usize::MAX);
        call(env, None, async move { prekeys.replenish_one_time_prekeys(n).await })
    }

    /// Replaces the signed prekey.
    #[napi]
    pub fn rotate_signed_prekey<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let prekeys = Arc::clone(&self.0);
        call(env, None, async move { prekeys.rotate_signed_prekey().await })
    }

    /// The bundle as it is.
    #[napi]
    pub fn bundle<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let prekeys = Arc::clone(&self.0);
        call(env, None, async move { prekeys.bundle().await })
    }

    /// One-time prekeys that are left, as JSON.
    #[napi]
    pub fn remaining<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let prekeys = Arc::clone(&self.0);
        call(env, None, async move { json(&prekeys.remaining().await?) })
    }

    /// Whether it is time to add some.
    #[napi]
    pub fn needs_replenishment<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let prekeys = Arc::clone(&self.0);
        call(env, None, async move { prekeys.needs_replenishment().await })
    }
}

/// A message that was decrypted.
#[napi(object, object_from_js = false)]
pub struct OpenedEnvelope {
    /// Who sent it.
    pub from: String,
    /// Its id.
    pub id: Option<String>,
    /// What kind of message it is.
    pub kind: String,
    /// What it answers.
    pub in_reply_to: Option<String>,
    /// When it was sent.
    pub sent_at: Option<f64>,
    /// What it says.
    pub payload: Option<Content>,
}

/// The sessions of one identity.
#[napi]
pub struct SessionManager(Arc<facade::SessionManager>);

#[napi]
impl SessionManager {
    /// Those of the identity that the prekeys belong to.
    #[napi(constructor)]
    pub fn new(prekeys: &PrekeyManager, allow_legacy: bool) -> napi::Result<Self> {
        run(|| Ok(Self(Arc::new(facade::SessionManager::new(&prekeys.0, allow_legacy)?))))
    }

    /// Opens a session: its id, and the X3DH message.
    #[napi]
    pub fn initiate_session<'env>(
        &self,
        env: &'env Env,
        peer: String,
        bundle: String,
        signing_key: Uint8Array,
        request: Option<String>,
    ) -> napi::Result<Object<'env>> {
        let (sessions, key) = (Arc::clone(&self.0), signing_key.to_vec());
        call(env, None, async move {
            let begun = sessions.initiate_session(&peer, &bundle, &key, request.as_deref()).await?;
            Ok((begun.session_id, begun.x3dh_message))
        })
    }

    /// Opens our end of a session.
    #[napi]
    pub fn accept_session<'env>(
        &self,
        env: &'env Env,
        peer: String,
        message: String,
    ) -> napi::Result<Object<'env>> {
        let sessions = Arc::clone(&self.0);
        call(env, None, async move { sessions.accept_session(&peer, &message).await })
    }

    /// Hands the initiator the responder's ratchet key.
    #[napi]
    pub fn activate_session<'env>(
        &self,
        env: &'env Env,
        session: String,
        key: Uint8Array,
    ) -> napi::Result<Object<'env>> {
        let (sessions, key) = (Arc::clone(&self.0), key.to_vec());
        call(env, None, async move { sessions.activate_session(&session, &key).await })
    }

    /// The public half of our ratchet key.
    #[napi]
    pub fn ratchet_public_key<'env>(
        &self,
        env: &'env Env,
        session: String,
    ) -> napi::Result<Object<'env>> {
        let sessions = Arc::clone(&self.0);
        call(env, None, async move {
            Ok(sessions.ratchet_public_key(&session).await?.map(Uint8Array::from))
        })
    }

    /// Encrypts; the envelope.
    #[napi]
    pub fn encrypt_message<'env>(
        &self,
        env: &'env Env,
        session: String,
        message: Option<Content>,
    ) -> napi::Result<Object<'env>> {
        let (sessions, message) = (Arc::clone(&self.0), payload(message));
        call(env, None, async move { sessions.encrypt_message(&session, message).await })
    }

    /// Decrypts a message of the application; its JSON.
    #[napi]
    pub fn decrypt_message<'env>(
        &self,
        env: &'env Env,
        session: String,
        envelope: String,
    ) -> napi::Result<Object<'env>> {
        let sessions = Arc::clone(&self.0);
        call(env, None, async move { sessions.decrypt_message(&session, &envelope).await })
    }

    /// Decrypts a message of whatever type.
    #[napi]
    #[allow(clippy::cast_precision_loss, reason = "milliseconds")]
    pub fn open_envelope<'env>(
        &self,
        env: &'env Env,
        session: String,
        envelope: String,
    ) -> napi::Result<Object<'env>> {
        let sessions = Arc::clone(&self.0);
        call(env, None, async move {
            let opened = sessions.open_envelope(&session, &envelope).await?;
            Ok(OpenedEnvelope {
                from: opened.sender,
                id: opened.id,
                kind: opened.kind,
                in_reply_to: opened.in_reply_to,
                sent_at: opened.sent_at.map(|at| at as f64),
                payload: content(opened.payload),
            })
        })
    }

    /// All sessions, as JSON.
    #[napi]
    pub fn sessions<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let sessions = Arc::clone(&self.0);
        call(env, None, async move { json(&sessions.sessions().await?) })
    }

    /// The session in which messages to a peer go, as JSON.
    #[napi]
    pub fn session_by_peer<'env>(
        &self,
        env: &'env Env,
        peer: String,
    ) -> napi::Result<Object<'env>> {
        let sessions = Arc::clone(&self.0);
        call(env, None, async move { json(&sessions.session_by_peer(&peer).await?) })
    }

    /// Ends a session here.
    #[napi]
    pub fn close_session<'env>(
        &self,
        env: &'env Env,
        session: String,
    ) -> napi::Result<Object<'env>> {
        let sessions = Arc::clone(&self.0);
        call(env, None, async move { sessions.close_session(&session).await })
    }

    /// Deletes what has served; how many records, as JSON.
    #[napi]
    pub fn maintain<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let sessions = Arc::clone(&self.0);
        call(env, None, async move { json(&sessions.maintain().await?) })
    }
}

/// KNOCKs and their answers.
#[napi]
pub struct KnockProtocol(Arc<facade::KnockProtocol>);

#[napi]
impl KnockProtocol {
    /// KNOCKs for the sessions of a manager.
    #[napi(constructor)]
    pub fn new(sessions: &SessionManager, policy: String) -> napi::Result<Self> {
        run(|| Ok(Self(Arc::new(facade::KnockProtocol::new(&sessions.0, &policy)?))))
    }

    /// Believes a KNOCK and asks the policy: the KNOCK and the decision, as JSON.
    #[napi]
    pub fn judge<'env>(
        &self,
        env: &'env Env,
        peer: String,
        message: String,
        tier: String,
        reputation: f64,
    ) -> napi::Result<Object<'env>> {
        let knocks = Arc::clone(&self.0);
        call(env, None, async move {
            let judged = knocks.judge(&peer, &message, &tier, reputation).await?;
            Ok((json(&judged.knock)?, json(&judged.decision)?))
        })
    }

    /// Answers a KNOCK: the session and the envelope.
    #[napi]
    pub fn answer<'env>(
        &self,
        env: &'env Env,
        peer: String,
        message: String,
        decision: String,
    ) -> napi::Result<Object<'env>> {
        let knocks = Arc::clone(&self.0);
        let decision: Decision =
            serde_json::from_str(&decision).map_err(|error| thrown(error.into()))?;
        call(env, None, async move { knocks.answer(&peer, &message, decision).await })
    }

    /// Believes the answer to a KNOCK of ours; the decision as JSON.
    #[napi]
    pub fn verify_answer<'env>(
        &self,
        env: &'env Env,
        session: String,
        envelope: String,
    ) -> napi::Result<Object<'env>> {
        let knocks = Arc::clone(&self.0);
        call(env, None, async move { json(&knocks.verify_answer(&session, &envelope).await?) })
    }
}
