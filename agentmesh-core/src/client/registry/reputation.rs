//! Rating agents, and reading what others think of them. All of it is the registry's word.

use super::{AnswerError, RegistryClient, RegistryError};
use crate::{
    Timestamp,
    identity::Amid,
    wire::registry::{
        FeedbackResponse, LeaderboardResponse, RATING_TAGS, RatingRequest, ReputationScore,
        SessionOutcome, SessionReport,
    },
};

/// How a session ended, for the registry's statistics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedSession {
    /// The session's id; the first report of it counts.
    pub session_id: String,
    /// Who opened it.
    pub initiator: Amid,
    /// Who accepted it.
    pub receiver: Amid,
    /// What it was for.
    pub intent: String,
    /// How it ended.
    pub outcome: SessionOutcome,
    /// When it began.
    pub started_at: Timestamp,
}

impl RegistryClient {
    /// Rates an agent after a session, once for each session. Returns the rating's id, if the registry gives one.
    ///
    /// # Errors
    /// [`AnswerError::InvalidRating`] for a score that is not between 0 and 1 or a tag that is not one of [`RATING_TAGS`];
    /// [`RegistryError`]; a conflict if this session was rated before.
    pub async fn rate(
        &self,
        target: &Amid,
        session_id: &str,
        score: f64,
        tags: &[&str],
    ) -> Result<Option<String>, RegistryError> {
        if !(0.0..=1.0).contains(&score) || tags.iter().any(|tag| !RATING_TAGS.contains(tag)) {
            return Err(AnswerError::InvalidRating.into());
        }
        let request = |from_amid, timestamp, signature| RatingRequest {
            target_amid: target.to_string(),
            from_amid,
            session_id: session_id.to_owned(),
            score,
            tags: Some(tags.iter().map(|tag| (*tag).to_owned()).collect()),
            timestamp,
            signature,
        };
        // Of the two addresses for it, the one where deployed registries verify who rates.
        let answer: FeedbackResponse =
            self.post("rate", "registry/reputation/feedback", request).await?.json()?;
        if answer.success {
            Ok(answer.feedback_id)
        } else {
            Err(AnswerError::NotAccepted { what: "the rating" }.into())
        }
    }

    /// Reports how a session ended in which this agent took part.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn report_session(&self, session: &EndedSession) -> Result<(), RegistryError> {
        let request = |reporter_amid, timestamp, signature| SessionReport {
            session_id: session.session_id.clone(),
            initiator_amid: session.initiator.to_string(),
            receiver_amid: session.receiver.to_string(),
            intent: session.intent.clone(),
            outcome: session.outcome.clone(),
            started_at: session.started_at.to_rfc3339_millis(),
            reporter_amid,
            timestamp,
            signature,
        };
        self.change("report session", "registry/reputation/session", request).await
    }

    /// An agent's reputation in detail.
    ///
    /// # Errors
    /// [`RegistryError`]; not found if the registry does not know the agent.
    pub async fn reputation(&self, amid: &Amid) -> Result<ReputationScore, RegistryError> {
        let query = [("amid", amid.to_string())];
        Ok(self.get("reputation", "registry/reputation/score", &query).await?.json()?)
    }

    /// The agents of the best reputation, of those with the capability `intent` if one is given.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn leaderboard(
        &self,
        limit: u64,
        intent: Option<&str>,
    ) -> Result<LeaderboardResponse, RegistryError> {
        let mut query = vec![("limit", limit.to_string())];
        query.extend(intent.map(|intent| ("intent", intent.to_owned())));
        Ok(self.get("leaderboard", "registry/reputation/leaderboard", &query).await?.json()?)
    }
}
