//! The suites of `docs/protocol/native.md` §1.

use core::fmt;

/// What a handshake and its session are made of, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Suite {
    /// `legacy-0.2`: X3DH as deployed, unauthenticated headers. Refused unless the application allows it.
    Legacy02 = 1,
    /// `x25519`: X3DH, AES-256-GCM bound to header and transcript.
    X25519 = 2,
    /// `x25519-mlkem768`: the same with ML-KEM-768 in the handshake.
    X25519MlKem768 = 3,
}

impl Suite {
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

    /// Whether it is one of the native suites.
    pub const fn is_native(self) -> bool {
        !matches!(self, Self::Legacy02)
    }

    /// The name that goes into the key derivation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Legacy02 => "legacy-0.2",
            Self::X25519 => "x25519",
            Self::X25519MlKem768 => "x25519-mlkem768",
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_strength_are_those_of_the_specification() {
        for (id, suite) in [(1, Suite::Legacy02), (2, Suite::X25519), (3, Suite::X25519MlKem768)] {
            assert_eq!(Suite::from_u8(id), Some(suite));
            assert_eq!(suite.id(), id);
        }
        assert_eq!(Suite::from_u8(0), None);
        assert_eq!(Suite::from_u8(4), None);
        assert!(Suite::Legacy02 < Suite::X25519 && Suite::X25519 < Suite::X25519MlKem768);
    }
}
