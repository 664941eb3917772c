//! Ratings, reports of sessions, scores. Both addresses for ratings take the same and prove the same.

use std::net::IpAddr;

use agentmesh_core::{
    Timestamp,
    keys::kdf,
    wire::registry::{
        FeedbackResponse, LeaderboardResponse, RATING_TAGS, RatingRequest, RatingResponse,
        SessionReport, SuccessResponse,
    },
};
use axum::{Extension, body::Body, extract::State, response::Response};
use http::{Request, StatusCode};
use serde::Deserialize;

use super::{bounds, write};
use crate::{
    auth::request::PlainProof,
    clock,
    http::{
        Peer,
        call::Call,
        reply::{self, Refused},
    },
    random,
    state::Shared,
    store::{
        agents,
        reputation::{self, Rated},
    },
};

const DEFAULT_LEADERS: u64 = 10;
const MAX_LEADERS: u64 = 100;

fn bad(code: &str, why: &str) -> Refused {
    reply::failure(StatusCode::BAD_REQUEST, code, why)
}

/// Verifies and takes a rating in; its id.
async fn rate(shared: &Shared, peer: Peer, request: Request<Body>) -> Result<String, Refused> {
    let call = Call::read(request).await?;
    let rating: RatingRequest = call.json()?;
    if !(0.0..=1.0).contains(&rating.score) {
        return Err(bad("SCORE_OUT_OF_RANGE", "a score is between 0 and 1"));
    }
    let tags = rating.tags.as_deref().unwrap_or_default();
    if tags.len() > RATING_TAGS.len() || tags.iter().any(|t| !RATING_TAGS.contains(&t.as_str())) {
        return Err(bad("UNKNOWN_TAG", "not a tag that this registry knows"));
    }
    check_session(&rating.session_id)?;
    let plain = PlainProof {
        amid: &rating.from_amid,
        timestamp: &rating.timestamp,
        signature: &rating.signature,
    };
    let (proof, _) = write::authorize(shared, &call, plain).await?;
    if rating.from_amid == rating.target_amid {
        return Err(bad("SELF_RATING", "an agent does not rate itself"));
    }
    let (id, now) = (random::id()?, clock::now());
    let origin = origin(peer.0.ip(), now);
    let rating_id = id.clone();
    let rated = write::write(shared, proof, move |connection| {
        reputation::rate(connection, &rating, &rating_id, origin.as_deref(), now)
    });
    match rated.await? {
        Rated::Yes => Ok(id),
        Rated::Twice => {
            let why = "this session was rated before";
            Err(reply::failure(StatusCode::CONFLICT, "RATED_BEFORE", why))
        }
        Rated::NoTarget => Err(write::not_found()),
    }
}

/// Where a rating came from, as far as it has to be known: not at all behind a proxy on this machine.
fn origin(address: IpAddr, now: Timestamp) -> Option<String> {
    let address = address.to_canonical();
    if address.is_loopback() {
        return None;
    }
    let day = now.to_rfc3339_millis();
    let day = day.split('T').next().unwrap_or_default();
    let hash = kdf::sha256(&[format!("{address}:{day}").as_bytes()]);
    Some(hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

fn check_session(id: &str) -> Result<(), Refused> {
    if id.is_empty() {
        return Err(bad("SESSION_MISSING", "session_id is empty"));
    }
    write::check_length("session_id", id, bounds::NAME)
}

/// `POST /registry/reputation`.
pub(super) async fn submit(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    rate(&shared, peer, request).await?;
    let message = Some("Rating recorded".to_owned());
    Ok(reply::json(StatusCode::OK, RatingResponse { success: true, message }))
}

/// `POST /registry/reputation/feedback`.
pub(super) async fn feedback(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let feedback_id = Some(rate(&shared, peer, request).await?);
    Ok(reply::json(StatusCode::OK, FeedbackResponse { success: true, feedback_id }))
}

/// `POST /registry/reputation/session`.
pub(super) async fn session(
    State(shared): State<Shared>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let report: SessionReport = call.json()?;
    if !report.outcome.is_known() || Timestamp::parse_rfc3339(&report.started_at).is_none() {
        return Err(reply::malformed("not an outcome or a date"));
    }
    check_session(&report.session_id)?;
    write::check_length("intent", &report.intent, bounds::CAPABILITY)?;
    let plain = PlainProof {
        amid: &report.reporter_amid,
        timestamp: &report.timestamp,
        signature: &report.signature,
    };
    let (proof, _) = write::authorize(&shared, &call, plain).await?;
    let takes_part =
        [&report.initiator_amid, &report.receiver_amid].contains(&&report.reporter_amid);
    if !takes_part || report.initiator_amid == report.receiver_amid {
        let why = "only one of two participants may report a session";
        return Err(reply::failure(StatusCode::FORBIDDEN, "NOT_A_PARTICIPANT", why));
    }
    let now = clock::now();
    let reported = write::write(&shared, proof, move |connection| {
        for amid in [&report.initiator_amid, &report.receiver_amid] {
            if agents::signing_key(connection, amid)?.is_none() {
                return Ok(false);
            }
        }
        // The first report counts; another changes nothing and does no harm.
        reputation::report(connection, &report, now).map(|_| true)
    });
    if reported.await? {
        Ok(reply::json(StatusCode::OK, SuccessResponse { success: true }))
    } else {
        Err(write::not_found())
    }
}

#[derive(Deserialize)]
struct Whose {
    amid: String,
}

/// `GET /registry/reputation/score?amid=`.
pub(super) async fn score(
    State(shared): State<Shared>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let Whose { amid } = call.query()?;
    let now = clock::now();
    let found = shared.store.read(move |c| reputation::score(c, &amid, now)).await;
    let found = found.map_err(|e| reply::internal("a reputation could not be read", &e))?;
    Ok(reply::json(StatusCode::OK, found.ok_or_else(write::not_found)?))
}

#[derive(Deserialize)]
struct Leaders {
    limit: Option<u64>,
    intent: Option<String>,
}

/// `GET /registry/reputation/leaderboard?limit=&intent=`.
pub(super) async fn leaderboard(
    State(shared): State<Shared>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let Leaders { limit, intent } = call.query()?;
    let limit = limit.unwrap_or(DEFAULT_LEADERS).min(MAX_LEADERS);
    let intent_filter = intent.clone();
    let found = shared.store.read(move |c| reputation::leaderboard(c, limit, intent.as_deref()));
    let leaderboard = found.await.map_err(|e| reply::internal("no leaderboard", &e))?;
    let response = LeaderboardResponse { leaderboard, limit, intent_filter };
    Ok(reply::json(StatusCode::OK, response))
}
