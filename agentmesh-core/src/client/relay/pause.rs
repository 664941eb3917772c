//! The pause before the next attempt.

use std::time::Duration;

use rand_core::CryptoRng;

use crate::client::backoff::Backoff;

/// Draws the pause of a connection that was lost `away` ago; at least `floor`, if the relay asked for that.
///
/// No pause is longer than half as long again as it has been away, unless that is below the first. Who draws short pauses
/// again and again doubles faster than time passes, and would stay away for long after what was down for a moment: of
/// 10,000 agents whose relay was down for one second, the last would come after 27 s, and the fullest second would get 17
/// times the mean. With a longer bound there are more stragglers, with a shorter one more come at once.
pub(super) fn next(
    backoff: &mut Backoff,
    away: Duration,
    floor: Option<Duration>,
    rng: &mut dyn CryptoRng,
) -> Duration {
    backoff.next_delay_within(away * 3 / 2, floor, rng)
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;
    use crate::client::backoff::BackoffConfig;

    /// When each of a crowd is back that lost its server together, for so long; sorted.
    fn arrivals(crowd: u64, down: Duration) -> Vec<Duration> {
        let mut arrivals: Vec<_> = (0..crowd)
            .map(|seed| {
                let mut rng = ChaCha20Rng::seed_from_u64(seed);
                let mut backoff = Backoff::new(BackoffConfig::RECONNECT);
                let mut away = Duration::ZERO;
                loop {
                    away += next(&mut backoff, away, None, &mut rng);
                    if away >= down {
                        return away;
                    }
                }
            })
            .collect();
        arrivals.sort_unstable();
        arrivals
    }

    #[test]
    fn ten_thousand_clients_come_back_and_no_second_gets_thrice_the_mean() {
        const SECOND: Duration = Duration::from_secs(1);
        for tenths in [0, 5, 10, 20, 30, 50, 100, 200, 300, 600, 1200] {
            let down = SECOND * tenths / 10;
            let arrivals = arrivals(10_000, down);
            let within = |start: &Duration| arrivals.partition_point(|at| *at < *start + SECOND);
            // Whenever the second begins.
            let most =
                arrivals.iter().enumerate().map(|(n, start)| within(start) - n).max().unwrap();
            let (first, last) = (arrivals[0], arrivals[9_999]);
            let mean = 10_000.0 / (last - first).max(SECOND).as_secs_f64();
            assert!(most as f64 <= 3.0 * mean, "down for {down:?}: {most}, on average {mean}");
            let longest = (down * 3 / 2).clamp(SECOND * 2, SECOND * 30);
            assert!(last <= down + longest, "down for {down:?}: the last came after {last:?}");
        }
    }
}
