//! The managers, over stores in memory that are opened again whenever a test likes.

mod conflicts;
mod flow;
mod hostile;
mod identity;
mod knocks;
#[cfg(feature = "legacy-0-2")]
mod legacy;
#[cfg(feature = "legacy-0-2")]
mod legacy_knocks;
mod model;
mod prekeys;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde::{Serialize, de::DeserializeOwned};

use super::{Bundle, PrekeyManager, SealedStore, SessionManager};
use crate::{
    Error,
    context::Context,
    identity::Identity,
    storage::{MemoryStorage, Record, RecordKind, Storage},
    test_utils::{block_on, seeded_rng},
    time::Timestamp,
    vault::StoreKey,
};

const START: u64 = 1_770_206_400_000;

/// A clock that tests set.
#[derive(Clone)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(START)))
    }

    fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }

    fn context(&self, seed: u64) -> Context {
        let time = Arc::clone(&self.0);
        Context::new(move || Timestamp::from_millis(time.load(Ordering::SeqCst)), seeded_rng(seed))
    }
}

/// One party: a disk, and what is opened on it.
struct Party {
    disk: MemoryStorage,
    clock: Clock,
    starts: u64,
    store: SealedStore,
    prekeys: PrekeyManager,
    sessions: SessionManager,
}

fn key() -> StoreKey {
    StoreKey::from_bytes([7; 32])
}

impl Party {
    fn new(seed: u64, clock: &Clock) -> Self {
        Self::on(MemoryStorage::new(), seed * 1000, clock)
    }

    fn on(disk: MemoryStorage, starts: u64, clock: &Clock) -> Self {
        let store = SealedStore::new(disk.clone(), &key(), clock.context(starts));
        let identity = block_on(Identity::load_or_generate(&store, "session-identity")).unwrap();
        let prekeys = PrekeyManager::new(identity, &store);
        let sessions = SessionManager::new(&prekeys);
        Self { disk, clock: clock.clone(), starts, store, prekeys, sessions }
    }

    /// A new process on the same disk.
    fn restart(&mut self) {
        *self = Self::on(self.disk.reopen(), self.starts + 1, &self.clock);
    }

    /// The same identity on an empty disk.
    fn lose_the_store(&mut self) {
        let identity = Arc::clone(self.prekeys.identity());
        let disk = MemoryStorage::new();
        let store = SealedStore::new(disk.clone(), &key(), self.clock.context(self.starts + 500));
        block_on(identity.save(&store, "session-identity")).unwrap();
        *self = Self::on(disk, self.starts + 1, &self.clock);
    }

    fn identity(&self) -> &Identity {
        self.prekeys.identity()
    }

    fn bundle(&self) -> Bundle {
        through_json(&block_on(self.prekeys.load_or_initialize()).unwrap())
    }

    fn records(&self) -> Vec<Record> {
        block_on(async {
            let mut all = Vec::new();
            for kind in RecordKind::ALL {
                all.extend(self.disk.list(kind, None, 10_000).await.unwrap());
            }
            all
        })
    }

    fn initiate(&self, peer: &Self, bundle: &Bundle) -> Result<super::Initiated, Error> {
        let id = peer.identity();
        block_on(self.sessions.initiate_session(&id.amid(), bundle, id.signing_key()))
    }

    fn accept(&self, peer: &Self, message: &super::X3dhMessage) -> Result<String, Error> {
        block_on(self.sessions.accept_session(&peer.identity().amid(), message))
    }

    fn encrypt(&self, session: &str, n: u64) -> Result<super::Envelope, Error> {
        block_on(self.sessions.encrypt_message(session, &serde_json::json!({ "n": n })))
    }

    fn decrypt(&self, session: &str, envelope: &super::Envelope) -> Result<u64, Error> {
        let message = block_on(self.sessions.decrypt_message(session, envelope))?;
        Ok(message["n"].as_u64().unwrap())
    }
}

/// Alice and Bob with a session, opened by Alice.
fn pair(seed: u64) -> (Party, Party, String) {
    let clock = Clock::new();
    let (alice, bob) = (Party::new(seed, &clock), Party::new(seed + 1, &clock));
    let begun = alice.initiate(&bob, &bob.bundle()).unwrap();
    alice.bundle();
    assert_eq!(bob.accept(&alice, &begun.x3dh_message).unwrap(), begun.session_id);
    (alice, bob, begun.session_id)
}

fn through_json<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}
