//! What lies in a store: the owner's own bytes, or what became of them on a disk.

use zeroize::Zeroizing;

use crate::{
    engine::{
        records::{
            Assembly, Chunk, CircuitRecord, InboxEntry, OutboxEntry, Peer, Seen, SessionEntry,
            StreamEntry,
        },
        table::Stored,
    },
    storage::{Record, RecordId, RecordKind},
    vault::{StoreKey, Vault},
};

/// What was read is written, and read again as the same. Says whether it was read.
fn read<T: Stored>(data: &[u8]) -> bool {
    let Ok(first) = T::decode(data) else { return false };
    let mut written = Zeroizing::new(Vec::new());
    first.encode(&mut written);
    let mut again = Zeroizing::new(Vec::new());
    let second = T::decode(&written);
    assert!(second.is_ok(), "what was just written is not read");
    if let Ok(second) = second {
        second.encode(&mut again);
    }
    assert!(*written == *again, "two forms of one record");
    true
}

/// One for each type of record.
const READERS: [fn(&[u8]) -> bool; 9] = [
    read::<Peer>,
    read::<SessionEntry>,
    read::<OutboxEntry>,
    read::<InboxEntry>,
    read::<Seen>,
    read::<Assembly>,
    read::<Chunk>,
    read::<CircuitRecord>,
    read::<StreamEntry>,
];

/// The first byte says which type.
pub(super) fn record(data: &[u8]) {
    if let Some((which, data)) = data.split_first()
        && let Some(read) = READERS.get(usize::from(*which) % READERS.len())
    {
        read(data);
    }
}

/// The numbers of the types that can read this.
pub(super) fn readers(data: &[u8]) -> impl Iterator<Item = u8> {
    (0..).zip(READERS).filter(|(_, read)| read(data)).map(|(n, _)| n)
}

/// The message in an entry of an inbox.
pub(super) fn plaintext(data: &[u8]) -> Option<Vec<u8>> {
    InboxEntry::decode(data).ok().map(|entry| entry.plaintext.to_vec())
}

/// Nothing that was not sealed under the key is opened.
pub(super) fn sealed(data: &[u8]) {
    let vault = Vault::new(&StoreKey::from_bytes([7; 32]));
    let record = Record {
        id: RecordId::new(RecordKind::Session, [1; 16]),
        version: 1,
        sealed: data.to_vec(),
    };
    assert!(vault.open(&record).is_err());
}
