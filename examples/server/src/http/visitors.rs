//! What each address takes of this server: sockets, requests in a minute, and bytes that were read and not yet worked off.
//! No single one gets so much that there is nothing left for the others. One /64 of IPv6 counts as one address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use agentmesh_core::{Timestamp, time::MINUTE};

use crate::{
    limits::{block, reached},
    relay::Window,
};

/// Bytes of unfinished bodies and frames of one address. The largest body has 10 MiB as the server comes.
const BYTES_OF_ONE: usize = 64 << 20;
/// Bytes of unfinished bodies and frames in all.
const BYTES_OF_ALL: usize = 512 << 20;
/// Addresses that are remembered before the first look for those that can be forgotten.
const FEW: usize = 1024;

#[derive(Debug, Default)]
struct Visitor {
    sockets: usize,
    bytes: usize,
    requests: Window,
}

#[derive(Debug, Default)]
struct All {
    visitors: HashMap<IpAddr, Visitor>,
    bytes: usize,
    /// How many there may be before those are forgotten of whom nothing is left.
    crowded: usize,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Visitors {
    all: Mutex<All>,
    bytes_of_one: usize,
}

impl Visitors {
    /// Without `shares`, one address may have all the bytes that there are: behind a proxy everybody has the same.
    pub(crate) fn new(shares: bool) -> Self {
        let bytes_of_one = if shares { BYTES_OF_ONE } else { BYTES_OF_ALL };
        Self { all: Mutex::default(), bytes_of_one }
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a socket for as long as what is returned lives.
    pub(crate) fn enter(self: &Arc<Self>, ip: IpAddr) -> Visit {
        let ip = block(ip);
        self.lock().visitors.entry(ip).or_default().sockets += 1;
        Visit { visitors: Arc::clone(self), ip }
    }

    /// Whether an address has as many sockets as it may have; 0 is no limit.
    pub(crate) fn is_full(&self, ip: IpAddr, limit: u32) -> bool {
        let all = self.lock();
        let sockets = all.visitors.get(&block(ip)).map_or(0, |visitor| visitor.sockets);
        reached(limit, sockets)
    }

    /// Counts a request, or says in how many seconds there is room for one; 0 is no limit.
    pub(crate) fn ask(&self, ip: IpAddr, limit: u32, now: Timestamp) -> Result<(), u64> {
        if limit == 0 {
            return Ok(());
        }
        let mut all = self.lock();
        if all.visitors.len() >= all.crowded.max(FEW) {
            all.visitors.retain(|_, visitor| {
                visitor.sockets > 0 || visitor.bytes > 0 || !visitor.requests.is_over(now)
            });
            all.crowded = all.visitors.len().saturating_mul(2);
        }
        all.visitors.entry(block(ip)).or_default().requests.take(limit, MINUTE, now)
    }

    /// An account of bytes, empty at first.
    pub(crate) fn hold(self: &Arc<Self>, ip: IpAddr) -> Held {
        Held { visitors: Arc::clone(self), ip: block(ip), bytes: 0 }
    }
}

/// A socket of an address.
#[derive(Debug)]
pub(crate) struct Visit {
    visitors: Arc<Visitors>,
    ip: IpAddr,
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(visitor) = self.visitors.lock().visitors.get_mut(&self.ip) {
            visitor.sockets = visitor.sockets.saturating_sub(1);
        }
    }
}

/// Bytes that somebody has sent and that are in memory until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    visitors: Arc<Visitors>,
    ip: IpAddr,
    bytes: usize,
}

impl Held {
    /// How many they are.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// That so many are held now. False if that is more than there is room for; then nothing changes.
    #[must_use]
    pub(crate) fn set(&mut self, bytes: usize) -> bool {
        let mut all = self.visitors.lock();
        let total = all.bytes.saturating_sub(self.bytes).saturating_add(bytes);
        let visitor = all.visitors.entry(self.ip).or_default();
        let own = visitor.bytes.saturating_sub(self.bytes).saturating_add(bytes);
        if bytes > self.bytes && (own > self.visitors.bytes_of_one || total > BYTES_OF_ALL) {
            return false;
        }
        visitor.bytes = own;
        all.bytes = total;
        self.bytes = bytes;
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Less is always possible.
        let _ = self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn sockets_are_counted_for_each_address_as_long_as_they_live() {
        let visitors = Arc::new(Visitors::new(true));
        let first = visitors.enter(ip("2001:db8::1"));
        let second = visitors.enter(ip("2001:db8::2"));
        assert!(visitors.is_full(ip("2001:db8::3"), 2) && !visitors.is_full(ip("2001:db8::3"), 3));
        assert!(!visitors.is_full(ip("192.0.2.1"), 1) && !visitors.is_full(ip("2001:db8::1"), 0));
        drop(first);
        assert!(!visitors.is_full(ip("2001:db8::3"), 2));
        drop(second);
    }

    #[test]
    fn requests_are_counted_for_each_address_and_the_idle_are_forgotten() {
        let visitors = Arc::new(Visitors::new(true));
        let at = Timestamp::from_millis;
        assert!((0..3).all(|_| visitors.ask(ip("192.0.2.1"), 3, at(0)).is_ok()));
        assert_eq!(visitors.ask(ip("192.0.2.1"), 3, at(0)), Err(60));
        assert_eq!(visitors.ask(ip("192.0.2.2"), 3, at(0)), Ok(()));
        let stays = visitors.enter(ip("192.0.2.3"));
        for n in 0..5_000_u32 {
            let ip = IpAddr::from(std::net::Ipv4Addr::from_bits(n));
            assert_eq!(visitors.ask(ip, 1, at(u64::from(n) * 1000)), Ok(()));
        }
        let left = visitors.lock().visitors.len();
        assert!(left <= 2 * FEW, "{left} addresses are remembered");
        assert!(visitors.is_full(ip("192.0.2.3"), 1));
        drop(stays);
    }

    #[test]
    fn bytes_are_bounded_for_one_and_for_all_and_given_back() {
        let visitors = Arc::new(Visitors::new(true));
        let mut own = visitors.hold(ip("192.0.2.1"));
        assert!(own.set(BYTES_OF_ONE) && !own.set(BYTES_OF_ONE + 1));
        assert_eq!(own.bytes(), BYTES_OF_ONE);
        assert!(!visitors.hold(ip("192.0.2.1")).set(1), "the address has no more");
        let mut others: Vec<_> =
            (2..9).map(|n| visitors.hold(ip(&format!("192.0.2.{n}")))).collect();
        assert!(others.iter_mut().all(|other| other.set(BYTES_OF_ONE)));
        assert!(!visitors.hold(ip("192.0.2.99")).set(1), "nobody has more");
        drop(own);
        assert!(visitors.hold(ip("192.0.2.99")).set(BYTES_OF_ONE));
        drop(others);
        assert_eq!(visitors.lock().bytes, 0);
        assert!(Arc::new(Visitors::new(false)).hold(ip("192.0.2.1")).set(BYTES_OF_ALL));
        assert!(visitors.lock().visitors.values().all(|visitor| visitor.bytes == 0));
    }
}
