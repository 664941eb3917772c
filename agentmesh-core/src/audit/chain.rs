//! Writing: the end of a chain, from which the next line follows.

use core::fmt;

use rand_core::CryptoRng;

use crate::{
    Timestamp,
    identity::{Amid, Identity},
    keys::Secret,
};

use super::{
    Anchor, AuditEntry, AuditError, AuditKey, LineHash,
    line::{self, AnchorLine, Header, Parsed},
};

/// Names a chain: 16 random bytes, drawn when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainId([u8; 16]);

impl ChainId {
    pub(super) fn random(rng: &mut dyn CryptoRng) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        line::unhex(text).map(Self)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&line::hex(&self.0))
    }
}

/// The end of a chain. Gives lines without their line feed; whoever writes them keeps them in order, and after a
/// line that did not get to the disk goes on from a [`clone`](Clone::clone) made before.
#[derive(Clone)]
pub struct Chain {
    id: ChainId,
    amid: Amid,
    next: u64,
    last: LineHash,
    file: u64,
    key: Option<Key>,
}

#[derive(Clone)]
struct Key {
    id: String,
    chain: std::sync::Arc<Secret<32>>,
}

impl Key {
    fn new(key: &AuditKey, chain: &ChainId) -> Self {
        Self { id: key.id(), chain: std::sync::Arc::new(key.chain_key(chain)) }
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("id", &self.id)
            .field("next", &self.next)
            .field("file", &self.file)
            .field("encrypted", &self.key.is_some())
            .finish_non_exhaustive()
    }
}

impl Chain {
    /// A new chain. Its first line is [`begin_file`](Self::begin_file)'s.
    pub fn new(amid: Amid, key: Option<&AuditKey>, rng: &mut dyn CryptoRng) -> Self {
        let id = ChainId::random(rng);
        let key = key.map(|key| Key::new(key, &id));
        Self { id, amid, next: 0, last: [0; 32], file: 0, key }
    }

    /// Takes a chain up where it ends: `header` is the first line of its newest file, `last` the last one.
    ///
    /// # Errors
    /// [`AuditError::Broken`] if they are no such lines, [`AuditError::UnknownVersion`].
    pub fn resume(
        amid: Amid,
        key: Option<&AuditKey>,
        header: &[u8],
        last: &[u8],
    ) -> Result<Self, AuditError> {
        let broken = |problem| AuditError::Broken { file: String::new(), line: 1, problem };
        let header = match line::parse(header, None, None) {
            Ok(line::Line { parsed: Parsed::Header(header), .. }) => header,
            Err(line::Unreadable::Version(version)) => {
                return Err(AuditError::UnknownVersion { version });
            }
            _ => return Err(broken("the file does not begin with a header")),
        };
        let id = ChainId::parse(&header.chain).ok_or_else(|| broken("the chain has no id"))?;
        let end = line::parse(last, Some(id), None).map_err(|_| broken("the last line is none"))?;
        Ok(Self {
            id,
            amid,
            next: end.seq.saturating_add(1),
            last: line::hash(last),
            file: header.file,
            key: key.map(|key| Key::new(key, &id)),
        })
    }

    /// The chain's name.
    pub const fn id(&self) -> ChainId {
        self.id
    }

    /// The number of the file that is written to; 0 before the first.
    pub const fn file(&self) -> u64 {
        self.file
    }

    /// The id of the key that events are encrypted with.
    pub fn key_id(&self) -> Option<&str> {
        self.key.as_ref().map(|key| key.id.as_str())
    }

    /// The first line of the next file. `oldest` is the lowest number of a file that is kept.
    pub fn begin_file(&mut self, oldest: u64, now: Timestamp) -> String {
        self.file += 1;
        let header = Header {
            audit: line::VERSION,
            seq: self.next,
            prev: line::hex(&self.last),
            chain: self.id.to_string(),
            file: self.file,
            oldest: oldest.clamp(1, self.file),
            timestamp: now.to_rfc3339_millis(),
            amid: self.key.is_none().then_some(self.amid),
            key: self.key.as_ref().map(|key| key.id.clone()),
        };
        self.advance(serde_json::to_string(&header).unwrap_or_default())
    }

    /// The line of an event.
    pub fn append(&mut self, entry: &AuditEntry, rng: &mut dyn CryptoRng) -> String {
        let text = match &self.key {
            None => line::plain(self.next, &self.last, entry),
            Some(key) => line::sealed(&key.chain, self.id, self.next, &self.last, entry, rng),
        };
        // Neither can fail: there are only texts and numbers in it, and it is bounded.
        self.advance(text.unwrap_or_default())
    }

    /// A line with the agent's signature under everything before it.
    pub fn append_anchor(&mut self, identity: &Identity, now: Timestamp) -> String {
        use base64ct::{Base64, Encoding};
        let anchor = self.anchor(identity);
        let line = AnchorLine {
            seq: self.next,
            prev: line::hex(&self.last),
            timestamp: now.to_rfc3339_millis(),
            anchor: Base64::encode_string(&anchor.signature),
        };
        self.advance(serde_json::to_string(&line).unwrap_or_default())
    }

    /// The agent's signature under the last line, to be kept elsewhere.
    pub fn anchor(&self, identity: &Identity) -> Anchor {
        Anchor::sign(identity, self.id, self.next.saturating_sub(1), self.last)
    }

    fn advance(&mut self, text: String) -> String {
        self.last = line::hash(text.as_bytes());
        self.next += 1;
        text
    }
}
