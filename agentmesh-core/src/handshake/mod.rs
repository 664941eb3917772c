//! X3DH and PQXDH (docs/protocol/native.md §4): a message for the wire and a secret for the ratchet, nothing else.
//!
//! Knows prekeys and identities. Knows nothing of ratchets, frames, KNOCKs or stores: the order of the responder's
//! checks around [`accept`] is the engine's.

mod established;
mod message;
mod pqxdh;
mod schedule;
mod session_id;
mod suite;
mod x3dh;

use rand_core::CryptoRng;

use crate::{
    codec::CodecError,
    error::errors,
    identity::Identity,
    keys::{DhSecretKey, KemSecretKey, Secret, VerifyingKey},
    prekeys::{PreKeyBundle, PreKeys, SignedPreKey},
};
use message::Fields;
use schedule::ResponderPublic;

pub use established::Established;
pub use message::{HANDSHAKE_KEM_LEN, HANDSHAKE_LEN, InitialMessage, KemKind};
pub use session_id::SessionId;
pub use suite::Suite;

errors! {
    /// Why a handshake failed.
    pub enum HandshakeError {
        /// The bytes are no handshake.
        #[error("malformed handshake: {source}")]
        Malformed {
            /// Where and why.
            source: CodecError,
        } = "HANDSHAKE_MALFORMED", Protocol, permanent;
        /// A suite that this build does not know, or that has no handshake of this form.
        #[error("suite {suite} is not supported")]
        UnsupportedSuite {
            /// Its id.
            suite: u8,
        } = "HANDSHAKE_UNSUPPORTED_SUITE", Protocol, permanent;
        /// The two sides have no suite in common, or the peer does not offer the one asked for.
        #[error("no common suite")]
        NoCommonSuite = "HANDSHAKE_NO_COMMON_SUITE", Protocol, permanent;
        /// A weaker suite than both sides are known to speak: somebody between them, or an old state, stripped it.
        #[error("suite {offered} offered where {wanted} is known to be spoken")]
        SuiteDowngrade {
            /// The suite known.
            wanted: u8,
            /// The suite offered.
            offered: u8,
        } = "HANDSHAKE_SUITE_DOWNGRADE", Protocol, permanent;
        /// A key that no shared secret can come of.
        #[error("{field} is unusable")]
        UnusableKey {
            /// Which key.
            field: &'static str,
        } = "HANDSHAKE_UNUSABLE_KEY", Protocol, permanent;
        /// A Diffie-Hellman output was all zero.
        #[error("a key agreement gave nothing")]
        NonContributory = "HANDSHAKE_NON_CONTRIBUTORY", Protocol, permanent;
        /// The handshake uses a prekey that was used before, was deleted, or never was.
        #[error("{kind} {id} is gone")]
        PreKeyGone {
            /// Which kind of prekey.
            kind: &'static str,
            /// Its id.
            id: u32,
        } = "HANDSHAKE_PREKEY_GONE", NotFound, permanent;
        /// The keys passed are not those that the handshake names.
        #[error("the keys are not those of the handshake")]
        WrongKeys = "HANDSHAKE_WRONG_KEYS", Internal, permanent;
    }
}

impl From<CodecError> for HandshakeError {
    fn from(source: CodecError) -> Self {
        Self::Malformed { source }
    }
}

/// The initiator's side: a message for the responder, and the secret.
///
/// Uses the one-time keys that came with the bundle, if any.
///
/// # Errors
/// [`HandshakeError::NoCommonSuite`] if the bundle does not offer `suite`; [`HandshakeError::NonContributory`];
/// [`HandshakeError::UnusableKey`].
///
/// ```
/// # #[cfg(feature = "getrandom")] {
/// use agentmesh_core::{
///     Timestamp,
///     handshake::{self, InitialMessage, ResponderKeys, Suite},
///     identity::Identity,
///     prekeys::{BundleParts, KnownPeer, PreKeyBundle, PreKeys},
///     rng::SystemRng,
/// };
///
/// let now = Timestamp::from_millis(1_770_206_400_000);
/// let alice = Identity::generate(now, &mut SystemRng);
/// let bob = Identity::generate(now, &mut SystemRng);
/// let prekeys = PreKeys::generate(&bob, now, &mut SystemRng);
///
/// let blob = prekeys.bundle(&bob);
/// let parts = BundleParts::bundle_only(&blob);
/// let peer = KnownPeer::first_contact(bob.amid());
/// let bundle = PreKeyBundle::verify(parts, &peer, now).unwrap();
/// let suite = Suite::choose(&[2, 3], &bundle, None)?;
/// let (message, ours) = handshake::initiate(&alice, &bundle, suite, &mut SystemRng)?;
///
/// let received = InitialMessage::parse(message.as_bytes())?;
/// let keys = ResponderKeys::find(bob.signing_key(), &prekeys, &received)?;
/// let theirs = handshake::accept(&received, keys)?;
/// assert_eq!(ours, theirs);
/// # }
/// # Ok::<(), agentmesh_core::handshake::HandshakeError>(())
/// ```
pub fn initiate(
    own: &Identity,
    peer: &PreKeyBundle,
    suite: Suite,
    rng: &mut dyn CryptoRng,
) -> Result<(InitialMessage, Established), HandshakeError> {
    let ephemeral = DhSecretKey::generate(rng);
    initiate_with(own, peer, suite, &ephemeral, || Secret::random(rng))
}

/// As [`initiate`], with what is random given; `m` is drawn only if there is an encapsulation.
pub(crate) fn initiate_with(
    own: &Identity,
    peer: &PreKeyBundle,
    suite: Suite,
    ephemeral: &DhSecretKey,
    m: impl FnOnce() -> Secret<32>,
) -> Result<(InitialMessage, Established), HandshakeError> {
    if !suite.is_native() || !peer.suites().contains(&suite.id()) {
        return Err(HandshakeError::NoCommonSuite);
    }
    let (signed_prekey_id, signed_prekey) = peer.signed_prekey();
    let one_time = peer.one_time();
    let dh = x3dh::initiate(
        own.exchange_secret(),
        ephemeral,
        &x3dh::PeerKeys {
            exchange: peer.exchange(),
            signed_prekey,
            one_time: one_time.map(|(_, key)| key),
        },
    )
    .map_err(|_| HandshakeError::NonContributory)?;
    let kem = match suite {
        Suite::X25519MlKem768 => Some(pqxdh::encapsulate(peer, &m())?),
        Suite::X25519 | Suite::Legacy02 => None,
    };
    let (kem_kind, kem_id) = kem.as_ref().map_or((KemKind::None, 0), |kem| (kem.kind, kem.id));
    let message = InitialMessage::new(Fields {
        suite,
        identity: *own.signing_key(),
        exchange: *own.exchange_key(),
        ephemeral: *ephemeral.public_key(),
        signed_prekey_id,
        one_time_prekey_id: one_time.map_or(0, |(id, _)| id),
        kem_kind,
        kem_id,
        ciphertext: kem.as_ref().map(|kem| kem.ciphertext.clone()),
    });
    let responder = ResponderPublic {
        identity: peer.identity(),
        exchange: peer.exchange(),
        signed_prekey,
        one_time: one_time.map(|(_, key)| key),
        kem: kem.as_ref().map(|kem| kem.key),
    };
    let established = establish(&message, &responder, &dh, kem.as_ref().map(|kem| &kem.shared));
    Ok((message, established))
}

/// The responder's private keys that a handshake names.
#[derive(Debug, Clone, Copy)]
pub struct ResponderKeys<'a> {
    /// The own identity key.
    pub identity: &'a VerifyingKey,
    /// The triple of the SPK id.
    pub triple: &'a SignedPreKey,
    /// The one-time prekey, if the handshake names one.
    pub one_time: Option<&'a DhSecretKey>,
    /// The ML-KEM prekey of either kind, if the handshake names one.
    pub kem: Option<&'a KemSecretKey>,
}

impl<'a> ResponderKeys<'a> {
    /// Looks up what `message` names.
    ///
    /// # Errors
    /// [`HandshakeError::PreKeyGone`]; [`HandshakeError::NoCommonSuite`] if the bundle of that SPK id does not offer the suite.
    pub fn find(
        identity: &'a VerifyingKey,
        prekeys: &'a PreKeys,
        message: &InitialMessage,
    ) -> Result<Self, HandshakeError> {
        let gone = |kind, id| HandshakeError::PreKeyGone { kind, id };
        let id = message.signed_prekey_id();
        let triple = prekeys.signed(id).ok_or(gone("signed prekey", id))?;
        if !triple.suites().contains(&message.suite().id()) {
            return Err(HandshakeError::NoCommonSuite);
        }
        let one_time = match message.one_time_prekey_id() {
            0 => None,
            id => Some(prekeys.one_time(id).ok_or(gone("one-time prekey", id))?),
        };
        let id = message.kem_id();
        let kem = match message.kem_kind() {
            KemKind::None => None,
            KemKind::LastResort => {
                let key = triple.kem().filter(|(kem_id, _)| *kem_id == id).map(|(_, key)| key);
                Some(key.ok_or(gone("ML-KEM prekey", id))?)
            }
            KemKind::OneTime => {
                Some(prekeys.one_time_kem(id).ok_or(gone("one-time ML-KEM prekey", id))?)
            }
        };
        Ok(Self { identity, triple, one_time, kem })
    }
}

/// The responder's side: the same secret, if the message is honest. Whether it is shows when the first frame opens.
///
/// Changes nothing; the caller consumes the one-time keys in the commit that creates the session.
///
/// # Errors
/// [`HandshakeError::NonContributory`]; [`HandshakeError::WrongKeys`] if `keys` are not those that `message` names.
pub fn accept(
    message: &InitialMessage,
    keys: ResponderKeys<'_>,
) -> Result<Established, HandshakeError> {
    if keys.triple.id() != message.signed_prekey_id()
        || keys.one_time.is_some() != (message.one_time_prekey_id() != 0)
        || keys.kem.is_some() != message.ciphertext().is_some()
    {
        return Err(HandshakeError::WrongKeys);
    }
    let dh = x3dh::accept(keys.triple, keys.one_time, message.exchange(), message.ephemeral())
        .map_err(|_| HandshakeError::NonContributory)?;
    let kem = keys
        .kem
        .zip(message.ciphertext())
        .map(|(key, ciphertext)| key.decapsulate_with_public(ciphertext));
    let responder = ResponderPublic {
        identity: keys.identity,
        exchange: keys.triple.exchange().public_key(),
        signed_prekey: keys.triple.key().public_key(),
        one_time: keys.one_time.map(DhSecretKey::public_key),
        kem: kem.as_ref().map(|(key, _)| key),
    };
    Ok(establish(message, &responder, &dh, kem.as_ref().map(|(_, shared)| shared)))
}

/// The id of the session that these HS bytes open with `responder`. Needs no secrets.
pub fn session_id(responder: &VerifyingKey, handshake: &[u8]) -> SessionId {
    schedule::session_id(responder, handshake)
}

fn establish(
    message: &InitialMessage,
    responder: &ResponderPublic<'_>,
    dh: &x3dh::DhOutputs,
    kem: Option<&Secret<32>>,
) -> Established {
    let associated_data = schedule::associated_data(message.as_bytes(), responder);
    Established {
        shared_secret: schedule::shared_secret(message.suite(), dh, kem, &associated_data),
        associated_data,
        session_id: message.session_id(responder.identity),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
