//! How often each address connects.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use agentmesh_core::{Timestamp, time::MINUTE};

use super::rate::Window;
use crate::limits::block;

/// Connections in the present minute, by address.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(Mutex<HashMap<IpAddr, Window>>);

impl Arrivals {
    /// Counts a connection, or says in how many seconds there is room for one.
    pub(crate) fn take(&self, ip: IpAddr, limit: u32, now: Timestamp) -> Result<(), u64> {
        if limit == 0 {
            return Ok(());
        }
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        windows.entry(block(ip)).or_default().take(limit, MINUTE, now)
    }

    /// Forgets addresses that have not been here for a minute.
    pub(crate) fn prune(&self, now: Timestamp) {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        windows.retain(|_, window| !window.is_over(now));
        windows.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_64_counts_as_one() {
        let arrivals = Arrivals::default();
        let now = Timestamp::from_millis(1_000_000);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(arrivals.take(ip("2001:db8::1"), 1, now), Ok(()));
        assert_eq!(arrivals.take(ip("2001:db8::2"), 1, now), Err(60));
        assert_eq!(arrivals.take(ip("2001:db8:0:1::1"), 1, now), Ok(()));
        assert_eq!(arrivals.take(ip("192.0.2.1"), 1, now), Ok(()));
        assert_eq!(arrivals.take(ip("::ffff:192.0.2.1"), 1, now), Err(60));
        arrivals.prune(now.plus_millis(MINUTE));
        assert_eq!(arrivals.take(ip("192.0.2.1"), 1, now), Ok(()));
    }
}
