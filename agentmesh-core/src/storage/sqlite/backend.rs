//! Reading rows, and committing groups of batches, on the store's thread.

use super::super::{
    Change, Changes, Record, RecordId, RecordKind, StorageError, call::Answer, check_size,
    check_version, checksum::record_checksum, lock::StoreLock, worker::Backend,
};
use crate::limits::MAX_RECORD;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};
use std::path::{Path, PathBuf};

/// Log pages, as estimated, after which they are moved into the database: about 4 MiB.
const CHECKPOINT_PAGES: usize = 1000;
const PAGE: usize = 4096;

pub(super) struct Sqlite {
    conn: Connection,
    pub(super) path: PathBuf,
    /// Pages written to the log since the last checkpoint, roughly.
    logged: usize,
    #[cfg(any(test, feature = "test-utils"))]
    pub(super) full: std::sync::Arc<core::sync::atomic::AtomicBool>,
    // Last, so that it is released last.
    _lock: StoreLock,
}

impl Sqlite {
    pub(super) fn new(conn: Connection, path: PathBuf, lock: StoreLock) -> Self {
        Self {
            conn,
            path,
            logged: 0,
            #[cfg(any(test, feature = "test-utils"))]
            full: std::sync::Arc::default(),
            _lock: lock,
        }
    }

    fn failed(&self, operation: &'static str, error: &rusqlite::Error) -> StorageError {
        sqlite_error(operation, &self.path, error)
    }

    fn record(&self, kind: RecordKind, row: &Row<'_>) -> Answer<Record> {
        let failed = |e: rusqlite::Error| self.failed("read", &e);
        let key: Vec<u8> = row.get(0).map_err(failed)?;
        let version: i64 = row.get(1).map_err(failed)?;
        let sum: Vec<u8> = row.get(2).map_err(failed)?;
        let sealed: Vec<u8> = row.get(3).map_err(failed)?;
        let record =
            key.try_into().ok().zip(u64::try_from(version).ok()).and_then(|(key, version)| {
                let id = RecordId { kind, key };
                (record_checksum(id, version, &sealed) == *sum).then_some((id, version))
            });
        match record {
            Some((id, version)) => Ok(Record { id, version, sealed }),
            None => Err(StorageError::Corrupt {
                path: self.path.clone(),
                hint: format!("a record of kind {kind} was altered; restore it from a backup"),
            }),
        }
    }

    /// All batches in one transaction. An outer error means that none was committed.
    fn try_group(&self, group: &[Changes]) -> Result<Vec<Answer<()>>, rusqlite::Error> {
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut answers = Vec::with_capacity(group.len());
        for changes in group {
            self.conn.prepare_cached("SAVEPOINT batch")?.execute([])?;
            let answer = self.apply(changes)?;
            if answer.is_err() {
                self.conn.prepare_cached("ROLLBACK TO batch")?.execute([])?;
            }
            self.conn.prepare_cached("RELEASE batch")?.execute([])?;
            answers.push(answer);
        }
        self.conn.prepare_cached("COMMIT")?.execute([])?;
        Ok(answers)
    }

    /// The inner answer is this batch's own fault, the outer error everybody's problem.
    fn apply(&self, changes: &Changes) -> Result<Answer<()>, rusqlite::Error> {
        for change in changes {
            if let Err(error) = check_size(change, MAX_RECORD) {
                return Ok(Err(error));
            }
            if !self.write(change)? {
                let actual = self.version(change.id)?;
                return Ok(check_version(change, actual));
            }
        }
        Ok(Ok(()))
    }

    /// Whether the record was at the expected version; if not, nothing is written.
    fn write(&self, Change { id, expected, value, version }: &Change) -> rusqlite::Result<bool> {
        let kind = id.kind.as_u8();
        // No record has a version beyond i64, so such an expectation fails like any wrong one.
        let Ok(old) = i64::try_from(*expected) else { return Ok(false) };
        let Ok(new) = i64::try_from(*version) else { return Ok(false) };
        let written = match value {
            Some(sealed) => {
                let sum = record_checksum(*id, new.unsigned_abs(), sealed);
                if old == 0 {
                    let mut insert = self.conn.prepare_cached(
                        "INSERT INTO record (kind, key, version, sum, sealed)
                         VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    )?;
                    insert.execute(params![kind, id.key, new, sum, sealed])?
                } else {
                    let mut update = self.conn.prepare_cached(
                        "UPDATE record SET version = ?, sum = ?, sealed = ?
                         WHERE kind = ? AND key = ? AND version = ?",
                    )?;
                    update.execute(params![new, sum, sealed, kind, id.key, old])?
                }
            }
            None if old == 0 => return Ok(self.version(*id)? == 0),
            None => {
                let mut delete = self.conn.prepare_cached(
                    "DELETE FROM record WHERE kind = ? AND key = ? AND version = ?",
                )?;
                delete.execute(params![kind, id.key, old])?
            }
        };
        Ok(written == 1)
    }

    fn version(&self, id: RecordId) -> rusqlite::Result<u64> {
        let version = self
            .conn
            .prepare_cached("SELECT version FROM record WHERE kind = ? AND key = ?")?
            .query_row(params![id.kind.as_u8(), id.key], |row| row.get::<_, i64>(0))
            .optional()?;
        Ok(version.map_or(0, i64::unsigned_abs))
    }

    fn roll_back(&self) -> Result<(), StorageError> {
        // SQLite rolls back by itself after some errors.
        if self.conn.is_autocommit() {
            return Ok(());
        }
        self.conn.execute_batch("ROLLBACK").map_err(|e| self.failed("roll back", &e))
    }

    #[cfg(any(test, feature = "test-utils"))]
    fn play_full_disk(&self) {
        let full = self.full.load(core::sync::atomic::Ordering::SeqCst);
        // 1 means "no more pages than there are".
        let pages = if full { 1 } else { 0xffff_fffe_i64 };
        let _ = self.conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()));
    }
}

impl Backend for Sqlite {
    fn load(&mut self, ids: &[RecordId]) -> Answer<Vec<Option<Record>>> {
        let failed = |e: rusqlite::Error| self.failed("read", &e);
        let mut select = self
            .conn
            .prepare_cached(
                "SELECT key, version, sum, sealed FROM record WHERE kind = ? AND key = ?",
            )
            .map_err(failed)?;
        ids.iter()
            .map(|id| {
                let mut rows = select.query(params![id.kind.as_u8(), id.key]).map_err(failed)?;
                match rows.next().map_err(failed)? {
                    Some(row) => self.record(id.kind, row).map(Some),
                    None => Ok(None),
                }
            })
            .collect()
    }

    fn list(
        &mut self,
        kind: RecordKind,
        after: Option<[u8; 16]>,
        limit: usize,
    ) -> Answer<Vec<Record>> {
        let failed = |e: rusqlite::Error| self.failed("read", &e);
        let mut select = self
            .conn
            .prepare_cached(
                "SELECT key, version, sum, sealed FROM record
                 WHERE kind = ? AND key > ? ORDER BY key LIMIT ?",
            )
            .map_err(failed)?;
        // The empty blob sorts before every key.
        let after = after.as_ref().map_or(&[][..], |key| key);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows = select.query(params![kind.as_u8(), after, limit]).map_err(failed)?;
        let mut page = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            page.push(self.record(kind, row)?);
        }
        Ok(page)
    }

    fn commit(&mut self, group: Vec<Changes>) -> Vec<Answer<()>> {
        #[cfg(any(test, feature = "test-utils"))]
        self.play_full_disk();
        let error = match self.try_group(&group) {
            Ok(answers) => {
                // A table and an index page a change, and the pages of what does not fit them.
                let sizes = group.iter().flatten().map(|c| c.value.as_ref().map_or(0, Vec::len));
                self.logged += sizes.map(|len| 2 + len / PAGE).sum::<usize>();
                return answers;
            }
            Err(error) => self.failed("commit to", &error),
        };
        if let Err(error) = self.roll_back() {
            return group.iter().map(|_| Err(error.clone())).collect();
        }
        // What does not fit together may fit alone.
        if group.len() > 1 && error.leaves_store_usable() {
            return group.into_iter().flat_map(|changes| self.commit(vec![changes])).collect();
        }
        group.iter().map(|_| Err(error.clone())).collect()
    }

    fn maintain(&mut self) -> Answer<()> {
        if self.logged >= CHECKPOINT_PAGES {
            self.logged = 0;
            // If it fails, for want of space say, everything is still in the log, which grows until it succeeds.
            let _ = self.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        }
        Ok(())
    }

    fn close(self) {
        // Moves the log into the database. If that fails, the log stays, and the next open does it.
        let _ = self.conn.close();
    }
}

/// What SQLite says, as a [`StorageError`].
pub(super) fn sqlite_error(
    operation: &'static str,
    path: &Path,
    error: &rusqlite::Error,
) -> StorageError {
    let path = path.to_path_buf();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StorageError::Full { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StorageError::locked(&path),
        Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
            StorageError::PermissionDenied { operation, path }
        }
        // Our statements are sound and our columns typed, so where they fail it is not the file that we wrote.
        None | Some(ErrorCode::Unknown | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            let hint = format!("SQLite says: {error}; restore it from a backup");
            StorageError::Corrupt { path, hint }
        }
        Some(_) => StorageError::Io { operation, path, message: error.to_string() },
    }
}
