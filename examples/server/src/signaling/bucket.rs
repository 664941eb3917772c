//! A token bucket in whole milliseconds: fills up with time, each signal takes one token.

use agentmesh_core::Timestamp;

/// How much a bucket holds, and how fast it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tokens at most.
    pub burst: u32,
    /// Tokens a minute.
    pub per_minute: u32,
}

/// Starts full.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    /// In units of which a token a minute gives one a millisecond, so that nothing is lost to rounding.
    units: u64,
    at: Timestamp,
}

const TOKEN: u64 = 60_000;

impl Bucket {
    pub(crate) fn full(rate: Rate, now: Timestamp) -> Self {
        Self { units: u64::from(rate.burst) * TOKEN, at: now }
    }

    /// Takes a token if there is one. A refusal costs nothing.
    pub(crate) fn take(&mut self, rate: Rate, now: Timestamp) -> bool {
        let filled = now.since(self.at).saturating_mul(u64::from(rate.per_minute));
        self.units = self.units.saturating_add(filled).min(u64::from(rate.burst) * TOKEN);
        self.at = self.at.max(now);
        let enough = self.units >= TOKEN;
        if enough {
            self.units -= TOKEN;
        }
        enough
    }

    /// Puts a token back.
    pub(crate) fn give_back(&mut self, rate: Rate) {
        self.units = self.units.saturating_add(TOKEN).min(u64::from(rate.burst) * TOKEN);
    }

    /// Whether it is as good as new.
    pub(crate) fn is_full(&self, rate: Rate, now: Timestamp) -> bool {
        let filled = now.since(self.at).saturating_mul(u64::from(rate.per_minute));
        self.units.saturating_add(filled) >= u64::from(rate.burst) * TOKEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 50, per_minute: 600 };

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    #[test]
    fn a_burst_and_then_one_every_tenth_of_a_second() {
        let mut bucket = Bucket::full(RATE, at(0));
        assert!((0..50).all(|_| bucket.take(RATE, at(0))));
        assert!(!bucket.take(RATE, at(0)));
        assert!(!bucket.take(RATE, at(99)));
        assert!(bucket.take(RATE, at(100)));
        assert!(!bucket.take(RATE, at(100)));
    }

    #[test]
    fn five_seconds_fill_it_and_no_more() {
        let mut bucket = Bucket::full(RATE, at(0));
        while bucket.take(RATE, at(0)) {}
        assert!(!bucket.is_full(RATE, at(4_999)));
        assert!(bucket.is_full(RATE, at(5_000)));
        assert_eq!((0..200).filter(|_| bucket.take(RATE, at(60_000))).count(), 50);
    }

    #[test]
    fn a_clock_that_goes_back_neither_fills_nor_empties() {
        let mut bucket = Bucket::full(RATE, at(1000));
        while bucket.take(RATE, at(1000)) {}
        assert!(!bucket.take(RATE, at(0)));
        assert!(bucket.take(RATE, at(1100)));
    }
}
