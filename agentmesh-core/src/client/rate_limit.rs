//! Token buckets: how fast this agent sends, in all and to each peer, and how fast it hands on what a peer sends.
//!
//! Knows peers and the time that it is told; has no clock, so that tests move the time. Why not a crate:
//! `docs/decisions/017-control.md`.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use crate::{Timestamp, identity::Amid, maps::HashMap};

/// How much, how fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    tokens: u32,
    period_ms: u32,
    burst: u32,
}

impl Rate {
    /// `tokens` a second in the long run, `burst` at once. Zero is taken for one.
    pub const fn per_second(tokens: u32, burst: u32) -> Self {
        Self::new(tokens, 1000, burst)
    }

    /// `tokens` a minute in the long run, `burst` at once. Zero is taken for one.
    pub const fn per_minute(tokens: u32, burst: u32) -> Self {
        Self::new(tokens, 60_000, burst)
    }

    const fn new(tokens: u32, period_ms: u32, burst: u32) -> Self {
        let tokens = if tokens == 0 { 1 } else { tokens };
        Self { tokens, period_ms, burst: if burst == 0 { 1 } else { burst } }
    }

    /// Tokens a second in the long run.
    pub fn tokens_per_second(&self) -> f64 {
        f64::from(self.tokens) * 1000.0 / f64::from(self.period_ms)
    }

    /// Tokens at once.
    pub const fn burst(&self) -> u32 {
        self.burst
    }
}

/// How fast messages may be sent. Off by default: see
/// [`AgentBuilder::rate_limits`](crate::client::AgentBuilder::rate_limits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimits {
    /// All messages together. Default: 100 a second, 500 at once.
    pub global: Option<Rate>,
    /// The messages to one peer. Default: 50 a second, 50 at once.
    pub per_peer: Option<Rate>,
    /// Peers that are counted at a time; beyond, the one that was written to least recently is forgotten, and has a
    /// full bucket when it is written to again. Default: 10,000.
    pub max_peers: usize,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            global: Some(Rate::per_second(100, 500)),
            per_peer: Some(Rate::per_second(50, 50)),
            max_peers: 10_000,
        }
    }
}

impl RateLimits {
    /// No limits at all.
    pub const fn off() -> Self {
        Self { global: None, per_peer: None, max_peers: 0 }
    }

    /// These, with another limit on all messages together.
    #[must_use]
    pub const fn with_global(mut self, rate: Option<Rate>) -> Self {
        self.global = rate;
        self
    }

    /// These, with another limit on the messages to one peer.
    #[must_use]
    pub const fn with_per_peer(mut self, rate: Option<Rate>) -> Self {
        self.per_peer = rate;
        self
    }
}

/// Which limit was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RateScope {
    /// That on all messages.
    Global,
    /// That on the messages to one peer.
    Peer,
}

impl RateScope {
    /// Stable name, as in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Peer => "peer",
        }
    }
}

/// A limit was met; nothing was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimited {
    /// Which one.
    pub scope: RateScope,
    /// When there will be a token, if nobody else takes it.
    pub retry_after: Duration,
}

/// How full the buckets are.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RateStatus {
    /// The bucket of all messages.
    pub global: Option<BucketStatus>,
    /// The bucket of the peer that was asked about.
    pub peer: Option<BucketStatus>,
    /// Peers that are counted.
    pub peers: usize,
}

/// How full a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BucketStatus {
    /// Tokens in it.
    pub available: u32,
    /// Tokens that fit.
    pub burst: u32,
    /// Tokens that come in a second.
    pub per_second: f64,
}

/// One bucket. The level is counted in token-milliseconds, so that nothing is rounded.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    level: u64,
    at: Timestamp,
}

impl Bucket {
    fn full(rate: Rate, now: Timestamp) -> Self {
        Self { level: u64::from(rate.burst) * u64::from(rate.period_ms), at: now }
    }

    /// What came since the last look. A clock that was set back brings nothing, and takes nothing.
    fn refill(&mut self, rate: Rate, now: Timestamp) {
        let gained = now.since(self.at).saturating_mul(u64::from(rate.tokens));
        self.level = self.level.saturating_add(gained).min(Self::full(rate, now).level);
        self.at = now;
    }

    fn wait(&self, rate: Rate) -> Option<Duration> {
        let missing = u64::from(rate.period_ms).saturating_sub(self.level);
        (missing > 0).then(|| Duration::from_millis(missing.div_ceil(u64::from(rate.tokens))))
    }

    const fn spend(&mut self, rate: Rate) {
        self.level = self.level.saturating_sub(rate.period_ms as u64);
    }

    fn status(&self, rate: Rate) -> BucketStatus {
        let available = self.level / u64::from(rate.period_ms);
        BucketStatus {
            available: u32::try_from(available).unwrap_or(u32::MAX),
            burst: rate.burst,
            per_second: rate.tokens_per_second(),
        }
    }
}

/// One bucket a peer, for as many peers as were used last.
#[derive(Debug)]
pub(crate) struct PeerBuckets {
    rate: Rate,
    max: usize,
    buckets: HashMap<Amid, (Bucket, u64)>,
    by_use: BTreeMap<u64, Amid>,
    uses: u64,
}

impl PeerBuckets {
    pub(crate) fn new(rate: Rate, max: usize) -> Self {
        Self {
            rate,
            max: max.max(1),
            buckets: HashMap::default(),
            by_use: BTreeMap::new(),
            uses: 0,
        }
    }

    /// How long until there is a token; `None` if there is one now. Spends nothing.
    pub(crate) fn wait(&mut self, peer: Amid, now: Timestamp) -> Option<Duration> {
        let rate = self.rate;
        let (bucket, _) = self.buckets.get_mut(&peer)?;
        bucket.refill(rate, now);
        bucket.wait(rate)
    }

    /// Takes a token; the caller has seen that there is one.
    pub(crate) fn spend(&mut self, peer: Amid, now: Timestamp) {
        self.uses += 1;
        let (rate, used) = (self.rate, self.uses);
        if let Some((_, last)) = self.buckets.get(&peer) {
            self.by_use.remove(last);
        } else if self.buckets.len() >= self.max
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.buckets.remove(&oldest);
        }
        let (bucket, last) =
            self.buckets.entry(peer).or_insert_with(|| (Bucket::full(rate, now), used));
        bucket.refill(rate, now);
        bucket.spend(rate);
        *last = used;
        self.by_use.insert(used, peer);
    }

    fn status(&mut self, peer: Amid, now: Timestamp) -> BucketStatus {
        let rate = self.rate;
        let mut bucket = self.buckets.get(&peer).map_or_else(|| Bucket::full(rate, now), |b| b.0);
        bucket.refill(rate, now);
        bucket.status(rate)
    }
}

/// The limits on sending. A message passes both buckets or spends from neither.
///
/// ```
/// use agentmesh_core::{Timestamp, client::{Rate, RateLimiter, RateLimits}, identity::Amid};
///
/// let limits = RateLimits::default().with_per_peer(Some(Rate::per_second(2, 1)));
/// let mut limiter = RateLimiter::new(limits);
/// let (peer, now) = (Amid::from_bytes([7; 20]), Timestamp::from_millis(1_000));
/// assert!(limiter.try_acquire(peer, now).is_ok());
/// let refused = limiter.try_acquire(peer, now).unwrap_err();
/// assert_eq!(refused.retry_after.as_millis(), 500);
/// assert!(limiter.try_acquire(peer, now.plus_millis(500)).is_ok());
/// ```
#[derive(Debug)]
pub struct RateLimiter {
    global: Option<(Rate, Option<Bucket>)>,
    peers: Option<PeerBuckets>,
}

impl RateLimiter {
    /// Full buckets.
    pub fn new(limits: RateLimits) -> Self {
        Self {
            global: limits.global.map(|rate| (rate, None)),
            peers: limits.per_peer.map(|rate| PeerBuckets::new(rate, limits.max_peers)),
        }
    }

    /// Takes a token out of both buckets.
    ///
    /// # Errors
    /// [`RateLimited`] if one of them is empty; nothing is spent then, from either.
    pub fn try_acquire(&mut self, peer: Amid, now: Timestamp) -> Result<(), RateLimited> {
        if let Some(refused) = self.check(peer, now) {
            return Err(refused);
        }
        if let Some((rate, Some(bucket))) = &mut self.global {
            bucket.spend(*rate);
        }
        if let Some(peers) = &mut self.peers {
            peers.spend(peer, now);
        }
        Ok(())
    }

    /// What [`try_acquire`](Self::try_acquire) would be refused with. Spends nothing.
    pub fn check(&mut self, peer: Amid, now: Timestamp) -> Option<RateLimited> {
        let own = self.peers.as_mut().and_then(|peers| peers.wait(peer, now));
        let all = self.global.as_mut().and_then(|(rate, bucket)| {
            let bucket = bucket.get_or_insert_with(|| Bucket::full(*rate, now));
            bucket.refill(*rate, now);
            bucket.wait(*rate)
        });
        match (own, all) {
            (Some(own), Some(all)) if all > own => {
                Some(RateLimited { scope: RateScope::Global, retry_after: all })
            }
            (Some(retry_after), _) => Some(RateLimited { scope: RateScope::Peer, retry_after }),
            (None, Some(retry_after)) => {
                Some(RateLimited { scope: RateScope::Global, retry_after })
            }
            (None, None) => None,
        }
    }

    /// How full the buckets are; that of a peer if one is named.
    pub fn status(&mut self, peer: Option<Amid>, now: Timestamp) -> RateStatus {
        let global = self.global.as_mut().map(|(rate, bucket)| {
            let bucket = bucket.get_or_insert_with(|| Bucket::full(*rate, now));
            bucket.refill(*rate, now);
            bucket.status(*rate)
        });
        let counted = self.peers.as_ref().map_or(0, |peers| peers.buckets.len());
        let peer = peer.and_then(|peer| self.peers.as_mut().map(|p| p.status(peer, now)));
        RateStatus { global, peer, peers: counted }
    }
}

#[cfg(test)]
mod tests;
