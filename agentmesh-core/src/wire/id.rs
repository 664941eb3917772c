//! The id of a message, sealed inside it (`docs/protocol/native.md` §6): UUIDv7, so that ids sort by time.

use core::{fmt, str::FromStr};

use rand_core::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::{Timestamp, codec::CodecError};

const INVALID: CodecError = CodecError::InvalidValue { field: "message id" };

/// Names a message between two agents, whatever sessions and frames it travels in.
///
/// Receipts, answers and duplicate detection go by it. Unique for the pair of agents; a peer chooses its own, so
/// keep the peer's AMID beside it.
///
/// ```
/// use agentmesh_core::wire::id::MessageId;
///
/// let id: MessageId = "019c2871-5a00-7abc-8def-0123456789ab".parse()?;
/// assert_eq!(id.to_string(), "019c2871-5a00-7abc-8def-0123456789ab");
/// assert_eq!(id.time().as_millis(), 0x019c_2871_5a00);
/// # Ok::<(), agentmesh_core::codec::CodecError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId([u8; 16]);

impl MessageId {
    /// A fresh id: the time in milliseconds, then 74 random bits.
    pub fn new_v7(now: Timestamp, rng: &mut dyn CryptoRng) -> Self {
        let mut random = [0; 10];
        rng.fill_bytes(&mut random);
        Self(
            uuid::Builder::from_unix_timestamp_millis(now.as_millis(), &random)
                .into_uuid()
                .into_bytes(),
        )
    }

    /// An id that follows from this one: its time, then the first bytes of `digest`. Who makes it twice from the same
    /// makes the same, so that what was sent before a crash and after it counts once.
    pub(crate) fn derived(&self, digest: &[u8; 32]) -> Self {
        let mut bytes = self.0;
        for (to, from) in bytes.iter_mut().zip(digest).skip(6) {
            *to = *from;
        }
        let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
        *version = *version & 0x0f | 0x70;
        *variant = *variant & 0x3f | 0x80;
        Self(bytes)
    }

    /// From its 16 bytes.
    ///
    /// # Errors
    /// [`CodecError::InvalidValue`] if version and variant are not those of a UUIDv7.
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, CodecError> {
        let [_, _, _, _, _, _, version, _, variant, ..] = bytes;
        if version >> 4 == 7 && variant >> 6 == 0b10 { Ok(Self(bytes)) } else { Err(INVALID) }
    }

    /// Its 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// When the id was made, by the clock of whoever made it.
    pub const fn time(&self) -> Timestamp {
        let [a, b, c, d, e, f, ..] = self.0;
        Timestamp::from_millis(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Uuid::from_bytes(self.0), f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({self})")
    }
}

impl FromStr for MessageId {
    type Err = CodecError;

    /// The form with hyphens, and no other.
    fn from_str(text: &str) -> Result<Self, CodecError> {
        if text.len() != uuid::fmt::Hyphenated::LENGTH {
            return Err(INVALID);
        }
        Self::from_bytes(Uuid::try_parse(text).map_err(|_| INVALID)?.into_bytes())
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = MessageId;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a UUIDv7")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<MessageId, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_utils::seeded_rng;

    #[test]
    fn is_a_uuid_v7_that_sorts_by_time() {
        let mut rng = seeded_rng(1);
        let at = |ms, rng: &mut dyn CryptoRng| MessageId::new_v7(Timestamp::from_millis(ms), rng);
        let id = at(1_770_206_400_123, &mut rng);
        assert_eq!(id.time(), Timestamp::from_millis(1_770_206_400_123));
        assert_eq!(MessageId::from_bytes(*id.as_bytes()), Ok(id));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id < at(1_770_206_400_124, &mut rng));
        assert_ne!(at(5, &mut rng), at(5, &mut rng));
    }

    #[test]
    fn refuses_other_versions_and_other_forms() {
        for bad in [
            "",
            "019c28715a007abc8def0123456789ab",
            "{019c2871-5a00-7abc-8def-0123456789ab}",
            "019c2871-5a00-4abc-8def-0123456789ab",
            "019c2871-5a00-7abc-cdef-0123456789ab",
            "019c2871-5a00-7abc-8def-0123456789ag",
        ] {
            assert!(bad.parse::<MessageId>().is_err(), "{bad}");
        }
        assert!(MessageId::from_bytes([0; 16]).is_err());
    }

    #[test]
    fn is_text_in_json() {
        let id: MessageId = "019c2871-5a00-7abc-8def-0123456789ab".parse().unwrap();
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, "\"019c2871-5a00-7abc-8def-0123456789ab\"");
        assert_eq!(serde_json::from_str::<MessageId>(&json).unwrap(), id);
    }
}
