//! Rows of the AIWM service: objects as JSON by kind, and what is tracked of agents. An object that was deleted stays
//! in the table and is never returned.

use agentmesh_core::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Map, Value};

use super::agents::{from_sql, to_sql};

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Agent,
    Instruction,
    Tool,
    Node,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Instruction => "instruction",
            Self::Tool => "tool",
            Self::Node => "node",
        }
    }
}

/// A row of any kind.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) id: String,
    pub(crate) org: String,
    pub(crate) body: Map<String, Value>,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

impl Object {
    /// A member that is a string.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name)?.as_str()
    }
}

/// What is tracked of an agent.
#[derive(Clone, Default)]
pub(crate) struct Tracking {
    pub(crate) secret_hash: Option<String>,
    pub(crate) token_version: u64,
    pub(crate) connections: u64,
    pub(crate) connected: Option<Timestamp>,
    pub(crate) heartbeat: Option<Timestamp>,
    pub(crate) reported: Option<Value>,
}

const COLUMNS: &str = "id, org, body, created_ms, updated_ms";

fn object(row: &Row<'_>) -> rusqlite::Result<Object> {
    let body: String = row.get(2)?;
    let time = |n| Ok::<_, rusqlite::Error>(Timestamp::from_millis(from_sql(row.get(n)?)));
    Ok(Object {
        id: row.get(0)?,
        org: row.get(1)?,
        body: serde_json::from_str(&body).unwrap_or_default(),
        created: time(3)?,
        updated: time(4)?,
    })
}

fn json(body: &Map<String, Value>) -> String {
    serde_json::to_string(body).unwrap_or_default()
}

pub(crate) fn insert(
    connection: &Connection,
    kind: Kind,
    object: &Object,
    secret_hash: Option<&str>,
) -> rusqlite::Result<()> {
    let (created, updated) = (object.created.as_millis(), object.updated.as_millis());
    connection
        .prepare_cached(
            "INSERT INTO aiwm_objects (id, kind, org, body, created_ms, updated_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            object.id,
            kind.as_str(),
            object.org,
            json(&object.body),
            to_sql(created),
            to_sql(updated)
        ])?;
    if kind == Kind::Agent {
        connection
            .prepare_cached("INSERT INTO aiwm_agents (id, secret_hash) VALUES (?1, ?2)")?
            .execute(params![object.id, secret_hash])?;
    }
    Ok(())
}

pub(crate) fn find(
    connection: &Connection,
    kind: Kind,
    id: &str,
) -> rusqlite::Result<Option<Object>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM aiwm_objects WHERE id = ?1 AND kind = ?2 AND deleted_ms IS NULL"
        ))?
        .query_row([id, kind.as_str()], object)
        .optional()
}

/// Replaces an object's body; false if it is gone.
pub(crate) fn replace(
    connection: &Connection,
    id: &str,
    body: &Map<String, Value>,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let changed = connection
        .prepare_cached(
            "UPDATE aiwm_objects SET body = ?2, updated_ms = ?3 WHERE id = ?1 AND deleted_ms IS NULL",
        )?
        .execute(params![id, json(body), to_sql(now.as_millis())])?;
    Ok(changed == 1)
}

/// Marks an object deleted; false if it is gone.
pub(crate) fn delete(connection: &Connection, id: &str, now: Timestamp) -> rusqlite::Result<bool> {
    let changed = connection
        .prepare_cached(
            "UPDATE aiwm_objects SET deleted_ms = ?2 WHERE id = ?1 AND deleted_ms IS NULL",
        )?
        .execute(params![id, to_sql(now.as_millis())])?;
    Ok(changed == 1)
}

/// Which objects of a kind are wanted; all by default.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// Values of members.
    pub(crate) members: Map<String, Value>,
    /// A part of the name, in small letters.
    pub(crate) search: Option<String>,
}

/// A page of those of a kind that are wanted, oldest first, and how many there are; of all organizations without one.
pub(crate) fn list(
    connection: &Connection,
    kind: Kind,
    org: Option<&str>,
    wanted: &Wanted,
    limit: u64,
    offset: u64,
) -> rusqlite::Result<(Vec<Object>, u64)> {
    const WHERE: &str = "kind = ?1 AND deleted_ms IS NULL AND (?2 IS NULL OR org = ?2)
        AND NOT EXISTS (SELECT 1 FROM json_each(?3) AS wanted
            WHERE json_extract(body, '$.' || wanted.key) IS NOT wanted.value)
        AND (?4 IS NULL OR instr(lower(json_extract(body, '$.name')), ?4) > 0)";
    let (members, search) = (json(&wanted.members), &wanted.search);
    let total: i64 = connection
        .prepare_cached(&format!("SELECT count(*) FROM aiwm_objects WHERE {WHERE}"))?
        .query_row(params![kind.as_str(), org, members, search], |row| row.get(0))?;
    let page = connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM aiwm_objects WHERE {WHERE} ORDER BY created_ms, rowid LIMIT ?5 OFFSET ?6"
        ))?
        .query_map(
            params![kind.as_str(), org, members, search, to_sql(limit), to_sql(offset)],
            object,
        )?
        .collect::<rusqlite::Result<_>>()?;
    Ok((page, from_sql(total)))
}

/// How many agents have each value of a member, which is `status` or `type`.
pub(crate) fn counts(
    connection: &Connection,
    org: Option<&str>,
    member: &str,
) -> rusqlite::Result<Map<String, Value>> {
    connection
        .prepare_cached(
            "SELECT json_extract(body, '$.' || ?1), count(*) FROM aiwm_objects
             WHERE kind = 'agent' AND deleted_ms IS NULL AND (?2 IS NULL OR org = ?2) GROUP BY 1",
        )?
        .query_map(params![member, org], |row| {
            let value: Option<String> = row.get(0)?;
            Ok((value.unwrap_or_default(), Value::from(from_sql(row.get(1)?))))
        })?
        .collect()
}

pub(crate) fn tracking(connection: &Connection, id: &str) -> rusqlite::Result<Tracking> {
    let time = |ms: Option<i64>| ms.map(|ms| Timestamp::from_millis(from_sql(ms)));
    let found = connection
        .prepare_cached(
            "SELECT secret_hash, token_version, connections, connected_ms, heartbeat_ms, reported
             FROM aiwm_agents WHERE id = ?1",
        )?
        .query_row([id], |row| {
            let reported: Option<String> = row.get(5)?;
            Ok(Tracking {
                secret_hash: row.get(0)?,
                token_version: from_sql(row.get(1)?),
                connections: from_sql(row.get(2)?),
                connected: time(row.get(3)?),
                heartbeat: time(row.get(4)?),
                reported: reported.and_then(|text| serde_json::from_str(&text).ok()),
            })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// Notes a successful connect; false if the secret was replaced or the agent deleted in the meantime.
pub(crate) fn connected(
    connection: &Connection,
    id: &str,
    token_version: u64,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let changed = connection
        .prepare_cached(
            "UPDATE aiwm_agents SET connected_ms = ?3, connections = connections + 1
             WHERE id = ?1 AND token_version = ?2
               AND EXISTS (SELECT 1 FROM aiwm_objects o WHERE o.id = ?1 AND o.deleted_ms IS NULL)",
        )?
        .execute(params![id, to_sql(token_version), to_sql(now.as_millis())])?;
    Ok(changed == 1)
}

pub(crate) fn beaten(
    connection: &Connection,
    id: &str,
    reported: &Value,
    now: Timestamp,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE aiwm_agents SET heartbeat_ms = ?2, reported = ?3 WHERE id = ?1")?
        .execute(params![id, to_sql(now.as_millis()), reported.to_string()])?;
    Ok(())
}

pub(crate) fn disconnected(connection: &Connection, id: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE aiwm_agents SET connected_ms = NULL WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}

/// Replaces an agent's secret; tokens made before are no longer good.
pub(crate) fn set_secret(connection: &Connection, id: &str, hash: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE aiwm_agents SET secret_hash = ?2, token_version = token_version + 1 WHERE id = ?1",
        )?
        .execute(params![id, hash])?;
    Ok(())
}

pub(crate) fn audit(
    connection: &Connection,
    actor: &str,
    action: &str,
    object: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO aiwm_audit (at_ms, actor, action, object) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![to_sql(now.as_millis()), actor, action, object])?;
    Ok(())
}

/// How many agents there are, and how many of them gave a sign of life since `since`.
pub(crate) fn health(connection: &Connection, since: Timestamp) -> rusqlite::Result<(u64, u64)> {
    connection
        .prepare_cached(
            "SELECT count(*), count(CASE WHEN a.heartbeat_ms > ?1 THEN 1 END) FROM aiwm_objects o
             JOIN aiwm_agents a ON a.id = o.id WHERE o.kind = 'agent' AND o.deleted_ms IS NULL",
        )?
        .query_row([to_sql(since.as_millis())], |row| {
            Ok((from_sql(row.get(0)?), from_sql(row.get(1)?)))
        })
}
