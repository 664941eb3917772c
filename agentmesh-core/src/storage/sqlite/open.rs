//! Opening and creating the file, and telling apart everything that can be wrong with it.

use super::{
    super::{StorageError, disk_error, lock::StoreLock},
    backend::{Sqlite, sqlite_error},
};
use rusqlite::{Connection, OpenFlags};
use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

/// Version of the tables below. A store with another is left alone.
const SCHEMA_VERSION: u32 = 1;

/// Marks the file as ours for `file(1)` and for us: "AMst".
const APPLICATION_ID: i32 = 0x414d_7374;

/// A record is a row: `sum` is the checksum of the others. Rows have a rowid, since sealed records are too large for
/// the index pages of a table without.
const SCHEMA: &str = "
    CREATE TABLE agentmesh_store (version INTEGER NOT NULL) STRICT;
    CREATE TABLE record (
        kind INTEGER NOT NULL,
        key BLOB NOT NULL,
        version INTEGER NOT NULL,
        sum BLOB NOT NULL,
        sealed BLOB NOT NULL,
        UNIQUE (kind, key)
    ) STRICT;
";

const MAGIC: &[u8; 16] = b"SQLite format 3\0";

pub(super) fn open(path: &Path) -> Result<Sqlite, StorageError> {
    let path = resolve(path)?;
    let lock = StoreLock::acquire(&sibling(&path, ".lock"), &path)?;
    match fs::metadata(&path) {
        Ok(found) if found.is_dir() => {
            let hint = "it is a directory; this store is one file".to_owned();
            return Err(StorageError::NotAStore { path, hint });
        }
        Ok(found) if found.len() == 0 => return Err(StorageError::Empty { path }),
        Ok(_) => check_magic(&path)?,
        Err(e) if e.kind() == ErrorKind::NotFound => create(&path)?,
        Err(e) => return Err(disk_error("open", &path, &e)),
    }
    let conn = connect(&path).map_err(|e| sqlite_error("open", &path, &e))?;
    check_version(&conn, &path)?;
    check_integrity(&conn, &path)?;
    go_live(&conn).map_err(|e| sqlite_error("open", &path, &e))?;
    Ok(Sqlite::new(conn, path, lock))
}

/// The file that is meant, so that two spellings of a path find the same lock.
fn resolve(path: &Path) -> Result<PathBuf, StorageError> {
    match fs::canonicalize(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        found => return found.map_err(|e| disk_error("open", path, &e)),
    }
    let absolute = std::path::absolute(path).map_err(|e| disk_error("open", path, &e))?;
    let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        let hint = "it names no file".to_owned();
        return Err(StorageError::NotAStore { path: absolute, hint });
    };
    let parent = fs::canonicalize(parent).map_err(|e| disk_error("open", parent, &e))?;
    Ok(parent.join(name))
}

fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn check_magic(path: &Path) -> Result<(), StorageError> {
    // Also finds out, in the system's words, whether we may write.
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(|e| disk_error("open", path, &e))?;
    let mut magic = [0; 16];
    match file.read_exact(&mut magic) {
        Ok(()) if magic == *MAGIC => Ok(()),
        Err(e) if e.kind() != ErrorKind::UnexpectedEof => Err(disk_error("read", path, &e)),
        _ => Err(StorageError::Corrupt {
            path: path.to_path_buf(),
            hint: "its first bytes are not those of a SQLite database; restore it from a backup"
                .to_owned(),
        }),
    }
}

/// Creates the file under another name and moves it into place when it is whole and on the disk: a file of the store's
/// name is never half made.
fn create(path: &Path) -> Result<(), StorageError> {
    let wal = sibling(path, "-wal");
    if fs::metadata(&wal).is_ok_and(|found| found.len() > 0) {
        return Err(StorageError::Corrupt {
            path: path.to_path_buf(),
            hint: format!(
                "the file is gone, but its log {} is there: restore both from a backup",
                wal.display()
            ),
        });
    }
    let new = sibling(path, ".new");
    let on_disk = |operation: &'static str| {
        let new = new.clone();
        move |e: std::io::Error| disk_error(operation, &new, &e)
    };
    for leftover in [new.clone(), sibling(&new, "-journal")] {
        match fs::remove_file(&leftover) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(on_disk("remove")(e)),
            _ => {}
        }
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&new).map_err(on_disk("create"))?;
    fill(&new).map_err(|e| sqlite_error("create", &new, &e))?;
    file.sync_all().map_err(on_disk("sync"))?;
    drop(file);
    fs::rename(&new, path).map_err(on_disk("rename"))?;
    sync_parent(path)
}

fn fill(path: &Path) -> rusqlite::Result<()> {
    let conn = connect(path)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    let tx = conn.unchecked_transaction()?;
    tx.execute_batch(SCHEMA)?;
    tx.execute("INSERT INTO agentmesh_store (version) VALUES (?)", [SCHEMA_VERSION])?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.commit()?;
    conn.close().map_err(|(_, e)| e)
}

/// Makes a new name durable.
fn sync_parent(path: &Path) -> Result<(), StorageError> {
    // Windows cannot sync directories, and its file systems log renames by themselves.
    if cfg!(unix)
        && let Some(parent) = path.parent()
    {
        let synced = File::open(parent).and_then(|dir| dir.sync_all());
        synced.map_err(|e| disk_error("sync", parent, &e))?;
    }
    Ok(())
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // Never `CREATE`: whether there is a file has been decided.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    // Before the first access, so that nobody else can come in between; and without shared memory.
    conn.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    Ok(conn)
}

fn check_version(conn: &Connection, path: &Path) -> Result<(), StorageError> {
    let failed = |e: rusqlite::Error| sqlite_error("open", path, &e);
    let has_table: bool = conn
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'agentmesh_store'",
            [],
            |row| row.get::<_, i64>(0).map(|n| n > 0),
        )
        .map_err(failed)?;
    if !has_table {
        return Err(StorageError::NotAStore {
            path: path.to_path_buf(),
            hint: "it is a SQLite database of something else".to_owned(),
        });
    }
    let found: i64 = conn
        .query_row("SELECT max(version) FROM agentmesh_store", [], |row| row.get(0))
        .map_err(failed)?;
    match u32::try_from(found) {
        Ok(SCHEMA_VERSION) => Ok(()),
        Ok(found) if found > 0 => Err(StorageError::ForeignVersion {
            path: path.to_path_buf(),
            found,
            supported: SCHEMA_VERSION,
        }),
        _ => Err(StorageError::Corrupt {
            path: path.to_path_buf(),
            hint: format!("it claims the impossible version {found}; restore it from a backup"),
        }),
    }
}

/// Every page and every index entry: a damaged index would make records look absent, which is worse than an error.
fn check_integrity(conn: &Connection, path: &Path) -> Result<(), StorageError> {
    let found: String = conn
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|e| sqlite_error("check", path, &e))?;
    if found == "ok" {
        return Ok(());
    }
    Err(StorageError::Corrupt {
        path: path.to_path_buf(),
        hint: format!("SQLite's integrity check says: {found}; restore it from a backup"),
    })
}

fn go_live(conn: &Connection) -> rusqlite::Result<()> {
    let mode: String =
        conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    debug_assert_eq!(mode, "wal");
    conn.pragma_update(None, "synchronous", "FULL")?;
    // macOS: past the drive's own cache, too.
    conn.pragma_update(None, "fullfsync", true)?;
    conn.pragma_update(None, "secure_delete", true)?;
    // Back to a moderate size after a burst.
    conn.pragma_update(None, "journal_size_limit", 16 * 1024 * 1024)?;
    // The back end checkpoints when its callers have their answers.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.set_prepared_statement_cache_capacity(16);
    // Takes the exclusive lock now rather than at the first write.
    conn.execute_batch("BEGIN IMMEDIATE; COMMIT")
}
