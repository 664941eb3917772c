//! Identities by path.

use super::{super::*, Clock, key};
use crate::{
    Error,
    engine::{Origin, StoredIdentity},
    identity::{Identity, IdentityError},
    storage::MemoryStorage,
    test_utils::{block_on, seeded_rng},
    time::Timestamp,
    values::{KeyValue, SetOptions, Values},
    vault::Vault,
};

fn identity(seed: u64) -> Identity {
    Identity::generate(Timestamp::from_millis(super::START), &mut seeded_rng(seed))
}

#[test]
fn each_path_has_its_own_and_nothing_is_made_unasked() {
    let store = SealedStore::new(MemoryStorage::new(), &key(), Clock::new().context(1));
    let missing = block_on(Identity::load(&store, "a"));
    assert!(
        matches!(&missing, Err(IdentityStoreError::NotFound { path, store }) if path == "a" && store.contains("memory")),
        "{missing:?}"
    );
    let (a, b) = (identity(1), identity(2));
    block_on(a.save(&store, "a")).unwrap();
    block_on(b.save(&store, "b")).unwrap();
    block_on(a.save(&store, "a")).unwrap();
    assert_eq!(block_on(Identity::load(&store, "a")).unwrap().amid(), a.amid());
    assert_eq!(block_on(Identity::load(&store, "b")).unwrap().amid(), b.amid());
    let other = block_on(b.save(&store, "a"));
    assert!(matches!(other, Err(Error::IdentityStore(IdentityStoreError::Exists { .. }))));
    // The same agent with another exchange key is the same agent.
    let rotated = a.rotate_exchange(&mut seeded_rng(3));
    block_on(rotated.save(&store, "a")).unwrap();
    assert_eq!(
        block_on(Identity::load(&store, "a")).unwrap().exchange_key(),
        rotated.exchange_key()
    );
    for path in [String::new(), "x".repeat(257)] {
        let refused = block_on(a.save(&store, &path));
        assert!(matches!(
            refused,
            Err(Error::IdentityStore(IdentityStoreError::InvalidPath { .. }))
        ));
    }
}

#[test]
fn the_agent_of_the_store_is_found_by_its_identity_key_with_its_prekeys() {
    let disk = MemoryStorage::new();
    let (vault, mut rng) = (Vault::new(&key()), seeded_rng(4));
    let now = Timestamp::from_millis(super::START);
    let agent = identity(5);
    let amid = agent.amid();
    let key_of_agent = "worker-agent";
    let made =
        StoredIdentity::create_as(&disk, &vault, agent, key_of_agent, Origin::New, now, &mut rng);
    block_on(made).unwrap();
    let store = SealedStore::new(disk.clone(), &key(), Clock::new().context(6));
    assert!(block_on(Identity::load(&store, "agent-identity")).is_err());
    let found = block_on(Identity::load(&store, "worker-agent")).unwrap();
    assert_eq!(found.amid(), amid);
    assert!(block_on(identity(7).save(&store, "worker-agent")).is_err());

    // One identity, one set of prekeys: those that the agent uploads.
    let prekeys = PrekeyManager::new(found, &store);
    let bundle = block_on(prekeys.load_or_initialize()).unwrap();
    assert_eq!(bundle.signed_prekey_id, 1, "the agent's own, not new ones");
    block_on(prekeys.replenish_one_time_prekeys(150)).unwrap();
    let (_, stored) =
        block_on(crate::engine::AgentPrekeys::find(&disk, &vault, amid)).unwrap().unwrap();
    assert_eq!(stored.one_time_len(), 150);
    assert!(stored.needs_upload(), "the agent still has to publish them");
}

#[test]
fn the_0_2_file_goes_through_plain_values() {
    let values = Values::new(MemoryStorage::new(), Clock::new().context(8));
    let a = identity(9);
    assert!(matches!(
        block_on(Identity::load_json(&values, "identity")),
        Err(IdentityStoreError::NotFound { .. })
    ));
    block_on(a.save_json(&values, "identity")).unwrap();
    assert_eq!(block_on(values.list("")).unwrap(), ["identity/identity"]);
    assert_eq!(block_on(Identity::load_json(&values, "identity")).unwrap().amid(), a.amid());
    assert!(block_on(identity(10).save_json(&values, "identity")).is_err());
    for bad in ["", "{", "[]"] {
        block_on(values.set("identity/bad", bad.as_bytes(), SetOptions::default())).unwrap();
        let import = block_on(Identity::load_json(&values, "bad"));
        assert!(
            matches!(
                import,
                Err(IdentityStoreError::ImportFailed {
                    source: IdentityError::MalformedJson { .. },
                    ..
                })
            ),
            "{import:?}"
        );
        assert!(block_on(a.save_json(&values, "bad")).is_err(), "and it is not written over");
    }
}

#[test]
fn another_store_key_finds_nothing_and_spoils_nothing() {
    let disk = MemoryStorage::new();
    let a = identity(11);
    let store = SealedStore::new(disk.clone(), &key(), Clock::new().context(12));
    block_on(a.save(&store, "a")).unwrap();
    let other = crate::vault::StoreKey::from_bytes([8; 32]);
    let stranger = SealedStore::new(disk, &other, Clock::new().context(13));
    let wrong = block_on(Identity::load(&stranger, "a"));
    assert!(matches!(wrong, Err(IdentityStoreError::LoadFailed { .. })), "{wrong:?}");
    assert!(block_on(Identity::load_or_generate(&stranger, "a")).is_err());
}
