//! Text that nobody else may read.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// An API key, a token, a password, a room's key: wiped when dropped, never printed, compared in a time that does not say
/// where the first difference is.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes the text over as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Takes the text without the white space around it, which files and environments add.
    pub fn trimmed(text: impl Into<String>) -> Self {
        let text = Zeroizing::new(text.into());
        Self::new(text.trim())
    }

    /// Whether there is anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is this text, in constant time for texts of one length.
    pub fn is(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }

    /// The text, for whoever has to send or keep it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A second copy, for another owner.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl PartialEq for SecretText {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.expose())
    }
}

impl Eq for SecretText {}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redaction::Shown;

    #[test]
    fn secrets_print_nothing_and_compare_whole() {
        let secret = SecretText::trimmed(" open sesame\n");
        assert!(secret.is("open sesame") && !secret.is("open") && !secret.is_empty());
        assert!(secret == secret.duplicate() && secret != SecretText::new(" open sesame\n"));
        let mut shown = Shown::default();
        shown.add("SecretText", &secret);
        assert!(!shown.without(&[b"sesame"]).is_empty());
    }
}
