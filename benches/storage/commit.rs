//! Bare commits of what one message changes: a session's record and an outbox entry.

use std::time::Instant;

use agentmesh_core::storage::{Changes, RecordId, RecordKind, Storage};

use crate::Scene;

/// A session's sealed record, and a message of 1 KiB with its frame.
const SESSION: usize = 500;
const ENTRY: usize = 2600;

pub(crate) async fn run(scene: &mut Scene<'_>) {
    let dir = scene.dir.join("bare");
    std::fs::create_dir_all(&dir).unwrap();
    let storage = scene.store.open(&dir);
    // The log of a new database grows, and a file that grows is slow to sync; that passes.
    for n in 0..8 {
        let mut changes = Changes::new();
        changes.put(RecordId { kind: RecordKind::Meta, key: [2; 16] }, n, vec![7; 1 << 20]);
        storage.commit(changes).await.unwrap();
    }
    let session = RecordId { kind: RecordKind::Session, key: [1; 16] };
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < scene.plan.each / 2 {
        let mut entry = [0; 16];
        entry[..8].copy_from_slice(&u64::try_from(count).unwrap().to_be_bytes());
        let entry = RecordId { kind: RecordKind::Outbox, key: entry };
        let mut changes = Changes::new();
        changes.put(session, u64::try_from(count).unwrap(), vec![7; SESSION]);
        changes.put(entry, 0, vec![7; ENTRY]);
        storage.commit(changes).await.unwrap();
        count += 1;
    }
    scene.add("bare commits, 1/s", count, start);
    storage.close().await.unwrap();
}
