//! A token bucket: how many frames all streams of an agent may send now.
//!
//! A relay allows so many messages in a minute and then none for the rest of it, which would stop a stream for most of a minute. Better to
//! send fewer and fuller frames: chunks that wait for a token travel together.

/// Frames that may go at once, before the rate counts.
const BURST_SHARE: f64 = 0.3;
/// The part of the relay's limit that streams take in the long run; receipts and other messages need the rest. Burst
/// and rate together stay below the limit in every window of a minute.
const RATE_SHARE: f64 = 0.5;
const MINUTE_MS: f64 = 60_000.0;

/// Tokens of one agent. Times are milliseconds of any clock that only goes forward.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// `None` does not limit anything.
    limit: Option<Limit>,
}

#[derive(Debug, Clone, Copy)]
struct Limit {
    capacity: f64,
    per_ms: f64,
    tokens: f64,
    at: u64,
}

impl Pace {
    /// For a relay that takes `per_minute` messages a minute; 0 stands for one that does not limit them.
    pub(crate) fn new(per_minute: u32, now: u64) -> Self {
        let per_minute = f64::from(per_minute);
        let limit = (per_minute > 0.0).then(|| {
            let capacity = (per_minute * BURST_SHARE).max(1.0);
            Limit {
                capacity,
                per_ms: per_minute * RATE_SHARE / MINUTE_MS,
                tokens: capacity,
                at: now,
            }
        });
        Self { limit }
    }

    /// Takes a token, or says in how many milliseconds there will be one.
    pub(crate) fn take(&mut self, now: u64) -> Result<(), u64> {
        let Some(limit) = &mut self.limit else { return Ok(()) };
        let passed = now.saturating_sub(limit.at) as f64;
        limit.at = limit.at.max(now);
        limit.tokens = (limit.tokens + passed * limit.per_ms).min(limit.capacity);
        if limit.tokens >= 1.0 {
            limit.tokens -= 1.0;
            return Ok(());
        }
        Err(((1.0 - limit.tokens) / limit.per_ms).ceil().max(1.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_minute_stays_below_the_limit_and_the_first_frames_go_at_once() {
        let mut pace = Pace::new(100, 0);
        let mut sent = Vec::new();
        let mut now = 0;
        while now < 300_000 {
            match pace.take(now) {
                Ok(()) => sent.push(now),
                Err(wait) => now += wait,
            }
        }
        assert_eq!(sent.iter().filter(|at| **at == 0).count(), 30);
        for start in &sent {
            let within = sent.iter().filter(|at| (*start..start + 60_000).contains(at)).count();
            assert!(within <= 81, "{within} within the minute from {start}");
        }
    }

    #[test]
    fn zero_is_no_limit_and_a_clock_that_goes_back_gives_nothing() {
        let mut free = Pace::new(0, 0);
        assert!((0..100_000).all(|_| free.take(0).is_ok()));
        let mut pace = Pace::new(1, 1000);
        assert_eq!(pace.take(1000), Ok(()));
        assert!(pace.take(0).is_err());
        assert!(pace.take(1000).is_err());
        assert_eq!(pace.take(1000 + 120_000), Ok(()));
    }
}
