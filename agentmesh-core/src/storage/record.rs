//! What a store keeps: a record is an id, a version and sealed bytes.
//!
//! Knows nothing of keys, nor of what is inside `sealed`; [`crate::vault`] makes and opens those bytes.
//! Spec: `docs/protocol/native.md` §9, `docs/protocol/state.md`.

use core::fmt;

/// What a record is about. Part of its id, so that records can be listed by kind.
///
/// The numbers are part of the stored format and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum RecordKind {
    /// The agent's own long-term keys; one record a store.
    Identity = 1,
    /// Private parts of the published prekeys.
    Prekeys = 2,
    /// What is known and decided about one peer.
    Peer = 3,
    /// One Double Ratchet session.
    Session = 4,
    /// A message that its recipient has not confirmed.
    Outbox = 5,
    /// A message received whose handler has not returned.
    Inbox = 6,
    /// Message ids seen lately, so that a handler sees a message once.
    Seen = 7,
    /// Everything else: counters, nonces, settings.
    Meta = 8,
    /// A plain value by name; [`crate::values`].
    Value = 9,
    /// What applications keep that move bytes themselves.
    Managed = 10,
    /// A large payload that comes in parts.
    Assembly = 11,
    /// A part of a large payload, ours or a peer's.
    Chunk = 12,
    /// How far a stream is.
    Stream = 13,
}

impl RecordKind {
    /// Every kind, by number.
    pub const ALL: [Self; 13] = [
        Self::Identity,
        Self::Prekeys,
        Self::Peer,
        Self::Session,
        Self::Outbox,
        Self::Inbox,
        Self::Seen,
        Self::Meta,
        Self::Value,
        Self::Managed,
        Self::Assembly,
        Self::Chunk,
        Self::Stream,
    ];

    /// The number that is stored.
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// The kind with that number; `None` for one that this build does not know.
    pub fn from_u8(n: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_u8() == n)
    }

    /// The kind's name, as in file names and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Prekeys => "prekeys",
            Self::Peer => "peer",
            Self::Session => "session",
            Self::Outbox => "outbox",
            Self::Inbox => "inbox",
            Self::Seen => "seen",
            Self::Meta => "meta",
            Self::Value => "value",
            Self::Managed => "managed",
            Self::Assembly => "assembly",
            Self::Chunk => "chunk",
            Self::Stream => "stream",
        }
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names one record. Ordered by kind, then key.
///
/// The key is opaque: [`crate::vault::Vault::record_id`] derives it under the store key, so that a store
/// does not learn whom an agent talks to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// What the record is about.
    pub kind: RecordKind,
    /// Which one of its kind.
    pub key: [u8; 16],
}

impl RecordId {
    /// Joins the two halves.
    pub const fn new(kind: RecordKind, key: [u8; 16]) -> Self {
        Self { kind, key }
    }

    /// Reads what [`fmt::Display`] writes: `session-` and 32 lower-case hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, hex) = text.split_once('-')?;
        let kind = RecordKind::ALL.into_iter().find(|kind| kind.as_str() == name)?;
        let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
        if pairs.len() != 16 || !rest.is_empty() {
            return None;
        }
        let mut key = [0; 16];
        for (byte, [high, low]) in key.iter_mut().zip(pairs) {
            *byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
        }
        Some(Self { kind, key })
    }
}

const fn hex_digit(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", self.kind)?;
        self.key.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A stored record.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub id: RecordId,
    /// 1 when first written, one more with every write.
    pub version: u64,
    /// Encrypted and authenticated content, bound to id and version.
    pub sealed: Vec<u8>,
}

impl fmt::Debug for Record {
    /// Shows the length of the content only: a page of ciphertext helps nobody.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, version, sealed } = self;
        f.debug_struct("Record")
            .field("id", id)
            .field("version", version)
            .field("sealed", &format_args!("{} bytes", sealed.len()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_keep_their_numbers_and_names() {
        for (kind, n) in RecordKind::ALL.into_iter().zip(1..) {
            assert_eq!(kind.as_u8(), n);
            assert_eq!(RecordKind::from_u8(n), Some(kind));
        }
        assert_eq!(RecordKind::from_u8(0), None);
        assert_eq!(RecordKind::from_u8(200), None);
    }

    #[test]
    fn an_id_reads_back_and_nothing_else_does() {
        for kind in RecordKind::ALL {
            let id = RecordId::new(kind, core::array::from_fn(|i| (i * 17) as u8));
            assert_eq!(RecordId::parse(&id.to_string()), Some(id));
        }
        for bad in [
            "",
            "session",
            "session-",
            "session-00",
            "sessions-00000000000000000000000000000000",
            "session-0000000000000000000000000000000G",
            "session-0000000000000000000000000000000A",
            "session-000000000000000000000000000000000",
            "session-00000000000000000000000000000000.tmp",
        ] {
            assert_eq!(RecordId::parse(bad), None, "{bad}");
        }
    }
}
