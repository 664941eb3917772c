//! Rows of organizations.

use agentmesh_core::{
    Timestamp,
    wire::registry::{OrganizationLookup, SearchQuery, Tier},
};
use rusqlite::{Connection, OptionalExtension, params};

use super::agents::{from_sql, to_sql};

/// An organization as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Organization {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) domain: String,
    pub(crate) admin: String,
    /// As registered.
    pub(crate) admin_key: String,
    pub(crate) challenge: String,
    pub(crate) challenge_expires_at: Timestamp,
    pub(crate) verified: bool,
    pub(crate) certificate: Option<String>,
}

/// What became of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// It is in.
    Yes,
    /// The domain belongs to another organization, or is claimed by one whose time is not up.
    Taken,
}

/// Adds an organization. A claim to the same domain that was never proven gives way once its time is up, so nobody can
/// keep a domain from its owner.
pub(crate) fn insert(
    connection: &Connection,
    organization: &Organization,
    now: Timestamp,
) -> rusqlite::Result<Inserted> {
    connection
        .prepare_cached(
            "DELETE FROM organizations
             WHERE domain = ?1 AND verified_ms IS NULL AND challenge_expires_ms <= ?2",
        )?
        .execute(params![organization.domain, to_sql(now.as_millis())])?;
    let added = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO organizations
                (id, name, domain, admin, admin_key, challenge, challenge_expires_ms, created_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            organization.id,
            organization.name,
            organization.domain,
            organization.admin,
            organization.admin_key,
            organization.challenge,
            to_sql(organization.challenge_expires_at.as_millis()),
            to_sql(now.as_millis()),
        ])?;
    Ok(if added == 1 { Inserted::Yes } else { Inserted::Taken })
}

/// One organization.
pub(crate) fn by_id(connection: &Connection, id: &str) -> rusqlite::Result<Option<Organization>> {
    connection
        .prepare_cached(
            "SELECT id, name, domain, admin, admin_key, challenge, challenge_expires_ms,
                verified_ms IS NOT NULL, certificate FROM organizations WHERE id = ?1",
        )?
        .query_row([id], |row| {
            Ok(Organization {
                id: row.get(0)?,
                name: row.get(1)?,
                domain: row.get(2)?,
                admin: row.get(3)?,
                admin_key: row.get(4)?,
                challenge: row.get(5)?,
                challenge_expires_at: Timestamp::from_millis(from_sql(row.get(6)?)),
                verified: row.get(7)?,
                certificate: row.get(8)?,
            })
        })
        .optional()
}

/// Notes that the domain was proven.
pub(crate) fn set_verified(
    connection: &Connection,
    id: &str,
    certificate: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE organizations SET verified_ms = ?2, certificate = ?3 WHERE id = ?1",
        )?
        .execute(params![id, to_sql(now.as_millis()), certificate])?;
    Ok(())
}

/// Takes a registered agent in.
pub(crate) fn add_agent(
    connection: &Connection,
    organization: &Organization,
    amid: &str,
    certificate: &str,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE agents SET organization = ?2, organization_id = ?3, tier = ?4, level = ?5,
                certificate = ?6 WHERE amid = ?1",
        )?
        .execute(params![
            amid,
            organization.name,
            organization.id,
            Tier::Organization.as_str(),
            SearchQuery::level_of(&Tier::Organization),
            certificate,
        ])?;
    Ok(())
}

/// The organization of an agent, if it has one.
pub(crate) fn id_of_agent(connection: &Connection, amid: &str) -> rusqlite::Result<Option<String>> {
    let id = connection
        .prepare_cached("SELECT organization_id FROM agents WHERE amid = ?1")?
        .query_row([amid], |row| row.get::<_, Option<String>>(0))
        .optional()?;
    Ok(id.flatten())
}

/// The organization of a domain.
pub(crate) fn by_domain(
    connection: &Connection,
    domain: &str,
) -> rusqlite::Result<Option<OrganizationLookup>> {
    connection
        .prepare_cached(
            "SELECT o.id, o.name, o.domain, o.verified_ms IS NOT NULL, o.created_ms,
                (SELECT count(*) FROM agents a WHERE a.organization_id = o.id
                    AND NOT EXISTS (SELECT 1 FROM revocations r WHERE r.amid = a.amid))
             FROM organizations o WHERE o.domain = ?1",
        )?
        .query_row([domain], |row| {
            let created = Timestamp::from_millis(from_sql(row.get(4)?));
            Ok(OrganizationLookup {
                id: row.get(0)?,
                name: row.get(1)?,
                domain: row.get(2)?,
                verified: row.get(3)?,
                created_at: Some(created.to_rfc3339_millis()),
                agent_count: from_sql(row.get(5)?),
            })
        })
        .optional()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema;

    #[test]
    fn an_unproven_claim_gives_way_when_its_time_is_up() {
        let connection = schema::open(None).unwrap().writer;
        let now = Timestamp::from_millis(1_770_206_400_000);
        let claim = |id: &str| Organization {
            id: id.into(),
            name: "Example".into(),
            domain: "example.org".into(),
            admin: "a".into(),
            admin_key: String::new(),
            challenge: "c".into(),
            challenge_expires_at: now.plus_millis(1000),
            verified: false,
            certificate: None,
        };
        assert_eq!(insert(&connection, &claim("1"), now).unwrap(), Inserted::Yes);
        assert_eq!(insert(&connection, &claim("2"), now).unwrap(), Inserted::Taken);
        let later = now.plus_millis(1000);
        assert_eq!(insert(&connection, &claim("2"), later).unwrap(), Inserted::Yes);
        set_verified(&connection, "2", "PEM", later).unwrap();
        let much_later = now.plus_millis(1_000_000);
        assert_eq!(insert(&connection, &claim("3"), much_later).unwrap(), Inserted::Taken);
        assert!(by_id(&connection, "2").unwrap().unwrap().verified);
    }
}
