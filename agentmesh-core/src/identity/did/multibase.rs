//! Public keys in multibase: `z` and base58 of a multicodec prefix and the key, and what deployed software writes instead.

use base64ct::{Base64, Encoding};

/// Multicodec prefix of Ed25519 public keys; in base58 they begin with `z6Mk`.
const ED25519: [u8; 2] = [0xed, 0x01];
/// Multicodec prefix of X25519 public keys; in base58 they begin with `z6LS`.
const X25519: [u8; 2] = [0xec, 0x01];
/// Longest text looked at: a prefix and 44 characters of base64.
const MAX_CHARS: usize = 64;

/// Which kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    Ed25519,
    X25519,
}

impl KeyKind {
    const fn codec(self) -> [u8; 2] {
        match self {
            Self::Ed25519 => ED25519,
            Self::X25519 => X25519,
        }
    }

    /// The prefix that `agentmesh/0.2` puts before base64.
    const fn text_prefix(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519:",
            Self::X25519 => "x25519:",
        }
    }
}

/// `z6Mk…` or `z6LS…`.
pub(super) fn encode(kind: KeyKind, key: &[u8; 32]) -> String {
    let bytes = [&kind.codec()[..], key].concat();
    format!("z{}", bs58::encode(bytes).into_string())
}

/// Reads a key of this kind in any of three forms: with its multicodec prefix; bare in base58, as the JavaScript SDK
/// writes it; `z` and what was registered, as the deployed registry does: base64, usually with a textual prefix. Their
/// lengths and alphabets tell them apart. A key that says that it is of another kind is refused.
pub(super) fn decode(kind: KeyKind, text: &str) -> Option<[u8; 32]> {
    if text.len() > MAX_CHARS {
        return None;
    }
    let rest = text.strip_prefix('z')?;
    let base64 = rest.strip_prefix(kind.text_prefix());
    if base64.is_some() || rest.ends_with('=') {
        let mut key = [0; 32];
        let decoded = Base64::decode(base64.unwrap_or(rest), &mut key).ok()?;
        return (decoded.len() == 32).then_some(key);
    }
    let bytes = bs58::decode(rest).into_vec().ok()?;
    match bytes.as_slice().strip_prefix(&kind.codec()) {
        Some(key) if bytes.len() == 34 => key.try_into().ok(),
        _ => bytes.try_into().ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_answers() {
        // From the Ed25519Signature2020 and did:key examples: the prefixes that everybody recognises.
        assert!(encode(KeyKind::Ed25519, &[0; 32]).starts_with("z6Mk"));
        assert!(encode(KeyKind::Ed25519, &[0xff; 32]).starts_with("z6Mk"));
        assert!(encode(KeyKind::X25519, &[0; 32]).starts_with("z6LS"));
        assert!(encode(KeyKind::X25519, &[0xff; 32]).starts_with("z6LS"));
        // did:key test vector of the W3C CCG.
        let key = decode(KeyKind::Ed25519, "z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp");
        let hex: String = key.unwrap().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29");
    }

    proptest! {
        #[test]
        fn all_three_forms_are_read_and_kinds_are_not_mixed_up(key in any::<[u8; 32]>()) {
            for (kind, other) in
                [(KeyKind::Ed25519, KeyKind::X25519), (KeyKind::X25519, KeyKind::Ed25519)]
            {
                let base64 = Base64::encode_string(&key);
                let prefixed = format!("z{}{base64}", kind.text_prefix());
                for text in [
                    encode(kind, &key),
                    format!("z{}", bs58::encode(key).into_string()),
                    prefixed.clone(),
                    format!("z{base64}"),
                ] {
                    prop_assert_eq!(decode(kind, &text), Some(key), "{}", text);
                }
                prop_assert_eq!(decode(other, &encode(kind, &key)), None);
                prop_assert_eq!(decode(other, &prefixed), None);
            }
        }

        #[test]
        fn never_panics(text in ".{0,80}", base58 in "z[1-9A-HJ-NP-Za-km-z]{0,70}") {
            for text in [text, base58] {
                let _ = decode(KeyKind::Ed25519, &text);
            }
        }
    }
}
