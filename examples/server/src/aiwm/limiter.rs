//! How often an agent may connect from one address, and how often an address may be wrong: each try costs a bcrypt, and
//! who asks for an agent that is not there, or not his, pays like everybody.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use agentmesh_core::Timestamp;

use crate::{
    limits::block,
    signaling::{Rate, bucket::Bucket},
};

/// Pairs of address and agent remembered. Beyond, those that are as good as new go; then new ones are refused.
const MAX_PAIRS: usize = 50_000;

/// Connects of an address that are being looked at, or were refused in the last minute. Half of those that may wait for a
/// core, so that nobody keeps everybody else waiting.
const TRIES: Rate = Rate { burst: 64, per_minute: 64 };
/// Addresses remembered, likewise.
const MAX_ADDRESSES: usize = 50_000;

#[derive(Debug)]
pub(super) struct Limiter {
    rate: Option<Rate>,
    pairs: Mutex<HashMap<(IpAddr, String), Bucket>>,
    tries: Mutex<HashMap<IpAddr, Bucket>>,
}

/// A connect that is being looked at. Costs its address a try unless it is forgiven.
#[derive(Debug)]
pub(super) struct Try<'a> {
    limiter: &'a Limiter,
    address: IpAddr,
}

impl Try<'_> {
    /// The secret was right, or was not looked at.
    pub(super) fn forgive(self) {
        let mut tries = self.limiter.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = tries.get_mut(&self.address) {
            bucket.give_back(TRIES);
        }
    }
}

impl Limiter {
    pub(super) fn new(per_minute: Option<u32>) -> Self {
        let rate = per_minute.map(|n| Rate { burst: n, per_minute: n });
        Self { rate, pairs: Mutex::default(), tries: Mutex::default() }
    }

    /// A secret is about to be looked at; `None` if its address was wrong too often.
    pub(super) fn begin(&self, address: IpAddr, now: Timestamp) -> Option<Try<'_>> {
        let address = block(address);
        let attempt = Try { limiter: self, address };
        if self.rate.is_none() {
            return Some(attempt);
        }
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() >= MAX_ADDRESSES && !tries.contains_key(&address) {
            tries.retain(|_, bucket| !bucket.is_full(TRIES, now));
            if tries.len() >= MAX_ADDRESSES {
                return None;
            }
        }
        let bucket = tries.entry(address).or_insert_with(|| Bucket::full(TRIES, now));
        bucket.take(TRIES, now).then_some(attempt)
    }

    /// Whether an agent of this id may connect. Only for what has the form of an id: others cost nothing, and their length
    /// is whatever fits into a request.
    pub(super) fn admits(&self, address: IpAddr, id: &str, now: Timestamp) -> bool {
        let Some(rate) = self.rate else { return true };
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = (block(address), id.to_owned());
        if pairs.len() >= MAX_PAIRS && !pairs.contains_key(&pair) {
            pairs.retain(|_, bucket| !bucket.is_full(rate, now));
            if pairs.len() >= MAX_PAIRS {
                return false;
            }
        }
        pairs.entry(pair).or_insert_with(|| Bucket::full(rate, now)).take(rate, now)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn ten_a_minute_for_each_pair() {
        let limiter = Limiter::new(Some(10));
        let address = IpAddr::from(Ipv4Addr::LOCALHOST);
        let at = Timestamp::from_millis;
        assert_eq!((0..20).filter(|_| limiter.admits(address, "a", at(0))).count(), 10);
        assert!(limiter.admits(address, "b", at(0)));
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!((1..=10).all(|n| limiter.admits(ip(&format!("2001:db8::{n}")), "a", at(0))));
        assert!(!limiter.admits(ip("2001:db8::11"), "a", at(0)), "one /64 is one address");
        assert!(limiter.admits(ip("2001:db8:0:1::1"), "a", at(0)));
        assert!(limiter.admits(address, "a", at(6_000)));
        assert!(!limiter.admits(address, "a", at(6_000)));
        assert!((0..100).all(|_| Limiter::new(None).admits(address, "a", at(0))));
    }

    #[test]
    fn an_address_is_wrong_64_times_a_minute_and_right_as_often_as_it_likes() {
        let limiter = Limiter::new(Some(10));
        let address = IpAddr::from(Ipv4Addr::LOCALHOST);
        let at = Timestamp::from_millis;
        for _ in 0..1000 {
            limiter.begin(address, at(0)).unwrap().forgive();
        }
        assert_eq!((0..1000).filter(|_| limiter.begin(address, at(0)).is_some()).count(), 64);
        assert!(limiter.begin(Ipv4Addr::BROADCAST.into(), at(0)).is_some());
        assert_eq!((0..9).filter(|_| limiter.begin(address, at(1_000)).is_some()).count(), 1);
        assert!((0..1000).all(|_| Limiter::new(None).begin(address, at(0)).is_some()));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let limiter = Limiter::new(Some(1));
        let address = IpAddr::from(Ipv4Addr::LOCALHOST);
        let at = Timestamp::from_millis;
        assert!((0..MAX_PAIRS).all(|n| limiter.admits(address, &n.to_string(), at(0))));
        assert!(!limiter.admits(address, "one more", at(0)));
        assert!(limiter.admits(address, "one more", at(60_000)));
    }
}
