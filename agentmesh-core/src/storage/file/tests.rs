use super::*;
use crate::{
    storage::{
        conformance::{Damage, Fixture},
        test_dir,
    },
    test_utils::block_on,
};
use std::{
    fs,
    io::ErrorKind,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tempfile::TempDir;

mod crash;

/// Refuses whatever would need space.
#[derive(Debug, Default)]
struct FullDisk(AtomicBool);

impl DiskHook for FullDisk {
    fn before(&self, step: &DiskStep<'_>) -> DiskVerdict {
        match step {
            DiskStep::Write { bytes, .. } if self.0.load(Ordering::SeqCst) => {
                DiskVerdict::Tear(bytes.len() / 2, ErrorKind::StorageFull)
            }
            _ => DiskVerdict::Proceed,
        }
    }

    fn is_in_order(&self) -> bool {
        false
    }
}

struct InFiles {
    dir: TempDir,
    disk: Arc<FullDisk>,
}

impl InFiles {
    fn new() -> Self {
        Self { dir: test_dir(), disk: Arc::default() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    fn filled(n: u8) -> Self {
        let this = Self::new();
        let store = FileStorage::open(this.path()).unwrap();
        for i in 0..n {
            block_on(store.commit(put(i, 0, &[i; 300]))).unwrap();
        }
        block_on(store.close()).unwrap();
        this
    }
}

impl Fixture for InFiles {
    type Store = FileStorage;

    fn open(&self) -> StorageFuture<'_, FileStorage> {
        Box::pin(async { FileStorage::open_with_hook(self.path(), self.disk.clone()) })
    }

    fn damage(&self, id: RecordId, damage: Damage) -> bool {
        let path = self.path().join(id.to_string());
        let mut bytes = fs::read(&path).unwrap();
        match damage {
            Damage::Altered => bytes[150] ^= 1,
            Damage::Truncated => bytes.truncate(150),
            Damage::Missing => {
                fs::remove_file(&path).unwrap();
                return true;
            }
        }
        fs::write(&path, bytes).unwrap();
        true
    }

    fn make_foreign(&self) -> bool {
        let path = self.path().join("journal");
        let mut bytes = fs::read(&path).unwrap();
        bytes[11] += 1;
        fs::write(&path, bytes).unwrap();
        true
    }

    fn play_full_disk(&self, _: &FileStorage, full: bool) -> bool {
        self.disk.0.store(full, Ordering::SeqCst);
        true
    }
}

crate::storage_conformance_tests!(InFiles::new());

fn id(n: u8) -> RecordId {
    RecordId { kind: RecordKind::Session, key: [n; 16] }
}

fn put(n: u8, expected: u64, sealed: &[u8]) -> Changes {
    let mut changes = Changes::new();
    changes.put(id(n), expected, sealed.to_vec());
    changes
}

fn open_error(path: &Path) -> StorageError {
    FileStorage::open(path).unwrap_err()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn whatever_is_wrong_with_the_directory_is_told_apart_and_left_alone() {
    let dir = test_dir();
    let at = |name: &str| fs::canonicalize(dir.path()).unwrap().join(name);

    fs::create_dir(at("empty")).unwrap();
    FileStorage::open(at("empty")).unwrap();
    FileStorage::open(at("deep/er")).unwrap();

    fs::write(at("file"), "x").unwrap();
    assert!(matches!(open_error(&at("file")), StorageError::NotAStore { .. }));

    fs::create_dir(at("home")).unwrap();
    fs::write(at("home/letter.txt"), "dear").unwrap();
    assert!(matches!(open_error(&at("home")), StorageError::NotAStore { .. }));
    assert_eq!(names(&at("home")), ["letter.txt"]);

    let journal = at("empty/journal");
    let whole = fs::read(&journal).unwrap();
    fs::write(&journal, "").unwrap();
    assert_eq!(open_error(&at("empty")), StorageError::Empty { path: journal.clone() });
    for len in 1..whole.len() {
        fs::write(&journal, &whole[..len]).unwrap();
        let error = open_error(&at("empty"));
        assert!(
            matches!(&error, StorageError::Corrupt { path, .. } if *path == journal),
            "{error}"
        );
    }
    fs::write(&journal, &whole).unwrap();
    FileStorage::open(at("empty")).unwrap();
}

#[test]
fn a_locked_store_names_its_path_its_process_and_since_when() {
    let place = InFiles::new();
    let _store = FileStorage::open(place.path()).unwrap();
    let StorageError::Locked { path, holder } = open_error(&place.path()) else {
        panic!("it opened twice");
    };
    assert_eq!(path, fs::canonicalize(place.path()).unwrap());
    assert_eq!(holder.pid, cfg!(unix).then(std::process::id));
    let year_2026 = crate::Timestamp::from_millis(1_767_225_600_000);
    assert!(holder.since.is_some_and(|since| since > year_2026), "{holder}");
}

#[cfg(unix)]
#[test]
fn directory_and_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let place = InFiles::filled(3);
    assert_eq!(mode(&place.path()), 0o700);
    for name in names(&place.path()) {
        assert_eq!(mode(&place.path().join(&name)), 0o600, "{name}");
    }
}

#[test]
fn a_closed_store_has_each_record_in_a_file_of_its_own_and_nothing_else() {
    let place = InFiles::filled(2);
    let expected = [
        "journal".to_owned(),
        "lock".to_owned(),
        format!("session-{}", "00".repeat(16)),
        format!("session-{}", "01".repeat(16)),
    ];
    assert_eq!(names(&place.path()), expected);
    let store = FileStorage::open(place.path()).unwrap();
    let mut changes = Changes::new();
    changes.delete(id(0), 1);
    block_on(store.commit(changes)).unwrap();
    drop(store);
    assert_eq!(names(&place.path()), [&expected[..2], &expected[3..]].concat());
}

#[test]
fn each_journal_has_a_generation_of_its_own() {
    let place = InFiles::new();
    let mut seen = Vec::new();
    for i in 0..3 {
        let store = FileStorage::open(place.path()).unwrap();
        block_on(store.commit(put(1, i, b"x"))).unwrap();
        drop(store);
        let journal = fs::read(place.path().join("journal")).unwrap();
        seen.push(u64::from_be_bytes(journal[12..20].try_into().unwrap()));
    }
    assert_eq!(seen, [1, 2, 3]);
}

#[test]
fn a_record_of_another_time_or_from_elsewhere_is_named() {
    let place = InFiles::filled(3);
    let file = |n: u8| fs::canonicalize(place.path()).unwrap().join(id(n).to_string());
    let corrupt = |file: PathBuf| {
        let found = FileStorage::open(place.path())
            .and_then(|store| block_on(store.list(RecordKind::Session, None, 10)));
        match found {
            Err(StorageError::Corrupt { path, .. }) => assert_eq!(path, file),
            other => panic!("{other:?}"),
        }
    };
    let old = fs::read(file(1)).unwrap();
    // Another record's file.
    fs::copy(file(2), file(1)).unwrap();
    corrupt(file(1));
    fs::write(file(1), &old).unwrap();
    // A file that the journal does not know.
    fs::copy(file(1), file(9)).unwrap();
    corrupt(file(9));
    fs::remove_file(file(9)).unwrap();
    // The same record, from an older backup.
    let store = FileStorage::open(place.path()).unwrap();
    block_on(store.commit(put(1, 1, &[7; 300]))).unwrap();
    drop(store);
    fs::write(file(1), &old).unwrap();
    corrupt(file(1));
}

#[test]
fn many_changes_to_few_records_stay_small_on_the_disk() {
    let place = InFiles::new();
    let store = FileStorage::open(place.path()).unwrap();
    for i in 0..300 {
        block_on(store.commit(put((i % 4) as u8, i / 4, &vec![i as u8; 100_000]))).unwrap();
    }
    let total: u64 = names(&place.path())
        .iter()
        .map(|name| fs::metadata(place.path().join(name)).unwrap().len())
        .sum();
    assert!(total < 10 << 20, "30 MB written, {total} bytes on the disk");
}

/// Every record reads as committed, or there is an error: at no byte does damage make a record another, or absent.
#[test]
fn no_flipped_byte_changes_or_hides_a_record() {
    const RECORDS: u8 = 5;
    let place = InFiles::filled(RECORDS);
    let mut found = 0;
    for name in names(&place.path()).into_iter().filter(|name| name != "lock") {
        let path = place.path().join(name);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).unwrap();
            match FileStorage::open(place.path())
                .and_then(|store| block_on(store.list(RecordKind::Session, None, 100)))
            {
                Ok(records) => panic!("byte {at} of {path:?} unnoticed: {records:?}"),
                Err(StorageError::Corrupt { .. } | StorageError::ForeignVersion { .. }) => {
                    found += 1;
                }
                Err(other) => panic!("byte {at}: {other:?}"),
            }
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(found > 1000);
}
