//! The circuit breakers as they are kept: one record, so that they hold over a restart.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::{
    codec::{CodecError, Reader, Write},
    engine::{circuit::CircuitState, table::Stored},
    identity::Amid,
    limits,
    storage::RecordKind,
    time::Timestamp,
};

const VERSION: u8 = 1;

/// State, since when, and who is blocked since when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CircuitRecord {
    pub(crate) state: CircuitState,
    /// When the state was entered; zero if it was never another.
    pub(crate) since: Timestamp,
    pub(crate) blocked: BTreeMap<Amid, Timestamp>,
}

impl Stored for CircuitRecord {
    const KIND: RecordKind = RecordKind::Meta;
    type Key = ();

    fn key(&self) {}

    fn logical((): &()) -> Vec<u8> {
        b"circuit".to_vec()
    }

    fn encode(&self, out: &mut Zeroizing<Vec<u8>>) {
        out.put_u8(VERSION);
        out.put_u8(self.state as u8);
        out.put_u64(self.since.as_millis());
        out.put_count(self.blocked.len());
        for (peer, since) in &self.blocked {
            out.put(peer.as_bytes());
            out.put_u64(since.as_millis());
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
        let version = r.u8("version")?;
        if version != VERSION {
            return Err(CodecError::UnknownVersion { what: "circuit record", version });
        }
        let state = CircuitState::from_u8(r.u8("state")?)
            .ok_or(CodecError::InvalidValue { field: "state" })?;
        let since = r.timestamp("since")?;
        let mut blocked = BTreeMap::new();
        for _ in 0..r.count(limits::MAX_BLOCKED_PEERS, "blocked peers")? {
            let peer = Amid::from_bytes(r.array("blocked peer")?);
            // Ascending, each once: one encoding a state.
            if blocked.last_key_value().is_some_and(|(last, _)| *last >= peer) {
                return Err(CodecError::InvalidValue { field: "blocked peer" });
            }
            blocked.insert(peer, r.timestamp("blocked since")?);
        }
        r.finish("circuit record")?;
        Ok(Self { state, since, blocked })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_is_written_as_documented_and_read_back() {
        let record = CircuitRecord {
            state: CircuitState::Stopped,
            since: Timestamp::from_millis(0x0102),
            blocked: [(Amid::from_bytes([7; 20]), Timestamp::from_millis(3))].into(),
        };
        assert_eq!(CircuitRecord::logical(&()), b"circuit");
        let mut bytes = Zeroizing::new(Vec::new());
        record.encode(&mut bytes);
        let mut expected = vec![1, 2, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1];
        expected.extend([7; 20]);
        expected.extend([0, 0, 0, 0, 0, 0, 0, 3]);
        assert_eq!(*bytes, expected);
        assert_eq!(CircuitRecord::decode(&bytes).unwrap(), record);
        for (at, wrong) in [(0, 2), (1, 3)] {
            let mut bad = expected.clone();
            bad[at] = wrong;
            assert!(CircuitRecord::decode(&bad).is_err());
        }
    }

    #[test]
    fn block_list_out_of_order_or_doubled_is_refused() {
        for keys in [[2u8, 1], [1, 1]] {
            let mut bytes = vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
            for key in keys {
                bytes.extend([key; 20]);
                bytes.extend([0; 8]);
            }
            assert!(CircuitRecord::decode(&bytes).is_err());
        }
    }
}
