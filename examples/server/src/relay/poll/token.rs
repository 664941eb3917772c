//! What a session is asked for by: a name, and a secret that only its client knows.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Names a session; random, and worth nothing without the secret.
pub(super) type Name = [u8; 16];

/// What has to come with the name. Wiped when dropped, compared whole, never printed.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Secret([u8; 32]);

/// Name and secret. As text: both in base64url, 64 characters.
pub(super) struct Token {
    name: Name,
    secret: Secret,
}

impl Token {
    /// A new one.
    pub(super) fn generate() -> Result<Self, getrandom::Error> {
        let mut token = Self { name: [0; 16], secret: Secret([0; 32]) };
        getrandom::fill(&mut token.name)?;
        getrandom::fill(&mut token.secret.0)?;
        Ok(token)
    }

    /// The token in the value of an `Authorization` header.
    pub(super) fn from_header(value: &str) -> Option<Self> {
        let (scheme, text) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut bytes = Zeroizing::new([0; 48]);
        let decoded = Base64UrlUnpadded::decode(text.trim(), &mut *bytes).ok()?;
        let (name, secret) = decoded.split_first_chunk::<16>()?;
        Some(Self { name: *name, secret: Secret(secret.try_into().ok()?) })
    }

    /// For its client.
    pub(super) fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; 48]);
        bytes
            .iter_mut()
            .zip(self.name.iter().chain(&self.secret.0))
            .for_each(|(to, from)| *to = *from);
        Zeroizing::new(Base64UrlUnpadded::encode_string(&*bytes))
    }

    pub(super) const fn name(&self) -> Name {
        self.name
    }

    /// Compares in a time that does not say where the first difference is.
    pub(super) fn is(&self, other: &Self) -> bool {
        (self.name.ct_eq(&other.name) & self.secret.0.ct_eq(&other.secret.0)).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_from_its_header_and_no_other_is_it() {
        let token = Token::generate().unwrap();
        let text = token.to_text();
        assert_eq!(text.len(), 64);
        let read = |text: &str| Token::from_header(text);
        assert!(read(&format!("Bearer {}", *text)).unwrap().is(&token));
        assert!(read(&format!("bearer {}", *text)).unwrap().is(&token));
        assert!(!Token::generate().unwrap().is(&token));
        for wrong in ["", "Bearer", "Bearer ", "Basic abc", "Bearer abc", &text, "Bearer ä"] {
            assert!(read(wrong).is_none(), "{wrong}");
        }
        assert!(read(&format!("Bearer {}x", *text)).is_none());
        assert!(!format!("{token:?}").contains(&text[..8]));
    }
}
