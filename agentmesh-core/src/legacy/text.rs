//! Base64, hex and serde types of keys as `agentmesh/0.2` writes them.

use core::{fmt, marker::PhantomData};

use base64ct::{Base64, Base64Unpadded, Encoding};
use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};
use zeroize::Zeroizing;

use super::LegacyFormatError;
use crate::{
    keys::{DhPublicKey, Secret, Signature},
    wire::registry::{EXCHANGE_KEY_PREFIX, strip_key_prefix},
};

/// Standard base64 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// Base64 of a secret, in memory that is wiped.
pub(super) fn secret_base64(bytes: &[u8; 32]) -> Zeroizing<String> {
    let mut buf = [0; 44];
    let text = Zeroizing::new(Base64::encode(bytes, &mut buf).unwrap_or_default().to_owned());
    zeroize::Zeroize::zeroize(&mut buf);
    text
}

/// Strict standard base64 with padding.
pub(super) fn unbase64(text: &str) -> Option<Vec<u8>> {
    Base64::decode_vec(text).ok()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// Exactly `2 * N` hex digits of either case.
pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut out = [0; N];
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(out)
}

/// Says where in `what` the JSON is wrong.
pub(super) fn malformed(what: &'static str) -> impl Fn(serde_json::Error) -> LegacyFormatError {
    move |e| LegacyFormatError::Malformed { what, line: e.line(), column: e.column() }
}

/// A peer's public ratchet key, from what hands it over: a JSON string of base64, or an array of 32 numbers.
///
/// # Errors
/// [`LegacyFormatError::Malformed`].
pub fn ratchet_key_from_json(json: &str) -> Result<DhPublicKey, LegacyFormatError> {
    serde_json::from_str::<PublicKey>(json).map(|key| key.0).map_err(malformed("ratchet key"))
}

/// Our public ratchet key as a JSON string of base64.
pub fn ratchet_key_to_json(key: &DhPublicKey) -> String {
    format!("\"{}\"", base64(key.as_bytes()))
}

/// A public X25519 key: base64 with or without prefix, or an array of 32 numbers.
#[derive(Clone, Copy)]
pub(super) struct PublicKey(pub(super) DhPublicKey);

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Key;
        impl<'de> Visitor<'de> for Key {
            type Value = PublicKey;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an X25519 key: base64, or 32 numbers")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<PublicKey, E> {
                let encoded = strip_key_prefix(text, EXCHANGE_KEY_PREFIX);
                let mut bytes = [0; 32];
                match Base64::decode(encoded, &mut bytes) {
                    Ok(all) if all.len() == 32 => Ok(PublicKey(DhPublicKey::from_bytes(bytes))),
                    _ => Err(E::custom("not 32 bytes of base64")),
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<PublicKey, A::Error> {
                let mut bytes = [0; 32];
                for byte in &mut bytes {
                    *byte =
                        items.next_element()?.ok_or_else(|| A::Error::custom("too few numbers"))?;
                }
                if items.next_element::<u8>()?.is_some() {
                    return Err(A::Error::custom("too many numbers"));
                }
                Ok(PublicKey(DhPublicKey::from_bytes(bytes)))
            }
        }
        from.deserialize_any(Key)
    }
}

/// Text of which `T` is made; decoded without an owned copy of the text.
macro_rules! from_text {
    ($name:ident($inner:ty), $expected:literal, |$text:ident| $decode:expr) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Text<T>(PhantomData<T>);
                impl Visitor<'_> for Text<$name> {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }
                    fn visit_str<E: Error>(self, $text: &str) -> Result<$name, E> {
                        let decoded: Option<$inner> = $decode;
                        decoded.map($name).ok_or_else(|| E::custom(concat!("not ", $expected)))
                    }
                }
                from.deserialize_str(Text::<$name>(PhantomData))
            }
        }
    };
}

/// 32 secret bytes from a file, with or without padding.
pub(super) struct SecretKey(pub(super) Secret<32>);

from_text!(SecretKey(Secret<32>), "32 bytes of base64", |text| {
    let mut complete = false;
    let secret = Secret::fill_with(|out| {
        let decoded = if text.len() == 43 {
            Base64Unpadded::decode(text, out)
        } else {
            Base64::decode(text, out)
        };
        complete = decoded.is_ok_and(|bytes| bytes.len() == 32);
    });
    complete.then_some(secret)
});

/// A signature; one of another length is none, and verifies nothing.
pub(super) struct MaybeSignature(pub(super) Option<Signature>);

from_text!(MaybeSignature(Option<Signature>), "base64", |text| {
    unbase64(text).map(|bytes| Signature::from_slice(&bytes).ok())
});
