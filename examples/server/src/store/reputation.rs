//! Ratings, and what they make of a reputation.
//!
//! One formula, computed anew with every rating (`docs/protocol/registry.md`). Of the ratings of the last 30 days, each of a
//! weight `w`:
//!
//! ```text
//! peer = Σ score·w / Σ w                                     0.5 if Σ w is 0
//! w    = 1 × 0.25 (the rater registered less than 7 days before it rated)
//!          × 0    (the same address rated the same agent within 24 hours before)
//!          × 0.5  (the rater is anonymous now)
//!          × 0.2  (the two rated each other within 24 hours)
//! fewer than 5 ratings:  0.5 + (peer - 0.5) · count / 5
//! else:                  0.3 · 0.8 + 0.4 · peer + 0.1 · min(1, age in days / 30) + 0.2 · bonus
//! bonus = 0 anonymous, 0.1 verified, 0.2 organization
//! ```
//!
//! clamped to 0..1. A change of more than 0.2 at once raises a flag for 24 hours.

use std::collections::BTreeMap;

use agentmesh_core::{
    Timestamp,
    time::{DAY, HOUR},
    wire::registry::{
        LeaderboardEntry, RATING_TAGS, RatingRequest, ReputationScore, SessionOutcome,
        SessionReport, Tier,
    },
};
use rusqlite::{Connection, OptionalExtension, params};

use super::agents::{from_sql, to_sql};

/// Ratings that count.
const WINDOW: u64 = 30 * DAY;
/// Ratings from which a reputation counts as one.
pub(super) const RATED_FROM: i64 = 5;
/// A rater that registered later than this before is new.
const NEW_RATER: u64 = 7 * DAY;
/// A jump that is remarkable.
const JUMP: f64 = 0.2;
/// How long a flag stays.
pub(super) const FLAG_FOR: u64 = 24 * HOUR;

/// What became of a rating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rated {
    /// It counts.
    Yes,
    /// This rater rated this session before.
    Twice,
    /// There is no such agent.
    NoTarget,
}

/// Takes a rating in. `origin` is a hash of where it came from and of the day, if that is known.
pub(crate) fn rate(
    connection: &Connection,
    rating: &RatingRequest,
    id: &str,
    origin: Option<&str>,
    now: Timestamp,
) -> rusqlite::Result<Rated> {
    if standing(connection, &rating.target_amid)?.is_none() {
        return Ok(Rated::NoTarget);
    }
    let rater_is_new = standing(connection, &rating.from_amid)?
        .is_none_or(|rater| now.since(rater.registered_at) < NEW_RATER);
    let same_origin = match origin {
        None => false,
        Some(origin) => connection
            .prepare_cached(
                "SELECT 1 FROM ratings WHERE target = ?1 AND origin = ?2 AND rated_ms > ?3",
            )?
            .exists(params![
                rating.target_amid,
                origin,
                to_sql(now.minus_millis(24 * HOUR).as_millis())
            ])?,
    };
    let weight = match (same_origin, rater_is_new) {
        (true, _) => 0.0,
        (false, true) => 0.25,
        (false, false) => 1.0,
    };
    let tags = rating.tags.as_deref().unwrap_or_default().join(",");
    let added = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO ratings
                (target, rater, session, id, score, tags, weight, origin, rated_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            rating.target_amid,
            rating.from_amid,
            rating.session_id,
            id,
            rating.score,
            tags,
            weight,
            origin,
            to_sql(now.as_millis()),
        ])?;
    if added == 0 {
        return Ok(Rated::Twice);
    }
    update(connection, &rating.target_amid, now)?;
    Ok(Rated::Yes)
}

struct Standing {
    tier: Tier,
    registered_at: Timestamp,
    score: f64,
}

fn standing(connection: &Connection, amid: &str) -> rusqlite::Result<Option<Standing>> {
    connection
        .prepare_cached("SELECT tier, registered_ms, reputation FROM agents WHERE amid = ?1")?
        .query_row([amid], |row| {
            Ok(Standing {
                tier: Tier::from(row.get_ref(0)?.as_str()?),
                registered_at: Timestamp::from_millis(from_sql(row.get(1)?)),
                score: row.get(2)?,
            })
        })
        .optional()
}

/// Computes the score anew, and notes a jump.
fn update(connection: &Connection, amid: &str, now: Timestamp) -> rusqlite::Result<()> {
    let Some(Standing { tier, registered_at, score: before }) = standing(connection, amid)? else {
        return Ok(());
    };
    let (count, weighted, weights): (i64, f64, f64) = connection
        .prepare_cached(
            "SELECT count(*), coalesce(sum(score * w), 0.0), coalesce(sum(w), 0.0) FROM (
                SELECT r.score AS score, r.weight
                    * (CASE WHEN coalesce(a.tier, ?3) = ?3 THEN 0.5 ELSE 1.0 END)
                    * (CASE WHEN EXISTS (SELECT 1 FROM ratings back
                        WHERE back.rater = r.target AND back.target = r.rater
                            AND abs(back.rated_ms - r.rated_ms) < ?4) THEN 0.2 ELSE 1.0 END) AS w
                FROM ratings r LEFT JOIN agents a ON a.amid = r.rater
                WHERE r.target = ?1 AND r.rated_ms > ?2)",
        )?
        .query_row(
            params![
                amid,
                to_sql(now.minus_millis(WINDOW).as_millis()),
                Tier::Anonymous.as_str(),
                to_sql(24 * HOUR),
            ],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
    let peer = if weights > 0.0 { weighted / weights } else { 0.5 };
    let score = formula(peer, count, days(now.since(registered_at)), &tier);
    let total: i64 = connection
        .prepare_cached("SELECT count(*) FROM ratings WHERE target = ?1")?
        .query_row([amid], |row| row.get(0))?;
    connection
        .prepare_cached(
            "UPDATE agents SET reputation = ?2, ratings = ?3, rated_ms = ?4 WHERE amid = ?1",
        )?
        .execute(params![amid, score, total, to_sql(now.as_millis())])?;
    if (score - before).abs() > JUMP {
        let direction = if score > before { "increase" } else { "decrease" };
        connection
            .prepare_cached("UPDATE agents SET flag = ?2, flagged_ms = ?3 WHERE amid = ?1")?
            .execute(params![
                amid,
                format!("rapid_reputation_{direction}"),
                to_sql(now.as_millis())
            ])?;
    }
    Ok(())
}

/// See the module.
fn formula(peer: f64, count: i64, age_days: f64, tier: &Tier) -> f64 {
    let count = f64::from(i32::try_from(count).unwrap_or(i32::MAX));
    let bonus = match tier {
        Tier::Organization => 0.2,
        Tier::Verified => 0.1,
        _ => 0.0,
    };
    let score = if count < f64::from(i32::try_from(RATED_FROM).unwrap_or(i32::MAX)) {
        0.5 + (peer - 0.5) * count / 5.0
    } else {
        0.3 * 0.8 + 0.4 * peer + 0.1 * (age_days / 30.0).min(1.0) + 0.2 * bonus
    };
    score.clamp(0.0, 1.0)
}

fn days(ms: u64) -> f64 {
    f64::from(u32::try_from(ms / 1000).unwrap_or(u32::MAX)) / 86_400.0
}

/// Takes a report of a session in; false if it was reported before.
pub(crate) fn report(
    connection: &Connection,
    report: &SessionReport,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let added = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO reported_sessions
                (id, initiator, receiver, intent, outcome, started, reporter, reported_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            report.session_id,
            report.initiator_amid,
            report.receiver_amid,
            report.intent,
            report.outcome.as_str(),
            report.started_at,
            report.reporter_amid,
            to_sql(now.as_millis()),
        ])?;
    Ok(added == 1)
}

/// An agent's reputation in detail.
pub(crate) fn score(
    connection: &Connection,
    amid: &str,
    now: Timestamp,
) -> rusqlite::Result<Option<ReputationScore>> {
    let Some(Standing { tier, registered_at, score }) = standing(connection, amid)? else {
        return Ok(None);
    };
    let (total, successful): (i64, i64) = connection
        .prepare_cached(
            "SELECT count(*), coalesce(sum(outcome = ?2), 0) FROM reported_sessions
             WHERE initiator = ?1 OR receiver = ?1",
        )?
        .query_row(params![amid, SessionOutcome::Success.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let (count, average): (i64, Option<f64>) = connection
        .prepare_cached("SELECT count(*), avg(score) FROM ratings WHERE target = ?1")?
        .query_row([amid], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rated: Option<i64> = connection
        .prepare_cached("SELECT rated_ms FROM agents WHERE amid = ?1")?
        .query_row([amid], |row| row.get(0))?;
    let updated = rated.map_or(registered_at, |ms| Timestamp::from_millis(from_sql(ms)));
    let share = |part: i64, whole: i64| {
        let number = |n: i64| f64::from(i32::try_from(n).unwrap_or(i32::MAX));
        (whole > 0).then(|| number(part) / number(whole))
    };
    Ok(Some(ReputationScore {
        amid: amid.to_owned(),
        score,
        completion_rate: share(successful, total),
        total_sessions: from_sql(total),
        successful_sessions: from_sql(successful),
        feedback_count: from_sql(count),
        average_feedback: average,
        tier,
        age_days: now.since(registered_at) / DAY,
        tags: tags(connection, amid)?,
        last_updated: Some(updated.to_rfc3339_millis()),
    }))
}

fn tags(connection: &Connection, amid: &str) -> rusqlite::Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    let mut statement =
        connection.prepare_cached("SELECT tags FROM ratings WHERE target = ?1 AND tags <> ''")?;
    let mut rows = statement.query([amid])?;
    while let Some(row) = rows.next()? {
        for tag in row.get_ref(0)?.as_str()?.split(',').filter(|tag| RATING_TAGS.contains(tag)) {
            *counts.entry(tag.to_owned()).or_default() += 1;
        }
    }
    Ok(counts)
}

/// The best that were rated at all, of those with a capability if one is given.
pub(crate) fn leaderboard(
    connection: &Connection,
    limit: u64,
    intent: Option<&str>,
) -> rusqlite::Result<Vec<LeaderboardEntry>> {
    connection
        .prepare_cached(
            "SELECT a.amid, a.display_name, a.tier, a.reputation, a.ratings FROM agents a
             WHERE a.ratings > 0
                AND NOT EXISTS (SELECT 1 FROM revocations r WHERE r.amid = a.amid)
                AND (?2 IS NULL OR EXISTS (SELECT 1 FROM capabilities c
                    WHERE c.amid = a.amid AND c.capability = ?2))
             ORDER BY a.reputation DESC, a.ratings DESC, a.amid LIMIT ?1",
        )?
        .query_map(params![to_sql(limit), intent], |row| {
            Ok(LeaderboardEntry {
                amid: row.get(0)?,
                display_name: row.get(1)?,
                tier: Tier::from(row.get_ref(2)?.as_str()?),
                score: row.get(3)?,
                ratings_count: from_sql(row.get(4)?),
            })
        })?
        .collect()
}

#[cfg(test)]
mod tests {
    use agentmesh_core::wire::registry::RegisterRequest;

    use super::*;
    use crate::store::{agents, schema};

    const NOW: Timestamp = Timestamp::from_millis(1_770_206_400_000);

    fn database(agents: &[(&str, Tier, u64)]) -> Connection {
        let connection = schema::open(None).unwrap().writer;
        for (amid, tier, age_days) in agents {
            let request = RegisterRequest {
                amid: (*amid).into(),
                signing_public_key: String::new(),
                exchange_public_key: String::new(),
                display_name: None,
                capabilities: vec![],
                relay_endpoint: None,
                direct_endpoint: None,
                verification_token: None,
                timestamp: String::new(),
                signature: String::new(),
            };
            agents::insert(&connection, &request, NOW.minus_millis(age_days * DAY)).unwrap();
            connection
                .execute("UPDATE agents SET tier = ?2 WHERE amid = ?1", [*amid, tier.as_str()])
                .unwrap();
        }
        connection
    }

    fn rated(
        connection: &Connection,
        from: &str,
        target: &str,
        session: &str,
        score: f64,
        origin: Option<&str>,
    ) -> Rated {
        let rating = RatingRequest {
            target_amid: target.into(),
            from_amid: from.into(),
            session_id: session.into(),
            score,
            tags: Some(vec!["reliable".into()]),
            timestamp: String::new(),
            signature: String::new(),
        };
        rate(connection, &rating, "id", origin, NOW).unwrap()
    }

    fn score_of(connection: &Connection, amid: &str) -> f64 {
        score(connection, amid, NOW).unwrap().unwrap().score
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn first_rating_as_the_deployed_registry_computes_it() {
        let connection = database(&[("a", Tier::Anonymous, 0), ("b", Tier::Anonymous, 0)]);
        assert_eq!(rated(&connection, "b", "a", "1", 0.9, None), Rated::Yes);
        assert!(close(score_of(&connection, "a"), 0.58));
    }

    #[test]
    fn weights_and_the_full_formula() {
        let connection = database(&[
            ("t", Tier::Verified, 15),
            ("new", Tier::Verified, 1),
            ("old", Tier::Organization, 60),
            ("anonymous", Tier::Anonymous, 60),
        ]);
        for session in ["1", "2"] {
            rated(&connection, "old", "t", session, 1.0, None);
            rated(&connection, "new", "t", session, 0.0, None);
        }
        rated(&connection, "anonymous", "t", "1", 0.0, None);
        // Weights: 2 × 1 of 1.0; 2 × 0.25 and 0.5 of 0.0.
        let expected = 0.24 + 0.4 * (2.0 / 3.0) + 0.1 * 0.5 + 0.2 * 0.1;
        assert!(close(score_of(&connection, "t"), expected));
        let details = score(&connection, "t", NOW).unwrap().unwrap();
        assert_eq!((details.feedback_count, details.age_days), (5, 15));
        assert_eq!(details.tags["reliable"], 5);
    }

    #[test]
    fn mutual_praise_and_one_address_count_little_or_nothing() {
        let old = |name| (name, Tier::Verified, 60);
        let connection = database(&[old("a"), old("b"), old("c"), old("d")]);
        rated(&connection, "a", "b", "1", 1.0, None);
        rated(&connection, "b", "a", "1", 1.0, None);
        rated(&connection, "c", "a", "1", 0.0, Some("here"));
        // 0.2 of 1.0, 1 of 0.0.
        let expected = 0.5 + (0.2 / 1.2 - 0.5) * 2.0 / 5.0;
        assert!(close(score_of(&connection, "a"), expected));
        rated(&connection, "d", "a", "1", 1.0, Some("here"));
        let expected = 0.5 + (0.2 / 1.2 - 0.5) * 3.0 / 5.0;
        assert!(close(score_of(&connection, "a"), expected));
    }

    #[test]
    fn a_session_is_rated_once_by_each_and_nobody_unknown_is_rated() {
        let connection = database(&[("a", Tier::Anonymous, 0), ("b", Tier::Anonymous, 0)]);
        assert_eq!(rated(&connection, "b", "a", "session_x", 0.9, None), Rated::Yes);
        assert_eq!(rated(&connection, "b", "a", "session_x", 0.1, None), Rated::Twice);
        assert_eq!(rated(&connection, "b", "nobody", "session_x", 0.1, None), Rated::NoTarget);
        assert!(close(score_of(&connection, "a"), 0.58));
        assert!(score(&connection, "nobody", NOW).unwrap().is_none());
    }

    #[test]
    fn a_jump_raises_a_flag_for_a_day() {
        let old = |name| (name, Tier::Verified, 60);
        let connection = database(&[old("t"), old("a"), old("b"), old("c")]);
        for rater in ["a", "b", "c"] {
            rated(&connection, rater, "t", "1", 0.0, None);
        }
        let flags = |now| agents::lookup(&connection, "t", now).unwrap().unwrap().flags;
        assert_eq!(flags(NOW), None);
        let mean = Timestamp::from_millis(NOW.as_millis() + 1);
        connection.execute("UPDATE agents SET reputation = 0.9 WHERE amid = 't'", ()).unwrap();
        update(&connection, "t", mean).unwrap();
        assert_eq!(flags(mean), Some(vec!["rapid_reputation_decrease".to_owned()]));
        assert_eq!(flags(mean.plus_millis(FLAG_FOR)), None);
    }
}
