use super::*;
use crate::{storage::Change, test_utils::seeded_rng, vault::StoreKey};

/// A record of one byte, named after its first; odd ones are not stored.
#[derive(Debug, PartialEq)]
struct Note(u8, u8);

impl Stored for Note {
    const KIND: RecordKind = RecordKind::Meta;
    type Key = u8;

    fn key(&self) -> u8 {
        self.0
    }

    fn logical(key: &u8) -> Vec<u8> {
        vec![*key]
    }

    fn encode(&self, out: &mut Zeroizing<Vec<u8>>) {
        out.extend_from_slice(&[self.0, self.1]);
    }

    fn persists(&self) -> bool {
        self.1.is_multiple_of(2)
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        match bytes {
            [key, value] => Ok(Self(*key, *value)),
            _ => Err(CodecError::InvalidValue { field: "note" }),
        }
    }
}

struct Fixture {
    table: Table<Note>,
    vault: Vault,
}

/// With these in the store, and in memory.
fn with(keys: core::ops::Range<u8>) -> Fixture {
    let vault = Vault::new(&StoreKey::from_bytes([7; 32]));
    let mut fixture = Fixture { table: Table::default(), vault };
    keys.for_each(|key| fixture.put(key, 0));
    fixture.seal();
    fixture
}

impl Fixture {
    fn put(&mut self, key: u8, value: u8) {
        self.table.put(&self.vault, Note(key, value));
    }

    /// The next batch: which versions it expects of what, and whether they are deleted.
    fn seal(&mut self) -> Vec<(u64, bool)> {
        let mut changes = Changes::new();
        self.table.seal_into(&self.vault, &mut seeded_rng(1), &mut changes).unwrap();
        assert!(!self.table.is_dirty());
        let change = |c: &Change| (c.expected, c.value.is_none());
        changes.iter().map(change).collect()
    }
}

#[test]
fn batch_has_what_changed_since_the_last_one_each_once() {
    let mut notes = with(0..0);
    notes.put(1, 2);
    assert!(notes.table.is_dirty());
    assert_eq!(notes.seal(), [(0, false)]);
    assert_eq!(notes.seal(), []);
    // Changed, removed and put again in one step: one change, of the version that is stored.
    notes.table.modify(&1).unwrap().1 = 4;
    assert_eq!(notes.table.remove(&1), Some(Note(1, 4)));
    notes.put(1, 6);
    assert_eq!(notes.seal(), [(1, false)]);
    assert_eq!(notes.table.remove(&1), Some(Note(1, 6)));
    assert_eq!(notes.seal(), [(2, true)]);
}

#[test]
fn what_never_was_in_the_store_is_not_deleted_from_it() {
    let mut notes = with(0..0);
    notes.put(1, 2);
    notes.table.remove(&1);
    assert_eq!(notes.seal(), []);
    // Nor is there anything to remove where the store has nothing.
    notes.table.install(&notes.vault, 2, None).unwrap();
    assert_eq!(notes.table.remove(&2), None);
    assert!(!notes.table.is_dirty());
}

#[test]
fn what_does_not_persist_lives_in_memory_alone() {
    let mut notes = with(0..0);
    notes.put(1, 3);
    assert_eq!(notes.seal(), []);
    assert_eq!(notes.table.get(&1), Some(&Note(1, 3)));
    notes.table.remove(&1);
    assert_eq!(notes.seal(), []);
}

#[test]
fn record_is_deleted_by_name_without_having_been_read() {
    let mut notes = with(0..0);
    notes.table.delete(&notes.vault, &1, 1);
    assert_eq!(notes.seal(), [(1, true)]);
}

#[test]
fn evicted_is_what_is_in_the_store_as_it_is_in_memory() {
    let mut notes = with(0..3);
    notes.put(1, 2);
    notes.table.evict();
    assert_eq!(notes.table.values().collect::<Vec<_>>(), [&Note(1, 2)]);
    assert_eq!(notes.seal(), [(1, false)]);
}

#[test]
fn twice_as_many_as_should_be_are_in_memory_before_some_are_forgotten() {
    for (loaded, changed, left) in [(6, 0, 6), (7, 0, 3), (9, 0, 3), (7, 2, 3), (7, 5, 5)] {
        let mut notes = with(0..loaded);
        (0..changed).for_each(|key| notes.put(key, 2));
        notes.table.shrink(3);
        assert_eq!(notes.table.len(), left, "{changed} of {loaded} changed");
        // What changed is not forgotten before it is stored.
        assert_eq!(notes.seal().len(), usize::from(changed));
    }
}
