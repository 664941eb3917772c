//! Reputation: what agents say of each other after a session.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{super::text_enum::text_enum, Tier};

/// Words that a rating may carry.
pub const RATING_TAGS: [&str; 10] = [
    "fast_response",
    "accurate",
    "professional",
    "reliable",
    "helpful",
    "knowledgeable",
    "slow_response",
    "inaccurate",
    "unhelpful",
    "unreliable",
];

/// `POST /registry/reputation` and `POST /registry/reputation/feedback`: the same rating under two addresses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RatingRequest {
    /// Who is rated.
    pub target_amid: String,
    /// Who rates, and signs.
    pub from_amid: String,
    /// The session that is rated; one rating of a rater for each. Any text: deployed clients send `session_…`.
    pub session_id: String,
    /// 0 to 1.
    pub score: f64,
    /// Some of [`RATING_TAGS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// RFC 3339.
    pub timestamp: String,
    /// The rater's, over the timestamp, base64.
    pub signature: String,
}

/// The answer of `POST /registry/reputation`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RatingResponse {
    /// Whether it counts.
    pub success: bool,
    /// Words.
    #[serde(default)]
    pub message: Option<String>,
}

/// The answer of `POST /registry/reputation/feedback` and `…/session`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedbackResponse {
    /// Whether it counts.
    pub success: bool,
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback_id: Option<String>,
}

text_enum! {
    /// How a session ended.
    pub enum SessionOutcome {
        /// As it should.
        Success = "success";
        /// Not as it should.
        Failed = "failed";
        /// By itself.
        Timeout = "timeout";
        /// Before it began.
        Rejected = "rejected";
        /// By one of the two.
        Cancelled = "cancelled";
    }
}

/// `POST /registry/reputation/session`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionReport {
    /// The session. The first report of it counts.
    pub session_id: String,
    /// Who opened it.
    pub initiator_amid: String,
    /// Who accepted it.
    pub receiver_amid: String,
    /// What it was for.
    pub intent: String,
    /// How it ended.
    pub outcome: SessionOutcome,
    /// RFC 3339.
    pub started_at: String,
    /// One of the two, who signs.
    pub reporter_amid: String,
    /// RFC 3339.
    pub timestamp: String,
    /// The reporter's, over the timestamp, base64.
    pub signature: String,
}

/// `GET /registry/reputation/score?amid=`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReputationScore {
    /// Whose.
    pub amid: String,
    /// 0 to 1.
    pub score: f64,
    /// Share of its sessions that succeeded, 0 to 1; absent without sessions.
    #[serde(default)]
    pub completion_rate: Option<f64>,
    /// Sessions reported.
    #[serde(default)]
    pub total_sessions: u64,
    /// Those that succeeded.
    #[serde(default)]
    pub successful_sessions: u64,
    /// Ratings received.
    #[serde(default)]
    pub feedback_count: u64,
    /// Their plain mean; absent without ratings.
    #[serde(default)]
    pub average_feedback: Option<f64>,
    /// The agent's tier.
    #[serde(default = "anonymous")]
    pub tier: Tier,
    /// Days since it registered.
    #[serde(default)]
    pub age_days: u64,
    /// How often which word was used of it.
    #[serde(default)]
    pub tags: BTreeMap<String, u64>,
    /// When the score last changed, RFC 3339.
    #[serde(default)]
    pub last_updated: Option<String>,
}

const fn anonymous() -> Tier {
    Tier::Anonymous
}

/// A line of the leaderboard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeaderboardEntry {
    /// Who.
    pub amid: String,
    /// A name for people.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Its tier.
    #[serde(default = "anonymous")]
    pub tier: Tier,
    /// 0 to 1.
    pub score: f64,
    /// Ratings that it rests on.
    #[serde(default)]
    pub ratings_count: u64,
}

/// `GET /registry/reputation/leaderboard?limit=&intent=`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeaderboardResponse {
    /// Best first.
    pub leaderboard: Vec<LeaderboardEntry>,
    /// The limit used.
    #[serde(default)]
    pub limit: u64,
    /// The capability asked for.
    #[serde(default)]
    pub intent_filter: Option<String>,
}
