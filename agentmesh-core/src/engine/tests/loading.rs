//! Stores that are not whole are not opened, and nothing is created in their place.

use super::*;
use crate::{
    error::ErrorInfo,
    identity::Identity,
    storage::{
        Changes, MemoryStorage, RecordId, RecordKind, Storage,
        copy::{CopyNames, copy},
    },
    test_utils::{block_on, mesh::START, seeded_rng},
    vault::{StoreKey, Vault, passphrase},
};

fn vault() -> Vault {
    Vault::new(&StoreKey::from_bytes([7; 32]))
}

fn find(storage: &MemoryStorage) -> Result<Option<StoredIdentity>, LoadError> {
    block_on(StoredIdentity::find(storage, &vault()))
}

fn create(storage: &MemoryStorage) -> Result<StoredIdentity, LoadError> {
    let mut rng = seeded_rng(950);
    let identity = Identity::generate(START, &mut rng);
    block_on(StoredIdentity::create(storage, &vault(), identity, START, &mut rng))
}

fn open(storage: &MemoryStorage) -> Result<Engine, LoadError> {
    let stored = find(storage)?.expect("there is an identity");
    let config = EngineConfig::default();
    block_on(Engine::open(storage, vault(), stored, config, START, &mut seeded_rng(951)))
}

/// Writes a record that opens with the right key and then says `plain`.
fn overwrite(storage: &MemoryStorage, id: RecordId, plain: &[u8]) {
    let found = block_on(storage.load(&[id])).unwrap().remove(0);
    let version = found.map_or(0, |record| record.version);
    let sealed = vault().seal(id, version + 1, plain, &mut seeded_rng(952)).unwrap();
    let mut changes = Changes::new();
    changes.put(id, version, sealed);
    block_on(storage.commit(changes)).unwrap();
}

/// Writes a record as it is.
fn put(storage: &MemoryStorage, id: RecordId, bytes: Vec<u8>) {
    let mut changes = Changes::new();
    changes.put(id, 0, bytes);
    block_on(storage.commit(changes)).unwrap();
}

fn only(storage: &MemoryStorage, kind: RecordKind) -> RecordId {
    let found = block_on(storage.list(kind, None, 10)).unwrap();
    assert_eq!(found.len(), 1);
    found[0].id
}

#[test]
fn second_identity_is_not_put_into_a_store() {
    let storage = MemoryStorage::new();
    let first = create(&storage).unwrap().identity.amid();
    assert_eq!(create(&storage).unwrap_err().code(), "STATE_IDENTITY_EXISTS");
    assert_eq!(find(&storage).unwrap().unwrap().identity.amid(), first);
}

#[test]
fn store_that_lost_its_identity_is_not_taken_for_an_empty_one() {
    let storage = MemoryStorage::new();
    overwrite(&storage, vault().record_id(RecordKind::Peer, b"somebody"), b"a peer");
    assert_eq!(find(&storage).unwrap_err().code(), "STATE_IDENTITY_MISSING");
    assert_eq!(create(&storage).unwrap_err().code(), "STATE_IDENTITY_MISSING");
}

#[test]
fn identity_and_prekeys_that_do_not_parse_are_named() {
    for (kind, name) in [(RecordKind::Identity, "identity"), (RecordKind::Prekeys, "prekeys")] {
        let storage = MemoryStorage::new();
        create(&storage).unwrap();
        overwrite(&storage, only(&storage, kind), b"\xffnonsense");
        let error = open(&storage).unwrap_err();
        assert!(matches!(error, LoadError::Unreadable { what, .. } if what == name), "{error}");
        assert_eq!(create(&storage).unwrap_err().code() == "STATE_UNREADABLE", name == "identity");
    }
}

#[test]
fn record_of_a_newer_release_is_named_and_left_alone() {
    for kind in [RecordKind::Outbox, RecordKind::Inbox] {
        let storage = MemoryStorage::new();
        create(&storage).unwrap();
        let id = vault().record_id(kind, b"from the future");
        overwrite(&storage, id, b"\xfe from the future");
        let error = open(&storage).unwrap_err();
        assert!(matches!(error, LoadError::Undecodable { id: named, .. } if named == id));
        let left = block_on(storage.load(&[id])).unwrap().remove(0).unwrap();
        assert_eq!(**vault().open(&left).unwrap(), *b"\xfe from the future");
    }
}

#[test]
fn store_of_another_key_is_not_opened() {
    let storage = MemoryStorage::new();
    create(&storage).unwrap();
    // With another key every record has another name, so the identity is not found where it should be.
    let other = Vault::new(&StoreKey::from_bytes([8; 32]));
    let found = block_on(StoredIdentity::find(&storage, &other));
    assert_eq!(found.unwrap_err().code(), "STATE_WRONG_STORE_KEY");
}

#[test]
fn values_of_the_application_a_locked_key_and_the_mark_of_a_copy_say_nothing_of_an_agent() {
    let value = RecordId::new(RecordKind::Value, [1; 16]);
    let plain = MemoryStorage::new();
    put(&plain, value, b"\0not sealed".to_vec());
    assert!(find(&plain).unwrap().is_none());
    let sealed = MemoryStorage::new();
    overwrite(&sealed, value, b"sealed with the key of the store");
    assert!(find(&sealed).unwrap().is_none());
    let locked = MemoryStorage::new();
    put(&locked, passphrase::ID, b"opened by a passphrase only".to_vec());
    assert!(find(&locked).unwrap().is_none());
    let copied = MemoryStorage::new();
    let names = CopyNames { from: "here", to: "there", now: START };
    block_on(copy(&plain, &copied, names, &mut |_| ())).unwrap();
    assert!(find(&copied).unwrap().is_none());
    create(&copied).unwrap();
}

#[test]
fn value_that_was_sealed_with_another_key_says_that_the_key_is_wrong() {
    let storage = MemoryStorage::new();
    let id = RecordId::new(RecordKind::Value, [1; 16]);
    let other = Vault::new(&StoreKey::from_bytes([8; 32]));
    let sealed = other.seal(id, 1, b"a value", &mut seeded_rng(953)).unwrap();
    put(&storage, id, sealed);
    assert_eq!(find(&storage).unwrap_err().code(), "STATE_WRONG_STORE_KEY");
}
