//! The store over a bucket in memory: the contract of all stores, lost answers, leases, damage, leftovers.

mod fake;
mod faults;
mod leases;

use bytes::Bytes;
use futures_util::StreamExt;
use object_store::{ObjectStore, ObjectStoreExt, path::Path};

use self::fake::Fake;
use super::{bucket::Bucket, *};
use crate::{
    Timestamp,
    client::platform::Clock,
    storage::conformance::{Damage, Fixture},
    test_utils::block_on,
};

/// Enough for every opening to be found closed; the tests of leases set their own.
fn config() -> S3Config {
    S3Config::new("bucket", "a/b")
}

fn id(n: u8) -> RecordId {
    RecordId::new(RecordKind::Session, [n; 16])
}

fn put(n: u8, expected: u64, sealed: &[u8]) -> Changes {
    let mut changes = Changes::new();
    changes.put(id(n), expected, sealed.to_vec());
    changes
}

/// Opens the store in that bucket.
fn open(fake: &Fake, config: S3Config) -> Result<S3Storage, StorageError> {
    let secrets = vec![zeroize::Zeroizing::new("hush".to_owned())];
    let objects = std::sync::Arc::new(fake.clone());
    let bucket = Bucket::new(objects, &config.prefix, config.name(), secrets);
    block_on(S3Storage::start(config.name().into(), bucket, config))
}

/// A clock that is that many seconds ahead of the machine's.
fn ahead(seconds: u64) -> Clock {
    Clock::starting_at(Clock::system().now().plus_millis(seconds * 1000))
}

/// Every object, by name.
fn objects(fake: &Fake) -> Vec<(String, Bytes)> {
    block_on(async {
        let mut found = fake.objects().list(None);
        let mut all = Vec::new();
        while let Some(object) = found.next().await {
            let location = object.unwrap().location;
            let bytes = fake.objects().get(&location).await.unwrap().bytes().await.unwrap();
            all.push((location.to_string(), bytes));
        }
        all.sort();
        all
    })
}

fn overwrite(fake: &Fake, key: &str, bytes: Vec<u8>) {
    block_on(fake.objects().put(&Path::from(key), bytes.into())).unwrap();
}

fn delete(fake: &Fake, key: &str) {
    block_on(fake.objects().delete(&Path::from(key))).unwrap();
}

#[derive(Default)]
struct InBucket(Fake);

impl Fixture for InBucket {
    type Store = S3Storage;

    fn open(&self) -> StorageFuture<'_, S3Storage> {
        Box::pin(async { open(&self.0, config()) })
    }

    fn damage(&self, _: RecordId, damage: Damage) -> bool {
        let needle = [0xab; 200];
        let holds = |bytes: &Bytes| bytes.windows(200).position(|w| w == needle);
        let all = objects(&self.0);
        let (key, at, bytes) =
            all.iter().find_map(|(key, b)| Some((key, holds(b)?, b))).expect("it is somewhere");
        match damage {
            Damage::Altered => {
                let mut bytes = bytes.to_vec();
                bytes[at + 7] ^= 1;
                overwrite(&self.0, key, bytes);
            }
            Damage::Truncated => overwrite(&self.0, key, bytes[..at + 100].to_vec()),
            Damage::Missing => delete(&self.0, key),
        }
        true
    }

    fn make_foreign(&self) -> bool {
        let all = objects(&self.0);
        let (key, bytes) = all.iter().find(|(key, _)| key.ends_with("/head")).expect("a head");
        let mut bytes = bytes.to_vec();
        bytes[11] = 2;
        overwrite(&self.0, key, bytes);
        true
    }
}

crate::storage_conformance_tests!(InBucket::default());

/// The same damage, where records have left the head.
#[test]
fn damage_behind_the_head_is_found_too() {
    for damage in [Damage::Altered, Damage::Truncated, Damage::Missing] {
        let place = InBucket::default();
        let store = open(&place.0, config()).unwrap();
        block_on(store.commit(put(1, 0, &[0xab; 200]))).unwrap();
        for n in 2..12 {
            block_on(store.commit(put(n, 0, &[n; packing::INLINE]))).unwrap();
        }
        block_on(store.close()).unwrap();
        let all = objects(&place.0);
        let holds = |b: &Bytes| b.windows(200).any(|w| w == [0xab; 200]);
        assert!(all.iter().any(|(key, b)| key.contains("/data/") && holds(b)));
        place.damage(id(1), damage);
        let store = open(&place.0, config()).unwrap();
        for found in [
            block_on(store.load(&[id(1)])).map(drop),
            block_on(store.list(RecordKind::Session, None, 9)).map(drop),
        ] {
            assert!(matches!(found, Err(StorageError::Corrupt { .. })), "{damage:?}: {found:?}");
        }
        if damage == Damage::Altered {
            assert!(block_on(store.load(&[id(2)])).unwrap()[0].is_some(), "the rest is there");
        }
    }
}

#[test]
fn a_missing_or_strange_index_is_corrupt_and_never_an_empty_store() {
    let fill = || {
        let fake = Fake::default();
        let store = open(&fake, config()).unwrap();
        for n in 0..12 {
            block_on(store.commit(put(n, 0, &[n; packing::INLINE]))).unwrap();
        }
        block_on(store.close()).unwrap();
        fake
    };
    let index = |fake: &Fake| {
        objects(fake).into_iter().find(|(key, _)| key.contains("/index/")).expect("an index")
    };
    let (gone, swapped, other) = (fill(), fill(), fill());
    delete(&gone, &index(&gone).0);
    overwrite(&swapped, &index(&swapped).0, index(&other).1.to_vec());
    for fake in [gone, swapped] {
        let found = open(&fake, config()).unwrap_err();
        assert!(matches!(found, StorageError::Corrupt { .. }), "{found}");
    }
}

#[test]
fn a_prefix_with_other_objects_is_not_made_a_store() {
    let fake = Fake::default();
    overwrite(&fake, "a/b/holiday.jpg", vec![1]);
    let refused = open(&fake, config()).unwrap_err();
    assert!(matches!(refused, StorageError::NotAStore { .. }), "{refused}");
    assert!(refused.to_string().contains("holiday.jpg"), "{refused}");
    // Its neighbours are nobody's business.
    let neighbour = open(&fake, S3Config::new("bucket", "a/c")).unwrap();
    block_on(neighbour.close()).unwrap();
}

#[test]
fn a_commit_is_one_put() {
    let fake = Fake::default();
    let store = open(&fake, config()).unwrap();
    block_on(store.commit(put(1, 0, &[1; 500]))).unwrap();
    fake.puts();
    for version in 1..50 {
        block_on(store.commit(put(1, version, &[1; 500]))).unwrap();
    }
    assert_eq!(fake.puts(), 49);
    block_on(store.commit(Changes::new())).unwrap();
    assert!(block_on(store.commit(put(1, 3, b"stale"))).is_err());
    assert_eq!(fake.puts(), 0, "nothing to write");
}

#[test]
fn what_is_replaced_does_not_pile_up() {
    let fake = Fake::default();
    let store = open(&fake, config()).unwrap();
    for version in 0..40 {
        for n in 0..8 {
            block_on(store.commit(put(n, version, &[n; 30_000]))).unwrap();
        }
        for n in 8..40 {
            block_on(store.commit(put(n, version, &[n; 4000]))).unwrap();
        }
    }
    for n in 0..40 {
        let mut changes = Changes::new();
        changes.delete(id(n), 40);
        block_on(store.commit(changes)).unwrap();
    }
    block_on(store.close()).unwrap();
    let kept: usize = objects(&fake).iter().map(|(_, bytes)| bytes.len()).sum();
    let live = 8 * 30_000 + 32 * 4000;
    assert!(kept < 4 * live, "{kept} bytes kept");
    let store = open(&fake, config()).unwrap();
    assert_eq!(block_on(store.list(RecordKind::Session, None, 99)).unwrap(), []);
}

#[test]
fn leftovers_of_interrupted_commits_are_swept_by_the_next_opening() {
    let fake = Fake::default();
    let store = open(&fake, config()).unwrap();
    block_on(store.commit(put(1, 0, &[7; 20_000]))).unwrap();
    block_on(store.close()).unwrap();
    let leftover = format::ObjectName { epoch: 1, random: [9; 16], length: 3 };
    let of_the_future = format::ObjectName { epoch: 99, ..leftover };
    for (folder, name) in [("data", leftover), ("index", leftover), ("data", of_the_future)] {
        overwrite(&fake, &format!("a/b/{folder}/{name}"), vec![1, 2, 3]);
    }
    let store = open(&fake, config()).unwrap();
    let left: Vec<_> = objects(&fake).into_iter().map(|(key, _)| key).collect();
    assert!(!left.iter().any(|key| key.ends_with(&leftover.to_string())), "{left:?}");
    assert!(left.iter().any(|key| key.ends_with(&of_the_future.to_string())), "{left:?}");
    assert!(!left.iter().any(|key| key.contains("probe")), "{left:?}");
    assert!(block_on(store.load(&[id(1)])).unwrap()[0].is_some());
}
