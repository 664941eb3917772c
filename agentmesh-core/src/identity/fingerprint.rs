//! Numbers that people compare, to know that two agents see each other's true keys:
//!
//! ```text
//! h           = SHA-256(lp("agentmesh/0.3 fingerprint") || IKs)
//! fingerprint = for i in 0..6: h[5i..5i+5] as a big-endian number, mod 100000, five digits    (30 digits)
//! safety number of two agents = their fingerprints, the lower one first                       (60 digits)
//! ```
//!
//! Thirty digits are just short of 100 bits: too many to find a second key for, and both sides see the same
//! sixty whoever reads them out.

use core::fmt;

use crate::keys::{
    VerifyingKey,
    kdf::{lp_len, sha256},
};

const LABEL: &[u8] = b"agentmesh/0.3 fingerprint";
const GROUPS: usize = 6;
/// Five digits each.
const GROUP_VALUES: u64 = 100_000;

/// The fingerprint of one identity key: 30 digits.
///
/// ```
/// use agentmesh_core::{identity::Fingerprint, keys::SigningKey};
///
/// let key = SigningKey::from_seed([1; 32]);
/// let text = Fingerprint::of(key.verifying_key()).to_string();
/// assert_eq!(text.split(' ').count(), 6);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u32; GROUPS]);

impl Fingerprint {
    /// Of this key.
    pub fn of(key: &VerifyingKey) -> Self {
        let hash = sha256(&[&lp_len(LABEL), LABEL, key.as_bytes()]);
        let (chunks, _) = hash.as_chunks::<5>();
        let mut groups = [0; GROUPS];
        for (group, [a, b, c, d, e]) in groups.iter_mut().zip(chunks) {
            let value = u64::from_be_bytes([0, 0, 0, *a, *b, *c, *d, *e]) % GROUP_VALUES;
            *group = u32::try_from(value).unwrap_or(0);
        }
        Self(groups)
    }
}

impl fmt::Display for Fingerprint {
    /// Six groups of five digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for group in self.0 {
            write!(f, "{separator}{group:05}")?;
            separator = " ";
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// The safety number of two agents: 60 digits, the same whoever computes it.
///
/// Compare it over a channel that an attacker cannot change, such as a call; if it is the same on both sides, so are the keys.
///
/// ```
/// use agentmesh_core::{identity::SafetyNumber, keys::SigningKey};
///
/// let (alice, bob) = (SigningKey::from_seed([1; 32]), SigningKey::from_seed([2; 32]));
/// let number = SafetyNumber::of(alice.verifying_key(), bob.verifying_key());
/// assert_eq!(number, SafetyNumber::of(bob.verifying_key(), alice.verifying_key()));
/// assert!(number.matches(&number.to_string().replace(' ', "\n")));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SafetyNumber {
    low: Fingerprint,
    high: Fingerprint,
}

impl SafetyNumber {
    /// Of these two identity keys, in any order.
    pub fn of(one: &VerifyingKey, other: &VerifyingKey) -> Self {
        let (one, other) = (Fingerprint::of(one), Fingerprint::of(other));
        Self { low: one.min(other), high: one.max(other) }
    }

    /// Whether `text`, as somebody typed or scanned it, is this number; white space does not count.
    pub fn matches(&self, text: &str) -> bool {
        let digits = |text: &str| text.split_whitespace().collect::<String>();
        digits(text) == digits(&self.to_string())
    }
}

impl fmt::Display for SafetyNumber {
    /// Twelve groups of five digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.low, self.high)
    }
}

impl fmt::Debug for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SafetyNumber({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SigningKey;

    fn key(seed: u8) -> VerifyingKey {
        *SigningKey::from_seed([seed; 32]).verifying_key()
    }

    #[test]
    fn is_symmetric_and_has_sixty_digits() {
        let number = SafetyNumber::of(&key(1), &key(2));
        assert_eq!(number, SafetyNumber::of(&key(2), &key(1)));
        let text = number.to_string();
        assert_eq!(text.split(' ').map(str::len).collect::<Vec<_>>(), [5; 12]);
        assert!(text.bytes().all(|b| b == b' ' || b.is_ascii_digit()));
        let parts = [Fingerprint::of(&key(1)).to_string(), Fingerprint::of(&key(2)).to_string()];
        assert!(parts.iter().all(|part| text.contains(part)));
    }

    #[test]
    fn another_key_gives_another_number() {
        let number = SafetyNumber::of(&key(1), &key(2));
        let other = SafetyNumber::of(&key(1), &key(3));
        assert_ne!(number, other);
        assert!(!number.matches(&other.to_string()));
        assert!(!number.matches(""));
        assert!(number.matches(&number.to_string().replace(' ', "")));
    }

    /// So that no release changes what people wrote down.
    #[test]
    fn known_answer() {
        let expected = "20051 95100 17361 32695 45810 36601";
        assert_eq!(Fingerprint::of(&key(1)).to_string(), expected);
    }
}
