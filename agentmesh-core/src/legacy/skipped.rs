//! Keys of messages that have not come yet, oldest first: the order of insertion is their age in the deployed format.

use core::fmt;

use crate::{
    keys::{DhPublicKey, Secret},
    limits::{MAX_SKIPPED_KEYS, SKIPPED_KEY_AGE},
    time::Timestamp,
};

/// One of them.
pub(super) struct SkippedKey {
    pub(super) ratchet_key: DhPublicKey,
    pub(super) n: u64,
    pub(super) key: Secret<32>,
    /// When it was put aside; the files of the deployed SDK do not say, and then it is the session's last use.
    pub(super) since: Timestamp,
}

impl SkippedKey {
    fn is(&self, ratchet_key: &DhPublicKey, n: u64) -> bool {
        self.n == n && self.ratchet_key == *ratchet_key
    }
}

/// At most 2,000 of them.
#[derive(Default)]
pub(super) struct SkippedKeys(Vec<SkippedKey>);

impl SkippedKeys {
    /// What a file or record holds; of too many, the newest.
    pub(super) fn new(mut keys: Vec<SkippedKey>) -> Self {
        let excess = keys.len().saturating_sub(MAX_SKIPPED_KEYS);
        keys.drain(..excess);
        Self(keys)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &SkippedKey> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut SkippedKey> {
        self.0.iter_mut()
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn find(&self, ratchet_key: &DhPublicKey, n: u64) -> Option<&Secret<32>> {
        self.0.iter().find(|key| key.is(ratchet_key, n)).map(|key| &key.key)
    }

    pub(super) fn remove(&mut self, ratchet_key: &DhPublicKey, n: u64) {
        self.0.retain(|key| !key.is(ratchet_key, n));
    }

    /// Adds keys, and gives up those that are too old or too many.
    pub(super) fn extend(&mut self, keys: Vec<SkippedKey>, now: Timestamp) {
        self.0.retain(|key| now.since(key.since) < SKIPPED_KEY_AGE);
        self.0.extend(keys);
        let excess = self.0.len().saturating_sub(MAX_SKIPPED_KEYS);
        self.0.drain(..excess);
    }
}

impl fmt::Debug for SkippedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} skipped keys", self.0.len())
    }
}
