//! Who is in a room: ids that the server gives out.

use std::{borrow::Borrow, fmt, sync::Arc};

use serde::{Serialize, Serializer};

/// The id of a client in a room. Opaque, compared as text; whoever joins the room sees all of them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(Arc<str>);

impl PeerId {
    /// Characters of an id. Servers give out UUIDs, which have 36.
    pub(crate) const MAX: usize = 128;

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An id that a server may have given out.
    pub(crate) fn plausible(text: &str) -> Option<Self> {
        let plausible = !text.is_empty() && text.len() <= Self::MAX;
        (plausible && !text.contains(char::is_control)).then(|| Self(text.into()))
    }
}

impl From<&str> for PeerId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for PeerId {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&Self> for PeerId {
    fn from(id: &Self) -> Self {
        id.clone()
    }
}

impl Borrow<str> for PeerId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({})", self.0)
    }
}

impl Serialize for PeerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
