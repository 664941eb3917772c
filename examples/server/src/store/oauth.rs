//! Rows of OAuth attempts: what was sent to the provider has to come back, once.

use agentmesh_core::{
    Timestamp,
    time::HOUR,
    wire::registry::{OAuthState, OAuthStatusResponse, SearchQuery, Tier},
};
use rusqlite::{Connection, OptionalExtension, params};

use super::agents::{from_sql, to_sql};

/// How long an attempt may take.
pub(crate) const ATTEMPT_MS: u64 = 600 * 1000;
/// How long its outcome can be asked for.
const KEPT_MS: u64 = 24 * HOUR;
/// Attempts of one agent that are open at a time.
const OPEN_PER_AGENT: i64 = 10;

/// An attempt on its way.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) state: String,
    pub(crate) amid: String,
    pub(crate) provider: String,
    pub(crate) verifier: String,
    pub(crate) nonce: String,
    pub(crate) redirect: String,
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Verified { identity: String },
    Failed { error: String },
}

/// Adds an attempt; false if the agent has too many open.
pub(crate) fn insert(
    connection: &Connection,
    attempt: &Attempt,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("DELETE FROM oauth_attempts WHERE created_ms < ?1")?
        .execute([to_sql(now.minus_millis(KEPT_MS).as_millis())])?;
    let open: i64 = connection
        .prepare_cached(
            "SELECT count(*) FROM oauth_attempts WHERE amid = ?1 AND used = 0 AND created_ms > ?2",
        )?
        .query_row(
            params![attempt.amid, to_sql(now.minus_millis(ATTEMPT_MS).as_millis())],
            |row| row.get(0),
        )?;
    if open >= OPEN_PER_AGENT {
        return Ok(false);
    }
    let Attempt { state, amid, provider, verifier, nonce, redirect } = attempt;
    connection
        .prepare_cached(
            "INSERT INTO oauth_attempts (state, amid, provider, verifier, nonce, redirect, created_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![state, amid, provider, verifier, nonce, redirect, to_sql(now.as_millis())])?;
    Ok(true)
}

/// Takes an attempt out: whoever comes with the same state again gets nothing.
pub(crate) fn take(
    connection: &Connection,
    state: &str,
    now: Timestamp,
) -> rusqlite::Result<Option<Attempt>> {
    connection
        .prepare_cached(
            "UPDATE oauth_attempts SET used = 1 WHERE state = ?1 AND used = 0 AND created_ms > ?2
             RETURNING state, amid, provider, verifier, nonce, redirect",
        )?
        .query_row(params![state, to_sql(now.minus_millis(ATTEMPT_MS).as_millis())], |row| {
            Ok(Attempt {
                state: row.get(0)?,
                amid: row.get(1)?,
                provider: row.get(2)?,
                verifier: row.get(3)?,
                nonce: row.get(4)?,
                redirect: row.get(5)?,
            })
        })
        .optional()
}

/// Notes how it ended.
pub(crate) fn finish(
    connection: &Connection,
    attempt: &Attempt,
    outcome: &Outcome,
) -> rusqlite::Result<()> {
    let (name, identity, error) = match outcome {
        Outcome::Verified { identity } => (OAuthState::Verified, Some(identity), None),
        Outcome::Failed { error } => (OAuthState::Failed, None, Some(error)),
    };
    connection
        .prepare_cached(
            "UPDATE oauth_attempts SET outcome = ?2, identity = ?3, error = ?4 WHERE state = ?1",
        )?
        .execute(params![attempt.state, name.as_str(), identity, error])?;
    Ok(())
}

/// The agent is verified from now on, with this certificate. An organization's agent keeps the tier and certificate that
/// it has.
pub(crate) fn set_verified(
    connection: &Connection,
    amid: &str,
    identity: &str,
    certificate: &str,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE agents SET verified_identity = ?2 WHERE amid = ?1")?
        .execute([amid, identity])?;
    connection
        .prepare_cached(
            "UPDATE agents SET tier = ?2, level = ?3, certificate = ?4
             WHERE amid = ?1 AND tier <> ?5",
        )?
        .execute(params![
            amid,
            Tier::Verified.as_str(),
            SearchQuery::level_of(&Tier::Verified),
            certificate,
            Tier::Organization.as_str(),
        ])?;
    Ok(())
}

/// How far an attempt of `amid` is.
pub(crate) fn status(
    connection: &Connection,
    state: &str,
    amid: &str,
    now: Timestamp,
) -> rusqlite::Result<Option<OAuthStatusResponse>> {
    connection
        .prepare_cached(
            "SELECT provider, outcome, identity, error, created_ms FROM oauth_attempts
             WHERE state = ?1 AND amid = ?2",
        )?
        .query_row([state, amid], |row| {
            let outcome: Option<String> = row.get(1)?;
            let created = Timestamp::from_millis(from_sql(row.get(4)?));
            let status = match outcome {
                Some(outcome) => OAuthState::from(outcome.as_str()),
                // A little longer than the attempt itself, for the provider's answer.
                None if now.since(created) > ATTEMPT_MS + 60_000 => OAuthState::Expired,
                None => OAuthState::Pending,
            };
            Ok(OAuthStatusResponse {
                status,
                amid: amid.to_owned(),
                provider: row.get(0)?,
                verified_identity: row.get(2)?,
                error: row.get(3)?,
            })
        })
        .optional()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema;

    const NOW: Timestamp = Timestamp::from_millis(1_770_206_400_000);

    fn attempt(state: &str) -> Attempt {
        let text = String::new;
        Attempt {
            state: state.into(),
            amid: "a".into(),
            provider: text(),
            verifier: text(),
            nonce: text(),
            redirect: text(),
        }
    }

    #[test]
    fn state_is_good_once_and_for_ten_minutes() {
        let connection = schema::open(None).unwrap().writer;
        for state in ["early", "late"] {
            assert!(insert(&connection, &attempt(state), NOW).unwrap());
        }
        let status = |state: &str, now| {
            status(&connection, state, "a", now).unwrap().map(|found| found.status)
        };
        let in_time = NOW.plus_millis(ATTEMPT_MS - 1);
        assert!(take(&connection, "early", in_time).unwrap().is_some());
        assert!(take(&connection, "early", in_time).unwrap().is_none());
        let over = NOW.plus_millis(ATTEMPT_MS);
        assert!(take(&connection, "late", over).unwrap().is_none());
        assert!(take(&connection, "unknown", NOW).unwrap().is_none());
        assert_eq!(status("late", in_time), Some(OAuthState::Pending));
        assert_eq!(status("late", over.plus_millis(60_001)), Some(OAuthState::Expired));
        assert!(super::status(&connection, "late", "b", NOW).unwrap().is_none());
        let failed = Outcome::Failed { error: "no".into() };
        finish(&connection, &attempt("early"), &failed).unwrap();
        assert_eq!(status("early", in_time), Some(OAuthState::Failed));
    }

    #[test]
    fn attempts_of_an_agent_are_bounded_and_forgotten() {
        let connection = schema::open(None).unwrap().writer;
        for n in 0..10 {
            assert!(insert(&connection, &attempt(&n.to_string()), NOW).unwrap());
        }
        assert!(!insert(&connection, &attempt("more"), NOW).unwrap());
        let later = NOW.plus_millis(KEPT_MS + 1);
        assert!(insert(&connection, &attempt("more"), later).unwrap());
        let left: i64 =
            connection.query_row("SELECT count(*) FROM oauth_attempts", (), |r| r.get(0)).unwrap();
        assert_eq!(left, 1);
    }
}
