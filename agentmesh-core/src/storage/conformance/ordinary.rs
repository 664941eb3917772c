//! What a store does every day: writing, reading, listing, conflicts, closing, opening again.

use super::{
    super::{Changes, Record, RecordId, RecordKind, Storage, StorageError},
    Fixture, KIND, Tested, all, delete, id, put, read,
};
use std::collections::BTreeMap;

/// Records read back as written, in the order asked for; versions count from 1; deleted ones are gone.
pub async fn reads_what_was_committed<F: Fixture>(fixture: &F) -> Tested {
    let store = fixture.open().await?;
    assert_eq!(store.load(&[]).await?, []);
    assert_eq!(read(&store, id(1)).await?, None);
    let mut changes = put(id(1), 0, b"one");
    changes.put(id(2), 0, Vec::new());
    store.commit(changes).await?;
    store.commit(put(id(1), 1, b"one again")).await?;
    let found = store.load(&[id(2), id(3), id(1), id(2)]).await?;
    let two = Some(Record { id: id(2), version: 1, sealed: Vec::new() });
    let one = Some(Record { id: id(1), version: 2, sealed: b"one again".to_vec() });
    assert_eq!(found, [two.clone(), None, one, two]);

    store.commit(delete(id(1), 2)).await?;
    assert_eq!(read(&store, id(1)).await?, None);
    store.commit(put(id(1), 0, b"anew")).await?;
    assert_eq!(read(&store, id(1)).await?, Some((1, b"anew".to_vec())));
    store.commit(Changes::new()).await?;
    store.close().await
}

/// A change computed from another version than the stored one is a conflict that says so.
pub async fn a_stale_version_conflicts<F: Fixture>(fixture: &F) -> Tested {
    let store = fixture.open().await?;
    store.commit(put(id(1), 0, b"1")).await?;
    store.commit(put(id(1), 1, b"2")).await?;
    let conflict =
        |n, expected, actual| Err(StorageError::Conflict { id: id(n), expected, actual });
    for stale in [0, 1, 3, u64::MAX] {
        assert_eq!(store.commit(put(id(1), stale, b"x")).await, conflict(1, stale, 2));
        assert_eq!(store.commit(delete(id(1), stale)).await, conflict(1, stale, 2));
    }
    assert_eq!(store.commit(put(id(2), 1, b"x")).await, conflict(2, 1, 0));
    assert_eq!(store.commit(delete(id(2), 1)).await, conflict(2, 1, 0));
    // Deleting what is absent is how a batch demands that it be absent.
    assert_eq!(store.commit(delete(id(2), 0)).await, Ok(()));
    assert_eq!(read(&store, id(1)).await?, Some((2, b"2".to_vec())));
    assert_eq!(read(&store, id(2)).await?, None);
    store.close().await
}

/// One conflict, and nothing of the batch is written.
pub async fn a_batch_is_atomic<F: Fixture>(fixture: &F) -> Tested {
    let store = fixture.open().await?;
    let mut changes = put(id(1), 0, b"1");
    changes.put(id(2), 0, b"2".to_vec());
    store.commit(changes).await?;
    for position in 0..4 {
        let mut changes = Changes::new();
        for n in 0..4 {
            if n == position {
                changes.put(id(9), 7, b"stale".to_vec());
            }
            match n {
                0 => changes.put(id(1), 1, b"new".to_vec()),
                1 => changes.delete(id(2), 1),
                _ => changes.put(id(n + 10), 0, b"new".to_vec()),
            }
        }
        let expected = Err(StorageError::Conflict { id: id(9), expected: 7, actual: 0 });
        assert_eq!(store.commit(changes).await, expected);
        assert_eq!(read(&store, id(1)).await?, Some((1, b"1".to_vec())));
        assert_eq!(read(&store, id(2)).await?, Some((1, b"2".to_vec())));
        assert_eq!(all(&store, KIND, 100).await?.len(), 2);
    }
    store.close().await
}

/// Pages come by ascending key, each record once, of the kind asked for.
pub async fn lists_by_key_in_pages<F: Fixture>(fixture: &F) -> Tested {
    let store = fixture.open().await?;
    let mut expected = BTreeMap::new();
    let mut changes = Changes::new();
    for n in 0..100 {
        expected.insert(id(n).key, n);
        changes.put(id(n), 0, n.to_be_bytes().to_vec());
    }
    for edge in [[0; 16], [0xff; 16]] {
        for kind in [RecordKind::Peer, RecordKind::Outbox] {
            changes.put(RecordId { kind, key: edge }, 0, vec![1]);
        }
    }
    store.commit(changes).await?;
    for page in [1, 7, 50, 100, 101, usize::MAX] {
        let found = all(&store, KIND, page).await?;
        let keys: Vec<_> = found.iter().map(|record| record.id.key).collect();
        assert!(keys.iter().eq(expected.keys()), "pages of {page}");
        for record in &found {
            let n = expected.get(&record.id.key).copied().unwrap_or_default();
            assert_eq!((record.version, &record.sealed[..]), (1, &n.to_be_bytes()[..]));
        }
    }
    assert_eq!(store.list(KIND, None, 0).await?, []);
    assert_eq!(store.list(KIND, Some([0xff; 16]), 9).await?, []);
    assert_eq!(all(&store, RecordKind::Peer, 1).await?.len(), 2);
    assert_eq!(store.list(RecordKind::Peer, Some([0; 16]), 9).await?.len(), 1);
    assert_eq!(all(&store, RecordKind::Meta, 10).await?, []);
    store.close().await
}

/// Whatever was committed is there after closing and after merely dropping the store.
pub async fn reopening_sees_everything<F: Fixture>(fixture: &F) -> Tested {
    for round in 0..6 {
        let store = fixture.open().await?;
        for n in 0..10 {
            let before = (round > 0).then(|| (round, vec![round as u8; 100]));
            assert_eq!(read(&store, id(n)).await?, before, "round {round}");
            store.commit(put(id(n), round, &[round as u8 + 1; 100])).await?;
        }
        let extra = id(100 + round as u16);
        store.commit(put(extra, 0, b"extra")).await?;
        if round > 1 {
            store.commit(delete(id(100 + round as u16 - 1), 1)).await?;
        }
        if round % 2 == 0 {
            store.close().await?;
        }
    }
    let store = fixture.open().await?;
    assert_eq!(all(&store, KIND, 100).await?.len(), 12);
    store.close().await
}

/// After closing, every call fails; closing again does not.
pub async fn a_closed_store_says_so<F: Fixture>(fixture: &F) -> Tested {
    let store = fixture.open().await?;
    store.commit(put(id(1), 0, b"1")).await?;
    store.close().await?;
    assert_eq!(store.load(&[id(1)]).await, Err(StorageError::Closed));
    assert_eq!(store.list(KIND, None, 1).await, Err(StorageError::Closed));
    assert_eq!(store.commit(put(id(2), 0, b"2")).await, Err(StorageError::Closed));
    assert_eq!(store.close().await, Ok(()));
    drop(store);
    let store = fixture.open().await?;
    assert_eq!(read(&store, id(1)).await?, Some((1, b"1".to_vec())));
    assert_eq!(read(&store, id(2)).await?, None);
    store.close().await
}

/// A store that is open cannot be opened again; one that was closed, or dropped, can.
pub async fn there_is_one_writer<F: Fixture>(fixture: &F) -> Tested {
    if !fixture.is_exclusive() {
        return Ok(());
    }
    let store = fixture.open().await?;
    for _ in 0..2 {
        let second = fixture.open().await;
        assert!(matches!(second, Err(StorageError::Locked { .. })), "{second:?}");
    }
    store.commit(put(id(1), 0, b"undisturbed")).await?;
    store.close().await?;
    let third = fixture.open().await?;
    drop(store);
    assert!(matches!(fixture.open().await, Err(StorageError::Locked { .. })));
    drop(third);
    fixture.open().await?.close().await
}

/// Records of 1 MiB, and of sizes around the powers of two, come back.
pub async fn keeps_large_records<F: Fixture>(fixture: &F) -> Tested {
    let sizes = [0, 1, 511, 512, 513, 4095, 4096, 4097, 65_535, 65_536, 1_000_000, 1 << 20];
    let content = |n: u16, size: usize| -> Vec<u8> {
        (0..size).map(|i| (i as u16).wrapping_mul(n * 2 + 1).to_le_bytes()[1]).collect()
    };
    let store = fixture.open().await?;
    for (n, size) in (0..).zip(sizes) {
        store.commit(put(id(n), 0, &content(n, size))).await?;
    }
    for reopened in [false, true] {
        let store = if reopened {
            store.close().await?;
            &fixture.open().await?
        } else {
            &store
        };
        for (n, size) in (0..).zip(sizes) {
            let found = read(store, id(n)).await?;
            assert!(found == Some((1, content(n, size))), "{size} bytes");
        }
    }
    Ok(())
}

/// 10,000 records, written in batches, changed, listed and there after opening again.
pub async fn keeps_many_records<F: Fixture>(fixture: &F) -> Tested {
    let sealed = |n: u16, round: u8| [&n.to_be_bytes()[..], &[round; 300][..]].concat();
    let store = fixture.open().await?;
    for first in (0..10_000).step_by(500) {
        let mut changes = Changes::new();
        (first..first + 500).for_each(|n| changes.put(id(n), 0, sealed(n, 1)));
        store.commit(changes).await?;
    }
    for n in (0..10_000).step_by(100) {
        store.commit(put(id(n), 1, &sealed(n, 2))).await?;
    }
    for reopened in [false, true] {
        let store = if reopened {
            store.close().await?;
            &fixture.open().await?
        } else {
            &store
        };
        let found = all(store, KIND, 777).await?;
        assert_eq!(found.len(), 10_000);
        let found: BTreeMap<_, _> =
            found.into_iter().map(|r| (r.id, (r.version, r.sealed))).collect();
        for n in 0..10_000 {
            let version = if n % 100 == 0 { 2 } else { 1 };
            assert_eq!(found.get(&id(n)), Some(&(version.into(), sealed(n, version))), "{n}");
        }
    }
    Ok(())
}

/// In wasm there are no threads.
#[cfg(target_family = "wasm")]
pub async fn commits_from_many_threads<F: Fixture>(_: &F) -> Tested {
    Ok(())
}

/// Commits from several threads each count, and one thread's conflict is no other thread's.
#[cfg(not(target_family = "wasm"))]
pub async fn commits_from_many_threads<F: Fixture>(fixture: &F) -> Tested {
    use crate::test_utils::block_on;
    const THREADS: u16 = 8;
    const COMMITS: u64 = 30;
    let store = fixture.open().await?;
    let shared = id(1000);
    store.commit(put(shared, 0, &[0])).await?;
    // Each thread writes a record of its own, which never conflicts, and adds to the shared one, which often does.
    let work = |n: u16| -> Tested {
        for version in 0..COMMITS {
            block_on(store.commit(put(id(n), version, &version.to_be_bytes())))?;
            while let Some((version, _)) = block_on(read(&store, shared))? {
                match block_on(store.commit(put(shared, version, &[n as u8]))) {
                    Err(StorageError::Conflict { .. }) => {}
                    Err(error) => return Err(error),
                    Ok(()) => break,
                }
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(move || work(n))).collect();
        threads.into_iter().try_for_each(|thread| {
            let ended = thread.join();
            assert!(ended.is_ok(), "a thread panicked");
            ended.unwrap_or(Ok(()))
        })
    })?;
    for n in 0..THREADS {
        assert_eq!(read(&store, id(n)).await?.map(|(version, _)| version), Some(COMMITS));
    }
    let adds = 1 + COMMITS * u64::from(THREADS);
    assert_eq!(read(&store, shared).await?.map(|(version, _)| version), Some(adds));
    store.close().await
}
