//! A token bucket over the time since the service started.

use std::time::Duration;

use super::MessageRate;

/// Starts full.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: MessageRate,
    /// Time that has been saved up; a token costs [`Bucket::price`].
    saved: Duration,
    at: Duration,
}

impl Bucket {
    pub(super) fn full(rate: MessageRate, now: Duration) -> Self {
        let mut bucket = Self { rate, saved: Duration::ZERO, at: now };
        bucket.saved = bucket.most();
        bucket
    }

    fn price(&self) -> Duration {
        Duration::from_secs(60) / self.rate.per_minute.max(1)
    }

    fn most(&self) -> Duration {
        self.price().saturating_mul(self.rate.burst.max(1))
    }

    /// Takes a token, or says how long it takes until there is one.
    pub(super) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let saved = self.saved.saturating_add(now.saturating_sub(self.at)).min(self.most());
        (self.saved, self.at) = (saved, now);
        match self.saved.checked_sub(self.price()) {
            Some(left) => {
                self.saved = left;
                Ok(())
            }
            None => Err(self.price() - self.saved),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_at_once_and_then_one_every_two_seconds() {
        let rate = MessageRate { burst: 10, per_minute: 30 };
        let mut bucket = Bucket::full(rate, Duration::ZERO);
        assert!((0..10).all(|_| bucket.take(Duration::ZERO).is_ok()));
        assert_eq!(bucket.take(Duration::from_millis(500)), Err(Duration::from_millis(1500)));
        assert_eq!(bucket.take(Duration::from_secs(2)), Ok(()));
        assert!(bucket.take(Duration::from_secs(3)).is_err());
        let later = Duration::from_secs(3600);
        assert_eq!((0..100).filter(|_| bucket.take(later).is_ok()).count(), 10);
    }
}
