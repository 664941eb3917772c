//! Our prekeys as the deployed SDK keeps them: one signed prekey and the one before it, and one-time prekeys.
//!
//! The agent does not use this: it publishes the prekeys of its native record in the form of 0.2, too. This is for
//! applications that share a store with the deployed SDK, or move the bytes themselves.

use core::fmt;
use std::collections::BTreeMap;

use rand_core::CryptoRng;

use super::{Bundle, LegacyHandshakeError, LegacyResponderKeys, X3dhMessage};
use crate::{
    identity::Identity,
    keys::DhSecretKey,
    limits::{
        LEGACY_CONSUMED_IDS, LEGACY_SIGNED_PREKEY_GRACE, MAX_PREKEY_ID, ONE_TIME_PREKEYS,
        ONE_TIME_PREKEYS_LOW, SIGNED_PREKEY_AGE,
    },
    time::Timestamp,
};

/// The prekeys of an identity, in the deployed format. Commit [`LegacyPrekeys::to_json`] after every change.
pub struct LegacyPrekeys {
    pub(super) signed_id: u32,
    pub(super) signed: DhSecretKey,
    pub(super) signed_created: Timestamp,
    pub(super) one_time: BTreeMap<u32, DhSecretKey>,
    /// Never goes back, so that no id is used twice.
    pub(super) next_id: u32,
    /// Ids that were used, oldest first.
    pub(super) consumed: Vec<u32>,
    pub(super) old: Option<OldSignedPrekey>,
}

pub(super) struct OldSignedPrekey {
    pub(super) id: u32,
    pub(super) key: DhSecretKey,
    pub(super) expires: Timestamp,
}

impl LegacyPrekeys {
    /// The first prekeys of an identity that never had any: ids from 1.
    pub fn generate(now: Timestamp, rng: &mut dyn CryptoRng) -> Self {
        Self::with_first_ids(1, 1, now, rng)
    }

    /// Prekeys for an identity whose file was lost: both counters start at random, 2^20 to 2^30, far from ids that the
    /// registry has already.
    pub fn recover(now: Timestamp, rng: &mut dyn CryptoRng) -> Self {
        let [signed, one_time] = [(); 2].map(|()| {
            loop {
                let id = rng.next_u32() >> 2;
                if id >= 1 << 20 {
                    break id;
                }
            }
        });
        Self::with_first_ids(signed, one_time, now, rng)
    }

    fn with_first_ids(
        signed_id: u32,
        next_id: u32,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Self {
        let mut prekeys = Self {
            signed_id,
            signed: DhSecretKey::generate(rng),
            signed_created: now,
            one_time: BTreeMap::new(),
            next_id,
            consumed: Vec::new(),
            old: None,
        };
        prekeys.replenish(ONE_TIME_PREKEYS, rng);
        prekeys
    }

    /// What peers need, signed anew: the file holds no signature, and Ed25519 gives the same one again.
    pub fn bundle(&self, identity: &Identity, now: Timestamp) -> Bundle {
        let signed_prekey = *self.signed.public_key();
        Bundle {
            identity_key: *identity.exchange_key(),
            signed_prekey,
            signed_prekey_signature: Some(identity.sign_bare_prekey(&signed_prekey)),
            signed_prekey_id: self.signed_id,
            one_time_prekeys: self.one_time.iter().map(|(id, k)| (*id, *k.public_key())).collect(),
            uploaded_at: Some(now),
        }
    }

    /// The private halves that `message` names.
    ///
    /// # Errors
    /// [`LegacyHandshakeError::UnknownSignedPrekey`], [`LegacyHandshakeError::UnknownOneTimePrekey`].
    pub fn responder_keys<'a>(
        &'a self,
        identity: &'a Identity,
        message: &X3dhMessage,
        now: Timestamp,
    ) -> Result<LegacyResponderKeys<'a>, LegacyHandshakeError> {
        let id = message.signed_prekey_id;
        let signed_prekey =
            self.signed(id, now).ok_or(LegacyHandshakeError::UnknownSignedPrekey { id })?;
        let one_time_prekey = message
            .one_time_prekey_id
            .map(|id| self.one_time(id).ok_or(LegacyHandshakeError::UnknownOneTimePrekey { id }))
            .transpose()?;
        Ok(LegacyResponderKeys {
            exchange: identity.exchange_secret(),
            signed_prekey,
            one_time_prekey,
        })
    }

    /// The signed prekey with this id: the current one, or the one before within its day of grace.
    pub fn signed(&self, id: u32, now: Timestamp) -> Option<&DhSecretKey> {
        if id == self.signed_id {
            return Some(&self.signed);
        }
        self.old.as_ref().filter(|old| old.id == id && now <= old.expires).map(|old| &old.key)
    }

    /// Id of the current signed prekey.
    pub const fn signed_id(&self) -> u32 {
        self.signed_id
    }

    /// When the current signed prekey was made.
    pub const fn signed_created(&self) -> Timestamp {
        self.signed_created
    }

    /// An unused one-time prekey.
    pub fn one_time(&self, id: u32) -> Option<&DhSecretKey> {
        self.one_time.get(&id)
    }

    /// Deletes a one-time prekey that opened a session; whether there was one. Commit it together with the session.
    pub fn consume(&mut self, id: u32) -> bool {
        let consumed = self.one_time.remove(&id).is_some();
        if consumed {
            self.consumed.push(id);
            let excess = self.consumed.len().saturating_sub(LEGACY_CONSUMED_IDS);
            self.consumed.drain(..excess);
        }
        consumed
    }

    /// Whether the one-time prekey with this id was used, as far as that is remembered.
    pub fn is_consumed(&self, id: u32) -> bool {
        self.consumed.contains(&id)
    }

    /// One-time prekeys left.
    pub fn remaining(&self) -> usize {
        self.one_time.len()
    }

    /// Whether fewer than 20 one-time prekeys are left.
    pub fn needs_replenishment(&self) -> bool {
        self.remaining() < ONE_TIME_PREKEYS_LOW
    }

    /// Makes one-time prekeys until there are `count`, with new ids; returns the new ids.
    pub fn replenish(&mut self, count: usize, rng: &mut dyn CryptoRng) -> Vec<u32> {
        let mut made = Vec::new();
        while self.one_time.len() < count && self.next_id <= MAX_PREKEY_ID {
            self.one_time.insert(self.next_id, DhSecretKey::generate(rng));
            made.push(self.next_id);
            self.next_id += 1;
        }
        made
    }

    /// Replaces the signed prekey; the old one is good for another day. False only once all 2^31 - 1 ids are used up.
    pub fn rotate(&mut self, now: Timestamp, rng: &mut dyn CryptoRng) -> bool {
        if self.signed_id >= MAX_PREKEY_ID {
            return false;
        }
        let key = core::mem::replace(&mut self.signed, DhSecretKey::generate(rng));
        let expires = now.plus_millis(LEGACY_SIGNED_PREKEY_GRACE);
        self.old = Some(OldSignedPrekey { id: self.signed_id, key, expires });
        self.signed_id += 1;
        self.signed_created = now;
        true
    }

    /// Rotates what is seven days old, fills up one-time prekeys below 20, deletes what is past its grace. Whether anything
    /// changed; then commit, and publish the bundle again.
    pub fn maintain(&mut self, now: Timestamp, rng: &mut dyn CryptoRng) -> bool {
        let expired = self.old.take_if(|old| now > old.expires).is_some();
        let rotated = now.since(self.signed_created) >= SIGNED_PREKEY_AGE && self.rotate(now, rng);
        let replenished =
            self.needs_replenishment() && !self.replenish(ONE_TIME_PREKEYS, rng).is_empty();
        expired || rotated || replenished
    }
}

impl fmt::Debug for LegacyPrekeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LegacyPrekeys")
            .field("signed_id", &self.signed_id)
            .field("signed", &self.signed)
            .field("one_time", &self.one_time.len())
            .field("next_id", &self.next_id)
            .field("old", &self.old.as_ref().map(|old| old.id))
            .finish_non_exhaustive()
    }
}
