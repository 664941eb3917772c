//! Raw entry points for vectors and interop tests, and for nothing else (feature `hazmat`).
//!
//! Everything here lets the caller choose what must be random, or take out what must stay in. Misused, it breaks
//! every promise of this crate.

use crate::{
    engine::crossing::{InUse, takes_over},
    handshake::{Established, HandshakeError, InitialMessage, Suite, initiate_with},
    identity::{Amid, Identity, Label},
    keys::{
        DhSecretKey, KemCiphertext, KemPublicKey, KemSecretKey, KeyError, Secret, Signature,
        SigningKey,
    },
    prekeys::PreKeyBundle,
    time::Timestamp,
    wire::id::MessageId,
};

/// An identity with these private keys.
pub fn identity(seed: [u8; 32], exchange: [u8; 32], created_at: Timestamp) -> Identity {
    Identity::from_keys(SigningKey::from_seed(seed), DhSecretKey::from_bytes(exchange), created_at)
}

/// The private signing and exchange keys of an identity.
pub fn identity_keys(identity: &Identity) -> (Secret<32>, Secret<32>) {
    (Secret::new(*identity.seed()), dh_secret(identity.exchange_secret()))
}

/// The private bytes of an X25519 key.
pub fn dh_secret(key: &DhSecretKey) -> Secret<32> {
    Secret::new(*key.secret_bytes())
}

/// The seed of an ML-KEM key.
pub fn kem_seed(key: &KemSecretKey) -> Secret<64> {
    Secret::new(*key.seed())
}

/// `S(label, message)` of a message in parts.
pub fn sign_labelled(identity: &Identity, label: Label, message: &[&[u8]]) -> Signature {
    identity.sign_labelled(label, message)
}

/// ML-KEM-768 encapsulation with the 32 random bytes `m` of FIPS 203 chosen.
///
/// # Errors
/// [`KeyError::InvalidKemKey`].
pub fn encapsulate(
    key: &KemPublicKey,
    m: &Secret<32>,
) -> Result<(KemCiphertext, Secret<32>), KeyError> {
    key.encapsulate_with(m)
}

/// [`handshake::initiate`](crate::handshake::initiate) with the ephemeral key and the randomness of the
/// encapsulation chosen; suite 2 does not use the latter.
///
/// # Errors
/// As [`handshake::initiate`](crate::handshake::initiate).
pub fn initiate(
    own: &Identity,
    peer: &PreKeyBundle,
    suite: Suite,
    ephemeral: &DhSecretKey,
    m: &Secret<32>,
) -> Result<(InitialMessage, Established), HandshakeError> {
    initiate_with(own, peer, suite, ephemeral, || m.duplicate())
}

/// Whether the session of a KNOCK that a peer made at `time` is used for sending from now on (`docs/protocol/native.md`
/// §7.6). `in_use` is the session used so far: whether we opened it, whether that is still pending, and the time of its
/// KNOCK.
pub fn knock_takes_over(
    own: &[u8; 32],
    peer: &[u8; 32],
    in_use: Option<(bool, bool, Timestamp)>,
    time: Timestamp,
) -> bool {
    let in_use = in_use.map(|(ours, pending, knock_time)| match (ours, pending) {
        (true, true) => InUse::OursPending,
        (true, false) => InUse::Ours,
        (false, _) => InUse::Peers(knock_time),
    });
    takes_over(own, peer, in_use, time)
}

/// The id of a stream's nth frame.
pub fn stream_frame_id(sender: Amid, reader: Amid, request: MessageId, n: u64) -> MessageId {
    crate::stream::frame_id(sender, reader, request, n)
}
