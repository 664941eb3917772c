//! Killed processes and power cuts, at every step.

use super::*;
use crate::test_utils::{CrashAfter, seeded_rng};
use rand_core::Rng;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

type Snapshot = BTreeMap<RecordId, (u64, Vec<u8>)>;

/// Batches over a few records, and what the store holds after each; the first snapshot is the empty store.
fn story(batches: usize, seed: u64) -> (Vec<Changes>, Vec<Snapshot>) {
    let mut rng = seeded_rng(seed);
    let mut below = |n: u32| rng.next_u32() % n;
    let mut snapshots = vec![Snapshot::new()];
    let mut story = Vec::new();
    for i in 0..batches {
        let mut snapshot = snapshots[i].clone();
        let mut changes = Changes::new();
        for _ in 0..2 + below(3) {
            let id = id(below(6) as u8);
            if changes.get(&id).is_some() {
                continue;
            }
            let version = snapshot.get(&id).map_or(0, |(version, _)| *version);
            if version > 0 && below(4) == 0 {
                changes.delete(id, version);
                snapshot.remove(&id);
            } else {
                // Mostly small; now and then beyond the room that the journal reserves.
                let len = if below(8) == 0 { 80_000 } else { below(900) };
                let value = vec![i as u8; len as usize];
                changes.put(id, version, value.clone());
                snapshot.insert(id, (version + 1, value));
            }
        }
        story.push(changes);
        snapshots.push(snapshot);
    }
    (story, snapshots)
}

fn snapshot(store: &FileStorage) -> Snapshot {
    let records = block_on(store.list(RecordKind::Session, None, 100)).unwrap();
    records.into_iter().map(|r| (r.id, (r.version, r.sealed))).collect()
}

/// Tells the story to a store that may die; how many batches it confirmed. Closes and opens it again every few batches,
/// so that checkpoints are part of the story.
fn tell(
    path: &Path,
    hook: &Arc<impl DiskHook + 'static>,
    story: &[Changes],
    mut on_batch: impl FnMut(usize),
) -> usize {
    let mut confirmed = 0;
    for chapter in story.chunks(4) {
        let Ok(store) = FileStorage::open_with_hook(path, hook.clone()) else { return confirmed };
        for batch in chapter {
            on_batch(confirmed);
            if block_on(store.commit(batch.clone())).is_err() {
                return confirmed;
            }
            confirmed += 1;
        }
        on_batch(confirmed);
        let _ = block_on(store.close());
    }
    confirmed
}

#[test]
fn killed_at_any_step_a_store_holds_every_confirmed_batch_and_no_part_of_another() {
    let (story, snapshots) = story(8, 1);
    let counting = Arc::new(CrashAfter::never());
    let dir = test_dir();
    assert_eq!(tell(dir.path(), &counting, &story, |_| ()), story.len());
    let steps = counting.steps();
    assert!(steps > 60, "{steps}");
    for stop in 0..steps {
        for quarters in 0..=4 {
            let dir = test_dir();
            let killer = Arc::new(CrashAfter::new(stop, quarters));
            let confirmed = tell(dir.path(), &killer, &story, |_| ());
            assert!(killer.has_crashed());
            // Killed again while it recovers, and once more.
            for again in 0..2 {
                let _ =
                    FileStorage::open_with_hook(dir.path(), Arc::new(CrashAfter::new(again, 2)));
            }
            let store = FileStorage::open(dir.path()).unwrap();
            let found = snapshot(&store);
            let possible = &snapshots[confirmed..=(confirmed + 1).min(story.len())];
            assert!(possible.contains(&found), "step {stop}, {quarters}/4, {confirmed} confirmed");
            // And it goes on from there, durably.
            let told = snapshots.iter().rposition(|s| *s == found).unwrap();
            let rest = &story[told..];
            rest.iter().for_each(|batch| block_on(store.commit(batch.clone())).unwrap());
            drop(store);
            let store = FileStorage::open(dir.path()).unwrap();
            assert_eq!(snapshot(&store), snapshots[story.len()]);
        }
    }
}

/// One step fails and the store lives on: what it says about each batch is true.
#[test]
fn one_failing_step_is_reported_truly() {
    #[derive(Debug)]
    struct FailOnce(CrashAfter, ErrorKind);
    impl DiskHook for FailOnce {
        fn before(&self, step: &DiskStep<'_>) -> DiskVerdict {
            let before = self.0.has_crashed();
            match self.0.before(step) {
                DiskVerdict::Tear(n, _) if !before => DiskVerdict::Tear(n, self.1),
                DiskVerdict::Fail(_) if !before => DiskVerdict::Fail(self.1),
                _ => DiskVerdict::Proceed,
            }
        }
    }
    let (story, snapshots) = story(8, 2);
    for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
        for stop in 0.. {
            let dir = test_dir();
            let hook = Arc::new(FailOnce(CrashAfter::new(stop, 2), kind));
            let confirmed = tell(dir.path(), &hook, &story, |_| ());
            let found = snapshot(&FileStorage::open(dir.path()).unwrap());
            let surely = kind == ErrorKind::StorageFull || confirmed == story.len();
            let possible = &snapshots[confirmed..=confirmed + usize::from(!surely)];
            assert!(possible.contains(&found), "step {stop}, {kind}, {confirmed} confirmed");
            if !hook.0.has_crashed() {
                assert!(stop > 60);
                break;
            }
        }
    }
}

#[test]
fn after_a_full_disk_the_same_store_goes_on() {
    let place = InFiles::new();
    let store = FileStorage::open_with_hook(place.path(), place.disk.clone()).unwrap();
    for i in 0..20 {
        place.disk.0.store(true, Ordering::SeqCst);
        let refused = block_on(store.commit(put(1, i, &[2; 500])));
        assert!(matches!(refused, Err(StorageError::Full { .. })));
        place.disk.0.store(false, Ordering::SeqCst);
        block_on(store.commit(put(1, i, &[i as u8; 300]))).unwrap();
    }
    // Full again when it comes to the checkpoint: what is confirmed stays in the journal.
    place.disk.0.store(true, Ordering::SeqCst);
    block_on(store.close()).unwrap();
    let store = FileStorage::open(place.path()).unwrap();
    assert_eq!(snapshot(&store), Snapshot::from([(id(1), (20, vec![19; 300]))]));
}

/// No space shows at the sync only, when the bytes are in the file already. "Nothing was written" must stay true after
/// a crash.
#[test]
fn a_commit_refused_for_space_at_the_sync_is_not_found_after_a_crash() {
    #[derive(Debug, Default)]
    struct Refuse {
        next_sync: AtomicBool,
        all: AtomicBool,
    }
    impl DiskHook for Refuse {
        fn before(&self, step: &DiskStep<'_>) -> DiskVerdict {
            let refused = self.all.load(Ordering::SeqCst)
                || matches!(step, DiskStep::Sync { .. })
                    && self.next_sync.swap(false, Ordering::SeqCst);
            if refused { DiskVerdict::Fail(ErrorKind::StorageFull) } else { DiskVerdict::Proceed }
        }
    }
    let dir = test_dir();
    let hook = Arc::new(Refuse::default());
    let store = FileStorage::open_with_hook(dir.path(), hook.clone()).unwrap();
    block_on(store.commit(put(1, 0, b"kept"))).unwrap();
    hook.next_sync.store(true, Ordering::SeqCst);
    let refused = block_on(store.commit(put(1, 1, b"refused")));
    assert!(matches!(refused, Err(StorageError::Full { .. })));
    hook.all.store(true, Ordering::SeqCst);
    drop(store);
    let found = snapshot(&FileStorage::open(dir.path()).unwrap());
    assert_eq!(found, Snapshot::from([(id(1), (1, b"kept".to_vec()))]));
}

#[test]
fn after_an_unclear_failure_the_store_refuses_until_it_is_opened_again() {
    let place = InFiles::new();
    let hook = Arc::new(CrashAfter::new(6, 4));
    let store = FileStorage::open_with_hook(place.path(), hook).unwrap();
    let error = (0..9).find_map(|i| block_on(store.commit(put(i, 0, b"x"))).err()).unwrap();
    assert!(matches!(error, StorageError::Io { .. }), "{error:?}");
    let crashed = |e: Option<StorageError>| matches!(e, Some(StorageError::Crashed { .. }));
    assert!(crashed(block_on(store.commit(put(9, 0, b"x"))).err()));
    assert!(crashed(block_on(store.load(&[id(0)])).err()));
    assert_eq!(block_on(store.close()), Ok(()));
    FileStorage::open(place.path()).unwrap();
}

/// What happened to the disk, in order; names are file names.
#[derive(Debug, Clone)]
enum Event {
    Create(String),
    Write(String, u64, Vec<u8>),
    Truncate(String, u64),
    Sync(String),
    Rename(String, String),
    Remove(String),
    SyncDir,
    /// So many batches were confirmed when the next one was handed over.
    Confirmed(usize),
}

#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<Event>>);

impl Recorder {
    fn push(&self, event: Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

impl DiskHook for Recorder {
    fn before(&self, step: &DiskStep<'_>) -> DiskVerdict {
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        self.push(match *step {
            DiskStep::Create { path } => Event::Create(name(path)),
            DiskStep::Write { path, at, bytes, .. } => Event::Write(name(path), at, bytes.to_vec()),
            DiskStep::Truncate { path, len, .. } => Event::Truncate(name(path), len),
            DiskStep::Sync { path, .. } => Event::Sync(name(path)),
            DiskStep::Rename { from, to } => Event::Rename(name(from), name(to)),
            DiskStep::Remove { path } => Event::Remove(name(path)),
            DiskStep::SyncDir { .. } => Event::SyncDir,
        });
        DiskVerdict::Proceed
    }
}

/// What of the unsynced a power cut takes away.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Everything,
    Nothing,
    Names,
    Contents,
    /// Any name, any sector.
    Any,
}

/// A file's bytes on the platter, and the writes still in the cache.
#[derive(Debug, Clone, Default)]
struct Inode {
    durable: Vec<u8>,
    pending: Vec<Event>,
}

impl Inode {
    fn apply(bytes: &mut Vec<u8>, event: &Event, mut keep: impl FnMut() -> bool) {
        const SECTOR: usize = 512;
        match event {
            Event::Write(_, at, new) => {
                for (i, sector) in new.chunks(SECTOR).enumerate().filter(|_| keep()) {
                    let from = *at as usize + i * SECTOR;
                    bytes.resize(bytes.len().max(from + sector.len()), 0);
                    bytes[from..from + sector.len()].copy_from_slice(sector);
                }
            }
            Event::Truncate(_, len) if keep() => bytes.truncate(*len as usize),
            _ => {}
        }
    }

    fn after(&self, mut keep: impl FnMut() -> bool) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        self.pending.iter().for_each(|event| Self::apply(&mut bytes, event, &mut keep));
        bytes
    }
}

type Names = BTreeMap<String, usize>;

/// A disk with a cache.
#[derive(Debug, Clone, Default)]
struct Model {
    inodes: Vec<Inode>,
    names: Names,
    durable_names: Names,
    /// Changes of names that are not durable yet: the name, and what it stands for then.
    pending_names: Vec<(String, Option<usize>)>,
}

impl Model {
    fn set_name(&mut self, name: &str, inode: Option<usize>) {
        self.pending_names.push((name.to_owned(), inode));
        match inode {
            Some(inode) => self.names.insert(name.to_owned(), inode),
            None => self.names.remove(name),
        };
    }

    fn play(&mut self, event: &Event) {
        match event {
            Event::Create(name) => {
                self.inodes.push(Inode::default());
                self.set_name(name, Some(self.inodes.len() - 1));
            }
            Event::Write(name, ..) | Event::Truncate(name, _) => {
                self.inodes[self.names[name]].pending.push(event.clone());
            }
            Event::Sync(name) => {
                let inode = &mut self.inodes[self.names[name]];
                inode.durable = inode.after(|| true);
                inode.pending.clear();
            }
            Event::Rename(from, to) => {
                let inode = self.names[from];
                self.set_name(to, Some(inode));
                self.set_name(from, None);
            }
            Event::Remove(name) => self.set_name(name, None),
            Event::SyncDir => {
                self.durable_names = self.names.clone();
                self.pending_names.clear();
            }
            Event::Confirmed(_) => {}
        }
    }

    /// What is in the directory after the power is back.
    fn cut(&self, cut: Cut, rng: &mut impl Rng) -> BTreeMap<String, Vec<u8>> {
        let mut coin = || rng.next_u32().is_multiple_of(2);
        let mut names = self.durable_names.clone();
        for (name, inode) in &self.pending_names {
            let keeps = match cut {
                Cut::Everything | Cut::Names => false,
                Cut::Nothing | Cut::Contents => true,
                Cut::Any => coin(),
            };
            match inode {
                _ if !keeps => None,
                Some(inode) => names.insert(name.clone(), *inode),
                None => names.remove(name),
            };
        }
        let content = |inode: usize| {
            self.inodes[inode].after(|| match cut {
                Cut::Everything | Cut::Contents => false,
                Cut::Nothing | Cut::Names => true,
                Cut::Any => coin(),
            })
        };
        let mut content = content;
        names.into_iter().map(|(name, inode)| (name, content(inode))).collect()
    }
}

/// The cache of the disk is lost in many ways after every single step. What was confirmed is there.
#[test]
fn a_power_cut_at_any_step_loses_nothing_confirmed_and_splits_no_batch() {
    let (story, snapshots) = story(12, 3);
    let dir = test_dir();
    let recorder = Arc::new(Recorder::default());
    tell(dir.path(), &recorder, &story, |confirmed| recorder.push(Event::Confirmed(confirmed)));
    let events = recorder.0.lock().unwrap().clone();
    let mut rng = seeded_rng(4);
    let (mut model, mut confirmed, mut seen) = (Model::default(), 0, 0);
    for (at, event) in events.iter().enumerate() {
        model.play(event);
        if let Event::Confirmed(n) = event {
            confirmed = *n;
        }
        let some = [Cut::Any; 6];
        let all = [Cut::Everything, Cut::Nothing, Cut::Names, Cut::Contents];
        for cut in all.into_iter().chain(some) {
            let dir = test_dir();
            for (name, bytes) in model.cut(cut, &mut rng) {
                fs::write(dir.path().join(name), bytes).unwrap();
            }
            let store = FileStorage::open(dir.path())
                .unwrap_or_else(|e| panic!("event {at} {event:?}, {cut:?}: {e}"));
            let found = snapshot(&store);
            let possible = &snapshots[confirmed..=(confirmed + 1).min(story.len())];
            assert!(possible.contains(&found), "event {at}, {cut:?}, {confirmed} confirmed");
            seen += 1;
        }
    }
    assert!(seen > 1000, "{seen}");
}
