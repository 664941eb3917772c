//! `AMID = base58(SHA-256(IKs.pub)[..20])`: an agent's name, which nobody assigns.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    error::errors,
    keys::{VerifyingKey, kdf},
};

/// Length of the hash in an AMID.
const LEN: usize = 20;
/// Characters that 20 bytes can take: one for each leading zero byte at the least.
const MAX_CHARS: usize = 28;

errors! {
    /// Why text is not an AMID.
    pub enum AmidError {
        /// Not base58 in the one form that an AMID has.
        #[error("not an agent's address (AMID): not base58")]
        Encoding = "AMID_ENCODING", InvalidInput, permanent;
        /// Base58, but not of 20 bytes.
        #[error("not an agent's address (AMID): not 20 bytes in base58")]
        Length = "AMID_LENGTH", InvalidInput, permanent;
    }
}

/// The name of an agent: the first 20 bytes of the SHA-256 of its signing key, written in base58.
///
/// ```
/// use agentmesh_core::identity::Amid;
///
/// let amid: Amid = "3vaLv8qnmGSndxmYvHiHWN3cb312".parse()?;
/// assert_eq!(amid.to_string(), "3vaLv8qnmGSndxmYvHiHWN3cb312");
/// assert_eq!(amid.did(), "did:agentmesh:3vaLv8qnmGSndxmYvHiHWN3cb312");
/// # Ok::<(), agentmesh_core::identity::AmidError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amid([u8; LEN]);

impl Amid {
    /// The name of the agent with this signing key.
    pub fn of(key: &VerifyingKey) -> Self {
        Self::of_key_bytes(key.as_bytes())
    }

    /// Of a key that may not even be one.
    pub(crate) fn of_key_bytes(key: &[u8; 32]) -> Self {
        let mut bytes = [0; LEN];
        bytes.iter_mut().zip(kdf::sha256(&[key])).for_each(|(to, from)| *to = from);
        Self(bytes)
    }

    /// From the 20 bytes behind the text.
    pub const fn from_bytes(bytes: [u8; LEN]) -> Self {
        Self(bytes)
    }

    /// The 20 bytes behind the text.
    pub const fn as_bytes(&self) -> &[u8; LEN] {
        &self.0
    }

    /// The agent's DID, `did:agentmesh:` and the AMID.
    pub fn did(&self) -> String {
        format!("did:agentmesh:{self}")
    }
}

impl fmt::Display for Amid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&bs58::encode(self.0).into_string())
    }
}

impl fmt::Debug for Amid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Amid({self})")
    }
}

impl FromStr for Amid {
    type Err = AmidError;

    fn from_str(text: &str) -> Result<Self, AmidError> {
        // Base58 of bounded length decodes to one value, and each value is written in one way only: a
        // leading 1 for each leading zero byte, then no leading zero digit.
        if text.len() > MAX_CHARS {
            return Err(AmidError::Length);
        }
        let mut bytes = [0; MAX_CHARS];
        let len = bs58::decode(text).onto(&mut bytes[..]).map_err(|_| AmidError::Encoding)?;
        let decoded = bytes.get(..len).and_then(|b| <[u8; LEN]>::try_from(b).ok());
        let amid = Self(decoded.ok_or(AmidError::Length)?);
        if amid.to_string() == text { Ok(amid) } else { Err(AmidError::Encoding) }
    }
}

impl Serialize for Amid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Amid;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an AMID")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Amid, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The hashing alone, for keys that `VerifyingKey` refuses.
    #[test]
    fn known_answers_of_unusable_keys() {
        let amid = |byte| Amid::of_key_bytes(&[byte; 32]).to_string();
        assert_eq!(amid(0), "2RkUfDC55GMndKreXqK7Jruu8Snx");
        assert_eq!(amid(0xff), "3St4C9uWg9FbmtkUxQGfV88iEJyn");
    }

    #[test]
    fn leading_zero_bytes_become_ones() {
        let mut bytes = [0; LEN];
        bytes[19] = 0xff;
        let amid = Amid::from_bytes(bytes);
        assert_eq!(amid.to_string(), "11111111111111111115Q");
        assert_eq!("11111111111111111115Q".parse(), Ok(amid));
        assert_eq!("1".repeat(20).parse(), Ok(Amid::from_bytes([0; LEN])));
    }

    #[test]
    fn refuses_everything_else() {
        let good = "3vaLv8qnmGSndxmYvHiHWN3cb312";
        assert!(good.parse::<Amid>().is_ok());
        for (bad, why) in [
            ("", AmidError::Length),
            (&good[3..], AmidError::Length),
            (&format!("1{good}"), AmidError::Length),
            (&format!(" {}", &good[1..]), AmidError::Encoding),
            ("0vaLv8qnmGSndxmYvHiHWN3cb312", AmidError::Encoding),
            ("3vaLv8qnmGSndxmYvHiHWN3cb31é", AmidError::Length),
            ("zzzzzzzzzzzzzzzzzzzzzzzzzzzz", AmidError::Length),
        ] {
            assert_eq!(bad.parse::<Amid>(), Err(why), "{bad}");
        }
    }

    #[test]
    fn json_is_the_text() {
        let amid: Amid = "3vaLv8qnmGSndxmYvHiHWN3cb312".parse().unwrap();
        let json = serde_json::to_string(&amid).unwrap();
        assert_eq!(json, "\"3vaLv8qnmGSndxmYvHiHWN3cb312\"");
        assert_eq!(serde_json::from_str::<Amid>(&json).unwrap(), amid);
        assert!(serde_json::from_str::<Amid>("\"x\"").is_err());
        assert!(serde_json::from_str::<Amid>("7").is_err());
    }

    proptest! {
        #[test]
        fn round_trips(bytes in any::<[u8; LEN]>(), zeros in 0..LEN) {
            let mut bytes = bytes;
            bytes[..zeros].fill(0);
            let amid = Amid::from_bytes(bytes);
            prop_assert_eq!(amid.to_string().parse(), Ok(amid));
        }

        #[test]
        fn never_panics_and_is_canonical(text in ".{0,40}") {
            if let Ok(amid) = text.parse::<Amid>() {
                prop_assert_eq!(amid.to_string(), text);
            }
        }
    }
}
