//! A bearer token or API key: wiped when dropped, never printed.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A secret that is sent in a header, or compared with one that came in it.
pub struct Credential(Zeroizing<String>);

impl Credential {
    /// Takes the secret as it is, without the white space around it that files and environments add.
    pub fn new(secret: impl Into<String>) -> Self {
        let secret = Zeroizing::new(secret.into());
        Self(Zeroizing::new(secret.trim().to_owned()))
    }

    /// Whether there is anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares in a time that does not say where the first difference is.
    pub fn is(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }

    /// The secret itself, to put it into a header.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// A second copy, said aloud.
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redaction::Shown;

    #[test]
    fn credentials_print_nothing_and_compare_whole() {
        let credential = Credential::new(" open sesame\n");
        assert!(credential.is("open sesame") && !credential.is("open") && !credential.is_empty());
        let mut shown = Shown::default();
        shown.add("Credential", &credential);
        assert!(!shown.without(&[b"sesame"]).is_empty());
    }
}
