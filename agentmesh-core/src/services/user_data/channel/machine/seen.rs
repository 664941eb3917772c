//! Which messages were told already.

use crate::maps::HashSet;
use std::collections::VecDeque;

/// As many as a server's history has at most, and a conversation's worth more.
const MAX: usize = 4096;

/// The newest keys.
#[derive(Debug, Default)]
pub(super) struct Seen {
    order: VecDeque<String>,
    keys: HashSet<String>,
}

impl Seen {
    /// Whether it is new; it is not after that. What has no key is always new.
    pub(super) fn is_new(&mut self, key: Option<String>) -> bool {
        let Some(key) = key else { return true };
        if !self.keys.insert(key.clone()) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.keys.remove(&oldest);
        }
        true
    }

    pub(super) fn clear(&mut self) {
        self.order.clear();
        self.keys.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_new_once_and_the_oldest_are_forgotten() {
        let mut seen = Seen::default();
        let key = |n: usize| Some(n.to_string());
        assert!(seen.is_new(key(0)) && !seen.is_new(key(0)));
        assert!(seen.is_new(None) && seen.is_new(None));
        for n in 1..=MAX {
            assert!(seen.is_new(key(n)));
        }
        assert!(seen.is_new(key(0)) && seen.keys.len() == MAX && seen.order.len() == MAX);
        seen.clear();
        assert!(seen.is_new(key(1)));
    }
}
