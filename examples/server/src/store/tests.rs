//! Groups that fail and groups that do not, on a real file.

use std::sync::{Arc, Mutex, PoisonError};

use agentmesh_core::{
    Timestamp,
    wire::{relay_frame::RelayMessageType, relay_id::RelayMessageId},
};
use tempfile::TempDir;

use super::*;
use crate::envelope::{Envelope, Payload};

type Reports = Arc<Mutex<Vec<Flushed>>>;

fn open(dir: &TempDir) -> (Store, Vec<Head>, Reports) {
    let reports = Reports::default();
    let report = Arc::clone(&reports);
    let on_flushed = move |batch: Vec<Flushed>| {
        report.lock().unwrap_or_else(PoisonError::into_inner).extend(batch);
    };
    let (store, heads) =
        Store::open(Some(dir.path()), Arc::new(Metrics::new()), on_flushed).unwrap();
    (store, heads, reports)
}

fn row(seq: u64, bytes: usize) -> Row {
    let envelope = Envelope {
        from: "alice".into(),
        id: RelayMessageId::from_bytes([7; 16]),
        kind: RelayMessageType::Message,
        time: Timestamp::from_millis(seq),
        payload: Payload::Frame(vec![1; bytes].into()),
    };
    Row { seq, recipient: "bob".into(), envelope: Arc::new(envelope) }
}

/// Everything queued before is through, and reported, when this returns: reports come after answers, and before the
/// next group.
async fn settled(store: &Store) {
    for _ in 0..2 {
        let _ = store.write(|_| Ok(())).await;
    }
}

#[tokio::test]
async fn messages_are_there_again_after_reopening_and_cancelled_ones_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let (store, heads, reports) = open(&dir);
    assert!(heads.is_empty());
    let cancelled = Arc::new(Ticket::default());
    assert!(cancelled.cancel());
    store.insert(row(1, 10), Arc::default());
    store.insert(row(2, 10), cancelled);
    store.insert(row(3, 10), Arc::default());
    settled(&store).await;
    store.delete(1);
    store.close().await;
    assert_eq!(reports.lock().unwrap().iter().filter(|f| f.durable).count(), 3);

    let (store, heads, _) = open(&dir);
    assert_eq!(heads.iter().map(|h| h.seq).collect::<Vec<_>>(), [3]);
    let loaded = store.read(|c| messages::load(c, &[1, 2, 3])).await.unwrap();
    assert_eq!(loaded, [(3, row(3, 10).envelope)]);
}

#[tokio::test]
async fn failing_job_undoes_itself_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _, _) = open(&dir);
    let now = Timestamp::from_millis(1);
    let use_once = move |nonce: [u8; 16]| {
        move |c: &Connection| nonces::use_once(c, nonces::Scope::Connect, "a", &nonce, now)
    };
    let good = store.write(use_once([1; 16]));
    let bad = store.write(move |c| {
        use_once([2; 16])(c)?;
        c.execute_batch("nonsense")
    });
    let also_good = store.write(use_once([3; 16]));
    let (good, bad, also_good) = tokio::join!(good, bad, also_good);
    assert_eq!((good, also_good), (Ok(true), Ok(true)));
    assert!(matches!(bad, Err(StoreError::Database(_))), "{bad:?}");
    // The second was undone, the others stand.
    assert_eq!(store.write(use_once([2; 16])).await, Ok(true));
    assert_eq!(store.write(use_once([1; 16])).await, Ok(false));
}

#[tokio::test]
async fn full_disk_is_reported_for_each_message_and_the_store_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _, reports) = open(&dir);
    store
        .write(|c| c.query_row("PRAGMA max_page_count = 30", (), |row| row.get::<_, i64>(0)))
        .await
        .unwrap();
    for seq in 1..=20 {
        store.insert(row(seq, 20_000), Arc::default());
    }
    settled(&store).await;
    let failed: Vec<u64> = {
        let reports = reports.lock().unwrap();
        assert_eq!(reports.len(), 20);
        reports.iter().filter(|f| !f.durable).map(|f| f.seq).collect()
    };
    assert!(!failed.is_empty());
    store
        .write(|c| c.query_row("PRAGMA max_page_count = 100000", (), |row| row.get::<_, i64>(0)))
        .await
        .unwrap();
    store.insert(row(21, 20_000), Arc::default());
    settled(&store).await;
    store.close().await;
    // Exactly those that were said to be durable are.
    let (_store, heads, _) = open(&dir);
    let stored: Vec<u64> = heads.iter().map(|h| h.seq).collect();
    let expected: Vec<u64> = (1..=21).filter(|seq| !failed.contains(seq)).collect();
    assert_eq!(stored, expected);
}

#[tokio::test]
async fn closed_store_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _, _) = open(&dir);
    store.close().await;
    assert_eq!(store.write(|_| Ok(())).await, Err(StoreError::Closed));
    assert_eq!(store.read(|_| Ok(())).await, Err(StoreError::Closed));
    store.close().await;
}
