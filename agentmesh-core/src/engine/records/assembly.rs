//! A peer's large payload that comes in parts: which of them are here, and what became of the whole.

use zeroize::Zeroizing;

use super::{group::decode_header, inbox::InboxKey};
use crate::{
    codec::{CodecError, Reader, Write},
    engine::{parts::Bitmap, table::Stored},
    handshake::SessionId,
    identity::Amid,
    storage::RecordKind,
    time::Timestamp,
    wire::{
        id::MessageId,
        plaintext::{Part, Plaintext, Stage as ReceiptStage},
    },
};

const VERSION: u8 = 1;

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AssemblyState {
    /// Parts are missing, or all are here and nobody has looked at the whole yet.
    Collecting,
    /// The whole is right and waits for its handler; it has an inbox entry.
    Whole,
    /// It will not be taken; its parts are gone. The stage is what the sender is told.
    Refused(ReceiptStage),
}

/// See the module. Its parts are chunks of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assembly {
    pub(crate) from: Amid,
    pub(crate) id: MessageId,
    /// The session of the first part that came.
    pub(crate) session: SessionId,
    pub(crate) state: AssemblyState,
    pub(crate) first_at: Timestamp,
    pub(crate) last_at: Timestamp,
    /// Bytes of the parts that are here.
    pub(crate) bytes: u64,
    pub(crate) parts: Bitmap,
    /// What the parts have in common, with an empty payload of the right type.
    pub(crate) header: Plaintext,
    pub(crate) part: Part,
}

impl Stored for Assembly {
    const KIND: RecordKind = RecordKind::Assembly;
    type Key = InboxKey;

    fn key(&self) -> InboxKey {
        (self.from, self.id)
    }

    fn logical(key: &InboxKey) -> Vec<u8> {
        super::inbox::encode_key(key)
    }

    fn encode(&self, out: &mut Zeroizing<Vec<u8>>) {
        out.put_u8(VERSION);
        out.put(self.from.as_bytes());
        out.put(self.id.as_bytes());
        out.put(self.session.as_bytes());
        out.put_u64(match self.state {
            AssemblyState::Collecting => 1,
            AssemblyState::Whole => 2,
            // Codes of refusals begin at 4.
            AssemblyState::Refused(stage) => stage.code(),
        });
        out.put_u64(self.first_at.as_millis());
        out.put_u64(self.last_at.as_millis());
        out.put_u64(self.bytes);
        self.parts.encode(&mut **out);
        out.put_lp(&self.header.encode().unwrap_or_default());
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
        let version = r.u8("version")?;
        if version != VERSION {
            return Err(CodecError::UnknownVersion { what: "assembly record", version });
        }
        let from = Amid::from_bytes(r.array("from")?);
        let id = MessageId::from_bytes(r.array("id")?)?;
        let session = SessionId::from_bytes(r.array("session")?);
        let state = match r.u64("state")? {
            1 => AssemblyState::Collecting,
            2 => AssemblyState::Whole,
            code => match ReceiptStage::from_code(code) {
                stage if stage.is_refusal() => AssemblyState::Refused(stage),
                _ => return Err(CodecError::InvalidValue { field: "state" }),
            },
        };
        let first_at = r.timestamp("first at")?;
        let last_at = r.timestamp("last at")?;
        let bytes = r.u64("bytes")?;
        let parts = Bitmap::decode(&mut r)?;
        let (header, part) = decode_header(&mut r)?;
        if parts.len() != part.count {
            return Err(CodecError::InvalidValue { field: "parts" });
        }
        r.finish("assembly record")?;
        Ok(Self { from, id, session, state, first_at, last_at, bytes, parts, header, part })
    }
}
