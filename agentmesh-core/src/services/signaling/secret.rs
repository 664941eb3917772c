//! Text that nobody else may read: wiped when dropped, and never printed.

use std::fmt;

use zeroize::Zeroizing;

/// A session's token, a room's join key, or the credential of a TURN server. `Debug` says only that there is one.
#[derive(PartialEq, Eq)]
pub struct SignalingSecret(Zeroizing<String>);

impl SignalingSecret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text, for whoever has to send or keep it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A second copy, for another owner.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self::new(self.expose())
    }
}

impl fmt::Debug for SignalingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignalingSecret(..)")
    }
}
