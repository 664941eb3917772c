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

/// Claims of one admin that wait for their proof.
const OPEN_PER_ADMIN: i64 = 10;

/// What became of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// It is in.
    Yes,
    /// The domain belongs to another organization.
    Taken,
    /// The admin has too many claims open.
    TooMany,
}

/// Adds an organization that has to prove its domain. Claims do not exclude each other, or whoever claims first could
/// keep a domain from its owner: the first that is proven counts.
pub(crate) fn insert(
    connection: &Connection,
    organization: &Organization,
    now: Timestamp,
) -> rusqlite::Result<Inserted> {
    connection
        .prepare_cached(
            "DELETE FROM organizations WHERE verified_ms IS NULL AND challenge_expires_ms <= ?1",
        )?
        .execute([to_sql(now.as_millis())])?;
    let taken: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM organizations WHERE domain = ?1 AND verified_ms IS NOT NULL)",
        )?
        .query_row([&organization.domain], |row| row.get(0))?;
    if taken {
        return Ok(Inserted::Taken);
    }
    let open: i64 = connection
        .prepare_cached(
            "SELECT count(*) FROM organizations WHERE admin = ?1 AND verified_ms IS NULL",
        )?
        .query_row([&organization.admin], |row| row.get(0))?;
    if open >= OPEN_PER_ADMIN {
        return Ok(Inserted::TooMany);
    }
    connection
        .prepare_cached(
            "INSERT INTO organizations
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
    Ok(Inserted::Yes)
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

/// Notes that the domain was proven, and drops the other claims to it; false if one of them was proven before.
pub(crate) fn set_verified(
    connection: &Connection,
    id: &str,
    certificate: &str,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let proven = connection
        .prepare_cached(
            "UPDATE OR IGNORE organizations SET verified_ms = ?2, certificate = ?3 WHERE id = ?1",
        )?
        .execute(params![id, to_sql(now.as_millis()), certificate])?;
    connection
        .prepare_cached(
            "DELETE FROM organizations WHERE verified_ms IS NULL
                AND domain = (SELECT domain FROM organizations WHERE id = ?1)",
        )?
        .execute([id])?;
    Ok(proven == 1)
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

/// The organization of a domain; while none has proven it, the first that claims it.
pub(crate) fn by_domain(
    connection: &Connection,
    domain: &str,
) -> rusqlite::Result<Option<OrganizationLookup>> {
    connection
        .prepare_cached(
            "SELECT o.id, o.name, o.domain, o.verified_ms IS NOT NULL, o.created_ms,
                (SELECT count(*) FROM agents a WHERE a.organization_id = o.id
                    AND NOT EXISTS (SELECT 1 FROM revocations r WHERE r.amid = a.amid))
             FROM organizations o WHERE o.domain = ?1
             ORDER BY o.verified_ms IS NULL, o.created_ms, o.id LIMIT 1",
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

    const NOW: Timestamp = Timestamp::from_millis(1_770_206_400_000);

    fn claim(id: &str, domain: &str) -> Organization {
        Organization {
            id: id.into(),
            name: "Example".into(),
            domain: domain.into(),
            admin: "a".into(),
            admin_key: String::new(),
            challenge: "c".into(),
            challenge_expires_at: NOW.plus_millis(1000),
            verified: false,
            certificate: None,
        }
    }

    #[test]
    fn of_several_claims_the_first_that_is_proven_counts() {
        let connection = schema::open(None).unwrap().writer;
        let claimed = |id: &str| insert(&connection, &claim(id, "example.org"), NOW).unwrap();
        assert_eq!(claimed("1"), Inserted::Yes);
        assert_eq!(claimed("2"), Inserted::Yes);
        assert!(!by_domain(&connection, "example.org").unwrap().unwrap().verified);
        assert!(set_verified(&connection, "2", "PEM", NOW).unwrap());
        assert_eq!(claimed("3"), Inserted::Taken);
        // What was claimed beside it is gone, and proves nothing any more.
        assert!(by_id(&connection, "1").unwrap().is_none());
        assert!(!set_verified(&connection, "1", "PEM", NOW).unwrap());
        assert!(by_id(&connection, "2").unwrap().unwrap().verified);
        assert!(by_domain(&connection, "example.org").unwrap().unwrap().verified);
    }

    #[test]
    fn claims_of_one_admin_are_counted_until_their_time_is_up() {
        let connection = schema::open(None).unwrap().writer;
        let claimed = |n: i64, now| {
            insert(&connection, &claim(&n.to_string(), &format!("{n}.example")), now).unwrap()
        };
        for n in 0..OPEN_PER_ADMIN {
            assert_eq!(claimed(n, NOW), Inserted::Yes);
        }
        assert_eq!(claimed(100, NOW.plus_millis(999)), Inserted::TooMany);
        assert_eq!(claimed(100, NOW.plus_millis(1000)), Inserted::Yes);
        assert!(by_id(&connection, "0").unwrap().is_none());
    }
}
