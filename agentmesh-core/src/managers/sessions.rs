//! [`SessionManager`]: sessions in single steps.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Bundle, Envelope, Incoming, Initiated, ManagerError, PrekeyManager, SessionInfo, X3dhMessage,
    native::NativeSessions,
    suite::{Family, SuiteSessions},
};
use crate::{
    Error,
    identity::{Amid, IdentityPublic},
    keys::{DhPublicKey, VerifyingKey},
    knock::KnockRequest,
    wire::{
        json::JsonError,
        plaintext::{MessageType, Payload, PlaintextError},
    },
};

/// The sessions of one identity. A clone is the same manager.
///
/// Every method works on the store and keeps nothing in memory, so a restart between any two of them changes nothing. See
/// the [module](super) for an example.
#[derive(Debug, Clone)]
pub struct SessionManager {
    native: NativeSessions,
    legacy: Option<Arc<dyn SuiteSessions>>,
}

impl SessionManager {
    /// The sessions of the identity that `prekeys` belong to, in the same store.
    pub fn new(prekeys: &PrekeyManager) -> Self {
        Self { native: NativeSessions::new(prekeys.clone()), legacy: None }
    }

    /// Allows sessions of `agentmesh/0.2` as well, with peers that know nothing else. Without this call they are refused.
    ///
    /// They protect less than native ones ([`crate::legacy`]). A peer that was seen with a native suite in this store is never
    /// spoken to in this one again. Their steps differ in three things: whom a handshake is accepted from has to be
    /// [known](Self::know_peer); the initiator writes only after [`activate_session`](Self::activate_session) with the
    /// responder's [ratchet key](Self::ratchet_public_key); the responder only after it has read the initiator's first message.
    #[cfg(feature = "legacy-0-2")]
    #[must_use]
    pub fn with_legacy(mut self) -> Self {
        let prekeys = self.native.prekeys().clone();
        self.legacy = Some(Arc::new(super::legacy::LegacySessions::new(prekeys)));
        self
    }

    /// Says which keys a peer of `agentmesh/0.2` has. Its X3DH message proves nothing, so the keys come from where they are
    /// vouched for: the registry's answer, or a signed KNOCK that carried the message. The AMID is that of the signing key.
    ///
    /// # Errors
    /// [`ManagerError::LegacyDisabled`]; `LEGACY_EXCHANGE_KEY_MISMATCH` if another exchange key was said before: registries of
    /// 0.2 never change it.
    pub async fn know_peer(&self, peer: &IdentityPublic) -> Result<(), Error> {
        self.suite(Family::Legacy)?.know(peer).await
    }

    fn suite(&self, family: Family) -> Result<&dyn SuiteSessions, Error> {
        match (family, &self.legacy) {
            (Family::Native, _) => Ok(&self.native),
            (Family::Legacy, Some(legacy)) => Ok(legacy.as_ref()),
            (Family::Legacy, None) => Err(ManagerError::LegacyDisabled.into()),
        }
    }

    /// The sessions of 0.2, where they are allowed.
    #[cfg(feature = "legacy-0-2")]
    pub(super) fn legacy(&self) -> Result<super::legacy::LegacySessions, Error> {
        self.suite(Family::Legacy)?;
        Ok(super::legacy::LegacySessions::new(self.native.prekeys().clone()))
    }

    pub(super) const fn native(&self) -> &NativeSessions {
        &self.native
    }

    /// Opens a session with a peer whose bundle and key came from wherever the application trusts.
    ///
    /// Natively the session can be encrypted in at once, and the bundle is believed only as far as the key of this very AMID
    /// signed it, is not older than one seen before and offers no weaker suite than the peer was seen with.
    ///
    /// # Errors
    /// [`ManagerError::SessionExists`]; [`ManagerError::WrongPeer`] if AMID, key and bundle do not belong together;
    /// [`Error::Bundle`], [`Error::Handshake`].
    pub async fn initiate_session(
        &self,
        peer_amid: &Amid,
        peer_bundle: &Bundle,
        peer_signing_key: &VerifyingKey,
    ) -> Result<Initiated, Error> {
        let request = KnockRequest::new("*", "message");
        self.initiate_session_for(peer_amid, peer_bundle, peer_signing_key, &request).await
    }

    /// As [`initiate_session`](Self::initiate_session), saying what the session is wanted for: the peer's policy decides by it.
    ///
    /// # Errors
    /// As [`initiate_session`](Self::initiate_session), and [`Error::Knock`] for a request that cannot be sent.
    pub async fn initiate_session_for(
        &self,
        peer_amid: &Amid,
        peer_bundle: &Bundle,
        peer_signing_key: &VerifyingKey,
        request: &KnockRequest,
    ) -> Result<Initiated, Error> {
        let suite = self.suite(Family::of_bundle(peer_bundle)).map_err(|error| match error {
            Error::Manager(ManagerError::LegacyDisabled) => ManagerError::NoNativeBundle.into(),
            error => error,
        })?;
        suite.initiate(peer_amid, peer_bundle, peer_signing_key, request).await
    }

    /// Opens our end of a session that a peer initiated. The one-time keys that it used are deleted in the same commit.
    ///
    /// Natively the peer is proven: its identity key, whose hash the AMID is, signed the KNOCK inside. The same message
    /// again gives the same session. No policy is asked; [`KnockProtocol`](super::KnockProtocol) does that.
    ///
    /// # Errors
    /// [`ManagerError::WrongPeer`], [`ManagerError::Malformed`], [`ManagerError::SessionClosed`]; [`Error::Handshake`] if a prekey is
    /// gone, [`Error::Decrypt`] and [`Error::Knock`] for what is not genuine. Nothing is consumed then.
    /// In 0.2 [`ManagerError::UnknownPeer`] unless [`know_peer`](Self::know_peer) was told the exchange key that the message names.
    pub async fn accept_session(
        &self,
        peer_amid: &Amid,
        x3dh_message: &X3dhMessage,
    ) -> Result<String, Error> {
        self.suite(Family::of_message(x3dh_message))?.accept(peer_amid, x3dh_message).await
    }

    /// Hands the initiator the responder's ratchet key. Natively the handshake said everything, so this checks its
    /// arguments and changes nothing; 0.2 needs it before the first message.
    ///
    /// # Errors
    /// [`ManagerError::SessionNotFound`]; [`ManagerError::NotPending`] if the peer opened the session;
    /// [`ManagerError::Malformed`] for a key that is none.
    pub async fn activate_session(
        &self,
        session_id: &str,
        ratchet_key: &[u8],
    ) -> Result<(), Error> {
        let key = DhPublicKey::from_slice(ratchet_key).ok().filter(|key| !key.is_low_order());
        let key = key.ok_or(ManagerError::Malformed { what: "ratchet key" })?;
        self.suite(Family::of_session(session_id))?.activate(session_id, key).await
    }

    /// The public half of our current ratchet key. `None` between a new ratchet key of the peer and our next message:
    /// the next one is not drawn before.
    ///
    /// # Errors
    /// [`ManagerError::SessionNotFound`].
    pub async fn ratchet_public_key(&self, session_id: &str) -> Result<Option<DhPublicKey>, Error> {
        self.suite(Family::of_session(session_id))?.ratchet_key(session_id).await
    }

    /// Encrypts a JSON value. The session is on disk before the envelope is returned, so no key is ever used twice.
    ///
    /// # Errors
    /// [`ManagerError::SessionNotFound`]; [`Error::Encrypt`] if a new session is needed; [`Error::Plaintext`] if the
    /// message does not fit one frame; [`ManagerError::Conflict`].
    pub async fn encrypt_message(
        &self,
        session_id: &str,
        message: &Value,
    ) -> Result<Envelope, Error> {
        self.encrypt_payload(session_id, MessageType::Message, Payload::from(message.to_string()))
            .await
    }

    /// Encrypts a message of any type and payload.
    ///
    /// # Errors
    /// As [`encrypt_message`](Self::encrypt_message); [`ManagerError::Malformed`] for types that carry a signed body.
    pub async fn encrypt_payload(
        &self,
        session_id: &str,
        kind: MessageType,
        payload: impl Into<Payload>,
    ) -> Result<Envelope, Error> {
        if kind.is_signed() {
            return Err(ManagerError::Malformed { what: "message type" }.into());
        }
        self.suite(Family::of_session(session_id))?.encrypt(session_id, kind, payload.into()).await
    }

    /// Decrypts a message of the application and returns its JSON. What fails has changed nothing, whoever made it.
    ///
    /// The session is on disk before the message is returned: a message returned once is not decrypted again.
    ///
    /// # Errors
    /// [`Error::Decrypt`]: `Duplicate` for what was decrypted before, and whatever forged, damaged or foreign envelopes give.
    /// [`ManagerError::NotJson`] for a genuine message that is none of the application's JSON; it stays unread.
    /// [`ManagerError::SessionNotFound`], [`ManagerError::Malformed`], [`ManagerError::Conflict`].
    pub async fn decrypt_message(
        &self,
        session_id: &str,
        envelope: &Envelope,
    ) -> Result<Value, Error> {
        serde_json::from_str(&self.decrypt_json(session_id, envelope).await?).map_err(|e| {
            let source = JsonError::Malformed { line: e.line(), column: e.column() };
            PlaintextError::Json { source }.into()
        })
    }

    /// As [`decrypt_message`](Self::decrypt_message), but gives the text that the peer wrote, which is one JSON value: for callers
    /// with a parser of their own.
    ///
    /// # Errors
    /// As [`decrypt_message`](Self::decrypt_message).
    pub async fn decrypt_json(
        &self,
        session_id: &str,
        envelope: &Envelope,
    ) -> Result<String, Error> {
        let suite = self.suite(Family::of_session(session_id))?;
        match suite.decrypt(session_id, envelope, true).await?.payload {
            Payload::Json(text) => Ok(text),
            Payload::None | Payload::Bytes(_) => Err(ManagerError::NotJson.into()),
        }
    }

    /// Decrypts a message of whatever type. ACCEPT and REJECT are not given out here: they mean something only if their
    /// signature is checked.
    ///
    /// # Errors
    /// As [`decrypt_message`](Self::decrypt_message); [`ManagerError::NotJson`] for what
    /// [`KnockProtocol::verify_answer`](super::KnockProtocol::verify_answer) takes.
    pub async fn open_envelope(
        &self,
        session_id: &str,
        envelope: &Envelope,
    ) -> Result<Incoming, Error> {
        self.suite(Family::of_session(session_id))?.decrypt(session_id, envelope, false).await
    }

    /// All sessions, oldest first. Reads every record of the managers in this store.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn sessions(&self) -> Result<Vec<SessionInfo>, Error> {
        let mut sessions = self.native.list().await?;
        if let Some(legacy) = &self.legacy {
            sessions.extend(legacy.list().await?);
        }
        sessions.sort_by(|a, b| (a.created_at, &a.session_id).cmp(&(b.created_at, &b.session_id)));
        Ok(sessions)
    }

    /// The session in which messages to a peer go, if there is one.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn session_by_peer(&self, peer_amid: &Amid) -> Result<Option<SessionInfo>, Error> {
        match (self.native.by_peer(peer_amid).await?, &self.legacy) {
            (None, Some(legacy)) => legacy.by_peer(peer_amid).await,
            (found, _) => Ok(found),
        }
    }

    /// A session, for logs and people: ids and numbers, nothing secret.
    ///
    /// # Errors
    /// [`ManagerError::SessionNotFound`].
    pub async fn describe(&self, session_id: &str) -> Result<SessionInfo, Error> {
        self.suite(Family::of_session(session_id))?.describe(session_id).await
    }

    /// Ends a session here; its keys are deleted. The peer is not told.
    ///
    /// # Errors
    /// [`ManagerError::SessionNotFound`], also for one that was closed before.
    pub async fn close_session(&self, session_id: &str) -> Result<(), Error> {
        self.suite(Family::of_session(session_id))?.close(session_id).await
    }

    /// Deletes what has served: sessions that were replaced 96 hours ago, and the memory of closed ones whose prekeys are
    /// gone. To be called every few hours; how many records it deleted or emptied.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn maintain(&self) -> Result<usize, Error> {
        let mut done = self.native.maintain().await?;
        if let Some(legacy) = &self.legacy {
            done += legacy.maintain().await?;
        }
        Ok(done)
    }
}
