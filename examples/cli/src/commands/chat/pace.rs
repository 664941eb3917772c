//! When the next question may go out, learnt from what the agent refuses. Questions that are piped come faster than any
//! agent allows, and one that goes on asking is thrown out.

use std::time::Duration;

use agentmesh_core::services::agent_ws::AgentWebSocketError;
use tokio::time::Instant;

/// Refusals of one question before it is given up.
const MAX_REFUSALS: u32 = 4;
/// What agents say that limit the rate and do not say how long to wait.
const RATE_LIMIT: &str = "Rate limit exceeded";
/// The first wait for those.
const GUESS: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Between one question and the next, once a question was refused.
    spacing: Duration,
    last: Option<Instant>,
    /// Of the present question.
    refusals: u32,
}

impl Pace {
    /// When the next question may be sent. It counts as sent then.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        let at = self.last.map_or(now, |last| now.max(last + self.spacing));
        self.last = Some(at);
        at
    }

    /// The same question was sent again.
    pub(super) const fn again(&mut self, now: Instant) {
        self.last = Some(now);
    }

    /// The question was answered, or is given up.
    pub(super) const fn done(&mut self) {
        self.refusals = 0;
    }

    /// How long to wait before the same question again, if the agent refused it and that is worth it.
    pub(super) fn refused(
        &mut self,
        error: &AgentWebSocketError,
        longest: Duration,
    ) -> Option<Duration> {
        let AgentWebSocketError::Agent { message, retry_after_ms } = error else { return None };
        let asked = match retry_after_ms {
            Some(ms) => Duration::from_millis(*ms),
            None if message == RATE_LIMIT => self.spacing.saturating_mul(2).max(GUESS),
            None => return None,
        };
        self.refusals += 1;
        if self.refusals > MAX_REFUSALS || asked > longest {
            return None;
        }
        if message == RATE_LIMIT {
            // What is left of one question's time, and a quarter for clocks that differ.
            self.spacing = self.spacing.max(asked + asked / 4).min(longest);
        }
        Some(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(90);

    fn agent(message: &str, retry_after_ms: Option<u64>) -> AgentWebSocketError {
        AgentWebSocketError::Agent { message: message.into(), retry_after_ms }
    }

    #[test]
    fn refusal_slows_down_all_questions_that_follow() {
        let mut pace = Pace::default();
        let start = Instant::now();
        assert_eq!((pace.next(start), pace.next(start)), (start, start));
        let refusal = agent(RATE_LIMIT, Some(2000));
        assert_eq!(pace.refused(&refusal, LONGEST), Some(Duration::from_secs(2)));
        let start = start + Duration::from_secs(2);
        pace.again(start);
        pace.done();
        let second = pace.next(start);
        assert_eq!(second - start, Duration::from_millis(2500));
        assert_eq!(pace.next(second) - second, Duration::from_millis(2500));
    }

    #[test]
    fn waits_have_an_end() {
        let mut pace = Pace::default();
        let unnamed = agent(RATE_LIMIT, None);
        let waits: Vec<_> = (0..5).map(|_| pace.refused(&unnamed, LONGEST)).collect();
        let seconds = |s: f64| Some(Duration::from_secs_f64(s));
        assert_eq!(waits, [seconds(2.0), seconds(5.0), seconds(12.5), seconds(31.25), None]);
        pace.done();
        assert_eq!(pace.refused(&agent("busy", Some(91_000)), LONGEST), None, "too long");
        assert_eq!(pace.refused(&agent("no", None), LONGEST), None, "no refusal for the rate");
        let lost = AgentWebSocketError::ConnectionLost { reason: "x".into() };
        assert_eq!(pace.refused(&lost, LONGEST), None);
    }
}
