//! Ed25519 (RFC 8032), verified strictly and without cofactor: S ≥ L, and non-canonical or small-order A or R,
//! are rejected (docs/protocol/native.md §2). The checks that libraries disagree on are made here, on the
//! encodings, so that every back end accepts the same signatures.

use core::fmt;

use rand_core::CryptoRng;

use super::{KeyError, Secret, backend, exactly, fmt_hex, stack::cleaned};

/// An Ed25519 public key in canonical encoding and not of small order.
///
/// Not decompressed: that 32 bytes are no point at all shows when a signature is verified.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifyingKey([u8; 32]);

impl VerifyingKey {
    /// Checks the encoding; costs nothing worth counting.
    ///
    /// # Errors
    /// [`KeyError::InvalidVerifyingKey`] for a non-canonical encoding or a point of small order.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        if is_canonical(&bytes) && !is_small_order(&bytes) {
            Ok(Self(bytes))
        } else {
            Err(KeyError::InvalidVerifyingKey)
        }
    }

    /// A slice of exactly 32 bytes.
    ///
    /// # Errors
    /// [`KeyError::Length`], and those of [`VerifyingKey::from_bytes`].
    pub fn from_slice(bytes: &[u8]) -> Result<Self, KeyError> {
        exactly(bytes).and_then(Self::from_bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Verifies `signature` over `message`.
    ///
    /// # Errors
    /// [`KeyError::BadSignature`] whatever the reason.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), KeyError> {
        let (r, _) = signature.0.split_first_chunk::<32>().ok_or(KeyError::BadSignature)?;
        // The back end compares R as bytes with a computed point, which rejects non-canonical encodings.
        if !is_small_order(r) && backend::ed25519_verify(&self.0, message, &signature.0) {
            Ok(())
        } else {
            Err(KeyError::BadSignature)
        }
    }
}

impl AsRef<[u8]> for VerifyingKey {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingKey(")?;
        fmt_hex(&self.0, f)?;
        f.write_str(")")
    }
}

/// An Ed25519 signature, 64 bytes as received.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Any 64 bytes; whether they are a signature shows in [`VerifyingKey::verify`].
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// A slice of exactly 64 bytes.
    ///
    /// # Errors
    /// [`KeyError::Length`].
    pub fn from_slice(bytes: &[u8]) -> Result<Self, KeyError> {
        exactly(bytes).map(Self)
    }

    /// The 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl AsRef<[u8]> for Signature {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(")?;
        fmt_hex(&self.0, f)?;
        f.write_str(")")
    }
}

/// An Ed25519 private key with its public key, computed once.
///
/// ```
/// use agentmesh_core::keys::SigningKey;
///
/// let key = SigningKey::from_seed([1; 32]);
/// let signature = key.sign(b"hello");
/// assert!(key.verifying_key().verify(b"hello", &signature).is_ok());
/// assert!(key.verifying_key().verify(b"hallo", &signature).is_err());
/// ```
pub struct SigningKey {
    pair: Box<backend::SigningPair>,
    public: VerifyingKey,
}

impl SigningKey {
    /// A fresh key.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self::from_secret(&Secret::random(rng))
    }

    /// From the 32-byte seed of RFC 8032.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self::from_secret(&Secret::new(seed))
    }

    pub(crate) fn from_secret(seed: &Secret<32>) -> Self {
        Self::expand(seed.as_bytes())
    }

    /// A second copy, computed anew.
    pub(crate) fn duplicate(&self) -> Self {
        Self::expand(self.seed())
    }

    fn expand(seed: &[u8; 32]) -> Self {
        let pair = cleaned(|| Box::new(backend::SigningPair::from_seed(seed)));
        // A seed's own public key is canonical and of large order.
        let public = VerifyingKey(pair.public());
        Self { pair, public }
    }

    /// The public key.
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }

    /// Signs `message`; the same message gives the same signature.
    pub fn sign(&self, message: &[u8]) -> Signature {
        self.sign_parts(&[message])
    }

    /// Signs the concatenation of `parts`.
    pub(crate) fn sign_parts(&self, parts: &[&[u8]]) -> Signature {
        Signature(cleaned(|| self.pair.sign(parts)))
    }

    /// The seed, for records.
    pub(crate) fn seed(&self) -> &[u8; 32] {
        self.pair.seed()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pair: _, public } = self;
        f.debug_struct("SigningKey")
            .field("seed", &format_args!("[redacted]"))
            .field("public", public)
            .finish()
    }
}

/// Whether y < p = 2^255 - 19.
fn is_canonical(encoded: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = encoded;
    *low < 0xed || high & 0x7f != 0x7f || middle.iter().any(|b| *b != 0xff)
}

/// Whether this encodes one of the eight points of small order, whatever the sign bit and whether canonical or not.
fn is_small_order(encoded: &[u8; 32]) -> bool {
    let mut y = *encoded;
    y[31] &= 0x7f;
    SMALL_ORDER.contains(&y)
}

/// y-coordinates, little-endian, of the points of order 1, 2, 4 and 8; then 0 and 1 once more as p and p + 1.
const SMALL_ORDER: [[u8; 32]; 7] = [
    near_zero(1),
    near_p(0xec),
    near_zero(0),
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    near_p(0xed),
    near_p(0xee),
];

const fn near_zero(low: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = low;
    bytes
}

const fn near_p(low: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[0] = low;
    bytes[31] = 0x7f;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_every_small_order_and_non_canonical_key() {
        for mut bytes in SMALL_ORDER {
            for sign in [0, 0x80] {
                bytes[31] = (bytes[31] & 0x7f) | sign;
                assert_eq!(VerifyingKey::from_bytes(bytes), Err(KeyError::InvalidVerifyingKey));
                // The library agrees wherever the encoding is a point at all.
                if let Ok(point) = ed25519_dalek::VerifyingKey::from_bytes(&bytes) {
                    assert!(point.is_weak());
                }
            }
        }
        for sign in [0, 0x80] {
            let near = |low| {
                let mut bytes = near_p(low);
                bytes[31] |= sign;
                bytes
            };
            for low in 0xed..=0xff {
                assert!(!is_canonical(&near(low)));
                assert!(VerifyingKey::from_bytes(near(low)).is_err());
            }
            assert!(VerifyingKey::from_bytes(near(0xeb)).is_ok());
        }
    }

    #[test]
    fn refuses_malleable_and_foreign_signatures() {
        // L, the order of the base point, little-endian.
        const L: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9,
            0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let key = SigningKey::from_seed([5; 32]);
        let good = key.sign(b"m");
        assert_eq!(key.verifying_key().verify(b"m", &good), Ok(()));

        let mut bytes = *good.as_bytes();
        let mut carry = 0u16;
        for (s, l) in bytes[32..].iter_mut().zip(L) {
            let sum = u16::from(*s) + u16::from(l) + carry;
            *s = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        let malleable = Signature::from_bytes(bytes);
        assert_eq!(key.verifying_key().verify(b"m", &malleable), Err(KeyError::BadSignature));

        let other = SigningKey::from_seed([6; 32]);
        assert_eq!(other.verifying_key().verify(b"m", &good), Err(KeyError::BadSignature));
        let small_r = Signature::from_bytes([0; 64]);
        assert_eq!(key.verifying_key().verify(b"m", &small_r), Err(KeyError::BadSignature));
    }

    #[test]
    fn signs_parts_like_the_whole() {
        let key = SigningKey::from_seed([9; 32]);
        assert_eq!(key.sign(b"abc"), key.sign_parts(&[b"a", b"", b"bc"]));
        assert_eq!(SigningKey::from_seed(*key.seed()).verifying_key(), key.verifying_key());
    }

    #[test]
    fn bytes_that_are_no_point_verify_nothing() {
        // y = 2 is not on the curve.
        let key = VerifyingKey::from_bytes(near_zero(2)).unwrap();
        let signature = SigningKey::from_seed([1; 32]).sign(b"m");
        assert_eq!(key.verify(b"m", &signature), Err(KeyError::BadSignature));
    }

    #[test]
    fn debug_shows_no_secret() {
        let text = format!("{:?}", SigningKey::from_seed([7; 32]));
        assert!(text.starts_with("SigningKey { seed: [redacted], public: VerifyingKey("), "{text}");
    }

    #[test]
    fn public_values_are_their_bytes_and_print_them() {
        let key = SigningKey::from_seed([7; 32]);
        let public = key.verifying_key();
        assert_eq!(public.as_ref(), public.as_bytes());
        let signature = Signature::from_bytes([0xa5; 64]);
        assert_eq!(signature.as_ref(), signature.as_bytes());
        assert_eq!(format!("{signature:?}"), format!("Signature({})", "a5".repeat(64)));
    }
}
