//! Protocol suites and who may fall back to which (docs/protocol/native.md §1).

use core::fmt;

use super::HandshakeError;
use crate::prekeys::PreKeyBundle;

/// A set of algorithms for handshake and messages. Stronger suites compare greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Suite {
    /// What `agentmesh/0.2` deployed: X3DH, XSalsa20-Poly1305, nothing but the ciphertext authenticated.
    Legacy02 = 1,
    /// X3DH with X25519, AES-256-GCM.
    X25519 = 2,
    /// PQXDH with X25519 and ML-KEM-768, AES-256-GCM.
    X25519MlKem768 = 3,
}

impl Suite {
    /// The native suites, the stronger first.
    pub const NATIVE: [Self; 2] = [Self::X25519MlKem768, Self::X25519];

    /// The suite with this id, if this build knows it.
    pub const fn from_u8(id: u8) -> Option<Self> {
        match id {
            1 => Some(Self::Legacy02),
            2 => Some(Self::X25519),
            3 => Some(Self::X25519MlKem768),
            _ => None,
        }
    }

    /// Its id on the wire.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// Its name, as in key derivation and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Legacy02 => "legacy-0.2",
            Self::X25519 => "x25519",
            Self::X25519MlKem768 => "x25519-mlkem768",
        }
    }

    /// Whether it is one of the native suites.
    pub const fn is_native(self) -> bool {
        !matches!(self, Self::Legacy02)
    }

    /// The strongest native suite in both lists of ids.
    pub fn strongest_common(ours: &[u8], theirs: &[u8]) -> Option<Self> {
        Self::NATIVE.into_iter().find(|s| ours.contains(&s.id()) && theirs.contains(&s.id()))
    }

    /// The suite an initiator uses with a peer: the strongest that both list, and none weaker than was `pinned`.
    ///
    /// # Errors
    /// [`HandshakeError::NoCommonSuite`]; [`HandshakeError::SuiteDowngrade`] if the peer was seen with a stronger one.
    pub fn choose(
        ours: &[u8],
        peer: &PreKeyBundle,
        pinned: Option<Self>,
    ) -> Result<Self, HandshakeError> {
        let suite =
            Self::strongest_common(ours, peer.suites()).ok_or(HandshakeError::NoCommonSuite)?;
        suite.not_weaker_than(pinned)
    }

    /// Checks the suite of a received handshake: not weaker than the strongest common of what its KNOCK lists
    /// and our bundle of its SPK id lists ([`SignedPreKey::suites`](crate::prekeys::SignedPreKey::suites)), nor than was
    /// `pinned`.
    ///
    /// # Errors
    /// [`HandshakeError::SuiteDowngrade`].
    pub fn check_accepted(
        self,
        ours: &[u8],
        knock: &[u8],
        pinned: Option<Self>,
    ) -> Result<(), HandshakeError> {
        self.not_weaker_than(Self::strongest_common(ours, knock))?.not_weaker_than(pinned)?;
        Ok(())
    }

    fn not_weaker_than(self, wanted: Option<Self>) -> Result<Self, HandshakeError> {
        match wanted {
            Some(wanted) if self < wanted => {
                Err(HandshakeError::SuiteDowngrade { wanted: wanted.id(), offered: self.id() })
            }
            _ => Ok(self),
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
