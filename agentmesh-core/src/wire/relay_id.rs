//! The id of one frame at the relay (`docs/protocol/native.md` §8): 16 random bytes, 32 lower-case hex digits in
//! JSON. It is scoped to the sending AMID and says nothing about the message inside, which has an id of its own.

use core::{fmt, str::FromStr};

use rand_core::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::codec::CodecError;

/// Names a frame between its sender and the relay, and between the relay and its recipient.
///
/// Unique only together with the sender's AMID: two senders may pick the same id without harm.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayMessageId([u8; 16]);

impl RelayMessageId {
    /// A fresh random id.
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// From its 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Its 32 lower-case hex digits, without an allocation.
    pub fn to_hex(&self) -> [u8; 32] {
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            if let [high, low] = pair {
                *high = hex_digit(byte >> 4);
                *low = hex_digit(byte & 15);
            }
        }
        text
    }
}

const fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for RelayMessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RelayMessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelayMessageId({self})")
    }
}

impl FromStr for RelayMessageId {
    type Err = CodecError;

    /// Exactly 32 lower-case hex digits.
    fn from_str(text: &str) -> Result<Self, CodecError> {
        const INVALID: CodecError = CodecError::InvalidValue { field: "message_id" };
        let digits: &[u8; 32] = text.as_bytes().try_into().map_err(|_| INVALID)?;
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = pair else { return Err(INVALID) };
            *byte = hex_value(*high).ok_or(INVALID)? << 4 | hex_value(*low).ok_or(INVALID)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for RelayMessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RelayMessageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = RelayMessageId;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("32 lower-case hex digits")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<RelayMessageId, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_exactly_32_lower_case_hex_digits() {
        let id = RelayMessageId::from_bytes(*b"\x00\x01\x0f\x10\xab\xcd\xef\xff01234567");
        assert_eq!(id.to_string(), "00010f10abcdefff3031323334353637");
        assert_eq!(&id.to_hex()[..], id.to_string().as_bytes());
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in
            ["", "00", "00010F10abcdefff3031323334353637", "g0010f10abcdefff3031323334353637"]
        {
            assert!(bad.parse::<RelayMessageId>().is_err(), "{bad}");
        }
        assert!(format!("{id}0").parse::<RelayMessageId>().is_err());
    }
}
