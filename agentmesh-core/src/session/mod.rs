//! A session between two parties: the ratchet, the transcript it is bound to, and what was opened lately.
//!
//! Sending is one call. Receiving is two: [`Session::open`] authenticates and decrypts a message beside the
//! state, [`Session::commit`] takes over what that changed. In between the caller may look at the plaintext and
//! still walk away. [`Session::decrypt`] is both in one.
//!
//! ```
//! use agentmesh_core::{
//!     Timestamp,
//!     handshake::{Established, SessionId, Suite},
//!     keys::{DhSecretKey, Secret},
//!     session::Session,
//! };
//! # use agentmesh_core::rng::SystemRng;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (now, mut rng) = (Timestamp::ZERO, SystemRng);
//! # let established = || Established {
//! #     shared_secret: Secret::new([1; 32]),
//! #     associated_data: [2; 32],
//! #     session_id: SessionId::from_bytes([3; 16]),
//! # };
//! // Both sides come out of the handshake with the same `Established`.
//! let prekey = DhSecretKey::generate(&mut rng);
//! let mut alice =
//!     Session::initiate(Suite::X25519, established(), prekey.public_key(), now, &mut rng)?;
//! let frame = alice.encrypt(b"hello", now, &mut rng)?;
//!
//! let message = &frame[16..]; // behind the session id
//! let mut bob =
//!     Session::accept(Suite::X25519, established(), &prekey, message, now, &mut rng)?;
//! assert_eq!(bob.decrypt(message, now)?, b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! Knows the ratchet, suites and session ids; nothing of identities, addresses, frame kinds, what a plaintext means,
//! or which session a frame belongs to. `docs/protocol/native.md` §5 and §6.

mod describe;
mod encrypt;
mod error;
mod open;
mod padding;
mod recent;
mod record;
#[cfg(test)]
mod tests;

use core::fmt;

use rand_core::CryptoRng;

use self::recent::RecentFrames;
pub use self::{
    describe::SessionDescription,
    encrypt::MESSAGE_PREFIX_LEN,
    error::{DecryptError, EncryptError, SessionError},
    open::{Advance, Opened},
};
use crate::{
    handshake::{Established, SessionId, Suite},
    keys::{DhPublicKey, DhSecretKey},
    limits::SESSION_AGE,
    ratchet::DoubleRatchet,
    time::Timestamp,
};

/// One end of a session.
///
/// Every method that can fail leaves the session as it was when it does, bit for bit. The caller stores the
/// session after each change and before anything leaves the machine ([`Session::to_record`]).
pub struct Session {
    suite: Suite,
    id: SessionId,
    associated_data: [u8; 32],
    created_at: Timestamp,
    ratchet: DoubleRatchet,
    recent: RecentFrames,
    /// Counts commits since the session was loaded, so that an [`Opened`] of an earlier state is noticed.
    commits: u64,
}

impl Session {
    /// The initiator's end; `signed_prekey` is the responder's. It can encrypt at once.
    ///
    /// # Errors
    /// [`SessionError::UnsupportedSuite`] for the 0.2 suite, [`SessionError::NonContributory`] if the prekey is of
    /// small order (a verified bundle has none such).
    pub fn initiate(
        suite: Suite,
        established: Established,
        signed_prekey: &DhPublicKey,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, SessionError> {
        check_suite(suite)?;
        let Established { shared_secret, associated_data, session_id } = established;
        let ratchet = DoubleRatchet::initiate(shared_secret, signed_prekey, rng)?;
        Ok(Self::new(suite, session_id, associated_data, ratchet, now))
    }

    /// The responder's end, made for the initiator's first `message` (its bytes behind the session id) without
    /// opening it: that is the next call's business, and until it succeeds nothing says that the handshake
    /// was genuine.
    ///
    /// The private part of the signed prekey is used here and not kept.
    ///
    /// # Errors
    /// [`SessionError::NotFirst`] if the message is not the first of its session or not one of this suite,
    /// [`SessionError::UnsupportedSuite`] for the 0.2 suite, [`SessionError::NonContributory`] if the ratchet key is
    /// of small order.
    pub fn accept(
        suite: Suite,
        established: Established,
        signed_prekey: &DhSecretKey,
        message: &[u8],
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, SessionError> {
        check_suite(suite)?;
        let remote = open::first_ratchet_key(suite, message)?;
        let Established { shared_secret, associated_data, session_id } = established;
        let ratchet = DoubleRatchet::accept(shared_secret, signed_prekey, &remote, rng)?;
        Ok(Self::new(suite, session_id, associated_data, ratchet, now))
    }

    fn new(
        suite: Suite,
        id: SessionId,
        associated_data: [u8; 32],
        ratchet: DoubleRatchet,
        created_at: Timestamp,
    ) -> Self {
        let recent = RecentFrames::default();
        Self { suite, id, associated_data, created_at, ratchet, recent, commits: 0 }
    }

    /// The suite that the handshake settled on.
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The id that both ends computed from the handshake.
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// The hash of the handshake's transcript that every message and signature of the session is bound to.
    pub const fn associated_data(&self) -> &[u8; 32] {
        &self.associated_data
    }

    /// The public half of our own ratchet key. None between a new ratchet key of the peer and our next message: the next
    /// one is not drawn before.
    pub fn ratchet_public_key(&self) -> Option<DhPublicKey> {
        self.ratchet.own_public_key().copied()
    }

    /// When this end was made.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Whether nothing can be encrypted any more, by age or by count; opening still works.
    pub const fn needs_new_handshake(&self, now: Timestamp) -> bool {
        self.is_expired(now) || self.ratchet.is_exhausted()
    }

    const fn is_expired(&self, now: Timestamp) -> bool {
        now.since(self.created_at) >= SESSION_AGE
    }

    /// Forgets keys of overtaken messages that have waited for 96 hours; says whether the session changed.
    /// [`Session::commit`] does this too; a session that nothing arrives for needs it called.
    pub fn expire_skipped(&mut self, now: Timestamp) -> bool {
        self.ratchet.expire_skipped(now)
    }

    /// `AD || header`, what AES-GCM authenticates beside the ciphertext.
    fn aad(
        &self,
        header: &[u8; crate::ratchet::HEADER_LEN],
    ) -> [u8; 32 + crate::ratchet::HEADER_LEN] {
        let mut aad = [0; 32 + crate::ratchet::HEADER_LEN];
        aad[..32].copy_from_slice(&self.associated_data);
        aad[32..].copy_from_slice(header);
        aad
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            suite: _,
            id: _,
            associated_data: _,
            created_at: _,
            ratchet: _,
            recent: _,
            commits: _,
        } = self;
        f.debug_tuple("Session").field(&self.describe()).finish()
    }
}

fn check_suite(suite: Suite) -> Result<(), SessionError> {
    if suite.is_native() { Ok(()) } else { Err(SessionError::UnsupportedSuite) }
}
