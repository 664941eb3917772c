//! X25519 (RFC 7748). An all-zero result is an error here, at the lowest call.

use core::fmt;

use rand_core::CryptoRng;

use super::{KeyError, Secret, backend::DhContext, exactly, fmt_hex, kdf::ct_eq, stack::cleaned};

/// A Diffie-Hellman public key, 32 bytes as received.
///
/// Any 32 bytes are one; [`DhPublicKey::is_low_order`] tells those apart that contribute nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DhPublicKey([u8; 32]);

impl DhPublicKey {
    /// Any 32 bytes; they are kept, hashed and compared as they are.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A slice of exactly 32 bytes.
    ///
    /// # Errors
    /// [`KeyError::Length`].
    pub fn from_slice(bytes: &[u8]) -> Result<Self, KeyError> {
        exactly(bytes).map(Self)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether every Diffie-Hellman with this key gives zero: zero itself, the other points of small order on
    /// curve and twist, and their non-canonical encodings.
    pub fn is_low_order(&self) -> bool {
        let mut u = self.0;
        // X25519 ignores the top bit.
        u[31] &= 0x7f;
        LOW_ORDER.contains(&u)
    }
}

impl AsRef<[u8]> for DhPublicKey {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for DhPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DhPublicKey(")?;
        fmt_hex(&self.0, f)?;
        f.write_str(")")
    }
}

/// A Diffie-Hellman secret key with its public key, computed once.
///
/// ```
/// use agentmesh_core::keys::DhSecretKey;
///
/// let alice = DhSecretKey::from_bytes([1; 32]);
/// let bob = DhSecretKey::from_bytes([2; 32]);
/// assert_eq!(
///     alice.diffie_hellman(bob.public_key())?,
///     bob.diffie_hellman(alice.public_key())?,
/// );
/// # Ok::<(), agentmesh_core::keys::KeyError>(())
/// ```
pub struct DhSecretKey {
    secret: Secret<32>,
    public: DhPublicKey,
    context: DhContext,
}

impl DhSecretKey {
    /// A fresh key.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self::from_secret(Secret::random(rng))
    }

    /// From stored bytes, clamped only in use, so that they are stored again as they were.
    pub fn from_bytes(secret: [u8; 32]) -> Self {
        Self::from_secret(Secret::new(secret))
    }

    pub(crate) fn from_secret(secret: Secret<32>) -> Self {
        let context = DhContext::default();
        let public = DhPublicKey(cleaned(|| context.public(secret.as_bytes())));
        Self { secret, public, context }
    }

    /// Both halves from a record of our own, whose seal vouches for the pair: saves the multiplication.
    pub(crate) fn from_parts(secret: Secret<32>, public: DhPublicKey) -> Self {
        Self { secret, public, context: DhContext::default() }
    }

    /// The public key.
    pub const fn public_key(&self) -> &DhPublicKey {
        &self.public
    }

    /// X25519 with `peer`.
    ///
    /// # Errors
    /// [`KeyError::NonContributory`] if the result is all zero.
    pub fn diffie_hellman(&self, peer: &DhPublicKey) -> Result<Secret<32>, KeyError> {
        let agree = |out: &mut [u8; 32]| self.context.agree(self.secret.as_bytes(), &peer.0, out);
        let shared = Secret::fill_with(|out| cleaned(|| agree(out)));
        if ct_eq(shared.as_bytes(), &[0; 32]) {
            return Err(KeyError::NonContributory);
        }
        Ok(shared)
    }

    /// The private bytes, for records.
    pub(crate) fn secret_bytes(&self) -> &[u8; 32] {
        self.secret.as_bytes()
    }

    /// A second copy, for candidate states.
    pub(crate) fn duplicate(&self) -> Self {
        Self { secret: self.secret.duplicate(), public: self.public, context: self.context.clone() }
    }
}

impl fmt::Debug for DhSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secret, public, context: _ } = self;
        f.debug_struct("DhSecretKey").field("secret", secret).field("public", public).finish()
    }
}

/// u-coordinates, little-endian, on which every clamped scalar gives zero: 0, 1, the two of order 8, p - 1, p, p + 1.
const LOW_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    near_p(0xec),
    near_p(0xed),
    near_p(0xee),
];

/// p = 2^255 - 19 with another lowest byte.
const fn near_p(low: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[0] = low;
    bytes[31] = 0x7f;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_utils::seeded_rng;

    #[test]
    fn low_order_is_exactly_what_gives_zero() {
        let own = DhSecretKey::generate(&mut seeded_rng(3));
        for mut bytes in LOW_ORDER {
            for top in [0, 0x80] {
                bytes[31] = (bytes[31] & 0x7f) | top;
                let peer = DhPublicKey::from_bytes(bytes);
                assert!(peer.is_low_order(), "{peer:?}");
                assert_eq!(own.diffie_hellman(&peer), Err(KeyError::NonContributory), "{peer:?}");
            }
        }
        // The encodings around p that are not of small order.
        for low in (0xe9..=0xebu8).chain(0xef..=0xff) {
            let peer = DhPublicKey::from_bytes(near_p(low));
            assert!(!peer.is_low_order());
            assert!(own.diffie_hellman(&peer).is_ok(), "{low:x}");
        }
    }

    #[test]
    fn stored_halves_equal_computed_ones() {
        let key = DhSecretKey::generate(&mut seeded_rng(4));
        let again = DhSecretKey::from_parts(key.secret.duplicate(), *key.public_key());
        assert_eq!(DhSecretKey::from_bytes(*key.secret_bytes()).public_key(), again.public_key());
        assert_eq!(key.duplicate().secret_bytes(), again.secret_bytes());
    }

    #[test]
    fn debug_shows_no_secret() {
        let text = format!("{:?}", DhSecretKey::from_bytes([7; 32]));
        assert!(
            text.starts_with("DhSecretKey { secret: [redacted], public: DhPublicKey("),
            "{text}"
        );
    }

    #[test]
    fn public_key_is_its_bytes() {
        let public = DhPublicKey::from_bytes([0xa5; 32]);
        assert_eq!(public.as_ref(), [0xa5; 32]);
    }
}
