//! When a request is sent again, and how long to wait before.

use std::time::Duration;

use rand_core::CryptoRng;

use super::error::UserDataError;

/// The longest that a server is waited for. Who asks for more is told to the caller instead.
const PATIENCE: Duration = Duration::from_secs(30);

/// The pauses before a request is sent again. Each is drawn out by up to a quarter, so that clients which failed together
/// do not come back together; a server that asks for more gets more, up to half a minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// One for each retry: half a second, one second, two seconds.
    pub pauses: Vec<Duration>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { pauses: [500, 1000, 2000].map(Duration::from_millis).to_vec() }
    }
}

impl RetryPolicy {
    /// Every request is sent once.
    pub const fn none() -> Self {
        Self { pauses: Vec::new() }
    }

    /// How long to wait after the failure of try number `tries` (the first is 1), or `None` if it was the last.
    pub(super) fn pause(
        &self,
        tries: usize,
        repeat: Repeat,
        error: &UserDataError,
        rng: &mut dyn CryptoRng,
    ) -> Option<Duration> {
        if tries > repeat.limit() || !repeat.covers(error) {
            return None;
        }
        let pause = *self.pauses.get(tries.checked_sub(1)?)?;
        let asked = error.retry_after().unwrap_or_default();
        if asked > PATIENCE {
            return None;
        }
        let drawn = pause.mul_f64(0.25 * f64::from(rng.next_u32()) / f64::from(u32::MAX));
        Some(pause.max(asked) + drawn)
    }
}

/// What may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Asking twice is asking once: everything but POST, and the POSTs that overwrite.
    Idempotent,
    /// `setup`: at most twice more, not after 429.
    Setup,
}

impl Repeat {
    const fn limit(self) -> usize {
        match self {
            Self::Idempotent => 3,
            Self::Setup => 2,
        }
    }

    const fn covers(self, error: &UserDataError) -> bool {
        match error {
            UserDataError::Unreachable { .. }
            | UserDataError::Timeout { .. }
            | UserDataError::Unavailable { .. } => true,
            UserDataError::RateLimited { .. } => matches!(self, Self::Idempotent),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_utils::seeded_rng;

    fn limited(seconds: Option<u64>) -> UserDataError {
        UserDataError::RateLimited { retry_after_seconds: seconds, request_id: String::new() }
    }

    fn busy() -> UserDataError {
        UserDataError::Unavailable {
            status: 503,
            message: String::new(),
            retry_after_seconds: None,
            request_id: String::new(),
        }
    }

    fn pauses(repeat: Repeat, error: &UserDataError) -> Vec<u64> {
        let mut rng = seeded_rng(1);
        let policy = RetryPolicy::default();
        let pause = |tries| policy.pause(tries, repeat, error, &mut rng);
        (1..).map_while(pause).map(|pause| u64::try_from(pause.as_millis()).unwrap()).collect()
    }

    #[test]
    fn pauses_are_the_documented_ones_and_up_to_a_quarter_more() {
        for error in [busy(), limited(None), UserDataError::Timeout { after: Duration::ZERO }] {
            let pauses = pauses(Repeat::Idempotent, &error);
            assert_eq!(pauses.len(), 3);
            for (pause, base) in pauses.iter().zip([500, 1000, 2000]) {
                assert!((base..=base * 5 / 4).contains(pause), "{pauses:?}");
            }
        }
    }

    #[test]
    fn setup_is_repeated_twice_and_not_after_429() {
        assert_eq!(pauses(Repeat::Setup, &busy()).len(), 2);
        assert!(pauses(Repeat::Setup, &limited(None)).is_empty());
    }

    #[test]
    fn servers_are_waited_for_within_reason() {
        assert!(pauses(Repeat::Idempotent, &limited(Some(9))).iter().all(|pause| *pause >= 9000));
        assert!(pauses(Repeat::Idempotent, &limited(Some(31))).is_empty());
    }

    #[test]
    fn what_was_refused_for_good_is_not_sent_again() {
        let refused = UserDataError::Rejected {
            status: 400,
            message: String::new(),
            request_id: String::new(),
        };
        assert!(pauses(Repeat::Idempotent, &refused).is_empty());
        let policy = RetryPolicy::none();
        assert_eq!(policy.pause(1, Repeat::Idempotent, &busy(), &mut seeded_rng(1)), None);
    }
}
