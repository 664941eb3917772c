//! How much of something in how much time: fixed windows that begin with the first event and outlive reconnects.

use agentmesh_core::Timestamp;

/// Counts events of one kind of one agent or address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Window {
    ends: Timestamp,
    count: u32,
}

impl Window {
    /// Counts an event, or says in how many seconds there is room for one. `limit` 0 allows everything.
    pub(crate) fn take(&mut self, limit: u32, length_ms: u64, now: Timestamp) -> Result<(), u64> {
        if limit == 0 {
            return Ok(());
        }
        if self.is_over(now) {
            *self = Self { ends: now.plus_millis(length_ms), count: 0 };
        }
        if self.count >= limit {
            return Err(self.ends.since(now).div_ceil(1000).max(1));
        }
        self.count += 1;
        Ok(())
    }

    /// Whether nothing counted matters any more.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        now >= self.ends
    }
}

#[cfg(test)]
mod tests {
    use agentmesh_core::time::MINUTE;

    use super::*;

    #[test]
    fn allows_the_limit_and_says_how_long_to_wait() {
        let start = Timestamp::from_millis(1_000_000);
        let mut window = Window::default();
        for _ in 0..3 {
            assert_eq!(window.take(3, MINUTE, start), Ok(()));
        }
        assert_eq!(window.take(3, MINUTE, start), Err(60));
        assert_eq!(window.take(3, MINUTE, start.plus_millis(59_500)), Err(1));
        assert_eq!(window.take(3, MINUTE, start.plus_millis(60_000)), Ok(()));
        assert!(!window.is_over(start.plus_millis(60_000)));
    }

    #[test]
    fn zero_is_no_limit() {
        let mut window = Window::default();
        assert!((0..1000).all(|_| window.take(0, MINUTE, Timestamp::ZERO).is_ok()));
    }
}
