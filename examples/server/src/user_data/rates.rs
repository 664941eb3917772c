//! How often a user may ask, and how often change something.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use agentmesh_core::{Timestamp, services::user_data::Name};

use crate::signaling::{Rate, bucket::Bucket};

/// Users remembered. Beyond, those that are as good as new go; then new ones are refused.
const MAX_USERS: usize = 50_000;

#[derive(Debug)]
pub(super) struct Limiter {
    rate: Option<Rate>,
    users: Mutex<HashMap<Name, Bucket>>,
}

impl Limiter {
    /// 0 is no limit.
    pub(super) fn new(per_minute: u32) -> Self {
        let rate = (per_minute > 0).then_some(Rate { burst: per_minute, per_minute });
        Self { rate, users: Mutex::default() }
    }

    /// Seconds to wait if it is too often.
    pub(super) fn admits(&self, user: &Name, now: Timestamp) -> Result<(), u64> {
        let Some(rate) = self.rate else { return Ok(()) };
        let wait = u64::from(60_u32.div_ceil(rate.per_minute));
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if users.len() >= MAX_USERS && !users.contains_key(user) {
            users.retain(|_, bucket| !bucket.is_full(rate, now));
            if users.len() >= MAX_USERS {
                return Err(wait);
            }
        }
        let bucket = users.entry(user.clone()).or_insert_with(|| Bucket::full(rate, now));
        if bucket.take(rate, now) { Ok(()) } else { Err(wait) }
    }
}

#[cfg(test)]
mod tests {
    use agentmesh_core::services::user_data::NameKind;

    use super::*;

    #[test]
    fn so_many_a_minute_for_each_user() {
        let user = |name| Name::new(NameKind::User, name).unwrap();
        let at = Timestamp::from_millis;
        let limiter = Limiter::new(60);
        assert_eq!((0..90).filter(|_| limiter.admits(&user("a"), at(0)).is_ok()).count(), 60);
        assert_eq!(limiter.admits(&user("a"), at(0)), Err(1));
        assert!(limiter.admits(&user("b"), at(0)).is_ok());
        assert!(limiter.admits(&user("a"), at(1000)).is_ok());
        let off = Limiter::new(0);
        assert!((0..1000).all(|_| off.admits(&user("a"), at(0)).is_ok()));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let user = |n: usize| Name::new(NameKind::User, &n.to_string()).unwrap();
        let limiter = Limiter::new(1);
        let at = Timestamp::from_millis;
        assert!((0..MAX_USERS).all(|n| limiter.admits(&user(n), at(0)).is_ok()));
        assert!(limiter.admits(&user(MAX_USERS), at(0)).is_err());
        assert!(limiter.admits(&user(MAX_USERS), at(60_000)).is_ok());
    }
}
