//! Who has the store, and for how long.
//!
//! The lease is a courtesy among those who look at clocks; what holds is the epoch. Each taking over counts it up, in the
//! same conditional put that every commit needs, so who was there before can never commit again, whatever its
//! clock says and however long it slept.

use std::time::Duration;

use super::{
    core::random,
    format::{Head, Lease},
};
use crate::Timestamp;

/// One opening of the store under a lease.
#[derive(Debug, Clone)]
pub(super) struct Tenant {
    pub(super) instance: [u8; 16],
    pub(super) epoch: u64,
    pub(super) length: Duration,
    since: Timestamp,
    host: String,
}

impl Tenant {
    pub(super) fn new(length: Duration, now: Timestamp) -> Self {
        Self { instance: random(), epoch: 1, length, since: now, host: host() }
    }

    /// Our lease as of `now`.
    pub(super) fn lease(&self, now: Timestamp) -> Lease {
        let length = u64::try_from(self.length.as_millis()).unwrap_or(u64::MAX);
        Lease {
            instance: self.instance,
            pid: std::process::id(),
            host: self.host.clone(),
            since: self.since,
            until: now.plus_millis(length),
        }
    }

    /// Whether nobody took over since.
    pub(super) fn holds(&self, head: &Head) -> bool {
        head.epoch == self.epoch
            && head.lease.as_ref().is_some_and(|lease| lease.instance == self.instance)
    }

    /// How often the lease is renewed.
    pub(super) fn pace(&self) -> Duration {
        self.length / 3
    }
}

/// This machine's name, for people who look for who has the store.
fn host() -> String {
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| variable("HOSTNAME"))
        .or_else(|| variable("COMPUTERNAME"))
        .map_or_else(|| "an unnamed host".to_owned(), |name| name.trim().chars().take(63).collect())
}
