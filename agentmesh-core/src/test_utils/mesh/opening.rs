//! How a node of the mesh comes by its engine.

use std::collections::VecDeque;

use rand_chacha::ChaCha20Rng;

use super::Node;
use crate::{
    Timestamp,
    engine::{Engine, EngineConfig, StoredIdentity},
    identity::Identity,
    knock,
    storage::{MemoryStorage, Storage},
    test_utils::block_on,
    vault::{StoreKey, Vault},
};

/// Where a node's identity comes from.
pub(crate) enum Origin {
    New(Identity),
    Backup(Identity),
    Store,
}

/// An engine over what the store has, or over a new identity in it.
pub(crate) fn open_engine(
    storage: &dyn Storage,
    origin: Origin,
    config: EngineConfig,
    now: Timestamp,
    rng: &mut ChaCha20Rng,
) -> Engine {
    // One key for all: what is tested is not the vault.
    let key = StoreKey::from_bytes([7; 32]);
    let vault = Vault::new(&key);
    block_on(async {
        let stored = match origin {
            Origin::New(identity) => {
                StoredIdentity::create(storage, &vault, identity, now, rng).await
            }
            Origin::Backup(identity) => {
                StoredIdentity::restore(storage, &vault, identity, None, now, rng).await
            }
            Origin::Store => StoredIdentity::find(storage, &vault).await.map(Option::unwrap),
        };
        Engine::open(storage, vault, stored.unwrap(), config, now, rng).await.unwrap()
    })
}

pub(super) fn open_node(
    storage: MemoryStorage,
    origin: Origin,
    config: EngineConfig,
    now: Timestamp,
    mut rng: ChaCha20Rng,
) -> Node {
    let engine = open_engine(&storage, origin, config.clone(), now, &mut rng);
    Node {
        engine,
        storage,
        events: Vec::new(),
        handled: Vec::new(),
        handles: true,
        online: false,
        policy: knock::Decision::accept(),
        commits: 0,
        crash: None,
        config,
        rng,
        ready: VecDeque::new(),
    }
}
