//! A piece of a large payload, ours or a peer's. Written once, read when it is needed, deleted when it is not.

use zeroize::Zeroizing;

use crate::{
    codec::{CodecError, Reader, Write},
    engine::table::Stored,
    identity::Amid,
    limits,
    storage::RecordKind,
    wire::id::MessageId,
};

const VERSION: u8 = 1;
/// The version of every chunk in its store: it is never written again.
pub(crate) const STORE_VERSION: u64 = 1;

/// Names one piece of a large payload in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChunkKey {
    /// Who sent it; `None` if it is ours.
    pub(crate) from: Option<Amid>,
    /// The message whose payload it belongs to.
    pub(crate) message: MessageId,
    pub(crate) index: u32,
}

/// One piece of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) key: ChunkKey,
    pub(crate) bytes: Vec<u8>,
}

fn put_key(key: &ChunkKey, out: &mut impl Write) {
    out.put_bool(key.from.is_some());
    if let Some(from) = &key.from {
        out.put(from.as_bytes());
    }
    out.put(key.message.as_bytes());
    out.put_u32(key.index);
}

impl Stored for Chunk {
    const KIND: RecordKind = RecordKind::Chunk;
    type Key = ChunkKey;

    fn key(&self) -> ChunkKey {
        self.key
    }

    fn logical(key: &ChunkKey) -> Vec<u8> {
        let mut logical = Vec::with_capacity(41);
        put_key(key, &mut logical);
        logical
    }

    fn encode(&self, out: &mut Zeroizing<Vec<u8>>) {
        out.put_u8(VERSION);
        put_key(&self.key, &mut **out);
        out.put_lp(&self.bytes);
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
        let version = r.u8("version")?;
        if version != VERSION {
            return Err(CodecError::UnknownVersion { what: "chunk record", version });
        }
        let key = ChunkKey {
            from: r.option("from", |r| Ok(Amid::from_bytes(r.array("from")?)))?,
            message: MessageId::from_bytes(r.array("message")?)?,
            index: r.u32("index")?,
        };
        let chunk = Self { key, bytes: r.lp(limits::MAX_FRAME, "bytes")?.to_vec() };
        r.finish("chunk record")?;
        Ok(chunk)
    }
}
