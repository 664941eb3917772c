//! What may be used once, and who has pledged never to fall back to weaker proofs.

use agentmesh_core::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

/// What a bound signature was for, and what its user has pledged itself to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    /// `connect` at the relay.
    Connect,
    /// Requests to the registry.
    Request,
    /// The signed timestamps of 0.2, wherever they are shown.
    Timestamp,
}

impl Scope {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Request => "request",
            Self::Timestamp => "timestamp",
        }
    }
}

/// Remembers a nonce until `expires_at`; false if it was there already.
pub(crate) fn use_once(
    connection: &Connection,
    scope: Scope,
    amid: &str,
    nonce: &[u8; 16],
    expires_at: Timestamp,
) -> rusqlite::Result<bool> {
    let key = [scope.as_str().as_bytes(), b" ", amid.as_bytes(), b" ", nonce].concat();
    let expires = i64::try_from(expires_at.as_millis()).unwrap_or(i64::MAX);
    let added = connection
        .prepare_cached("INSERT OR IGNORE INTO nonces (nonce, expires_ms) VALUES (?1, ?2)")?
        .execute(params![key, expires])?;
    Ok(added == 1)
}

/// Forgets nonces whose signatures are too old by now to be accepted.
pub(crate) fn forget(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    connection.prepare_cached("DELETE FROM nonces WHERE expires_ms < ?1")?.execute([now])?;
    Ok(())
}

/// From now on, this agent is refused without a bound signature.
pub(crate) fn pledge(connection: &Connection, scope: Scope, amid: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO pledges (amid, scope) VALUES (?1, ?2)")?
        .execute([amid, scope.as_str()])?;
    Ok(())
}

/// Whether this agent has ever sent a bound signature.
pub(crate) fn has_pledged(
    connection: &Connection,
    scope: Scope,
    amid: &str,
) -> rusqlite::Result<bool> {
    let found = connection
        .prepare_cached("SELECT 1 FROM pledges WHERE amid = ?1 AND scope = ?2")?
        .query_row([amid, scope.as_str()], |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}
