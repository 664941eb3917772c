//! The lines as they are written and read: a header at the beginning of every file, events, anchors.

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    identity::Amid,
    keys::{Secret, kdf},
    wire::id::MessageId,
};

use super::{
    AuditEntry, ChainId, LineHash, MAX_LINE,
    entry::Body,
    seal::{self, Place},
};

/// The format of the log.
pub(super) const VERSION: u64 = 1;

/// The first line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// The format.
    pub(super) audit: u64,
    pub(super) seq: u64,
    pub(super) prev: String,
    pub(super) chain: String,
    /// The number of the file.
    pub(super) file: u64,
    /// The lowest number that was kept when this file was begun.
    pub(super) oldest: u64,
    pub(super) timestamp: String,
    /// Whose log it is; an encrypted log does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) amid: Option<Amid>,
    /// The key's id, if the events are encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
}

/// A line that says that the agent vouches for everything before it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AnchorLine {
    pub(super) seq: u64,
    pub(super) prev: String,
    pub(super) timestamp: String,
    /// The signature, base64.
    pub(super) anchor: String,
}

#[derive(Serialize, Deserialize)]
struct PlainLine {
    seq: u64,
    prev: String,
    id: MessageId,
    timestamp: String,
    #[serde(flatten)]
    body: Body,
}

#[derive(Serialize, Deserialize)]
struct SealedLine {
    seq: u64,
    prev: String,
    id: MessageId,
    timestamp: String,
    nonce: String,
    ciphertext: String,
}

/// Enough of a line to tell which it is and where it stands.
#[derive(Deserialize)]
struct Head {
    seq: u64,
    prev: String,
    timestamp: String,
    audit: Option<u64>,
    anchor: Option<String>,
    ciphertext: Option<String>,
}

/// A line that was understood.
#[derive(Debug)]
pub(super) enum Parsed {
    Header(Header),
    Anchor(AnchorLine),
    /// An event; `None` if it is encrypted and there is no key to look with.
    Entry(Option<Box<AuditEntry>>),
}

/// A line with its place.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) seq: u64,
    pub(super) prev: LineHash,
    pub(super) parsed: Parsed,
}

/// Why a line is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Not JSON, or not of this log.
    Malformed,
    /// Of a newer release.
    Version(u64),
    /// It does not decrypt here.
    Sealed,
}

pub(super) fn hash(line: &[u8]) -> LineHash {
    kdf::sha256(&[line])
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Exactly `N` bytes as lower-case hexadecimal digits.
pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N || digits.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// An event as a line, in the clear.
pub(super) fn plain(seq: u64, prev: &LineHash, entry: &AuditEntry) -> Option<String> {
    let line = PlainLine {
        seq,
        prev: hex(prev),
        id: entry.id,
        timestamp: entry.timestamp.to_rfc3339_millis(),
        body: Body::of(entry),
    };
    serde_json::to_string(&line).ok()
}

/// An event as a line, encrypted.
pub(super) fn sealed(
    key: &Secret<32>,
    chain: ChainId,
    seq: u64,
    prev: &LineHash,
    entry: &AuditEntry,
    rng: &mut dyn rand_core::CryptoRng,
) -> Option<String> {
    let place = Place { chain, seq, prev: *prev, id: entry.id, timestamp: entry.timestamp };
    let body = zeroize::Zeroizing::new(serde_json::to_vec(&Body::of(entry)).ok()?);
    let (nonce, ciphertext) = seal::seal(key, &place, &body, rng)?;
    let line = SealedLine {
        seq,
        prev: hex(prev),
        id: entry.id,
        timestamp: entry.timestamp.to_rfc3339_millis(),
        nonce,
        ciphertext,
    };
    serde_json::to_string(&line).ok()
}

/// Reads a line, without its line feed. `key` is that of the chain, if the chain is encrypted and the key is there.
pub(super) fn parse(
    bytes: &[u8],
    chain: Option<ChainId>,
    key: Option<&Secret<32>>,
) -> Result<Line, Unreadable> {
    if bytes.len() > MAX_LINE {
        return Err(Unreadable::Malformed);
    }
    let malformed = |_| Unreadable::Malformed;
    let head: Head = serde_json::from_slice(bytes).map_err(malformed)?;
    let prev = unhex(&head.prev).ok_or(Unreadable::Malformed)?;
    let timestamp = Timestamp::parse_rfc3339(&head.timestamp).ok_or(Unreadable::Malformed)?;
    let seq = head.seq;
    let parsed = match (head.audit, head.anchor, head.ciphertext) {
        (Some(VERSION), None, None) => {
            Parsed::Header(serde_json::from_slice(bytes).map_err(malformed)?)
        }
        (Some(version), ..) => return Err(Unreadable::Version(version)),
        (None, Some(_), None) => Parsed::Anchor(serde_json::from_slice(bytes).map_err(malformed)?),
        (None, None, Some(_)) => {
            let line: SealedLine = serde_json::from_slice(bytes).map_err(malformed)?;
            match (chain, key) {
                (Some(chain), Some(key)) => {
                    let place = Place { chain, seq, prev, id: line.id, timestamp };
                    let body = seal::open(key, &place, &line.nonce, &line.ciphertext)
                        .ok_or(Unreadable::Sealed)?;
                    let body: Body = serde_json::from_slice(&body).map_err(malformed)?;
                    Parsed::Entry(Some(Box::new(body.into_entry(line.id, timestamp))))
                }
                _ => Parsed::Entry(None),
            }
        }
        (None, None, None) => {
            let line: PlainLine = serde_json::from_slice(bytes).map_err(malformed)?;
            Parsed::Entry(Some(Box::new(line.body.into_entry(line.id, timestamp))))
        }
        _ => return Err(Unreadable::Malformed),
    };
    Ok(Line { seq, prev, parsed })
}
