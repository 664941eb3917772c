//! The low-level API. Bundles, X3DH messages and envelopes are JSON text.

use std::sync::Arc;

use agentmesh_facade as facade;
use facade::Decision;
use js_sys::Promise;
use wasm_bindgen::prelude::*;

use crate::{
    bridge::{Members, call},
    error::{run, thrown},
    identity::Identity,
    json,
    payload::{Said, payload},
    storage::Storage,
};

/// A store and its key.
#[wasm_bindgen]
pub struct SealedStore(Arc<facade::SealedStore>);

impl SealedStore {
    pub(crate) fn shared(&self) -> Arc<facade::SealedStore> {
        Arc::clone(&self.0)
    }
}

#[wasm_bindgen]
impl SealedStore {
    /// Joins the two.
    #[wasm_bindgen(constructor)]
    pub fn new(storage: &Storage, key: &[u8]) -> Result<Self, JsValue> {
        run(|| Ok(Self(Arc::new(facade::SealedStore::new(&storage.0, key)?))))
    }
}

/// The prekeys of an identity.
#[wasm_bindgen]
pub struct PrekeyManager(Arc<facade::PrekeyManager>);

#[wasm_bindgen]
impl PrekeyManager {
    /// Those of an identity, in a store.
    #[wasm_bindgen(constructor)]
    pub fn new(identity: &Identity, store: &SealedStore) -> Result<Self, JsValue> {
        run(|| Ok(Self(Arc::new(facade::PrekeyManager::new(&identity.0, &store.0)?))))
    }

    /// The bundle; made if there is none.
    #[wasm_bindgen(js_name = loadOrInitialize)]
    pub fn load_or_initialize(&self) -> Result<Promise, JsValue> {
        let prekeys = Arc::clone(&self.0);
        call(None, async move { prekeys.load_or_initialize().await })
    }

    /// Adds one-time prekeys.
    #[wasm_bindgen(js_name = replenishOneTimePrekeys)]
    pub fn replenish_one_time_prekeys(&self, n: u32) -> Result<Promise, JsValue> {
        let prekeys = Arc::clone(&self.0);
        let n = usize::try_from(n).unwrap_or(usize::MAX);
        call(None, async move { prekeys.replenish_one_time_prekeys(n).await })
    }

    /// Replaces the signed prekey.
    #[wasm_bindgen(js_name = rotateSignedPrekey)]
    pub fn rotate_signed_prekey(&self) -> Result<Promise, JsValue> {
        let prekeys = Arc::clone(&self.0);
        call(None, async move { prekeys.rotate_signed_prekey().await })
    }

    /// The bundle as it is.
    #[wasm_bindgen]
    pub fn bundle(&self) -> Result<Promise, JsValue> {
        let prekeys = Arc::clone(&self.0);
        call(None, async move { prekeys.bundle().await })
    }

    /// One-time prekeys that are left, as JSON.
    #[wasm_bindgen]
    pub fn remaining(&self) -> Result<Promise, JsValue> {
        let prekeys = Arc::clone(&self.0);
        call(None, async move { json(&prekeys.remaining().await?) })
    }

    /// Whether it is time to add some.
    #[wasm_bindgen(js_name = needsReplenishment)]
    pub fn needs_replenishment(&self) -> Result<Promise, JsValue> {
        let prekeys = Arc::clone(&self.0);
        call(None, async move { prekeys.needs_replenishment().await })
    }
}

/// The sessions of one identity.
#[wasm_bindgen]
pub struct SessionManager(Arc<facade::SessionManager>);

#[wasm_bindgen]
impl SessionManager {
    /// Those of the identity that the prekeys belong to.
    #[wasm_bindgen(constructor)]
    pub fn new(prekeys: &PrekeyManager, allow_legacy: bool) -> Result<Self, JsValue> {
        run(|| Ok(Self(Arc::new(facade::SessionManager::new(&prekeys.0, allow_legacy)?))))
    }

    /// Opens a session: its id, and the X3DH message.
    #[wasm_bindgen(js_name = initiateSession)]
    pub fn initiate_session(
        &self,
        peer: String,
        bundle: String,
        signing_key: Vec<u8>,
        request: Option<String>,
    ) -> Result<Promise, JsValue> {
        let (sessions, key) = (Arc::clone(&self.0), signing_key.to_vec());
        call(None, async move {
            let begun = sessions.initiate_session(&peer, &bundle, &key, request.as_deref()).await?;
            Ok((begun.session_id, begun.x3dh_message))
        })
    }

    /// Opens our end of a session.
    #[wasm_bindgen(js_name = acceptSession)]
    pub fn accept_session(&self, peer: String, message: String) -> Result<Promise, JsValue> {
        let sessions = Arc::clone(&self.0);
        call(None, async move { sessions.accept_session(&peer, &message).await })
    }

    /// Hands the initiator the responder's ratchet key.
    #[wasm_bindgen(js_name = activateSession)]
    pub fn activate_session(&self, session: String, key: Vec<u8>) -> Result<Promise, JsValue> {
        let (sessions, key) = (Arc::clone(&self.0), key.to_vec());
        call(None, async move { sessions.activate_session(&session, &key).await })
    }

    /// The public half of our ratchet key.
    #[wasm_bindgen(js_name = ratchetPublicKey)]
    pub fn ratchet_public_key(&self, session: String) -> Result<Promise, JsValue> {
        let sessions = Arc::clone(&self.0);
        call(None, async move { sessions.ratchet_public_key(&session).await })
    }

    /// Encrypts; the envelope.
    #[wasm_bindgen(js_name = encryptMessage)]
    pub fn encrypt_message(&self, session: String, message: JsValue) -> Result<Promise, JsValue> {
        let (sessions, message) = (Arc::clone(&self.0), payload(message));
        call(None, async move { sessions.encrypt_message(&session, message).await })
    }

    /// Decrypts a message of the application; its JSON.
    #[wasm_bindgen(js_name = decryptMessage)]
    pub fn decrypt_message(&self, session: String, envelope: String) -> Result<Promise, JsValue> {
        let sessions = Arc::clone(&self.0);
        call(None, async move { sessions.decrypt_message(&session, &envelope).await })
    }

    /// Decrypts a message of whatever type.
    #[wasm_bindgen(js_name = openEnvelope)]
    #[allow(clippy::cast_precision_loss, reason = "milliseconds")]
    pub fn open_envelope(&self, session: String, envelope: String) -> Result<Promise, JsValue> {
        let sessions = Arc::clone(&self.0);
        call(None, async move {
            let opened = sessions.open_envelope(&session, &envelope).await?;
            Ok(Members::new()
                .with("from", opened.sender)
                .with("id", opened.id)
                .with("kind", opened.kind)
                .with("inReplyTo", opened.in_reply_to)
                .with("sentAt", opened.sent_at.map(|at| at as f64))
                .with("payload", Said(opened.payload)))
        })
    }

    /// All sessions, as JSON.
    #[wasm_bindgen]
    pub fn sessions(&self) -> Result<Promise, JsValue> {
        let sessions = Arc::clone(&self.0);
        call(None, async move { json(&sessions.sessions().await?) })
    }

    /// The session in which messages to a peer go, as JSON.
    #[wasm_bindgen(js_name = sessionByPeer)]
    pub fn session_by_peer(&self, peer: String) -> Result<Promise, JsValue> {
        let sessions = Arc::clone(&self.0);
        call(None, async move { json(&sessions.session_by_peer(&peer).await?) })
    }

    /// Ends a session here.
    #[wasm_bindgen(js_name = closeSession)]
    pub fn close_session(&self, session: String) -> Result<Promise, JsValue> {
        let sessions = Arc::clone(&self.0);
        call(None, async move { sessions.close_session(&session).await })
    }

    /// Deletes what has served; how many records, as JSON.
    #[wasm_bindgen]
    pub fn maintain(&self) -> Result<Promise, JsValue> {
        let sessions = Arc::clone(&self.0);
        call(None, async move { json(&sessions.maintain().await?) })
    }
}

/// KNOCKs and their answers.
#[wasm_bindgen]
pub struct KnockProtocol(Arc<facade::KnockProtocol>);

#[wasm_bindgen]
impl KnockProtocol {
    /// KNOCKs for the sessions of a manager.
    #[wasm_bindgen(constructor)]
    pub fn new(sessions: &SessionManager, policy: String) -> Result<Self, JsValue> {
        run(|| Ok(Self(Arc::new(facade::KnockProtocol::new(&sessions.0, &policy)?))))
    }

    /// Believes a KNOCK and asks the policy: the KNOCK and the decision, as JSON.
    #[wasm_bindgen]
    pub fn judge(
        &self,
        peer: String,
        message: String,
        tier: String,
        reputation: f64,
    ) -> Result<Promise, JsValue> {
        let knocks = Arc::clone(&self.0);
        call(None, async move {
            let judged = knocks.judge(&peer, &message, &tier, reputation).await?;
            Ok((json(&judged.knock)?, json(&judged.decision)?))
        })
    }

    /// Answers a KNOCK: the session and the envelope.
    #[wasm_bindgen]
    pub fn answer(
        &self,
        peer: String,
        message: String,
        decision: String,
    ) -> Result<Promise, JsValue> {
        let knocks = Arc::clone(&self.0);
        let decision: Decision =
            serde_json::from_str(&decision).map_err(|error| thrown(error.into()))?;
        call(None, async move { knocks.answer(&peer, &message, decision).await })
    }

    /// Believes the answer to a KNOCK of ours; the decision as JSON.
    #[wasm_bindgen(js_name = verifyAnswer)]
    pub fn verify_answer(&self, session: String, envelope: String) -> Result<Promise, JsValue> {
        let knocks = Arc::clone(&self.0);
        call(None, async move { json(&knocks.verify_answer(&session, &envelope).await?) })
    }
}
