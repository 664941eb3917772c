//! One conversation with a deployed peer: X3DH, the ratchet, and what both ends count.

use core::fmt;

use rand_core::CryptoRng;

use super::{
    Bundle, Envelope, LegacyDecryptError, LegacyEncryptError, LegacyHandshakeError, LegacyRatchet,
    LegacyResponderKeys, X3dhMessage, text::hex, x3dh,
};
use crate::{
    identity::{Amid, Identity, IdentityPublic},
    keys::{DhPublicKey, DhSecretKey, secretbox},
    limits::LEGACY_MAX_CIPHERTEXT,
    time::Timestamp,
    wire::json::check_json,
};

/// Bytes of a message that give a ciphertext which deployed peers can handle.
const MAX_PLAINTEXT: usize = LEGACY_MAX_CIPHERTEXT / 4 * 3 - secretbox::OVERHEAD;

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LegacySessionState {
    /// Begun by us; the peer's ratchet key is still to come.
    Pending,
    /// In use.
    Active,
    /// Closed by us.
    Closed,
    /// Refused.
    Rejected,
}

impl LegacySessionState {
    /// The word in session records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Closed => "closed",
            Self::Rejected => "rejected",
        }
    }

    pub(super) fn from_text(text: &str) -> Option<Self> {
        [Self::Pending, Self::Active, Self::Closed, Self::Rejected]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// A session of the suite `legacy-0.2`.
///
/// The initiator sends the [`X3dhMessage`], gets the responder's ratchet key back, calls [`LegacySession::activate`] and writes
/// first. Encryptions must not run beside each other, and every change has to be on disk before an envelope leaves.
///
/// ```
/// # #[cfg(feature = "getrandom")] {
/// use agentmesh_core::{
///     Timestamp,
///     identity::Identity,
///     legacy::{LegacyPrekeys, LegacySession},
///     rng::SystemRng,
/// };
///
/// let now = Timestamp::from_millis(1_770_206_400_000);
/// let rng = &mut SystemRng;
/// let (alice, bob) = (Identity::generate(now, rng), Identity::generate(now, rng));
/// let mut prekeys = LegacyPrekeys::generate(now, rng);
///
/// let bundle = prekeys.bundle(&bob, now);
/// let (mut at_alice, message) =
///     LegacySession::initiate(&alice, &bob.public(), &bundle, now, rng)?;
///
/// let keys = prekeys.responder_keys(&bob, &message, now)?;
/// let mut at_bob = LegacySession::accept(&alice.public(), &message, keys, now, rng)?;
/// message.one_time_prekey_id.map(|id| prekeys.consume(id));
///
/// at_alice.activate(at_bob.ratchet_public_key(), now)?;
/// let envelope = at_alice.encrypt(r#"{"text":"hi"}"#, now, rng)?;
/// assert_eq!(at_bob.decrypt(&envelope, now, rng)?, r#"{"text":"hi"}"#);
/// # }
/// # Ok::<(), agentmesh_core::Error>(())
/// ```
pub struct LegacySession {
    pub(super) id: String,
    pub(super) peer: Amid,
    pub(super) state: LegacySessionState,
    pub(super) created_at: Timestamp,
    pub(super) last_used: Timestamp,
    pub(super) initiator: bool,
    pub(super) messages_sent: u64,
    pub(super) messages_received: u64,
    pub(super) ratchet: LegacyRatchet,
    /// The peer's own name for the session, learnt from its first envelope; not part of the deployed format.
    pub(super) peer_session_id: Option<String>,
}

impl LegacySession {
    /// Begins a session with the first one-time prekey of `bundle`, if it has one. It is pending until
    /// [`LegacySession::activate`].
    ///
    /// `peer` is whom the session is meant for: the key of its AMID, and the exchange key that it registered.
    ///
    /// # Errors
    /// [`LegacyHandshakeError::SignedPrekeySignature`], [`LegacyHandshakeError::ExchangeKeyMismatch`],
    /// [`LegacyHandshakeError::NonContributory`].
    pub fn initiate(
        own: &Identity,
        peer: &IdentityPublic,
        bundle: &Bundle,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, X3dhMessage), LegacyHandshakeError> {
        bundle.verify(&peer.signing)?;
        if bundle.identity_key != peer.exchange {
            return Err(LegacyHandshakeError::ExchangeKeyMismatch);
        }
        let ephemeral = DhSecretKey::generate(rng);
        let secret = x3dh::shared_secret_as_initiator(own.exchange_secret(), &ephemeral, bundle)?;
        let message = X3dhMessage {
            identity_key: *own.exchange_key(),
            ephemeral_key: *ephemeral.public_key(),
            signed_prekey_id: bundle.signed_prekey_id,
            one_time_prekey_id: bundle.one_time_prekeys.first().map(|(id, _)| *id),
        };
        let ratchet = LegacyRatchet::new(secret, None, rng);
        let session = Self::new(peer.amid(), LegacySessionState::Pending, ratchet, now, rng);
        Ok((Self { initiator: true, ..session }, message))
    }

    /// Accepts the session that `message` begins. Consume the one-time prekey in the same commit as the session.
    ///
    /// The message proves nothing: `peer` must come from where the claim is proven, a signed KNOCK or the registry.
    ///
    /// # Errors
    /// [`LegacyHandshakeError::ExchangeKeyMismatch`] if the message names another exchange key than the peer's,
    /// [`LegacyHandshakeError::UnknownOneTimePrekey`], [`LegacyHandshakeError::NonContributory`].
    pub fn accept(
        peer: &IdentityPublic,
        message: &X3dhMessage,
        keys: LegacyResponderKeys<'_>,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, LegacyHandshakeError> {
        if message.identity_key != peer.exchange {
            return Err(LegacyHandshakeError::ExchangeKeyMismatch);
        }
        Self::accept_from(peer.amid(), message, keys, now, rng)
    }

    /// As [`LegacySession::accept`], from a peer whose exchange key was compared already.
    pub(crate) fn accept_from(
        peer: Amid,
        message: &X3dhMessage,
        keys: LegacyResponderKeys<'_>,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, LegacyHandshakeError> {
        let secret = x3dh::shared_secret_as_responder(keys, message)?;
        let ratchet = LegacyRatchet::new(secret, Some(message.ephemeral_key), rng);
        Ok(Self::new(peer, LegacySessionState::Active, ratchet, now, rng))
    }

    fn new(
        peer: Amid,
        state: LegacySessionState,
        ratchet: LegacyRatchet,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Self {
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        Self {
            id: format!("session_{}", hex(&id)),
            peer,
            state,
            created_at: now,
            last_used: now,
            initiator: false,
            messages_sent: 0,
            messages_received: 0,
            ratchet,
            peer_session_id: None,
        }
    }

    /// Takes the responder's ratchet key; from now on the initiator can write.
    ///
    /// # Errors
    /// [`LegacyHandshakeError::NotPending`], [`LegacyHandshakeError::NonContributory`].
    pub fn activate(
        &mut self,
        ratchet_key: &DhPublicKey,
        now: Timestamp,
    ) -> Result<(), LegacyHandshakeError> {
        if self.state != LegacySessionState::Pending {
            return Err(LegacyHandshakeError::NotPending { id: self.id.clone() });
        }
        if ratchet_key.is_low_order() {
            return Err(LegacyHandshakeError::NonContributory);
        }
        self.ratchet.peer = Some(*ratchet_key);
        self.state = LegacySessionState::Active;
        self.last_used = now;
        Ok(())
    }

    /// Encrypts a JSON object, whose text is taken as it is.
    ///
    /// # Errors
    /// [`LegacyEncryptError`]; nothing has changed then.
    pub fn encrypt(
        &mut self,
        json: &str,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Envelope, LegacyEncryptError> {
        if self.state != LegacySessionState::Active {
            return Err(LegacyEncryptError::NotActive { id: self.id.clone() });
        }
        if self.must_wait() {
            return Err(LegacyEncryptError::ResponderFirst);
        }
        if json.len() > MAX_PLAINTEXT {
            let (limit, actual) = (MAX_PLAINTEXT, json.len());
            return Err(LegacyEncryptError::TooLong { limit, actual });
        }
        if !json.trim_start().starts_with('{') || check_json(json).is_err() {
            return Err(LegacyEncryptError::NotAnObject);
        }
        let (header, ciphertext) = self.ratchet.encrypt(json.as_bytes(), rng)?;
        self.messages_sent += 1;
        self.last_used = now;
        Ok(Envelope { session_id: self.id.clone(), header, ciphertext })
    }

    /// Opens an envelope; the text is the JSON that the peer encrypted.
    ///
    /// # Errors
    /// [`LegacyDecryptError`]; the session is then what it was, but for [`LegacyDecryptError::NotJson`].
    pub fn decrypt(
        &mut self,
        envelope: &Envelope,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<String, LegacyDecryptError> {
        if self.state != LegacySessionState::Active {
            return Err(LegacyDecryptError::NotActive { id: self.id.clone() });
        }
        let plaintext = self.ratchet.decrypt(&envelope.header, &envelope.ciphertext, now, rng)?;
        self.messages_received += 1;
        self.last_used = now;
        if self.peer_session_id.is_none()
            && envelope.session_id.len() <= crate::limits::LEGACY_MAX_SESSION_ID
        {
            self.peer_session_id = Some(envelope.session_id.clone());
        }
        let text = core::str::from_utf8(&plaintext).map_err(|_| LegacyDecryptError::NotJson)?;
        check_json(text).map_err(|_| LegacyDecryptError::NotJson)?;
        Ok(text.to_owned())
    }

    /// Closes the session; nothing can be encrypted or opened in it any more. Delete its record to get rid of the keys.
    pub fn close(&mut self, now: Timestamp) {
        self.state = LegacySessionState::Closed;
        self.last_used = now;
    }

    /// Marks a pending session as refused by the peer.
    pub fn reject(&mut self, now: Timestamp) {
        self.state = LegacySessionState::Rejected;
        self.last_used = now;
    }

    /// Whether we are the responder, and the initiator's first message has not come yet.
    pub const fn must_wait(&self) -> bool {
        !self.initiator && !self.ratchet.has_received() && !self.ratchet.has_sent()
    }

    /// Our name for the session.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The peer.
    pub const fn peer(&self) -> Amid {
        self.peer
    }

    /// Where the session stands.
    pub const fn state(&self) -> LegacySessionState {
        self.state
    }

    /// Whether we began it.
    pub const fn is_initiator(&self) -> bool {
        self.initiator
    }

    /// When it was made.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// When it was last used.
    pub const fn last_used(&self) -> Timestamp {
        self.last_used
    }

    /// Messages encrypted.
    pub const fn messages_sent(&self) -> u64 {
        self.messages_sent
    }

    /// Messages opened.
    pub const fn messages_received(&self) -> u64 {
        self.messages_received
    }

    /// The peer's name for the session, if an envelope told it.
    pub fn peer_session_id(&self) -> Option<&str> {
        self.peer_session_id.as_deref()
    }

    /// Our current ratchet key; the responder hands its first one to the initiator.
    pub const fn ratchet_public_key(&self) -> &DhPublicKey {
        self.ratchet.public_key()
    }

    /// How many keys wait for messages that were skipped.
    pub const fn skipped_keys(&self) -> usize {
        self.ratchet.skipped_keys()
    }
}

impl fmt::Debug for LegacySession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LegacySession")
            .field("id", &self.id)
            .field("peer", &self.peer)
            .field("state", &self.state)
            .field("initiator", &self.initiator)
            .field("messages_sent", &self.messages_sent)
            .field("messages_received", &self.messages_received)
            .field("ratchet", &self.ratchet)
            .finish_non_exhaustive()
    }
}
