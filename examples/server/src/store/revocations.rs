//! Rows of revocations. There is no way back: a revoked AMID stays revoked.

use agentmesh_core::{
    Timestamp,
    wire::registry::{Revocation, RevocationReason, RevocationStatus},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::agents::{from_sql, to_sql};

const COLUMNS: &str = "id, amid, reason, revoked_by, revoked_ms, notes";

fn revocation(row: &Row<'_>) -> rusqlite::Result<Revocation> {
    Ok(Revocation {
        id: row.get(0)?,
        amid: row.get(1)?,
        reason: RevocationReason::from(row.get_ref(2)?.as_str()?),
        revoked_by: row.get(3)?,
        revoked_at: Timestamp::from_millis(from_sql(row.get(4)?)).to_rfc3339_millis(),
        notes: row.get(5)?,
    })
}

/// Adds a revocation; false if the agent was revoked before.
pub(crate) fn insert(
    connection: &Connection,
    revocation: &Revocation,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let added = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO revocations (amid, id, reason, revoked_by, revoked_ms, notes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            revocation.amid,
            revocation.id,
            revocation.reason.as_str(),
            revocation.revoked_by,
            to_sql(now.as_millis()),
            revocation.notes,
        ])?;
    Ok(added == 1)
}

/// Whether an agent is revoked.
pub(crate) fn is_revoked(connection: &Connection, amid: &str) -> rusqlite::Result<bool> {
    let found = connection
        .prepare_cached("SELECT 1 FROM revocations WHERE amid = ?1")?
        .query_row([amid], |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}

/// An agent's standing. Asking about an AMID that nobody has is answered as well: it is not revoked.
pub(crate) fn status(connection: &Connection, amid: &str) -> rusqlite::Result<RevocationStatus> {
    let revocation = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM revocations WHERE amid = ?1"))?
        .query_row([amid], revocation)
        .optional()?;
    Ok(RevocationStatus { amid: amid.to_owned(), revoked: revocation.is_some(), revocation })
}

/// A page of all of them, newest first, and how many there are.
pub(crate) fn list(
    connection: &Connection,
    limit: u64,
    offset: u64,
) -> rusqlite::Result<(Vec<Revocation>, u64)> {
    let total: i64 = connection
        .prepare_cached("SELECT count(*) FROM revocations")?
        .query_row((), |row| row.get(0))?;
    let page = connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM revocations ORDER BY revoked_ms DESC, amid LIMIT ?1 OFFSET ?2"
        ))?
        .query_map([to_sql(limit), to_sql(offset)], revocation)?
        .collect::<rusqlite::Result<_>>()?;
    Ok((page, from_sql(total)))
}
