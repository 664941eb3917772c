//! Prekeys, ours and those of peers (docs/protocol/native.md §3).
//!
//! Ours live in one record ([`PreKeys`]), counters and keys together, so that a crash can lose neither the one without
//! the other nor reuse an id. A peer's arrive as a [`PreKeyBundle`]. Knows nothing of registries, clocks or stores:
//! whoever calls commits the record before it uploads what [`PreKeys::publication`] gives.

mod blob;
mod bundle;
mod pool;
mod publication;
mod record;
mod signed;

use core::fmt;

use rand_core::CryptoRng;

use crate::{
    codec::CodecError,
    error::errors,
    identity::Identity,
    keys::{DhSecretKey, KemSecretKey},
    limits::{
        MAX_PREKEY_ID, ONE_TIME_KEM_PREKEYS, ONE_TIME_KEM_PREKEYS_KEPT, ONE_TIME_KEM_PREKEYS_LOW,
        ONE_TIME_PREKEYS, ONE_TIME_PREKEYS_KEPT, ONE_TIME_PREKEYS_LOW, SIGNED_PREKEY_AGE,
    },
    time::Timestamp,
};
use pool::{Pool, PoolSize, take_id};

pub use bundle::{BundleError, BundleParts, KnownPeer, OneTimePart, PreKeyBundle};
pub use publication::{Publication, SignedOneTime, Stock, UploadReceipt};
pub use signed::SignedPreKey;

errors! {
    /// Why stored prekeys could not be read.
    pub enum PreKeyError {
        /// The record does not parse.
        #[error("stored prekeys: {source}")]
        Record {
            /// Where and why.
            source: CodecError,
        } = "PREKEYS_RECORD", Storage, permanent;
    }
}

const OPK_POOL: PoolSize =
    PoolSize { low: ONE_TIME_PREKEYS_LOW, full: ONE_TIME_PREKEYS, kept: ONE_TIME_PREKEYS_KEPT };
const KOPK_POOL: PoolSize = PoolSize {
    low: ONE_TIME_KEM_PREKEYS_LOW,
    full: ONE_TIME_KEM_PREKEYS,
    kept: ONE_TIME_KEM_PREKEYS_KEPT,
};
/// Between the last id that is known to be used and the first of another store.
const ID_GAP: u32 = 1 << 20;

/// How far an identity's numbers have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// The next ids of signed prekeys, their ML-KEM companions, one-time prekeys and one-time ML-KEM prekeys.
    pub ids: [u32; 4],
    /// The date of the last bundle.
    pub bundle_created_at: Timestamp,
}

impl Default for Counters {
    fn default() -> Self {
        Self { ids: [1; 4], bundle_created_at: Timestamp::ZERO }
    }
}

/// All private prekeys of an identity.
///
/// Every method that changes something says so; the caller then commits [`PreKeys::to_record`], in the same batch as
/// whatever depends on it.
///
/// ```
/// # #[cfg(feature = "getrandom")] {
/// use agentmesh_core::{
///     Timestamp,
///     identity::Identity,
///     prekeys::{BundleParts, KnownPeer, PreKeyBundle, PreKeys},
///     rng::SystemRng,
/// };
///
/// let now = Timestamp::from_millis(1_770_206_400_000);
/// let identity = Identity::generate(now, &mut SystemRng);
/// let mut prekeys = PreKeys::generate(&identity, now, &mut SystemRng);
///
/// // Commit the record, then upload:
/// let publication = prekeys.publication(&identity);
/// assert_eq!(publication.one_time.len(), 100);
/// prekeys.confirm_uploaded(publication.receipt(), None, now);
/// assert!(!prekeys.needs_upload());
///
/// // What a peer does with it:
/// let parts = BundleParts::bundle_only(&publication.bundle);
/// let peer = KnownPeer::first_contact(identity.amid());
/// let bundle = PreKeyBundle::verify(parts, &peer, now)?;
/// assert_eq!(bundle.exchange(), identity.exchange_key());
/// # }
/// # Ok::<(), agentmesh_core::prekeys::BundleError>(())
/// ```
pub struct PreKeys {
    current: SignedPreKey,
    /// Oldest first.
    retired: Vec<SignedPreKey>,
    next_signed_id: u32,
    next_kem_id: u32,
    one_time: Pool<DhSecretKey>,
    one_time_kem: Pool<KemSecretKey>,
    /// The date in the current bundle; the next one's is later.
    bundle_created_at: Timestamp,
    bundle_uploaded: bool,
}

impl PreKeys {
    /// The first prekeys of an identity that never had any.
    pub fn generate(identity: &Identity, now: Timestamp, rng: &mut dyn CryptoRng) -> Self {
        Self::with_first_ids([1; 4], identity, now, rng)
    }

    /// Prekeys for an identity whose record was lost.
    ///
    /// Ids start at random, 2^20 to 2^30, far from those used before: a registry ignores ids that it has, and would
    /// go on handing out keys whose private halves are gone.
    pub fn recover(identity: &Identity, now: Timestamp, rng: &mut dyn CryptoRng) -> Self {
        let ids = [(); 4].map(|()| {
            loop {
                let id = rng.next_u32() >> 2;
                if id >= 1 << 20 {
                    break id;
                }
            }
        });
        Self::with_first_ids(ids, identity, now, rng)
    }

    /// Prekeys for an identity that goes on in another store, after it had come as far as `counters` in the one before.
    ///
    /// Ids start above a gap, which the old store would take years to fill; so also a registry that serves the highest id
    /// serves the new ones. Where the numbers end, as [`PreKeys::recover`].
    pub fn continue_after(
        counters: &Counters,
        identity: &Identity,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Self {
        let ids = counters.ids.map(|id| id.saturating_add(ID_GAP));
        let now = now.max(counters.bundle_created_at.plus_millis(1));
        if ids.iter().any(|id| *id > MAX_PREKEY_ID - ID_GAP) {
            return Self::recover(identity, now, rng);
        }
        Self::with_first_ids(ids, identity, now, rng)
    }

    /// How far the numbers have come.
    pub const fn counters(&self) -> Counters {
        let ids = [
            self.next_signed_id,
            self.next_kem_id,
            self.one_time.next_id,
            self.one_time_kem.next_id,
        ];
        Counters { ids, bundle_created_at: self.bundle_created_at }
    }

    fn with_first_ids(
        [mut next_signed_id, mut next_kem_id, opk, kopk]: [u32; 4],
        identity: &Identity,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Self {
        let id = take_id(&mut next_signed_id).unwrap_or(1);
        let kem_id = take_id(&mut next_kem_id);
        let mut prekeys = Self {
            current: SignedPreKey::generate(id, kem_id, identity, now, rng),
            retired: Vec::new(),
            next_signed_id,
            next_kem_id,
            one_time: Pool::starting_at(opk),
            one_time_kem: Pool::starting_at(kopk),
            bundle_created_at: now,
            bundle_uploaded: false,
        };
        prekeys.replenish(rng);
        prekeys
    }

    /// The triple with this SPK id, current or retired.
    pub fn signed(&self, id: u32) -> Option<&SignedPreKey> {
        core::iter::once(&self.current).chain(&self.retired).find(|triple| triple.id == id)
    }

    /// The triple of the current bundle.
    pub const fn current(&self) -> &SignedPreKey {
        &self.current
    }

    /// Ids of all triples whose private parts exist, oldest first.
    pub fn signed_ids(&self) -> impl Iterator<Item = u32> {
        self.retired.iter().chain([&self.current]).map(SignedPreKey::id)
    }

    /// Triples that a newer one replaced and that are still kept.
    pub const fn retired(&self) -> usize {
        self.retired.len()
    }

    /// The date in the current bundle.
    pub const fn bundle_created_at(&self) -> Timestamp {
        self.bundle_created_at
    }

    /// Ids that the next one-time prekeys of both kinds will get: they tell whether new ones were made.
    pub(crate) const fn one_time_made(&self) -> (u32, u32) {
        (self.one_time.next_id, self.one_time_kem.next_id)
    }

    /// An unused one-time prekey.
    pub fn one_time(&self, id: u32) -> Option<&DhSecretKey> {
        self.one_time.keys.get(&id)
    }

    /// An unused one-time ML-KEM prekey.
    pub fn one_time_kem(&self, id: u32) -> Option<&KemSecretKey> {
        self.one_time_kem.keys.get(&id)
    }

    /// Deletes the one-time keys that opened a session; 0 stands for none. Whether anything changed.
    ///
    /// To be committed together with the session, never before it.
    pub fn consume(&mut self, one_time: u32, one_time_kem: u32) -> bool {
        let opk = self.one_time.keys.remove(&one_time).is_some();
        let kopk = self.one_time_kem.keys.remove(&one_time_kem).is_some();
        opk || kopk
    }

    /// How many one-time prekeys are unused.
    pub fn one_time_len(&self) -> usize {
        self.one_time.keys.len()
    }

    /// Makes one-time prekeys until `n` are unused, 500 at most, and fills up the ML-KEM ones; whether anything changed.
    pub fn fill_one_time(&mut self, n: usize, rng: &mut dyn CryptoRng) -> bool {
        let opks = self.one_time.fill_to(n, OPK_POOL, || DhSecretKey::generate(rng));
        let full = ONE_TIME_KEM_PREKEYS;
        let kopks = self.one_time_kem.fill_to(full, KOPK_POOL, || KemSecretKey::generate(rng));
        opks + kopks > 0
    }

    /// Whether [`PreKeys::maintain`] would change anything.
    pub fn needs_maintenance(&self, identity: &Identity, now: Timestamp) -> bool {
        self.needs_rotation(identity, now)
            || self.needs_new_date(now)
            || self.one_time.is_low(OPK_POOL)
            || self.one_time_kem.is_low(KOPK_POOL)
            || self.retired.iter().any(|triple| triple.is_obsolete(now))
    }

    /// Rotates what is due, fills up the one-time keys, deletes what has served. Whether anything changed; then commit,
    /// and upload if [`PreKeys::needs_upload`].
    pub fn maintain(
        &mut self,
        identity: &Identity,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> bool {
        let before = self.retired.len();
        self.retired.retain(|triple| !triple.is_obsolete(now));
        let deleted = self.retired.len() != before;
        let rotated = self.needs_rotation(identity, now) && self.rotate(identity, now, rng);
        let dated = self.needs_new_date(now);
        if dated {
            self.new_bundle_date(now);
        }
        let replenished = self.replenish(rng);
        deleted || rotated || dated || replenished
    }

    /// Replaces the signed prekey, its ML-KEM companion and the exchange key of the bundle. False only once
    /// all 2^31 - 1 ids are used up.
    pub fn rotate(&mut self, identity: &Identity, now: Timestamp, rng: &mut dyn CryptoRng) -> bool {
        let Some(id) = take_id(&mut self.next_signed_id) else {
            return false;
        };
        let kem_id = take_id(&mut self.next_kem_id);
        let triple = SignedPreKey::generate(id, kem_id, identity, now, rng);
        self.retired.push(core::mem::replace(&mut self.current, triple));
        self.new_bundle_date(now);
        true
    }

    /// Notes that every frame the relay held at `now`, or before, has been handled. Whether anything changed.
    pub fn queue_drained(&mut self, now: Timestamp) -> bool {
        let mut changed = false;
        for triple in &mut self.retired {
            if !triple.drained && triple.replaced_at.is_some_and(|at| at <= now) {
                triple.drained = true;
                changed = true;
            }
        }
        changed
    }

    /// By age, once the current triple was uploaded: before, nobody has it, and unpublished triples would pile up while the
    /// registry is out of reach. At once after the identity's exchange key changed.
    fn needs_rotation(&self, identity: &Identity, now: Timestamp) -> bool {
        self.current.exchange.public_key() != identity.exchange_key()
            || (self.bundle_uploaded && now.since(self.current.created_at) >= SIGNED_PREKEY_AGE)
    }

    /// A bundle that waited long for its upload gets a new date instead.
    fn needs_new_date(&self, now: Timestamp) -> bool {
        !self.bundle_uploaded && now.since(self.bundle_created_at) >= SIGNED_PREKEY_AGE
    }

    fn new_bundle_date(&mut self, now: Timestamp) {
        self.bundle_created_at = now.max(self.bundle_created_at.plus_millis(1));
        self.bundle_uploaded = false;
    }

    fn replenish(&mut self, rng: &mut dyn CryptoRng) -> bool {
        let opks = self.one_time.replenish(OPK_POOL, || DhSecretKey::generate(rng));
        let kopks = self.one_time_kem.replenish(KOPK_POOL, || KemSecretKey::generate(rng));
        opks || kopks
    }
}

impl fmt::Debug for PreKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreKeys")
            .field("current", &self.current)
            .field("retired", &self.retired)
            .field("one_time", &self.one_time.keys.len())
            .field("one_time_kem", &self.one_time_kem.keys.len())
            .field("bundle_created_at", &self.bundle_created_at)
            .field("bundle_uploaded", &self.bundle_uploaded)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
