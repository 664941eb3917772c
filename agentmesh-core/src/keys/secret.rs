//! Bytes nobody may see: boxed (moving leaves no copy behind), wiped on drop, compared in constant time.

use core::fmt;

use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{KeyError, kdf::ct_eq};
use crate::codec::{CodecError, Reader};

/// `N` secret bytes.
///
/// Wiped on drop, redacted in `Debug`, compared in constant time. Neither `Clone` nor serialisable:
/// [`Secret::duplicate`] makes every copy visible in the source.
///
/// ```
/// use agentmesh_core::keys::Secret;
///
/// let secret = Secret::new([7; 32]);
/// assert_eq!(format!("{secret:?}"), "[redacted]");
/// assert_eq!(secret, secret.duplicate());
/// ```
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// Takes over `bytes` and wipes the copy it was passed in; the caller's own copy is the caller's to wipe.
    pub fn new(mut bytes: [u8; N]) -> Self {
        let secret = Self(Box::new(bytes));
        bytes.zeroize();
        secret
    }

    /// Copies a slice of exactly `N` bytes.
    ///
    /// # Errors
    /// [`KeyError::Length`] if the slice has another length.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.len() != N {
            return Err(KeyError::Length { expected: N, actual: bytes.len() });
        }
        // Straight onto the heap: an array returned by value would leave a copy on the stack.
        Ok(Self::fill_with(|out| out.copy_from_slice(bytes)))
    }

    /// The next `N` bytes of a record.
    pub(crate) fn read(r: &mut Reader<'_>, field: &'static str) -> Result<Self, CodecError> {
        let bytes = r.bytes(N, field)?;
        Ok(Self::fill_with(|out| out.copy_from_slice(bytes)))
    }

    /// `N` bytes from `rng`.
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        Self::fill_with(|out| rng.fill_bytes(out))
    }

    /// Zeros on the heap, filled in place.
    pub(crate) fn fill_with(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut secret = Self(Box::new([0; N]));
        fill(&mut secret.0);
        secret
    }

    /// The bytes. Do not copy them out without wiping the copy.
    pub fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// A second copy, for candidate states and persisted forms.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Secret<64> {
    /// Both halves, as the KDFs that give two keys at once define them.
    pub(crate) fn split(&self) -> (Secret<32>, Secret<32>) {
        let (left, right) = self.0.split_at(32);
        (
            Secret::fill_with(|b| b.copy_from_slice(left)),
            Secret::fill_with(|b| b.copy_from_slice(right)),
        )
    }
}

impl<const N: usize> PartialEq for Secret<N> {
    fn eq(&self, other: &Self) -> bool {
        ct_eq(self.as_bytes(), other.as_bytes())
    }
}

impl<const N: usize> Eq for Secret<N> {}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_utils::seeded_rng;

    #[test]
    fn compares_duplicates_and_redacts() {
        let mut rng = seeded_rng(1);
        let a = Secret::<32>::random(&mut rng);
        let b = Secret::<32>::random(&mut rng);
        assert_eq!(a, a.duplicate());
        assert_ne!(a, b);
        assert_eq!(format!("{a:?}"), "[redacted]");
    }

    #[test]
    fn splits_in_halves() {
        let mut bytes = [1; 64];
        bytes[32..].fill(2);
        assert_eq!(Secret::new(bytes).split(), (Secret::new([1; 32]), Secret::new([2; 32])));
    }

    #[test]
    fn wiping_leaves_zeros() {
        let mut secret = Secret::new([7; 32]);
        secret.zeroize();
        assert_eq!(secret.as_bytes(), &[0; 32]);
    }

    #[test]
    fn refuses_other_lengths() {
        assert_eq!(
            Secret::<32>::from_slice(&[0; 31]),
            Err(KeyError::Length { expected: 32, actual: 31 })
        );
        assert_eq!(Secret::<2>::from_slice(&[1, 2]), Ok(Secret::new([1, 2])));
    }
}
