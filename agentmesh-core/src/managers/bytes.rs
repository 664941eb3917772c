//! Bytes in JSON: written as base64, read as base64 or as an array of numbers, which is how JavaScript passes a `Uint8Array`
//! on. Keys may have the prefix of their kind.

use base64ct::{Base64, Encoding};
use serde::{Deserialize, Deserializer, Serializer};

use crate::keys::{DhPublicKey, Signature};

#[derive(Deserialize)]
#[serde(untagged)]
enum Either {
    Text(String),
    Numbers(Vec<u8>),
}

pub(super) fn encode(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// Any bytes.
pub(super) mod any {
    use super::{Base64, Deserialize, Deserializer, Either, Encoding, Serializer, encode};
    use serde::de::Error as _;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        match Either::deserialize(from)? {
            Either::Numbers(bytes) => Ok(bytes),
            Either::Text(text) => {
                let bare = ["x25519:", "ed25519:"]
                    .iter()
                    .find_map(|prefix| text.strip_prefix(prefix))
                    .unwrap_or(&text);
                Base64::decode_vec(bare).map_err(|_| D::Error::custom("not base64"))
            }
        }
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
