//! Rows of registered agents.

use std::collections::BTreeMap;

use agentmesh_core::{
    Timestamp,
    keys::DhPublicKey,
    wire::{
        registry::{
            AgentLookup, EXCHANGE_KEY_PREFIX, RegisterRequest, SearchQuery, StatsResponse, Tier,
        },
        relay_frame::PresenceStatus,
    },
};
use base64ct::{Base64, Encoding};
use rusqlite::{Connection, OptionalExtension, Row, params, types::Value};

use super::{
    reputation::{FLAG_FOR, RATED_FROM},
    revocations,
};

/// What an agent begins with.
const FIRST_REPUTATION: f64 = 0.5;

pub(super) fn to_sql(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(super) fn from_sql(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// Adds an agent; false if the AMID is taken.
pub(crate) fn insert(
    connection: &Connection,
    request: &RegisterRequest,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let added = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO agents (amid, signing_key, exchange_key, display_name, relay_endpoint,
                direct_endpoint, tier, level, status, reputation, registered_ms, last_seen_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11)",
        )?
        .execute(params![
            request.amid,
            request.signing_public_key,
            request.exchange_public_key,
            request.display_name,
            request.relay_endpoint,
            request.direct_endpoint,
            Tier::Anonymous.as_str(),
            SearchQuery::level_of(&Tier::Anonymous),
            PresenceStatus::Offline.as_str(),
            FIRST_REPUTATION,
            to_sql(now.as_millis()),
        ])?;
    if added == 1 {
        set_capabilities(connection, &request.amid, &request.capabilities)?;
    }
    Ok(added == 1)
}

/// Replaces an agent's capabilities.
pub(crate) fn set_capabilities(
    connection: &Connection,
    amid: &str,
    capabilities: &[String],
) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM capabilities WHERE amid = ?1")?.execute([amid])?;
    let mut add = connection.prepare_cached(
        "INSERT OR IGNORE INTO capabilities (capability, amid, position) VALUES (?1, ?2, ?3)",
    )?;
    for (position, capability) in (0_i64..).zip(capabilities) {
        add.execute(params![capability, amid, position])?;
    }
    Ok(())
}

/// Sets an agent's status, a sign of life.
pub(crate) fn set_status(
    connection: &Connection,
    amid: &str,
    status: &PresenceStatus,
    now: Timestamp,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE agents SET status = ?2, last_seen_ms = ?3 WHERE amid = ?1")?
        .execute(params![amid, status.as_str(), to_sql(now.as_millis())])?;
    Ok(())
}

/// The signing key as registered.
pub(crate) fn signing_key(connection: &Connection, amid: &str) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT signing_key FROM agents WHERE amid = ?1")?
        .query_row([amid], |row| row.get(0))
        .optional()
}

const COLUMNS: &str =
    "a.amid, a.tier, a.display_name, a.organization, a.signing_key, a.exchange_key,
    a.relay_endpoint, a.direct_endpoint, a.status, a.reputation, a.last_seen_ms, a.ratings";

fn agent(row: &Row<'_>) -> rusqlite::Result<AgentLookup> {
    let last_seen = Timestamp::from_millis(from_sql(row.get(10)?));
    let ratings: i64 = row.get(11)?;
    Ok(AgentLookup {
        amid: row.get(0)?,
        tier: Tier::from(row.get_ref(1)?.as_str()?),
        display_name: row.get(2)?,
        organization: row.get(3)?,
        signing_public_key: row.get(4)?,
        exchange_public_key: row.get(5)?,
        capabilities: Vec::new(),
        relay_endpoint: row.get(6)?,
        direct_endpoint: row.get(7)?,
        status: PresenceStatus::from(row.get_ref(8)?.as_str()?),
        reputation_score: row.get(9)?,
        last_seen: Some(last_seen.to_rfc3339_millis()),
        certificate: None,
        flags: None,
        ratings_count: Some(from_sql(ratings)),
        reputation_status: Some(if ratings >= RATED_FROM { "rated" } else { "unrated" }.into()),
    })
}

fn capabilities(connection: &Connection, amid: &str) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached("SELECT capability FROM capabilities WHERE amid = ?1 ORDER BY position")?
        .query_map([amid], |row| row.get(0))?
        .collect()
}

/// One agent.
pub(crate) fn lookup(
    connection: &Connection,
    amid: &str,
    now: Timestamp,
) -> rusqlite::Result<Option<AgentLookup>> {
    let found = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM agents a WHERE a.amid = ?1"))?
        .query_row([amid], agent)
        .optional()?;
    let Some(mut found) = found else { return Ok(None) };
    found.capabilities = capabilities(connection, amid)?;
    let (certificate, flag): (Option<String>, Option<String>) = connection
        .prepare_cached(
            "SELECT certificate, CASE WHEN flagged_ms > ?2 THEN flag END FROM agents WHERE amid = ?1",
        )?
        .query_row(params![amid, to_sql(now.minus_millis(FLAG_FOR).as_millis())], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    found.certificate = certificate;
    let revoked = revocations::is_revoked(connection, amid)?.then(|| "revoked".to_owned());
    let flags: Vec<_> = flag.into_iter().chain(revoked).collect();
    found.flags = (!flags.is_empty()).then_some(flags);
    Ok(Some(found))
}

/// What a DID document is made of.
#[derive(Debug)]
pub(crate) struct Dated {
    pub(crate) signing_key: String,
    pub(crate) exchange_key: String,
    pub(crate) relay_endpoint: Option<String>,
    pub(crate) registered_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// An agent's keys and dates.
pub(crate) fn dated(connection: &Connection, amid: &str) -> rusqlite::Result<Option<Dated>> {
    connection
        .prepare_cached(
            "SELECT a.signing_key, a.exchange_key, a.relay_endpoint, a.registered_ms,
                max(a.registered_ms, coalesce(p.bundle_created_ms, 0))
             FROM agents a LEFT JOIN signed_prekeys p ON p.amid = a.amid WHERE a.amid = ?1",
        )?
        .query_row([amid], |row| {
            Ok(Dated {
                signing_key: row.get(0)?,
                exchange_key: row.get(1)?,
                relay_endpoint: row.get(2)?,
                registered_at: Timestamp::from_millis(from_sql(row.get(3)?)),
                updated_at: Timestamp::from_millis(from_sql(row.get(4)?)),
            })
        })
        .optional()
}

/// Changes the exchange key, if it is another one. How it was written before does not matter.
pub(crate) fn set_exchange_key(
    connection: &Connection,
    amid: &str,
    key: &DhPublicKey,
) -> rusqlite::Result<()> {
    let bare = Base64::encode_string(key.as_bytes());
    let prefixed = format!("{EXCHANGE_KEY_PREFIX}{bare}");
    connection
        .prepare_cached(
            "UPDATE agents SET exchange_key = ?3
             WHERE amid = ?1 AND exchange_key NOT IN (?2, ?3)",
        )?
        .execute([amid, &bare, &prefixed])?;
    Ok(())
}

/// One page of the agents that fit, best first, and how many fit in all.
pub(crate) fn search(
    connection: &Connection,
    query: &SearchQuery,
    limit: u64,
    offset: u64,
) -> rusqlite::Result<(Vec<AgentLookup>, u64)> {
    let mut from = "FROM agents a".to_owned();
    let mut conditions = Vec::new();
    let mut values: Vec<Value> = Vec::new();
    if let Some(capability) = &query.capability {
        from.push_str(" JOIN capabilities c ON c.amid = a.amid");
        conditions.push("c.capability = ?");
        values.push(capability.clone().into());
    }
    if let Some(level) = query.tier_min {
        conditions.push("a.level <= ?");
        values.push(i64::from(level).into());
    }
    if let Some(reputation) = query.reputation_min {
        conditions.push("a.reputation >= ?");
        values.push(reputation.into());
    }
    if let Some(status) = &query.status {
        conditions.push("a.status = ?");
        values.push(status.as_str().to_owned().into());
    }
    if query.include_revoked != Some(true) {
        conditions.push("NOT EXISTS (SELECT 1 FROM revocations r WHERE r.amid = a.amid)");
    }
    let filter = match conditions.as_slice() {
        [] => String::new(),
        some => format!("WHERE {}", some.join(" AND ")),
    };
    let count = format!("SELECT count(*) {from} {filter}");
    let total: i64 = connection
        .prepare_cached(&count)?
        .query_row(rusqlite::params_from_iter(&values), |row| row.get(0))?;
    values.extend([Value::from(to_sql(limit)), Value::from(to_sql(offset))]);
    let page = format!(
        "SELECT {COLUMNS} {from} {filter} ORDER BY a.reputation DESC, a.last_seen_ms DESC, a.amid LIMIT ? OFFSET ?"
    );
    let mut results = connection
        .prepare_cached(&page)?
        .query_map(rusqlite::params_from_iter(&values), agent)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for found in &mut results {
        found.capabilities = capabilities(connection, &found.amid)?;
        // In a lookup only.
        found.ratings_count = None;
        found.reputation_status = None;
    }
    Ok((results, from_sql(total)))
}

/// How many are registered, and how many of them say that they are online.
pub(crate) fn count(connection: &Connection) -> rusqlite::Result<(u64, u64)> {
    connection
        .prepare_cached("SELECT count(*), coalesce(sum(status = ?1), 0) FROM agents")?
        .query_row([PresenceStatus::Online.as_str()], |row| {
            Ok((from_sql(row.get(0)?), from_sql(row.get(1)?)))
        })
}

/// Numbers about all agents.
pub(crate) fn stats(connection: &Connection) -> rusqlite::Result<StatsResponse> {
    let (total_agents, online_agents) = count(connection)?;
    let by = |column: &str, known: &[&str]| -> rusqlite::Result<BTreeMap<String, u64>> {
        let mut counts: BTreeMap<_, _> = known.iter().map(|name| ((*name).to_owned(), 0)).collect();
        let mut statement = connection
            .prepare_cached(&format!("SELECT {column}, count(*) FROM agents GROUP BY {column}"))?;
        let rows = statement.query_map((), |row| Ok((row.get(0)?, from_sql(row.get(1)?))))?;
        for row in rows {
            let (name, count): (String, u64) = row?;
            counts.insert(name, count);
        }
        Ok(counts)
    };
    let average_reputation = connection
        .prepare_cached("SELECT coalesce(avg(reputation), 0.0) FROM agents")?
        .query_row((), |row| row.get(0))?;
    Ok(StatsResponse {
        total_agents,
        online_agents,
        by_tier: by("tier", &["anonymous", "verified", "organization"])?,
        by_status: by("status", &["online", "offline"])?,
        average_reputation,
    })
}
