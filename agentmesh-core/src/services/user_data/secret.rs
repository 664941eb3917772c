//! API keys and tokens: wiped when dropped, never printed.

use std::fmt;

use zeroize::Zeroizing;

/// An API key, or a token that stands for one session.
#[derive(PartialEq, Eq)]
pub struct ApiKey(Zeroizing<String>);

impl ApiKey {
    /// Takes the key as it is, without the white space around it that files and environments add.
    pub fn new(key: impl Into<String>) -> Self {
        let key = Zeroizing::new(key.into());
        Self(Zeroizing::new(key.trim().to_owned()))
    }

    /// Whether there is anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key itself, for whoever has to send it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// A second copy, for another owner.
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}
