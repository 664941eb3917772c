//! How often an agent may connect from one address: each try costs a bcrypt.

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

#[derive(Debug)]
pub(super) struct Limiter {
    rate: Option<Rate>,
    pairs: Mutex<HashMap<(IpAddr, String), Bucket>>,
}

impl Limiter {
    pub(super) fn new(per_minute: Option<u32>) -> Self {
        let rate = per_minute.map(|n| Rate { burst: n, per_minute: n });
        Self { rate, pairs: Mutex::default() }
    }

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
    fn what_is_remembered_is_bounded() {
        let limiter = Limiter::new(Some(1));
        let address = IpAddr::from(Ipv4Addr::LOCALHOST);
        let at = Timestamp::from_millis;
        assert!((0..MAX_PAIRS).all(|n| limiter.admits(address, &n.to_string(), at(0))));
        assert!(!limiter.admits(address, "one more", at(0)));
        assert!(limiter.admits(address, "one more", at(60_000)));
    }
}
