//! Growing pauses with full jitter: the wait before attempt n is drawn evenly from zero to
//! `min(max, base * 2^n)`, so that clients which failed together do not come back together.
//!
//! Where a document names its pauses ("after about 3, 6, 12 seconds"), [`Backoff::around`] draws within a fifth of them
//! instead, and [`Backoff::widely`] within a half.
//!
//! Own code, because `backon` (1.6), otherwise the obvious choice, adds its jitter *on top of* the delay: every client of
//! a relay that went down would still wait for the same minimum.

use std::time::Duration;

use rand_core::CryptoRng;

/// The longest doubling looked at; beyond it every `max` in use has long been reached.
const MAX_DOUBLINGS: u32 = 20;

/// The longest pause that a server can impose.
const MAX_FLOOR: Duration = Duration::from_secs(15 * 60);

/// The bounds of the pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffConfig {
    /// Upper bound of the first pause.
    pub base: Duration,
    /// Upper bound of all pauses.
    pub max: Duration,
}

impl BackoffConfig {
    /// Between connection attempts: two seconds, doubling to half a minute. Even the first try after a relay was killed
    /// is spread over that long: thousands of handshakes in its first half second would bring it down again.
    pub const RECONNECT: Self = Self { base: Duration::from_secs(2), max: Duration::from_secs(30) };
    /// Between tries of one HTTP request.
    pub const REQUEST: Self =
        Self { base: Duration::from_millis(250), max: Duration::from_secs(5) };
}

/// Counts attempts and draws the pause before the next one.
#[derive(Debug, Clone)]
pub struct Backoff {
    config: BackoffConfig,
    attempts: u32,
    jitter: Jitter,
}

/// How far pauses vary.
#[derive(Debug, Clone, Copy)]
enum Jitter {
    /// From nothing to the bound.
    Full,
    /// So much of it less to so much more: one part of so many.
    Around(u32),
}

impl Backoff {
    /// Starts with no attempt made.
    pub const fn new(config: BackoffConfig) -> Self {
        Self { config, attempts: 0, jitter: Jitter::Full }
    }

    /// The same, for those whose documents name the pauses: `base`, doubled each time up to `max`, give or take a fifth.
    pub const fn around(config: BackoffConfig) -> Self {
        Self { config, attempts: 0, jitter: Jitter::Around(5) }
    }

    /// The same, give or take a half.
    pub const fn widely(config: BackoffConfig) -> Self {
        Self { config, attempts: 0, jitter: Jitter::Around(2) }
    }

    /// Attempts since the last [`Backoff::reset`].
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether the failure that was counted last is worth a line in the log: the first, the fourth, the sixteenth and so
    /// on, so that an outage is told at once, and a long one ever more seldom.
    pub const fn is_worth_telling(&self) -> bool {
        self.attempts.is_power_of_two() && self.attempts.trailing_zeros().is_multiple_of(2)
    }

    /// Forgets the failures: things work again.
    pub const fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The pause before the next attempt. With `floor` (what a server asked for) it is never shorter than that, and
    /// the jitter comes on top: those who were all told the same second must not share it.
    pub fn next_delay(&mut self, floor: Option<Duration>, rng: &mut dyn CryptoRng) -> Duration {
        self.next_delay_within(Duration::MAX, floor, rng)
    }

    /// The same with another bound: the lower one counts, but no lower one than that of the first pause. Who drew short pauses again and again doubles faster than time
    /// passes, and would stay away for long after what was down for a moment.
    pub fn next_delay_within(
        &mut self,
        most: Duration,
        floor: Option<Duration>,
        rng: &mut dyn CryptoRng,
    ) -> Duration {
        let bound = self
            .config
            .base
            .saturating_mul(1 << self.attempts.min(MAX_DOUBLINGS))
            .min(self.config.max)
            .min(most.max(self.config.base));
        self.attempts = self.attempts.saturating_add(1);
        let floor = floor.unwrap_or_default().min(MAX_FLOOR);
        match self.jitter {
            Jitter::Full => floor + even(bound.max(floor / 4), rng),
            Jitter::Around(parts) => {
                let part = bound / parts;
                let own = bound - part + even(part * 2, rng);
                own.max(floor + even(floor / 4, rng))
            }
        }
    }
}

/// Evenly from zero to `bound`.
fn even(bound: Duration, rng: &mut dyn CryptoRng) -> Duration {
    // 32 random bits over at most minutes: steps far below a millisecond.
    bound.mul_f64(f64::from(rng.next_u32()) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;

    #[test]
    fn full_jitter_stays_within_its_bounds_and_uses_them() {
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        for (attempt, bound_ms) in
            [2000u64, 4000, 8000, 16_000, 30_000, 30_000].into_iter().enumerate()
        {
            let bound = Duration::from_millis(bound_ms);
            let draws: Vec<_> = (0..2000)
                .map(|_| {
                    let mut backoff = Backoff {
                        attempts: attempt as u32,
                        ..Backoff::new(BackoffConfig::RECONNECT)
                    };
                    backoff.next_delay(None, &mut rng)
                })
                .collect();
            assert!(draws.iter().all(|d| *d <= bound));
            let mean = draws.iter().sum::<Duration>() / 2000;
            assert!(mean > bound * 45 / 100 && mean < bound * 55 / 100, "{attempt}: {mean:?}");
            assert!(draws.iter().any(|d| *d < bound / 50), "full jitter starts at zero");
        }
    }

    #[test]
    fn named_pauses_vary_by_a_fifth_and_give_way_to_what_the_server_asked() {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let config = BackoffConfig { base: Duration::from_secs(3), max: Duration::from_secs(30) };
        for _ in 0..200 {
            let mut backoff = Backoff::around(config);
            for seconds in [3, 6, 12, 24, 30, 30] {
                let (delay, named) =
                    (backoff.next_delay(None, &mut rng), Duration::from_secs(seconds));
                assert!(delay >= named * 4 / 5 && delay <= named * 6 / 5, "{named:?} {delay:?}");
            }
            let delay = Backoff::widely(config).next_delay(None, &mut rng);
            assert!(delay >= config.base / 2 && delay <= config.base * 3 / 2, "{delay:?}");
            let asked = Duration::from_secs(100);
            let delay = backoff.next_delay(Some(asked), &mut rng);
            assert!(delay >= asked && delay <= asked * 5 / 4, "{delay:?}");
        }
    }

    #[test]
    fn an_outage_is_told_at_once_and_then_ever_more_seldom() {
        let mut backoff = Backoff::new(BackoffConfig::RECONNECT);
        let mut rng = ChaCha20Rng::from_seed([5; 32]);
        let told: Vec<_> = (0..1000)
            .filter_map(|_| {
                backoff.next_delay(None, &mut rng);
                backoff.is_worth_telling().then_some(backoff.attempts())
            })
            .collect();
        assert_eq!(told, [1, 4, 16, 64, 256]);
    }

    #[test]
    fn never_overflows_and_resets() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let mut backoff = Backoff { attempts: u32::MAX, ..Backoff::new(BackoffConfig::RECONNECT) };
        assert!(backoff.next_delay(None, &mut rng) <= Duration::from_secs(30));
        backoff.reset();
        assert!(backoff.next_delay(None, &mut rng) <= Duration::from_secs(2));
        assert_eq!(backoff.attempts(), 1);
    }

    #[test]
    fn waits_at_least_as_long_as_the_server_asked() {
        let mut rng = ChaCha20Rng::from_seed([2; 32]);
        for asked in [0u64, 1, 60, 900].map(Duration::from_secs) {
            for _ in 0..100 {
                let mut backoff = Backoff::new(BackoffConfig::RECONNECT);
                let delay = backoff.next_delay(Some(asked), &mut rng);
                assert!(
                    delay >= asked && delay <= asked * 5 / 4 + Duration::from_secs(2),
                    "{asked:?} {delay:?}"
                );
            }
        }
        let forever =
            Backoff::new(BackoffConfig::RECONNECT).next_delay(Some(Duration::MAX), &mut rng);
        assert!(forever <= MAX_FLOOR * 5 / 4);
    }
}
