//! How many one-time keys of one agent another one gets in an hour: enough for an honest peer that loses its state now
//! and then, too few to empty the store.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use agentmesh_core::{Timestamp, identity::Amid, time::HOUR};

use crate::relay::Window;

/// Beyond this many pairs, those whose hour is over are forgotten.
const MANY: usize = 10_000;

/// Requests in the present hour, by requester and target.
#[derive(Debug, Default)]
pub(crate) struct KeyRations(Mutex<HashMap<(Amid, Amid), Window>>);

impl KeyRations {
    /// Counts a request; false if the requester had its share.
    pub(crate) fn take(&self, requester: Amid, target: Amid, limit: u32, now: Timestamp) -> bool {
        if limit == 0 {
            return true;
        }
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= MANY && !windows.contains_key(&(requester, target)) {
            windows.retain(|_, window| !window.is_over(now));
            if windows.len() >= MANY * 10 {
                // A flood of made-up requesters: nobody gets one-time keys, everybody still gets bundles.
                return false;
            }
        }
        windows.entry((requester, target)).or_default().take(limit, HOUR, now).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_requester_and_target() {
        let rations = KeyRations::default();
        let [a, b, c] = [1, 2, 3].map(|n| Amid::from_bytes([n; 20]));
        let now = Timestamp::from_millis(1_000_000);
        assert!(rations.take(a, b, 2, now) && rations.take(a, b, 2, now));
        assert!(!rations.take(a, b, 2, now));
        assert!(rations.take(a, c, 2, now) && rations.take(c, b, 2, now));
        assert!(rations.take(a, b, 2, now.plus_millis(HOUR)));
        assert!((0..100).all(|_| rations.take(a, b, 0, now)));
    }
}
