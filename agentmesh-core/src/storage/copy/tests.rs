//! Copying from store to store: what arrives, what is refused, and every point at which it can be interrupted.

use super::*;
use crate::{
    storage::MemoryStorage,
    test_utils::{Fault, FaultyStorage, block_on},
};

const NAMES: CopyNames<'static> =
    CopyNames { from: "memory:a", to: "memory:b", now: Timestamp::from_millis(1_770_206_400_000) };

fn id(kind: RecordKind, n: u8) -> RecordId {
    RecordId::new(kind, [n; 16])
}

/// 60 records of several kinds and versions.
fn filled() -> MemoryStorage {
    let store = MemoryStorage::new();
    for n in 0..60 {
        let kind = RecordKind::ALL[usize::from(n) % 8];
        for version in 0..u64::from(n % 3) + 1 {
            let mut changes = Changes::new();
            changes.put(id(kind, n), version, vec![n; usize::from(n)]);
            block_on(store.commit(changes)).unwrap();
        }
    }
    store
}

/// Everything but the marks.
fn content(store: &dyn Storage) -> Vec<Record> {
    let mut all = Vec::new();
    for kind in RecordKind::ALL {
        let mut after = None;
        while let Some(records) = block_on(page(store, kind, &mut after)).unwrap() {
            all.extend(records);
        }
    }
    all
}

fn run(from: &dyn Storage, to: &dyn Storage) -> Result<CopyProgress, CopyError> {
    block_on(copy(from, to, NAMES, &mut |_| {}))
}

#[test]
fn everything_arrives_with_its_version_and_the_source_is_shut() {
    let (from, to) = (filled(), MemoryStorage::new());
    let before = content(&from);
    let mut steps = Vec::new();
    let done = block_on(copy(&from, &to, NAMES, &mut |progress| steps.push(progress))).unwrap();
    assert_eq!((done.copied, done.verified), (60, 60));
    assert_eq!(done.bytes, (0..60).sum::<u64>());
    assert!(steps.windows(2).all(|w| w[0].copied <= w[1].copied) && steps.last() == Some(&done));
    assert_eq!(content(&to), before);
    assert_eq!(content(&from), before, "the source keeps what it had");
    block_on(require_here(&to)).unwrap();
    let shut = block_on(require_here(&from)).unwrap_err();
    assert!(matches!(&shut, CopyError::Moved { to, .. } if to == "memory:b"), "{shut}");
    // Once more says nothing new, and moves nothing back.
    assert_eq!(run(&from, &to).unwrap(), CopyProgress::default());
    assert_eq!(content(&to), before);
    let elsewhere = MemoryStorage::new();
    assert!(matches!(run(&from, &elsewhere), Err(CopyError::Moved { .. })));
    assert!(matches!(run(&to, &from), Err(CopyError::NotEmpty { .. })));
    // What arrived can be moved on.
    let on = CopyNames { from: "memory:b", to: "memory:c", ..NAMES };
    block_on(copy(&to, &elsewhere, on, &mut |_| {})).unwrap();
    assert_eq!(content(&elsewhere), before);
}

#[test]
fn a_target_that_is_not_empty_is_refused_and_both_are_as_they_were() {
    let (from, to) = (filled(), filled());
    let (a, b) = (content(&from), content(&to));
    assert!(matches!(run(&from, &to), Err(CopyError::NotEmpty { .. })));
    assert_eq!((content(&from), content(&to)), (a, b));
    for store in [&from, &to] {
        assert_eq!(block_on(marks(store)).unwrap(), CopyMarks::default());
    }
    let nothing = run(&MemoryStorage::new(), &MemoryStorage::new());
    assert!(matches!(nothing, Err(CopyError::SourceEmpty { .. })), "{nothing:?}");
}

#[test]
fn interrupted_at_any_write_neither_store_can_be_used_and_copying_again_finishes() {
    let expected = content(&filled());
    let mut interrupted = 0;
    for at in 1..20 {
        for fault in [Fault::CrashBefore, Fault::CrashAfter] {
            let (from, to) = (filled(), MemoryStorage::new());
            let faulty = FaultyStorage::new(to.clone());
            faulty.faults().at_commit(at, fault);
            if run(&from, &faulty).is_ok() {
                continue;
            }
            interrupted += 1;
            let to = to.reopen();
            let shut = block_on(require_here(&from)).unwrap_err();
            assert!(matches!(shut, CopyError::Moved { .. }), "{shut}");
            run(&from, &to).unwrap();
            assert_eq!(content(&to), expected, "write {at}");
            block_on(require_here(&to)).unwrap();
        }
    }
    assert!(interrupted > 10, "{interrupted}");
}

#[test]
fn half_a_copy_is_no_store() {
    let (from, to) = (filled(), MemoryStorage::new());
    let faulty = FaultyStorage::new(to.clone());
    faulty.faults().at_commit(3, Fault::CrashBefore);
    let crashed = run(&from, &faulty).unwrap_err();
    assert!(matches!(crashed, CopyError::Storage { .. }), "{crashed}");
    let to = to.reopen();
    let half = block_on(require_here(&to)).unwrap_err();
    assert!(matches!(&half, CopyError::Unfinished { from } if from == "memory:a"), "{half}");
    let third = MemoryStorage::new();
    assert!(matches!(run(&to, &third), Err(CopyError::Unfinished { .. })));
    // Given up: the target is destroyed, and the source goes on.
    block_on(take_back(&from)).unwrap();
    block_on(require_here(&from)).unwrap();
    assert_eq!(block_on(take_back(&from)).unwrap_err(), CopyError::NotMoved);
    run(&from, &third).unwrap();
    assert_eq!(content(&third), content(&filled()));
}

#[test]
fn a_target_that_changed_what_it_was_given_is_caught() {
    let (from, to) = (filled(), MemoryStorage::new());
    let faulty = FaultyStorage::new(to.clone());
    faulty.faults().at_commit(4, Fault::CrashBefore);
    run(&from, &faulty).unwrap_err();
    let to = to.reopen();
    let there = content(&to).remove(0);
    let mut changes = Changes::new();
    changes.put(there.id, there.version, b"something else".to_vec());
    block_on(to.commit(changes)).unwrap();
    assert_eq!(run(&from, &to).unwrap_err(), CopyError::Differs { id: there.id });

    let (from, to) = (filled(), MemoryStorage::new());
    let faulty = FaultyStorage::new(to.clone());
    faulty.faults().at_commit(4, Fault::CrashBefore);
    run(&from, &faulty).unwrap_err();
    let to = to.reopen();
    let stray = id(RecordKind::Seen, 0xee);
    let mut changes = Changes::new();
    changes.put(stray, 0, b"from nowhere".to_vec());
    block_on(to.commit(changes)).unwrap();
    assert_eq!(run(&from, &to).unwrap_err(), CopyError::Differs { id: stray });
}

#[test]
fn a_damaged_mark_is_no_missing_mark() {
    let store = filled();
    let mut changes = Changes::new();
    changes.put(MOVED, 0, vec![9]);
    block_on(store.commit(changes)).unwrap();
    assert!(matches!(block_on(require_here(&store)), Err(CopyError::Mark { .. })));
}
