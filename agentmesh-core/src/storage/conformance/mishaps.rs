//! What happens to a store: callers that go away, damage, other versions, full disks.

use super::{
    super::{Storage, StorageError},
    Damage, Fixture, KIND, Tested, all, id, put, read,
};
use core::{future::poll_fn, task::Poll};

/// A commit whose caller goes away is whole or absent, and the store goes on.
pub async fn an_abandoned_commit_is_whole_or_absent<F: Fixture>(fixture: &F) -> Tested {
    let store = fixture.open().await?;
    for n in 0..20 {
        let (a, b) = (id(2 * n), id(2 * n + 1));
        let mut changes = put(a, 0, b"a");
        changes.put(b, 0, b"b".to_vec());
        let mut commit = store.commit(changes);
        if n % 2 == 0 {
            // Once, and never again.
            poll_fn(|context| {
                let _ = commit.as_mut().poll(context);
                Poll::Ready(())
            })
            .await;
        }
        drop(commit);
        store.commit(put(id(5000), n.into(), b"goes on")).await?;
    }
    store.close().await?;
    let store = fixture.open().await?;
    for n in 0..20 {
        let found = store.load(&[id(2 * n), id(2 * n + 1)]).await?;
        let present = found.iter().flatten().count();
        assert!(present != 1, "half a batch");
        assert!(present == 0 || n % 2 == 0, "a commit that nobody polled");
    }
    store.close().await
}

async fn damaged<F: Fixture>(fixture: &F, damage: Damage) -> Tested {
    let store = fixture.open().await?;
    for n in 0..3 {
        store.commit(put(id(n), 0, &[0xab; 200])).await?;
    }
    store.close().await?;
    drop(store);
    if !fixture.damage(id(1), damage) {
        return Ok(());
    }
    for _ in 0..2 {
        // The store may find it when it is opened or when it reads the record; what it may not do is go on without.
        let found = match fixture.open().await {
            Ok(store) => {
                let listed = store.list(KIND, None, 10).await;
                assert!(matches!(listed, Err(StorageError::Corrupt { .. })), "{listed:?}");
                read(&store, id(1)).await.map(drop)
            }
            Err(error) => Err(error),
        };
        assert!(matches!(found, Err(StorageError::Corrupt { .. })), "{found:?}");
    }
    Ok(())
}

/// A record whose bytes changed is an error.
pub async fn an_altered_record_is_corrupt<F: Fixture>(fixture: &F) -> Tested {
    damaged(fixture, Damage::Altered).await
}

/// A record that was cut is an error.
pub async fn a_truncated_record_is_corrupt<F: Fixture>(fixture: &F) -> Tested {
    damaged(fixture, Damage::Truncated).await
}

/// A record that disappeared is an error, not an absent record.
pub async fn a_vanished_record_is_corrupt<F: Fixture>(fixture: &F) -> Tested {
    damaged(fixture, Damage::Missing).await
}

/// A store written by a newer release is refused, and left as it is.
pub async fn a_foreign_version_is_refused<F: Fixture>(fixture: &F) -> Tested {
    let store = fixture.open().await?;
    store.commit(put(id(1), 0, b"1")).await?;
    store.close().await?;
    drop(store);
    if fixture.make_foreign() {
        for _ in 0..2 {
            let found = fixture.open().await;
            assert!(matches!(found, Err(StorageError::ForeignVersion { .. })), "{found:?}");
        }
    }
    Ok(())
}

/// Without space a commit fails as a whole, everything else goes on, and so do commits once there is space again.
pub async fn a_full_disk_loses_nothing<F: Fixture>(fixture: &F) -> Tested {
    let store = fixture.open().await?;
    store.commit(put(id(1), 0, b"before")).await?;
    if !fixture.play_full_disk(&store, true) {
        return store.close().await;
    }
    let mut large = put(id(1), 1, b"after");
    (2..6).for_each(|n| large.put(id(n), 0, vec![n as u8; 1 << 20]));
    for _ in 0..3 {
        let refused = store.commit(large.clone()).await;
        assert!(matches!(refused, Err(StorageError::Full { .. })), "{refused:?}");
        assert_eq!(read(&store, id(1)).await?, Some((1, b"before".to_vec())));
        assert_eq!(all(&store, KIND, 10).await?.len(), 1);
    }
    fixture.play_full_disk(&store, false);
    store.commit(large).await?;
    store.close().await?;
    let store = fixture.open().await?;
    assert_eq!(read(&store, id(1)).await?, Some((2, b"after".to_vec())));
    assert_eq!(all(&store, KIND, 10).await?.len(), 5);
    store.close().await
}
