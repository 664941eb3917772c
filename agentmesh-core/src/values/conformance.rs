//! What [`Values`] must do over every store; part of `storage_conformance_tests!`.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use super::{KeyValue, KeyValueError, SetOptions, Values};
use crate::{
    context::Context,
    storage::{RecordKind, Storage, conformance::Fixture},
    test_utils::seeded_rng,
    time::Timestamp,
    vault::StoreKey,
};

/// What each test returns.
pub type Tested = Result<(), KeyValueError>;

fn context(seconds: &Arc<AtomicU64>) -> Context {
    let seconds = Arc::clone(seconds);
    let clock = move || Timestamp::from_millis(seconds.load(Ordering::Relaxed) * 1000);
    Context::new(clock, seeded_rng(1))
}

/// Values come back as written, the later write stands, deleted ones are gone, lists are sorted; also after opening again.
pub async fn keeps_values<F: Fixture>(fixture: &F) -> Tested {
    let time = Arc::new(AtomicU64::new(1000));
    let store = fixture.open().await?;
    let values = Values::new(&store, context(&time));
    assert_eq!(values.get("a").await?, None);
    assert!(!values.exists("a").await?);
    assert!(!values.delete("a").await?);
    for name in ["b/2", "a", "b/10", "b/1", "c", "é", "b"] {
        values.set(name, name.as_bytes(), SetOptions::default()).await?;
    }
    values.set("a", b"again", SetOptions::default()).await?;
    values.set("empty", b"", SetOptions::default()).await?;
    assert!(values.delete("c").await?);
    assert!(!values.delete("c").await?);
    assert_eq!(values.list("b/").await?, ["b/1", "b/10", "b/2"]);
    assert_eq!(values.list("").await?, ["a", "b", "b/1", "b/10", "b/2", "empty", "é"]);
    assert_eq!(values.list("nothing").await?, [""; 0]);
    store.close().await?;

    let store = fixture.open().await?;
    let values = Values::new(&store, context(&time));
    assert_eq!(values.get("a").await?, Some(b"again".to_vec()));
    assert_eq!(values.get("empty").await?, Some(Vec::new()));
    assert_eq!(values.get("é").await?, Some("é".as_bytes().to_vec()));
    assert_eq!(values.get("c").await?, None);
    assert!(values.get("").await.is_err());
    Ok(store.close().await?)
}

/// A value is there until its time is up and not a moment longer, and metadata comes with it.
pub async fn values_expire<F: Fixture>(fixture: &F) -> Tested {
    let time = Arc::new(AtomicU64::new(1000));
    let store = fixture.open().await?;
    let values = Values::new(&store, context(&time));
    let mut options = SetOptions::ttl(60);
    options.metadata.insert("from".into(), "anna".into());
    values.set("short", b"1", options.clone()).await?;
    values.set("long", b"2", SetOptions::ttl(600)).await?;
    values.set("for good", b"3", SetOptions::default()).await?;
    let entry = values.entry("short").await?.map(|e| (e.metadata, e.expires_at));
    assert_eq!(entry, Some((options.metadata, Some(Timestamp::from_millis(1_060_000)))));

    time.store(1059, Ordering::Relaxed);
    assert!(values.exists("short").await?);
    assert_eq!(values.sweep().await?, 0);
    time.store(1060, Ordering::Relaxed);
    assert_eq!(values.get("short").await?, None);
    assert!(!values.exists("short").await?);
    assert_eq!(values.list("").await?, ["for good", "long"]);
    assert!(!values.delete("short").await?, "it was gone already");
    values.set("short", b"again", SetOptions::ttl(5)).await?;
    assert!(values.exists("short").await?);

    time.store(5000, Ordering::Relaxed);
    assert_eq!(values.sweep().await?, 2);
    assert_eq!(store.list(RecordKind::Value, None, 9).await?.len(), 1);
    assert_eq!(values.list("").await?, ["for good"]);
    Ok(store.close().await?)
}

/// Sealed values and plain ones of the same name are two, the store reads nothing of the sealed ones, and neither is
/// among the records of another kind.
pub async fn sealed_values_live_apart<F: Fixture>(fixture: &F) -> Tested {
    let time = Arc::new(AtomicU64::new(1000));
    let store = fixture.open().await?;
    let key = StoreKey::from_bytes([7; 32]);
    let plain = Values::new(&store, context(&time));
    let sealed = Values::sealed(&store, &key, context(&time));
    sealed.set("name-of-a-value", b"content-of-a-value", SetOptions::ttl(60)).await?;
    for record in store.list(RecordKind::Value, None, 9).await? {
        for text in [&b"name-of-a-value"[..], b"content-of-a-value"] {
            assert!(!record.sealed.windows(text.len()).any(|w| w == text), "it can be read");
        }
    }
    assert_eq!(plain.get("name-of-a-value").await?, None);
    plain.set("name-of-a-value", b"plain", SetOptions::default()).await?;
    assert_eq!(sealed.get("name-of-a-value").await?, Some(b"content-of-a-value".to_vec()));
    assert_eq!(plain.list("").await?, ["name-of-a-value"]);
    assert_eq!(sealed.list("").await?, ["name-of-a-value"]);
    for kind in RecordKind::ALL {
        let expected = if kind == RecordKind::Value { 2 } else { 0 };
        assert_eq!(store.list(kind, None, 9).await?.len(), expected, "{kind}");
    }
    let stranger = Values::sealed(&store, &StoreKey::from_bytes([8; 32]), context(&time));
    assert_eq!(stranger.get("name-of-a-value").await?, None);
    assert!(matches!(stranger.list("").await, Err(KeyValueError::Vault { .. })));
    Ok(store.close().await?)
}
