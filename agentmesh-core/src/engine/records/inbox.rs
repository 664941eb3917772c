//! Messages that came in and are not handled yet, and the memory of those that are.

use core::fmt;

use zeroize::Zeroizing;

use crate::{
    codec::{CodecError, Reader, Write},
    engine::{Stage, table::Stored},
    handshake::SessionId,
    identity::Amid,
    limits,
    storage::RecordKind,
    time::Timestamp,
    wire::id::MessageId,
};

const VERSION: u8 = 1;

/// Message ids are the sender's: they mean something only together with it.
pub(crate) type InboxKey = (Amid, MessageId);

/// What an entry waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InboxState {
    /// For the application's handler.
    Ready,
    /// For the decision on the KNOCK of its session.
    Held,
    /// It is the KNOCK.
    Knock,
}

/// One message in the inbox.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct InboxEntry {
    pub(crate) from: Amid,
    pub(crate) id: MessageId,
    pub(crate) session: SessionId,
    pub(crate) state: InboxState,
    /// Order of arrival over all peers.
    pub(crate) order: u64,
    pub(crate) received_at: Timestamp,
    /// The CBOR plaintext, as it was opened.
    pub(crate) plaintext: Vec<u8>,
}

pub(super) fn encode_key(key: &InboxKey) -> Vec<u8> {
    let mut logical = key.0.as_bytes().to_vec();
    logical.extend_from_slice(key.1.as_bytes());
    logical
}

impl fmt::Debug for InboxEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, id, session, state, order: _, received_at: _, plaintext, .. } = self;
        f.debug_struct("InboxEntry")
            .field("from", from)
            .field("id", id)
            .field("session", session)
            .field("state", state)
            .field("plaintext_len", &plaintext.len())
            .finish_non_exhaustive()
    }
}

impl Stored for InboxEntry {
    const KIND: RecordKind = RecordKind::Inbox;
    type Key = InboxKey;

    fn key(&self) -> InboxKey {
        (self.from, self.id)
    }

    fn logical(key: &InboxKey) -> Vec<u8> {
        encode_key(key)
    }

    fn encode(&self, out: &mut Zeroizing<Vec<u8>>) {
        out.put_u8(VERSION);
        out.put(self.from.as_bytes());
        out.put(self.id.as_bytes());
        out.put(self.session.as_bytes());
        out.put_u8(match self.state {
            InboxState::Ready => 1,
            InboxState::Held => 2,
            InboxState::Knock => 3,
        });
        out.put_u64(self.order);
        out.put_u64(self.received_at.as_millis());
        out.put_lp(&self.plaintext);
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
        let version = r.u8("version")?;
        if version != VERSION {
            return Err(CodecError::UnknownVersion { what: "inbox record", version });
        }
        let entry = Self {
            from: Amid::from_bytes(r.array("from")?),
            id: MessageId::from_bytes(r.array("id")?)?,
            session: SessionId::from_bytes(r.array("session")?),
            state: match r.u8("state")? {
                1 => InboxState::Ready,
                2 => InboxState::Held,
                3 => InboxState::Knock,
                _ => return Err(CodecError::InvalidValue { field: "state" }),
            },
            order: r.u64("order")?,
            received_at: r.timestamp("received at")?,
            plaintext: r.lp(limits::MAX_FRAME, "plaintext")?.to_vec(),
        };
        r.finish("inbox record")?;
        Ok(entry)
    }
}

/// The memory of a message that was handled: it came, and which stage it reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) from: Amid,
    pub(crate) id: MessageId,
    pub(crate) stage: Stage,
    pub(crate) at: Timestamp,
}

impl Stored for Seen {
    const KIND: RecordKind = RecordKind::Seen;
    type Key = InboxKey;

    fn key(&self) -> InboxKey {
        (self.from, self.id)
    }

    fn logical(key: &InboxKey) -> Vec<u8> {
        encode_key(key)
    }

    fn encode(&self, out: &mut Zeroizing<Vec<u8>>) {
        out.put_u8(VERSION);
        out.put(self.from.as_bytes());
        out.put(self.id.as_bytes());
        out.put_u8(self.stage as u8);
        out.put_u64(self.at.as_millis());
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
        let version = r.u8("version")?;
        if version != VERSION {
            return Err(CodecError::UnknownVersion { what: "seen record", version });
        }
        let seen = Self {
            from: Amid::from_bytes(r.array("from")?),
            id: MessageId::from_bytes(r.array("id")?)?,
            stage: Stage::from_u8(r.u8("stage")?)
                .ok_or(CodecError::InvalidValue { field: "stage" })?,
            at: r.timestamp("at")?,
        };
        r.finish("seen record")?;
        Ok(seen)
    }
}
