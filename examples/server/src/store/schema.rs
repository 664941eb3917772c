//! Opening the database: one process at a time, created whole or not at all, and never created anew over a damaged one.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{aiwm_tables::TABLES_3, trust_tables::TABLES_2};
use crate::ServerError;

/// "AgMe": what tells our files from other SQLite databases.
const APPLICATION_ID: i64 = 0x4167_4d65;
/// Raised with every change of the tables below.
const VERSION: i64 = 3;

const TABLES: &str = "
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,        -- order of arrival
    recipient TEXT NOT NULL,
    sender TEXT NOT NULL,
    id BLOB NOT NULL,               -- 16 bytes, scoped to the sender
    kind TEXT NOT NULL,             -- message_type
    time_ms INTEGER NOT NULL,
    is_frame INTEGER NOT NULL,      -- 1: bytes of a binary frame, 0: inside of a JSON string
    payload BLOB NOT NULL
);
CREATE TABLE agents (
    amid TEXT PRIMARY KEY,
    signing_key TEXT NOT NULL,      -- as registered
    exchange_key TEXT NOT NULL,     -- as registered
    display_name TEXT,
    organization TEXT,
    relay_endpoint TEXT,
    direct_endpoint TEXT,
    tier TEXT NOT NULL,
    level INTEGER NOT NULL,         -- 2 anonymous, 1 verified and organization
    status TEXT NOT NULL,
    reputation REAL NOT NULL,
    ratings INTEGER NOT NULL DEFAULT 0,
    registered_ms INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX agents_by_rank ON agents (reputation DESC, last_seen_ms DESC, amid);
CREATE TABLE capabilities (
    capability TEXT NOT NULL,
    amid TEXT NOT NULL,
    position INTEGER NOT NULL,      -- in the agent's list
    PRIMARY KEY (capability, amid)
) WITHOUT ROWID;
CREATE INDEX capabilities_by_agent ON capabilities (amid, position);
CREATE TABLE signed_prekeys (
    amid TEXT PRIMARY KEY,
    id INTEGER NOT NULL,
    key TEXT NOT NULL,
    signature TEXT NOT NULL,
    bundle BLOB,                    -- native, signed
    bundle_created_ms INTEGER
) WITHOUT ROWID;
CREATE TABLE one_time_prekeys (
    amid TEXT NOT NULL,
    kem INTEGER NOT NULL,           -- 1: ML-KEM
    id INTEGER NOT NULL,
    key TEXT NOT NULL,              -- base64
    signature TEXT,                 -- absent in 0.2
    consumed_ms INTEGER,            -- a key handed out stays, so that uploading it again does not revive it
    PRIMARY KEY (amid, kem, id)
) WITHOUT ROWID;
CREATE TABLE nonces (
    nonce BLOB PRIMARY KEY,         -- use, AMID, nonce
    expires_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE pledges (
    amid TEXT NOT NULL,
    scope TEXT NOT NULL,            -- what this agent never does any more without a bound signature
    PRIMARY KEY (amid, scope)
) WITHOUT ROWID;
";

/// What opening gives.
pub(super) struct Opened {
    pub(super) writer: Connection,
    /// Absent in memory: there every connection would be a database of its own.
    pub(super) reader: Option<Connection>,
    pub(super) lock: Option<File>,
    path: PathBuf,
}

impl Opened {
    pub(super) fn error(&self, error: &rusqlite::Error) -> ServerError {
        database_error(&self.path, error)
    }
}

/// Opens the database in `dir`, creating it if there is none, or one in memory.
pub(super) fn open(dir: Option<&Path>) -> Result<Opened, ServerError> {
    let Some(dir) = dir else {
        let path = PathBuf::from(":memory:");
        let writer = Connection::open_in_memory().and_then(create_tables);
        let writer = writer.map_err(|e| database_error(&path, &e))?;
        return Ok(Opened { writer, reader: None, lock: None, path });
    };
    let lock = lock(dir)?;
    let path = dir.join("agentmesh.db");
    if !path.exists() {
        create(dir, &path)?;
    }
    // SQLite takes an empty file for an empty database; for us it is one that lost its content.
    let length = fs::metadata(&path).map_err(|e| directory_error(&path, e))?.len();
    if length == 0 {
        return Err(ServerError::Corrupt { path, detail: "the file is empty".into() });
    }
    let (writer, reader) = connect(&path).map_err(|e| database_error(&path, &e))?;
    upgrade(&writer).map_err(|e| database_error(&path, &e))?;
    check(&path, &writer)?;
    Ok(Opened { writer, reader: Some(reader), lock: Some(lock), path })
}

fn directory_error(path: &Path, source: io::Error) -> ServerError {
    ServerError::DataDir { path: path.into(), source }
}

fn database_error(path: &Path, error: &rusqlite::Error) -> ServerError {
    let (path, detail) = (path.into(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            ServerError::Corrupt { path, detail }
        }
        _ => ServerError::Database { path, detail },
    }
}

/// Two servers on one directory would hand out one-time keys twice.
fn lock(dir: &Path) -> Result<File, ServerError> {
    fs::create_dir_all(dir).map_err(|e| directory_error(dir, e))?;
    let path = dir.join("agentmesh.lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|e| directory_error(&path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(ServerError::Locked { path }),
        Err(fs::TryLockError::Error(e)) => Err(directory_error(&path, e)),
    }
}

/// Brings an older database of ours up to date, whole or not at all.
fn upgrade(connection: &Connection) -> rusqlite::Result<()> {
    let pragma = |name| connection.query_row(&format!("PRAGMA {name}"), (), |r| r.get::<_, i64>(0));
    if pragma("application_id")? != APPLICATION_ID {
        return Ok(());
    }
    let missing = match pragma("user_version")? {
        1 => [TABLES_2, TABLES_3].concat(),
        2 => TABLES_3.to_owned(),
        _ => return Ok(()),
    };
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {missing} PRAGMA user_version = {VERSION}; COMMIT;"
    ))
}

fn create_tables(connection: Connection) -> rusqlite::Result<Connection> {
    connection.execute_batch(&format!(
        "BEGIN; {TABLES} {TABLES_2} {TABLES_3} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
    ))?;
    Ok(connection)
}

/// Makes the file under another name, so that one that was begun is never taken for one that lost its content.
fn create(dir: &Path, path: &Path) -> Result<(), ServerError> {
    let log = dir.join("agentmesh.db-wal");
    if log.exists() {
        let detail = "the database is gone, but its log is there".into();
        return Err(ServerError::Corrupt { path: log, detail });
    }
    let begun = dir.join("agentmesh.db.new");
    for leftover in [&begun, &dir.join("agentmesh.db.new-journal")] {
        match fs::remove_file(leftover) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(directory_error(leftover, e));
            }
            _ => {}
        }
    }
    let created = Connection::open(&begun).and_then(create_tables);
    created.map(drop).map_err(|e| database_error(&begun, &e))?;
    fs::rename(&begun, path).map_err(|e| directory_error(path, e))?;
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| directory_error(dir, e))
}

fn connect(path: &Path) -> rusqlite::Result<(Connection, Connection)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let writer = Connection::open_with_flags(path, flags)?;
    writer.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 4000;
         PRAGMA temp_store = MEMORY;",
    )?;
    writer.set_prepared_statement_cache_capacity(64);
    let reader = Connection::open_with_flags(path, flags)?;
    reader.execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;")?;
    reader.set_prepared_statement_cache_capacity(64);
    Ok((writer, reader))
}

fn check(path: &Path, connection: &Connection) -> Result<(), ServerError> {
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), (), |r| r.get(0));
    let number = |name: &str| pragma(name).map_err(|e| database_error(path, &e));
    let corrupt = |detail: String| ServerError::Corrupt { path: path.into(), detail };
    if number("application_id")? != APPLICATION_ID {
        return Err(corrupt("not written by this server".into()));
    }
    let found = number("user_version")?;
    if found != VERSION {
        return Err(ServerError::SchemaVersion { path: path.into(), found, known: VERSION });
    }
    let checked = connection.query_row("PRAGMA quick_check(1)", (), |r| r.get::<_, String>(0));
    match checked.map_err(|e| database_error(path, &e))? {
        fine if fine == "ok" => Ok(()),
        detail => Err(corrupt(detail)),
    }
}
