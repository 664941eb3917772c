//! Streams that have not ended. All of them are in memory while the client runs; their number is bounded.

use zeroize::Zeroizing;

use crate::{
    codec::{CodecError, Reader, Write},
    engine::table::Stored,
    identity::Amid,
    storage::RecordKind,
    stream::{StreamKey, StreamRole, StreamState},
    time::Timestamp,
    wire::{id::MessageId, plaintext::StreamTerms},
};

const VERSION: u8 = 1;

/// How far a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamEntry {
    pub(crate) key: StreamKey,
    pub(crate) state: StreamState,
    /// When it last moved.
    pub(crate) at: Timestamp,
}

impl Stored for StreamEntry {
    const KIND: RecordKind = RecordKind::Stream;
    type Key = StreamKey;

    fn key(&self) -> StreamKey {
        self.key
    }

    fn logical(key: &StreamKey) -> Vec<u8> {
        let mut logical = vec![key.role as u8];
        logical.extend_from_slice(key.peer.as_bytes());
        logical.extend_from_slice(key.id.as_bytes());
        logical
    }

    fn encode(&self, out: &mut Zeroizing<Vec<u8>>) {
        let Self { key: StreamKey { peer, id, role }, state, at } = self;
        let StreamState { chunks, frames, terms } = state;
        out.put_u8(VERSION);
        out.put_u8(*role as u8);
        out.put(peer.as_bytes());
        out.put(id.as_bytes());
        out.put_u64(*chunks);
        out.put_u64(*frames);
        out.put_u32(terms.frames);
        out.put_u32(terms.bytes);
        out.put_u64(at.as_millis());
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
        let version = r.u8("version")?;
        if version != VERSION {
            return Err(CodecError::UnknownVersion { what: "stream record", version });
        }
        let role = match r.u8("role")? {
            1 => StreamRole::Sender,
            2 => StreamRole::Reader,
            _ => return Err(CodecError::InvalidValue { field: "role" }),
        };
        let peer = Amid::from_bytes(r.array("peer")?);
        let id = MessageId::from_bytes(r.array("id")?)?;
        let (chunks, frames) = (r.u64("chunks")?, r.u64("frames")?);
        let terms = StreamTerms { frames: r.u32("window")?, bytes: r.u32("window")? };
        if !terms.is_valid() {
            return Err(CodecError::InvalidValue { field: "window" });
        }
        let at = Timestamp::from_millis(r.u64("at")?);
        r.finish("stream record")?;
        let key = StreamKey { peer, id, role };
        Ok(Self { key, state: StreamState { chunks, frames, terms }, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_is_read_as_it_was_written_and_nothing_else_is() {
        let entry = StreamEntry {
            key: StreamKey {
                peer: Amid::from_bytes([7; 20]),
                id: "019c2871-5a00-7abc-8def-0123456789ab".parse().unwrap(),
                role: StreamRole::Reader,
            },
            state: StreamState { chunks: 5000, frames: 0, terms: StreamTerms::default() },
            at: Timestamp::from_millis(1_770_206_400_000),
        };
        let mut bytes = Zeroizing::new(Vec::new());
        entry.encode(&mut bytes);
        assert_eq!(StreamEntry::decode(&bytes), Ok(entry));
        for end in 0..bytes.len() {
            assert!(StreamEntry::decode(&bytes[..end]).is_err(), "{end}");
        }
        let mut other = bytes.clone();
        other[0] = 2;
        assert!(StreamEntry::decode(&other).is_err());
    }
}
