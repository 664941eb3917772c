//! Calls at once, writers elsewhere, stores that fail.

use std::collections::BTreeSet;

use super::{super::*, Clock, Party, key, pair};
use crate::{
    Error,
    error::ErrorInfo,
    identity::Identity,
    storage::{
        Changes, Durability, MemoryStorage, Record, RecordId, RecordKind, Storage, StorageError,
        StorageFuture,
    },
    test_utils::{Fault, FaultyStorage, block_on},
};

/// A store whose calls take a moment, so that callers overlap.
#[derive(Debug)]
struct Slow(MemoryStorage);

/// Ready the second time.
async fn a_moment() {
    let mut polled = false;
    core::future::poll_fn(|context| {
        if core::mem::replace(&mut polled, true) {
            return core::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        core::task::Poll::Pending
    })
    .await;
}

impl Storage for Slow {
    fn durability(&self) -> Durability {
        self.0.durability()
    }

    fn load<'a>(&'a self, ids: &'a [RecordId]) -> StorageFuture<'a, Vec<Option<Record>>> {
        Box::pin(async move {
            a_moment().await;
            self.0.load(ids).await
        })
    }

    fn list(
        &self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> StorageFuture<'_, Vec<Record>> {
        self.0.list(kind, after, limit)
    }

    fn commit(&self, changes: Changes) -> StorageFuture<'_, ()> {
        Box::pin(async move {
            a_moment().await;
            self.0.commit(changes).await
        })
    }

    fn close(&self) -> StorageFuture<'_, ()> {
        self.0.close()
    }
}

fn on(store: impl Storage + 'static, seed: u64, clock: &Clock) -> SessionManager {
    let store = SealedStore::new(store, &key(), clock.context(seed));
    let identity = block_on(Identity::load(&store, "session-identity")).unwrap();
    SessionManager::new(&PrekeyManager::new(identity, &store))
}

/// Polls all of them by turns until all are done.
fn all_at_once<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    use core::task::{Context, Poll, Waker};
    let mut futures: Vec<_> = futures.into_iter().map(|f| (Box::pin(f), None)).collect();
    let mut context = Context::from_waker(Waker::noop());
    while futures.iter().any(|(_, done)| done.is_none()) {
        for (future, done) in futures.iter_mut().rev().filter(|(_, done)| done.is_none()) {
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                *done = Some(value);
            }
        }
    }
    futures.into_iter().filter_map(|(_, done)| done).collect()
}

#[test]
fn encryptions_at_once_take_turns_and_keys_of_their_own() {
    let (alice, bob, session) = pair(41);
    let sessions = on(Slow(alice.disk.clone()), 900, &alice.clock);
    let messages: Vec<_> = (0..50u64).map(|n| serde_json::json!({ "n": n })).collect();
    let futures = messages.iter().map(|message| sessions.encrypt_message(&session, message));
    let envelopes: Vec<Envelope> =
        all_at_once(futures.collect()).into_iter().map(Result::unwrap).collect();
    let numbers: BTreeSet<_> = envelopes.iter().map(|e| (e.header.pn, e.header.n)).collect();
    assert_eq!(numbers.len(), 50, "one number, one key");
    let nonces: BTreeSet<_> = envelopes.iter().map(|e| e.ciphertext[..12].to_vec()).collect();
    assert_eq!(nonces.len(), 50);
    let mut got: Vec<_> = envelopes.iter().map(|e| bob.decrypt(&session, e).unwrap()).collect();
    got.sort_unstable();
    assert!(got.into_iter().eq(0..50));
}

#[test]
fn two_managers_on_one_store_conflict_and_neither_forks_the_ratchet() {
    let (alice, bob, session) = pair(43);
    let one = on(Slow(alice.disk.clone()), 901, &alice.clock);
    let two = on(Slow(alice.disk.clone()), 902, &alice.clock);
    let message = serde_json::json!({ "n": 1 });
    let (mut wins, mut losses) = (Vec::new(), 0);
    for _ in 0..30 {
        let futures = [&one, &two].map(|m| m.encrypt_message(&session, &message));
        for result in all_at_once(futures.into_iter().collect()) {
            match result {
                Ok(envelope) => wins.push(envelope),
                Err(error) => {
                    assert!(
                        matches!(error, Error::Manager(ManagerError::Conflict { .. })),
                        "{error:?}"
                    );
                    assert!(error.is_retryable());
                    losses += 1;
                }
            }
        }
    }
    assert_eq!((wins.len() + losses, losses > 0), (60, true));
    let numbers: BTreeSet<_> = wins.iter().map(|e| e.header.n).collect();
    assert_eq!(numbers.len(), wins.len(), "no key was used twice");
    for envelope in &wins {
        assert_eq!(bob.decrypt(&session, envelope).unwrap(), 1);
    }
}

#[test]
fn prekeys_of_two_managers_are_one_set() {
    let (alice, ..) = pair(45);
    let again = |seed| {
        let store = SealedStore::new(Slow(alice.disk.clone()), &key(), alice.clock.context(seed));
        let identity = block_on(Identity::load(&store, "session-identity")).unwrap();
        PrekeyManager::new(identity, &store)
    };
    let (one, two) = (again(903), again(904));
    let bundles = all_at_once(vec![one.rotate_signed_prekey(), two.rotate_signed_prekey()]);
    let ids: BTreeSet<_> = bundles.into_iter().map(|b| b.unwrap().signed_prekey_id).collect();
    assert_eq!(ids.len(), 2, "both rotated, one after the other");
}

#[test]
fn a_commit_that_fails_returns_no_envelope_and_loses_none() {
    let (alice, bob, session) = pair(47);
    for fault in [
        Fault::Full,
        Fault::Conflict,
        Fault::Error(StorageError::Closed),
        Fault::CrashBefore,
        Fault::CrashAfter,
    ] {
        let store = FaultyStorage::new(alice.disk.clone());
        let faults = store.faults();
        let sessions = on(store, 905, &alice.clock);
        faults.at_commit(1, fault.clone());
        let message = serde_json::json!({ "n": 1 });
        assert!(block_on(sessions.encrypt_message(&session, &message)).is_err(), "{fault:?}");
        // The next process goes on; at most a number is missing.
        let envelope = alice.encrypt(&session, 2).unwrap();
        assert_eq!(bob.decrypt(&session, &envelope).unwrap(), 2, "{fault:?}");
    }
}

#[test]
fn a_store_that_fails_once_makes_no_second_identity() {
    let (alice, ..) = pair(49);
    let amid = alice.identity().amid();
    let store = FaultyStorage::new(alice.disk.clone());
    let faults = store.faults();
    faults.crash();
    let sealed = SealedStore::new(store, &key(), alice.clock.context(906));
    let failed = block_on(Identity::load(&sealed, "session-identity"));
    assert!(matches!(failed, Err(IdentityStoreError::LoadFailed { .. })), "{failed:?}");
    assert!(block_on(Identity::load_or_generate(&sealed, "session-identity")).is_err());
    // What the application does if it does not look at the error: the store is back, and says no.
    let sealed = SealedStore::new(alice.disk.clone(), &key(), alice.clock.context(907));
    let fresh =
        alice.clock.context(908).with_rng(|rng| Identity::generate(crate::Timestamp::ZERO, rng));
    let saved = block_on(fresh.save(&sealed, "session-identity"));
    assert!(
        matches!(saved, Err(Error::IdentityStore(IdentityStoreError::Exists { found, .. })) if found == amid),
        "{saved:?}"
    );
    assert_eq!(block_on(Identity::load(&sealed, "session-identity")).unwrap().amid(), amid);
}

#[test]
fn parties_do_not_disturb_each_other_in_one_store() {
    let disk = MemoryStorage::new();
    let clock = Clock::new();
    let party = |path: &str, seed| {
        let store = SealedStore::new(disk.clone(), &key(), clock.context(seed));
        let identity = block_on(Identity::load_or_generate(&store, path)).unwrap();
        let prekeys = PrekeyManager::new(identity, &store);
        (prekeys.clone(), SessionManager::new(&prekeys))
    };
    let (a_keys, a) = party("a", 50);
    let (b_keys, b) = party("b", 51);
    let bundle = block_on(b_keys.load_or_initialize()).unwrap();
    let own = block_on(a_keys.load_or_initialize()).unwrap();
    assert_ne!(bundle.signed_prekey, own.signed_prekey);
    let (a_id, b_id) = (a_keys.identity(), b_keys.identity());
    let begun = block_on(a.initiate_session(&b_id.amid(), &bundle, b_id.signing_key())).unwrap();
    // Both ends of one session, in one store.
    block_on(b.accept_session(&a_id.amid(), &begun.x3dh_message)).unwrap();
    let message = serde_json::json!("both here");
    let envelope = block_on(a.encrypt_message(&begun.session_id, &message)).unwrap();
    assert_eq!(block_on(b.decrypt_message(&begun.session_id, &envelope)).unwrap(), message);
    assert_eq!(block_on(a.sessions()).unwrap().len(), 1);
    assert_eq!(block_on(b.sessions()).unwrap().len(), 1);
    let _: Party = Party::on(disk, 52, &clock);
}
