//! ML-KEM-768 (FIPS 203). Private keys are stored as their 64-byte seed; the modulus check of §7.2 happens
//! when a public key is read, so no unchecked key reaches Encaps.

use core::fmt;

use rand_core::CryptoRng;

use super::{KeyError, Secret, backend, fmt_hex, stack::cleaned_after_kem};

/// Length of a public key.
pub const KEM_PUBLIC_KEY_LEN: usize = 1184;
/// Length of a ciphertext.
pub const KEM_CIPHERTEXT_LEN: usize = 1088;
/// Bytes of a public key that hold coefficients; the rest is the matrix seed.
const COEFFICIENT_BYTES: usize = 1152;
/// The field's modulus.
const Q: u16 = 3329;

/// An ML-KEM-768 public key that passed the modulus check.
#[derive(Clone, PartialEq, Eq)]
pub struct KemPublicKey(Box<[u8; KEM_PUBLIC_KEY_LEN]>);

impl KemPublicKey {
    /// Reads and checks a key.
    ///
    /// # Errors
    /// [`KeyError::Length`]; [`KeyError::InvalidKemKey`] if a coefficient is not below the modulus.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let key = boxed(bytes)?;
        if coefficients_are_reduced(&key) { Ok(Self(key)) } else { Err(KeyError::InvalidKemKey) }
    }

    /// The 1184 bytes.
    pub fn as_bytes(&self) -> &[u8; KEM_PUBLIC_KEY_LEN] {
        &self.0
    }

    /// A fresh shared secret and the ciphertext that carries it to the key's owner.
    ///
    /// # Errors
    /// [`KeyError::InvalidKemKey`] should the back end refuse a key that passed our check.
    pub fn encapsulate(
        &self,
        rng: &mut dyn CryptoRng,
    ) -> Result<(KemCiphertext, Secret<32>), KeyError> {
        self.encapsulate_with(&Secret::random(rng))
    }

    /// As `encapsulate`, from the 32 bytes `m` of FIPS 203; for vectors.
    pub(crate) fn encapsulate_with(
        &self,
        m: &Secret<32>,
    ) -> Result<(KemCiphertext, Secret<32>), KeyError> {
        let mut ciphertext = Box::new([0; KEM_CIPHERTEXT_LEN]);
        let mut valid = false;
        let shared = Secret::fill_with(|out| {
            valid = cleaned_after_kem(|| {
                backend::kem_encapsulate(&self.0, m.as_bytes(), &mut ciphertext, out)
            });
        });
        if valid { Ok((KemCiphertext(ciphertext), shared)) } else { Err(KeyError::InvalidKemKey) }
    }
}

impl AsRef<[u8]> for KemPublicKey {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl fmt::Debug for KemPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_start("KemPublicKey", self.0.as_slice(), f)
    }
}

/// An ML-KEM-768 ciphertext, as received.
#[derive(Clone, PartialEq, Eq)]
pub struct KemCiphertext(Box<[u8; KEM_CIPHERTEXT_LEN]>);

impl KemCiphertext {
    /// Any 1088 bytes: a wrong ciphertext decapsulates to a secret that nobody shares.
    ///
    /// # Errors
    /// [`KeyError::Length`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        boxed(bytes).map(Self)
    }

    /// The 1088 bytes.
    pub fn as_bytes(&self) -> &[u8; KEM_CIPHERTEXT_LEN] {
        &self.0
    }
}

impl AsRef<[u8]> for KemCiphertext {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl fmt::Debug for KemCiphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_start("KemCiphertext", self.0.as_slice(), f)
    }
}

/// An ML-KEM-768 private key, kept as its 64-byte seed (d, z) and expanded in use.
///
/// ```
/// # #[cfg(feature = "getrandom")] {
/// use agentmesh_core::{keys::KemSecretKey, rng::SystemRng};
///
/// let key = KemSecretKey::generate(&mut SystemRng);
/// let (ciphertext, sent) = key.public_key().encapsulate(&mut SystemRng)?;
/// assert_eq!(key.decapsulate(&ciphertext), sent);
/// # }
/// # Ok::<(), agentmesh_core::keys::KeyError>(())
/// ```
pub struct KemSecretKey(Secret<64>);

impl KemSecretKey {
    /// A fresh key.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self(Secret::random(rng))
    }

    /// From a stored seed.
    pub const fn from_seed(seed: Secret<64>) -> Self {
        Self(seed)
    }

    /// The public key. Expands the seed: call it once and keep the result.
    pub fn public_key(&self) -> KemPublicKey {
        let seed = self.0.as_bytes();
        KemPublicKey(cleaned_after_kem(|| backend::KemPair::from_seed(seed).public()))
    }

    /// The shared secret in `ciphertext`; for a wrong ciphertext, one that nobody shares.
    pub fn decapsulate(&self, ciphertext: &KemCiphertext) -> Secret<32> {
        Secret::fill_with(|out| {
            cleaned_after_kem(|| {
                backend::KemPair::from_seed(self.0.as_bytes()).decapsulate(&ciphertext.0, out);
            });
        })
    }

    /// Decapsulates and gives the public key as well, with one expansion of the seed.
    pub(crate) fn decapsulate_with_public(
        &self,
        ciphertext: &KemCiphertext,
    ) -> (KemPublicKey, Secret<32>) {
        cleaned_after_kem(|| {
            let pair = backend::KemPair::from_seed(self.0.as_bytes());
            let shared = Secret::fill_with(|out| pair.decapsulate(&ciphertext.0, out));
            (KemPublicKey(pair.public()), shared)
        })
    }

    /// The seed, for records.
    pub(crate) fn seed(&self) -> &[u8; 64] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for KemSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KemSecretKey").field(&self.0).finish()
    }
}

/// FIPS 203 §7.2: decoding and encoding again must give the same bytes, which is to say that every 12-bit
/// coefficient is below q.
fn coefficients_are_reduced(key: &[u8; KEM_PUBLIC_KEY_LEN]) -> bool {
    let (triples, _) = key.as_chunks::<3>();
    triples.iter().take(COEFFICIENT_BYTES / 3).all(|[a, b, c]| {
        let first = u16::from(*a) | (u16::from(*b) & 0x0f) << 8;
        let second = u16::from(*b) >> 4 | u16::from(*c) << 4;
        first < Q && second < Q
    })
}

/// Onto the heap without a detour over the stack.
fn boxed<const N: usize>(bytes: &[u8]) -> Result<Box<[u8; N]>, KeyError> {
    Box::<[u8]>::from(bytes)
        .try_into()
        .map_err(|_| KeyError::Length { expected: N, actual: bytes.len() })
}

/// The first 16 bytes tell keys apart in a log.
fn fmt_start(name: &str, bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{name}(")?;
    fmt_hex(bytes.get(..16).unwrap_or(bytes), f)?;
    f.write_str("..)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_utils::seeded_rng;

    #[test]
    fn round_trip_through_bytes() {
        let mut rng = seeded_rng(1);
        let key = KemSecretKey::generate(&mut rng);
        let public = KemPublicKey::from_bytes(key.public_key().as_ref()).unwrap();
        let (ciphertext, sent) = public.encapsulate(&mut rng).unwrap();
        let ciphertext = KemCiphertext::from_bytes(ciphertext.as_ref()).unwrap();
        assert_eq!(key.decapsulate(&ciphertext), sent);
        let stored = KemSecretKey::from_seed(Secret::new(*key.seed()));
        assert_eq!(stored.decapsulate_with_public(&ciphertext), (public, sent));
    }

    #[test]
    fn a_changed_ciphertext_gives_another_secret() {
        let mut rng = seeded_rng(2);
        let key = KemSecretKey::generate(&mut rng);
        let (ciphertext, sent) = key.public_key().encapsulate(&mut rng).unwrap();
        let mut bytes = *ciphertext.as_bytes();
        bytes[0] ^= 1;
        assert_ne!(key.decapsulate(&KemCiphertext::from_bytes(&bytes).unwrap()), sent);
    }

    #[test]
    fn refuses_unreduced_coefficients_and_wrong_lengths() {
        let good = KemSecretKey::generate(&mut seeded_rng(3)).public_key();
        for at in [0, 3, 1149] {
            for (low, high) in [(Q, 0), (0, Q), (0xfff, 0xfff)] {
                let mut bytes = *good.as_bytes();
                let [l0, l1] = low.to_le_bytes();
                let [h0, h1] = (high << 4).to_le_bytes();
                bytes[at..at + 3].copy_from_slice(&[l0, l1 | h0, h1]);
                assert_eq!(KemPublicKey::from_bytes(&bytes), Err(KeyError::InvalidKemKey));
            }
        }
        assert_eq!(
            KemPublicKey::from_bytes(&good.as_ref()[..1183]),
            Err(KeyError::Length { expected: 1184, actual: 1183 })
        );
        assert_eq!(
            KemCiphertext::from_bytes(&[0; 1089]),
            Err(KeyError::Length { expected: 1088, actual: 1089 })
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        let text = format!("{:?}", KemSecretKey::from_seed(Secret::new([7; 64])));
        assert_eq!(text, "KemSecretKey([redacted])");
    }

    #[test]
    fn public_values_print_their_first_bytes() {
        let start = |name: &str, bytes: &[u8]| {
            let hex: String = bytes[..16].iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{name}({hex}..)")
        };
        let public = KemSecretKey::generate(&mut seeded_rng(4)).public_key();
        assert_eq!(format!("{public:?}"), start("KemPublicKey", public.as_ref()));
        let ciphertext = KemCiphertext::from_bytes(&[0xa5; KEM_CIPHERTEXT_LEN]).unwrap();
        assert_eq!(format!("{ciphertext:?}"), start("KemCiphertext", ciphertext.as_ref()));
    }
}
