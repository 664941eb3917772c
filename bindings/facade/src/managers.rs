//! The low-level API, for applications that move bytes themselves. Bundles, X3DH messages and envelopes are JSON text.

use std::fmt;

use agentmesh_core::{
    Context,
    identity::Amid,
    keys::VerifyingKey,
    knock::{Answer, KnockRequest, Tier},
    managers::{
        Bundle, Envelope, KnockProtocol as CoreKnocks, PrekeyManager as CorePrekeys,
        SealedStore as CoreStore, SessionManager as CoreSessions, X3dhMessage,
    },
    vault::StoreKey,
};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::{
    FacadeError, Identity, KnockDetails, Payload, SessionSummary, Storage,
    knock::{self, Decision},
    owned::Owned,
    values::amid,
};

/// The key of a store.
pub(crate) fn store_key(bytes: &[u8]) -> Result<StoreKey, FacadeError> {
    let bytes: [u8; 32] =
        bytes.try_into().map_err(|_| FacadeError::argument("the key of a store has 32 bytes"))?;
    Ok(StoreKey::from_bytes(*Zeroizing::new(bytes)))
}

fn read<T: DeserializeOwned>(what: &'static str, json: &str) -> Result<T, FacadeError> {
    serde_json::from_str(json)
        .map_err(|_| agentmesh_core::managers::ManagerError::Malformed { what }.into())
}

fn write(value: &impl serde::Serialize) -> Result<String, FacadeError> {
    Ok(serde_json::to_string(value)?)
}

/// A store and the key that seals what goes into it.
pub struct SealedStore(Owned<CoreStore>);

impl fmt::Debug for SealedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedStore")
    }
}

impl SealedStore {
    /// Joins the two.
    ///
    /// # Errors
    /// `BINDING_ARGUMENT` unless the key has 32 bytes.
    pub fn new(storage: &Storage, key: &[u8]) -> Result<Self, FacadeError> {
        let key = store_key(key)?;
        Ok(Self(Owned::new(CoreStore::new(storage.shared()?, &key, Context::system()))))
    }

    pub(crate) fn core(&self) -> Result<&CoreStore, FacadeError> {
        self.0.get()
    }
}

/// The prekeys of an identity.
#[derive(Debug)]
pub struct PrekeyManager(Owned<CorePrekeys>);

impl PrekeyManager {
    /// Those of an identity, in a store.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn new(identity: &Identity, store: &SealedStore) -> Result<Self, FacadeError> {
        Ok(Self(Owned::new(CorePrekeys::new(identity.core(), store.core()?))))
    }

    /// The bundle to publish. Makes the first prekeys if there are none.
    ///
    /// # Errors
    /// As the core's, as for every method here.
    pub async fn load_or_initialize(&self) -> Result<String, FacadeError> {
        write(&self.0.get()?.load_or_initialize().await?)
    }

    /// Adds one-time prekeys; the bundle with all of them.
    ///
    /// # Errors
    /// As the core's.
    pub async fn replenish_one_time_prekeys(&self, n: usize) -> Result<String, FacadeError> {
        write(&self.0.get()?.replenish_one_time_prekeys(n).await?)
    }

    /// Replaces the signed prekey; the bundle with the new one.
    ///
    /// # Errors
    /// As the core's.
    pub async fn rotate_signed_prekey(&self) -> Result<String, FacadeError> {
        write(&self.0.get()?.rotate_signed_prekey().await?)
    }

    /// The bundle as it is.
    ///
    /// # Errors
    /// `PREKEYS_NOT_INITIALIZED`
    pub async fn bundle(&self) -> Result<String, FacadeError> {
        write(&self.0.get()?.bundle().await?)
    }

    /// One-time prekeys that are left.
    ///
    /// # Errors
    /// As the core's.
    pub async fn remaining(&self) -> Result<usize, FacadeError> {
        Ok(self.0.get()?.remaining().await?)
    }

    /// Whether it is time to add some.
    ///
    /// # Errors
    /// As the core's.
    pub async fn needs_replenishment(&self) -> Result<bool, FacadeError> {
        Ok(self.0.get()?.needs_replenishment().await?)
    }
}

/// A session that was opened, and what the peer needs to open its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitiatedSession {
    /// The session.
    pub session_id: String,
    /// For the peer, as JSON.
    pub x3dh_message: String,
}

/// A message that was decrypted, of whatever type.
#[derive(Debug, Clone, PartialEq)]
pub struct IncomingEnvelope {
    /// Who sent it.
    pub sender: String,
    /// Its id.
    pub id: Option<String>,
    /// What kind of message it is.
    pub kind: String,
    /// The message that it answers.
    pub in_reply_to: Option<String>,
    /// When it was sent, by the sender's clock.
    pub sent_at: Option<u64>,
    /// What it says.
    pub payload: Payload,
}

/// The sessions of one identity.
#[derive(Debug)]
pub struct SessionManager(Owned<CoreSessions>);

impl SessionManager {
    /// Those of the identity that the prekeys belong to. `allow_legacy` also allows sessions of 0.2.
    ///
    /// # Errors
    /// `BINDING_ARGUMENT` if 0.2 is not in this build.
    pub fn new(prekeys: &PrekeyManager, allow_legacy: bool) -> Result<Self, FacadeError> {
        let sessions = CoreSessions::new(prekeys.0.get()?);
        #[cfg(feature = "legacy-0-2")]
        let sessions = if allow_legacy { sessions.with_legacy() } else { sessions };
        #[cfg(not(feature = "legacy-0-2"))]
        if allow_legacy {
            return Err(FacadeError::argument("this build does not have agentmesh/0.2"));
        }
        Ok(Self(Owned::new(sessions)))
    }

    /// Opens a session with a peer whose bundle and key came from wherever the application trusts.
    ///
    /// # Errors
    /// As the core's, as for every method here.
    pub async fn initiate_session(
        &self,
        peer: &str,
        bundle: &str,
        signing_key: &[u8],
        request: Option<&str>,
    ) -> Result<InitiatedSession, FacadeError> {
        let (peer, bundle, key) = peer_bundle(peer, bundle, signing_key)?;
        let sessions = self.0.get()?;
        let begun = match request {
            Some(request) => {
                let request = KnockRequest::parse(request)?;
                sessions.initiate_session_for(&peer, &bundle, &key, &request).await?
            }
            None => sessions.initiate_session(&peer, &bundle, &key).await?,
        };
        let x3dh_message = write(&begun.x3dh_message)?;
        Ok(InitiatedSession { session_id: begun.session_id, x3dh_message })
    }

    /// Opens our end of a session that a peer initiated.
    ///
    /// # Errors
    /// As the core's.
    pub async fn accept_session(&self, peer: &str, message: &str) -> Result<String, FacadeError> {
        let message: X3dhMessage = read("X3DH message", message)?;
        Ok(self.0.get()?.accept_session(&amid(peer)?, &message).await?)
    }

    /// Hands the initiator the responder's ratchet key; only 0.2 needs it.
    ///
    /// # Errors
    /// As the core's.
    pub async fn activate_session(&self, session: &str, key: &[u8]) -> Result<(), FacadeError> {
        Ok(self.0.get()?.activate_session(session, key).await?)
    }

    /// The public half of our current ratchet key.
    ///
    /// # Errors
    /// As the core's.
    pub async fn ratchet_public_key(&self, session: &str) -> Result<Option<Vec<u8>>, FacadeError> {
        let key = self.0.get()?.ratchet_public_key(session).await?;
        Ok(key.map(|key| key.as_bytes().to_vec()))
    }

    pub(crate) fn core(&self) -> Result<&CoreSessions, FacadeError> {
        self.0.get()
    }

    /// As [`encrypt`](Self::encrypt); the envelope as JSON.
    ///
    /// # Errors
    /// As the core's.
    pub async fn encrypt_message(
        &self,
        session: &str,
        payload: Payload,
    ) -> Result<String, FacadeError> {
        self.encrypt(session, payload).await?.to_json()
    }

    /// As [`decrypt`](Self::decrypt), of an envelope in JSON.
    ///
    /// # Errors
    /// As the core's.
    pub async fn decrypt_message(
        &self,
        session: &str,
        envelope: &str,
    ) -> Result<String, FacadeError> {
        self.decrypt(session, &crate::Envelope::from_json(envelope)?).await
    }

    /// As [`open`](Self::open), of an envelope in JSON.
    ///
    /// # Errors
    /// As the core's.
    pub async fn open_envelope(
        &self,
        session: &str,
        envelope: &str,
    ) -> Result<IncomingEnvelope, FacadeError> {
        self.open(session, &crate::Envelope::from_json(envelope)?).await
    }

    /// All sessions.
    ///
    /// # Errors
    /// As the core's.
    pub async fn sessions(&self) -> Result<Vec<SessionSummary>, FacadeError> {
        Ok(self.0.get()?.sessions().await?.into_iter().map(Into::into).collect())
    }

    /// The session in which messages to a peer go.
    ///
    /// # Errors
    /// As the core's.
    pub async fn session_by_peer(&self, peer: &str) -> Result<Option<SessionSummary>, FacadeError> {
        Ok(self.0.get()?.session_by_peer(&amid(peer)?).await?.map(Into::into))
    }

    /// Ends a session here.
    ///
    /// # Errors
    /// `SESSION_NOT_FOUND`
    pub async fn close_session(&self, session: &str) -> Result<(), FacadeError> {
        Ok(self.0.get()?.close_session(session).await?)
    }

    /// Deletes what has served; how many records.
    ///
    /// # Errors
    /// As the core's.
    pub async fn maintain(&self) -> Result<usize, FacadeError> {
        Ok(self.0.get()?.maintain().await?)
    }
}

fn peer_bundle(
    peer: &str,
    bundle: &str,
    signing_key: &[u8],
) -> Result<(Amid, Bundle, VerifyingKey), FacadeError> {
    Ok((amid(peer)?, read("bundle", bundle)?, VerifyingKey::from_slice(signing_key)?))
}

/// A KNOCK that was believed, and what the policy says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedKnock {
    /// Who knocks, and what for.
    pub knock: KnockDetails,
    /// What the policy says.
    pub decision: Decision,
}

/// KNOCKs and their answers.
#[derive(Debug)]
pub struct KnockProtocol(Owned<CoreKnocks>);

impl KnockProtocol {
    /// KNOCKs for the sessions of a manager, judged by a policy in JSON.
    ///
    /// # Errors
    /// `POLICY_MALFORMED`
    pub fn new(sessions: &SessionManager, policy: &str) -> Result<Self, FacadeError> {
        Ok(Self(Owned::new(CoreKnocks::new(sessions.0.get()?, knock::policy(policy)?))))
    }

    /// Believes a KNOCK, changes nothing, and asks the policy about it, with what the registry says of the peer.
    ///
    /// # Errors
    /// As the core's, as for every method here.
    pub async fn judge(
        &self,
        peer: &str,
        message: &str,
        tier: &str,
        reputation: f64,
    ) -> Result<JudgedKnock, FacadeError> {
        let message: X3dhMessage = read("X3DH message", message)?;
        let knocks = self.0.get()?;
        let mut knock = knocks.verify_knock(&amid(peer)?, &message).await?;
        knock.tier = Tier::from(tier);
        knock.reputation = reputation;
        let decision = knocks.evaluate(&knock).await?.into();
        Ok(JudgedKnock { knock: (&knock).into(), decision })
    }

    /// Answers a KNOCK: the session, and the envelope for the one who knocked.
    ///
    /// # Errors
    /// As the core's.
    pub async fn answer(
        &self,
        peer: &str,
        message: &str,
        decision: Decision,
    ) -> Result<(String, String), FacadeError> {
        let message: X3dhMessage = read("X3DH message", message)?;
        let answered = self.0.get()?.answer_knock(&amid(peer)?, &message, &decision.into()).await?;
        Ok((answered.session_id, write(&answered.envelope)?))
    }

    /// Believes the answer to a KNOCK of ours.
    ///
    /// # Errors
    /// As the core's.
    pub async fn verify_answer(
        &self,
        session: &str,
        envelope: &str,
    ) -> Result<Decision, FacadeError> {
        let envelope: Envelope = read("envelope", envelope)?;
        Ok(match self.0.get()?.verify_answer(session, &envelope).await? {
            Answer::Accept(accept) => Decision::Accept { ttl_s: accept.ttl_s },
            Answer::Reject(reject) => {
                Decision::Reject { reason: reject.reason, retry_after_s: reject.retry_after_s }
            }
        })
    }
}
