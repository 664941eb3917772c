use super::*;
use crate::{
    storage::{
        conformance::{Damage, Fixture},
        test_dir,
    },
    test_utils::block_on,
};
use rusqlite::{Connection, params};
use std::{fs, path::PathBuf};
use tempfile::TempDir;

struct InSqlite(TempDir);

impl InSqlite {
    fn new() -> Self {
        Self(test_dir())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("agent.db")
    }

    fn raw(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    /// A closed store with `n` records, of 300 bytes each.
    fn filled(n: u8) -> Self {
        let this = Self::new();
        let store = SqliteStorage::open(this.path()).unwrap();
        for i in 0..n {
            block_on(store.commit(put(i, 0, &[i; 300]))).unwrap();
        }
        block_on(store.close()).unwrap();
        this
    }
}

impl Fixture for InSqlite {
    type Store = SqliteStorage;

    fn open(&self) -> StorageFuture<'_, SqliteStorage> {
        Box::pin(async { SqliteStorage::open(self.path()) })
    }

    fn damage(&self, id: RecordId, damage: Damage) -> bool {
        let sql = match damage {
            Damage::Altered => {
                "UPDATE record SET sealed = CAST(x'ff' || substr(sealed, 2) AS BLOB)"
            }
            Damage::Truncated => "UPDATE record SET sealed = substr(sealed, 1, 100)",
            // Nobody removes a row from the middle of a file by accident.
            Damage::Missing => return false,
        };
        let kind = id.kind.as_u8();
        let sql = format!("{sql} WHERE kind = ? AND key = ?");
        self.raw().execute(&sql, params![kind, id.key]).unwrap() == 1
    }

    fn make_foreign(&self) -> bool {
        self.raw().execute("UPDATE agentmesh_store SET version = 2", []).unwrap() == 1
    }

    fn play_full_disk(&self, store: &SqliteStorage, full: bool) -> bool {
        store.play_full_disk(full);
        true
    }
}

crate::storage_conformance_tests!(InSqlite::new());

fn id(n: u8) -> RecordId {
    RecordId { kind: RecordKind::Session, key: [n; 16] }
}

fn put(n: u8, expected: u64, sealed: &[u8]) -> Changes {
    let mut changes = Changes::new();
    changes.put(id(n), expected, sealed.to_vec());
    changes
}

fn open_error(path: &Path) -> StorageError {
    SqliteStorage::open(path).unwrap_err()
}

#[test]
fn whatever_is_wrong_with_the_file_is_told_apart_and_left_alone() {
    let dir = test_dir();
    let at = |name: &str| fs::canonicalize(dir.path()).unwrap().join(name);

    fs::write(at("empty"), "").unwrap();
    assert_eq!(open_error(&at("empty")), StorageError::Empty { path: at("empty") });
    assert!(fs::read(at("empty")).unwrap().is_empty());

    fs::write(at("text"), "this is a text of more than sixteen bytes").unwrap();
    assert!(matches!(open_error(&at("text")), StorageError::Corrupt { .. }));
    assert!(fs::read(at("text")).unwrap().starts_with(b"this is"));

    fs::create_dir(at("dir")).unwrap();
    assert!(matches!(open_error(&at("dir")), StorageError::NotAStore { .. }));

    Connection::open(at("other")).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(matches!(open_error(&at("other")), StorageError::NotAStore { .. }));

    assert!(matches!(open_error(&at("absent/agent.db")), StorageError::Io { .. }));

    fs::write(at("gone-wal"), "the log of a database that is no longer there").unwrap();
    assert!(matches!(open_error(&at("gone")), StorageError::Corrupt { .. }));
    assert!(!at("gone").exists());
}

#[test]
fn a_locked_store_names_its_path_its_process_and_since_when() {
    let place = InSqlite::new();
    let _store = SqliteStorage::open(place.path()).unwrap();
    let StorageError::Locked { path, holder } = open_error(&place.path()) else {
        panic!("it opened twice");
    };
    assert_eq!(path, fs::canonicalize(place.path()).unwrap());
    assert_eq!(holder.pid, cfg!(unix).then(std::process::id));
    let year_2026 = crate::Timestamp::from_millis(1_767_225_600_000);
    assert!(holder.since.is_some_and(|since| since > year_2026), "{holder}");
    // Another name of the same file is the same store.
    #[cfg(unix)]
    {
        let link = place.0.path().join("link.db");
        std::os::unix::fs::symlink(place.path(), &link).unwrap();
        assert!(matches!(open_error(&link), StorageError::Locked { .. }));
        let link = place.0.path().join("hard.db");
        fs::hard_link(place.path(), &link).unwrap();
        assert!(matches!(open_error(&link), StorageError::Locked { .. }));
    }
}

#[cfg(unix)]
#[test]
fn files_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let place = InSqlite::new();
    let store = SqliteStorage::open(place.path()).unwrap();
    block_on(store.commit(put(1, 0, b"x"))).unwrap();
    let mut names = Vec::new();
    for entry in fs::read_dir(place.0.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{entry:?}");
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["agent.db", "agent.db-wal", "agent.db.lock"]);
}

#[cfg(unix)]
#[test]
fn a_path_that_may_not_be_used_is_permission_denied() {
    use std::os::unix::fs::PermissionsExt;
    let place = InSqlite::filled(1);
    let mode = |mode| {
        fs::set_permissions(place.path(), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o400);
    // Root may do anything; then there is nothing to test.
    if fs::OpenOptions::new().write(true).open(place.path()).is_err() {
        assert!(matches!(open_error(&place.path()), StorageError::PermissionDenied { .. }));
    }
    mode(0o600);
    SqliteStorage::open(place.path()).unwrap();
}

#[test]
fn a_creation_that_was_interrupted_is_done_again() {
    let place = InSqlite::new();
    fs::write(place.path().with_extension("db.new"), "half").unwrap();
    fs::write(place.path().with_extension("db.new-journal"), "half").unwrap();
    let store = SqliteStorage::open(place.path()).unwrap();
    block_on(store.commit(put(1, 0, b"x"))).unwrap();
    assert!(!place.path().with_extension("db.new").exists());
}

/// The store as a killed process leaves it: nothing moved from the log into the file.
#[test]
fn what_is_only_in_the_log_is_found_after_a_crash() {
    let place = InSqlite::new();
    let store = SqliteStorage::open(place.path()).unwrap();
    for i in 0..50 {
        block_on(store.commit(put(i, 0, &[i; 300]))).unwrap();
    }
    let crashed = InSqlite::new();
    for name in ["agent.db", "agent.db-wal"] {
        fs::copy(place.0.path().join(name), crashed.0.path().join(name)).unwrap();
    }
    let again = SqliteStorage::open(crashed.path()).unwrap();
    assert_eq!(block_on(again.list(RecordKind::Session, None, 100)).unwrap().len(), 50);
}

#[test]
fn the_log_is_moved_into_the_file_now_and_then() {
    let place = InSqlite::new();
    let store = SqliteStorage::open(place.path()).unwrap();
    for i in 0..200 {
        block_on(store.commit(put(1, i, &vec![i as u8; 100_000]))).unwrap();
    }
    let wal = fs::metadata(place.0.path().join("agent.db-wal")).unwrap().len();
    assert!(wal < 8 << 20, "200 commits of 100 kB, and the log has {wal} bytes");
}

/// Every record reads as committed, or there is an error: at no byte of the file does damage make a record
/// another, or absent.
#[test]
fn no_flipped_byte_changes_or_hides_a_record() {
    const RECORDS: u8 = 20;
    let place = InSqlite::filled(RECORDS);
    let whole = fs::read(place.path()).unwrap();
    let mut found = 0;
    // A prime step reaches every place within pages; the header and the first rows byte by byte.
    let positions = (0..100).chain((100..whole.len()).step_by(37));
    for at in positions {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(place.path(), &bytes).unwrap();
        match SqliteStorage::open(place.path())
            .and_then(|store| block_on(store.list(RecordKind::Session, None, 100)))
        {
            Ok(records) => {
                assert_eq!(records.len(), usize::from(RECORDS), "byte {at}");
                for (i, record) in (0..).zip(&records) {
                    assert_eq!(*record, Record { id: id(i), version: 1, sealed: vec![i; 300] });
                }
            }
            Err(
                StorageError::Corrupt { .. }
                | StorageError::ForeignVersion { .. }
                | StorageError::NotAStore { .. },
            ) => found += 1,
            Err(other) => panic!("byte {at}: {other:?}"),
        }
    }
    assert!(found > 50, "only {found} found");
}

#[test]
fn a_truncated_file_is_corrupt() {
    let place = InSqlite::filled(40);
    let whole = fs::read(place.path()).unwrap();
    for len in (1..whole.len()).step_by(501) {
        fs::write(place.path(), &whole[..len]).unwrap();
        let found = SqliteStorage::open(place.path())
            .and_then(|store| block_on(store.list(RecordKind::Session, None, 100)));
        assert!(matches!(found, Err(StorageError::Corrupt { .. })), "{len}: {found:?}");
    }
}

#[test]
fn a_batch_too_large_for_the_disk_does_not_take_others_with_it() {
    let place = InSqlite::new();
    let store = SqliteStorage::open(place.path()).unwrap();
    block_on(store.commit(put(1, 0, &[1; 100]))).unwrap();
    store.play_full_disk(true);
    std::thread::scope(|scope| {
        let large = scope.spawn(|| {
            for _ in 0..20 {
                let answer = block_on(store.commit(put(2, 0, &vec![2; 1 << 20])));
                assert!(matches!(answer, Err(StorageError::Full { .. })), "{answer:?}");
            }
        });
        let small = scope.spawn(|| {
            for i in 1..200 {
                block_on(store.commit(put(1, i, &[1; 100]))).unwrap();
            }
        });
        large.join().unwrap();
        small.join().unwrap();
    });
}
