//! What an initiator knows of a responder: the signed bundle, and one-time keys each signed on its own
//! (docs/protocol/native.md §3). Verification is the only way to one; there is no unverified bundle type to confuse it with.

use super::blob::{Body, KEM_SUITE, RawBundle};
use crate::{
    codec::{CodecError, Write},
    error::errors,
    identity::{Amid, Label},
    keys::{DhPublicKey, KemPublicKey, KeyError, Signature, VerifyingKey, kdf::lp_len},
    limits::{BUNDLE_MAX_AGE, CLOCK_SKEW, MAX_PREKEY_ID},
    time::Timestamp,
};

errors! {
    /// Why a bundle was refused.
    pub enum BundleError {
        /// The bytes are no bundle.
        #[error("malformed bundle: {source}")]
        Malformed {
            /// Where and why.
            source: CodecError,
        } = "BUNDLE_MALFORMED", Protocol, permanent;
        /// The bundle is another agent's than the one asked for: whoever answered swapped it.
        #[error("the bundle belongs to another agent")]
        AmidMismatch = "BUNDLE_AMID_MISMATCH", Authentication, permanent;
        /// The identity key did not sign these bytes: something in them was changed.
        #[error("the bundle's signature does not verify")]
        BadSignature = "BUNDLE_BAD_SIGNATURE", Authentication, permanent;
        /// Signed too long ago; its owner has not published since.
        #[error("the bundle is {age_ms} ms old")]
        TooOld {
            /// Its age in milliseconds.
            age_ms: u64,
        } = "BUNDLE_TOO_OLD", Protocol, retryable;
        /// Dated in the future by more than clocks differ.
        #[error("the bundle is dated {ahead_ms} ms ahead")]
        FromTheFuture {
            /// How far ahead, in milliseconds.
            ahead_ms: u64,
        } = "BUNDLE_FROM_THE_FUTURE", Protocol, retryable;
        /// Older than one seen before: whoever answered replayed it.
        #[error("the bundle of {created_ms} is older than the one of {newest_seen_ms} seen before")]
        Stale {
            /// When it was signed, in milliseconds.
            created_ms: u64,
            /// When the newest one seen was.
            newest_seen_ms: u64,
        } = "BUNDLE_STALE", Protocol, retryable;
        /// Only weaker suites than the peer was seen with before.
        #[error("the bundle offers suite {offered} of a peer known to speak {pinned}")]
        SuiteDowngrade {
            /// The suite pinned.
            pinned: u8,
            /// The strongest suite offered.
            offered: u8,
        } = "BUNDLE_SUITE_DOWNGRADE", Protocol, permanent;
        /// A Diffie-Hellman key that contributes nothing.
        #[error("{field} has small order")]
        LowOrderKey {
            /// Which key.
            field: &'static str,
        } = "BUNDLE_LOW_ORDER_KEY", Protocol, permanent;
        /// The suites are not ascending and unique, or do not go with the keys.
        #[error("the bundle's suites are inconsistent")]
        SuiteSet = "BUNDLE_SUITE_SET", Protocol, permanent;
        /// The last-resort ML-KEM key is not valid.
        #[error("the bundle's ML-KEM key: {source}")]
        KemKey {
            /// What is wrong with it.
            source: KeyError,
        } = "BUNDLE_KEM_KEY", Protocol, permanent;
    }
}

/// A one-time key as a registry handed it out, unverified.
#[derive(Debug, Clone, Copy)]
pub struct OneTimePart<'a> {
    /// Its id.
    pub id: u32,
    /// The X25519 or ML-KEM-768 public key.
    pub key: &'a [u8],
    /// The owner's signature over both.
    pub signature: &'a [u8],
}

/// What a registry answered, unverified.
#[derive(Debug, Clone, Copy)]
pub struct BundleParts<'a> {
    /// The signed bundle.
    pub blob: &'a [u8],
    /// A one-time prekey.
    pub one_time: Option<OneTimePart<'a>>,
    /// A one-time ML-KEM prekey.
    pub one_time_kem: Option<OneTimePart<'a>>,
}

impl<'a> BundleParts<'a> {
    /// A bundle without one-time keys.
    pub const fn bundle_only(blob: &'a [u8]) -> Self {
        Self { blob, one_time: None, one_time_kem: None }
    }
}

/// What is known of a peer before its bundle is looked at. Whoever calls keeps it, durably.
#[derive(Debug, Clone, Copy)]
pub struct KnownPeer {
    /// Whose bundle was asked for.
    pub amid: Amid,
    /// The `created_at` of the newest bundle of this peer accepted before; the epoch if there was none.
    pub newest_bundle: Timestamp,
    /// Id of the strongest suite that the peer was seen with; 0 if it never was.
    pub pinned_suite: u8,
}

impl KnownPeer {
    /// A peer never met.
    pub const fn first_contact(amid: Amid) -> Self {
        Self { amid, newest_bundle: Timestamp::ZERO, pinned_suite: 0 }
    }
}

/// A verified prekey bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreKeyBundle {
    pub(super) body: Body,
    blob: Vec<u8>,
    one_time: Option<(u32, DhPublicKey)>,
    one_time_kem: Option<(u32, KemPublicKey)>,
}

impl PreKeyBundle {
    /// Verifies what a registry, or a peer in a refusal, gave for `peer`.
    ///
    /// A one-time key that does not verify is dropped: the handshake goes on without.
    ///
    /// # Errors
    /// Every variant of [`BundleError`]; if several apply, the first in this order: form, AMID, signature, dates, suites,
    /// Diffie-Hellman keys, ML-KEM key.
    pub fn verify(
        parts: BundleParts<'_>,
        peer: &KnownPeer,
        now: Timestamp,
    ) -> Result<Self, BundleError> {
        let raw =
            RawBundle::parse(parts.blob).map_err(|source| BundleError::Malformed { source })?;
        if raw.amid != peer.amid || Amid::of_key_bytes(&raw.identity) != peer.amid {
            return Err(BundleError::AmidMismatch);
        }
        let identity = raw.verifying_key().ok_or(BundleError::BadSignature)?;
        identity
            .verify_labelled(Label::Bundle, &[raw.signed], &raw.signature)
            .map_err(|_| BundleError::BadSignature)?;
        check_dates(raw.created_at, peer.newest_bundle, now)?;
        if !raw.suites_are_consistent() {
            return Err(BundleError::SuiteSet);
        }
        let offered = strongest_known(raw.suites);
        if offered < peer.pinned_suite {
            return Err(BundleError::SuiteDowngrade { pinned: peer.pinned_suite, offered });
        }
        for (field, key) in
            [("the exchange key", &raw.exchange), ("the signed prekey", &raw.signed_prekey.1)]
        {
            if key.is_low_order() {
                return Err(BundleError::LowOrderKey { field });
            }
        }
        let kem_prekey = raw.kem_prekey().map_err(|source| BundleError::KemKey { source })?;
        let one_time = parts.one_time.and_then(|part| verify_one_time(part, &identity));
        let one_time_kem = parts
            .one_time_kem
            .filter(|_| kem_prekey.is_some())
            .and_then(|part| verify_one_time_kem(part, &identity));
        let body = Body {
            identity,
            amid: raw.amid,
            exchange: raw.exchange,
            signed_prekey: raw.signed_prekey,
            kem_prekey,
            suites: raw.suites.to_vec(),
            created_at: raw.created_at,
        };
        Ok(Self { body, blob: parts.blob.to_vec(), one_time, one_time_kem })
    }

    /// Checks a verified bundle once more, by what is known of the peer: for those who fetch and verify a bundle
    /// before they know it.
    ///
    /// # Errors
    /// [`BundleError::AmidMismatch`], [`BundleError::Stale`], [`BundleError::SuiteDowngrade`].
    pub fn check_known(&self, peer: &KnownPeer) -> Result<(), BundleError> {
        if *self.amid() != peer.amid {
            return Err(BundleError::AmidMismatch);
        }
        check_not_stale(self.created_at(), peer.newest_bundle)?;
        let offered = strongest_known(self.suites());
        if offered < peer.pinned_suite {
            return Err(BundleError::SuiteDowngrade { pinned: peer.pinned_suite, offered });
        }
        Ok(())
    }

    /// The owner's identity key.
    pub const fn identity(&self) -> &VerifyingKey {
        &self.body.identity
    }

    /// The owner.
    pub const fn amid(&self) -> &Amid {
        &self.body.amid
    }

    /// The owner's exchange key.
    pub const fn exchange(&self) -> &DhPublicKey {
        &self.body.exchange
    }

    /// Id and key of the signed prekey.
    pub const fn signed_prekey(&self) -> (u32, &DhPublicKey) {
        (self.body.signed_prekey.0, &self.body.signed_prekey.1)
    }

    /// Id and key of the last-resort ML-KEM prekey; there is one exactly if suite 3 is offered.
    pub fn kem_prekey(&self) -> Option<(u32, &KemPublicKey)> {
        self.body.kem_prekey.as_ref().map(|(id, key)| (*id, key))
    }

    /// Ids of the suites offered, ascending; some may be unknown to this build.
    pub fn suites(&self) -> &[u8] {
        &self.body.suites
    }

    /// When it was signed.
    pub const fn created_at(&self) -> Timestamp {
        self.body.created_at
    }

    /// The bundle as signed.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// Id and key of the one-time prekey that came with it and verified.
    pub fn one_time(&self) -> Option<(u32, &DhPublicKey)> {
        self.one_time.as_ref().map(|(id, key)| (*id, key))
    }

    /// Id and key of the one-time ML-KEM prekey that came with it and verified.
    pub fn one_time_kem(&self) -> Option<(u32, &KemPublicKey)> {
        self.one_time_kem.as_ref().map(|(id, key)| (*id, key))
    }
}

fn check_dates(
    created_at: Timestamp,
    newest_seen: Timestamp,
    now: Timestamp,
) -> Result<(), BundleError> {
    let age_ms = now.since(created_at);
    if age_ms > BUNDLE_MAX_AGE {
        return Err(BundleError::TooOld { age_ms });
    }
    let ahead_ms = created_at.since(now);
    if ahead_ms > CLOCK_SKEW {
        return Err(BundleError::FromTheFuture { ahead_ms });
    }
    check_not_stale(created_at, newest_seen)
}

const fn check_not_stale(created_at: Timestamp, newest_seen: Timestamp) -> Result<(), BundleError> {
    let (created_ms, newest_seen_ms) = (created_at.as_millis(), newest_seen.as_millis());
    if created_ms < newest_seen_ms {
        return Err(BundleError::Stale { created_ms, newest_seen_ms });
    }
    Ok(())
}

/// Suites of later versions do not make up for one that is missing: what cannot be used here is not offered to us.
fn strongest_known(suites: &[u8]) -> u8 {
    suites.iter().copied().filter(|id| *id <= KEM_SUITE).max().unwrap_or(0)
}

fn verify_one_time(part: OneTimePart<'_>, owner: &VerifyingKey) -> Option<(u32, DhPublicKey)> {
    let key = DhPublicKey::from_slice(part.key).ok().filter(|key| !key.is_low_order())?;
    verify_id(part, owner, Label::Opk, &one_time_message(part.id, &key))?;
    Some((part.id, key))
}

fn verify_one_time_kem(part: OneTimePart<'_>, owner: &VerifyingKey) -> Option<(u32, KemPublicKey)> {
    let key = KemPublicKey::from_bytes(part.key).ok()?;
    verify_id(part, owner, Label::Kem, &one_time_kem_message(part.id, &key))?;
    Some((part.id, key))
}

fn verify_id(
    part: OneTimePart<'_>,
    owner: &VerifyingKey,
    label: Label,
    message: &[u8],
) -> Option<()> {
    let signature = Signature::from_slice(part.signature).ok()?;
    if !(1..=MAX_PREKEY_ID).contains(&part.id) {
        return None;
    }
    owner.verify_labelled(label, &[message], &signature).ok()
}

/// `id u32 || key`
pub(super) fn one_time_message(id: u32, key: &DhPublicKey) -> Vec<u8> {
    [&id.to_be_bytes()[..], key.as_bytes()].concat()
}

/// `id u32 || lp(key)`
pub(super) fn one_time_kem_message(id: u32, key: &KemPublicKey) -> Vec<u8> {
    let mut message = Vec::with_capacity(4 + lp_len(key.as_bytes()).len() + key.as_bytes().len());
    message.put_u32(id);
    message.put_lp(key.as_bytes());
    message
}
