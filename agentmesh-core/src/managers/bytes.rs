//! Bytes in JSON: written as base64, read as base64 or as an array of numbers, which is how JavaScript passes a `Uint8Array`
//! on. Keys may have the prefix of their kind.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserializer, Serializer};

use crate::keys::{DhPublicKey, Signature};

/// Everything here is public, so nothing is lost by an encoder that is fast instead of one that takes constant time.
pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Any bytes.
pub(super) mod any {
    use core::fmt;

    use super::{Deserializer, STANDARD, Serializer, encode};
    use base64::Engine as _;
    use serde::de::{Error, SeqAccess, Visitor};

    struct Bytes;

    impl<'de> Visitor<'de> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("base64, or an array of numbers")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<u8>, E> {
            let prefixes = ["x25519:", "ed25519:"];
            let bare = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
            STANDARD.decode(bare).map_err(|_| E::custom("not base64"))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Vec<u8>, A::Error> {
            let mut bytes = Vec::new();
            while let Some(byte) = numbers.next_element()? {
                bytes.push(byte);
            }
            Ok(bytes)
        }
    }

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        from.deserialize_any(Bytes)
    }
}

/// An X25519 public key.
pub(super) mod key {
    use super::{Deserializer, DhPublicKey, Serializer, any};
    use serde::de::Error as _;

    pub(crate) fn serialize<S: Serializer>(key: &DhPublicKey, to: S) -> Result<S::Ok, S::Error> {
        any::serialize(key.as_bytes(), to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DhPublicKey, D::Error> {
        DhPublicKey::from_slice(&any::deserialize(from)?)
            .map_err(|_| D::Error::custom("a key has 32 bytes"))
    }
}

/// A signature, which may be missing.
pub(super) mod signature {
    use super::{Deserializer, Serializer, Signature, any};
    use serde::{Deserialize, Serialize};

    pub(crate) fn serialize<S: Serializer>(
        signature: &Option<Signature>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        signature.as_ref().map(|s| super::encode(s.as_bytes())).serialize(to)
    }

    /// What is not 64 bytes long is missing: deployed SDKs write empty ones.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Signature>, D::Error> {
        #[derive(Deserialize)]
        struct Wrapped(#[serde(with = "any")] Vec<u8>);
        let read = Option::<Wrapped>::deserialize(from)?;
        Ok(read.and_then(|Wrapped(bytes)| Signature::from_slice(&bytes).ok()))
    }
}

/// Bytes that may be missing.
pub(super) mod option {
    use super::{Deserializer, Serializer, any};
    use serde::{Deserialize, Serialize};

    pub(crate) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        bytes.as_ref().map(|bytes| super::encode(bytes)).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        #[derive(Deserialize)]
        struct Wrapped(#[serde(with = "any")] Vec<u8>);
        Ok(Option::<Wrapped>::deserialize(from)?.map(|Wrapped(bytes)| bytes))
    }
}
