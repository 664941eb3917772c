//! The signed prekey and what belongs to it: an SPK id names the triple (SPK, KPK, IKx) of its bundle.

use core::fmt;

use rand_core::CryptoRng;

use super::blob::KEM_SUITE;
use crate::{
    identity::Identity,
    keys::{DhSecretKey, KemSecretKey},
    limits::SIGNED_PREKEY_GRACE,
    time::Timestamp,
};

/// The private parts behind a bundle: signed prekey, last-resort ML-KEM prekey and the exchange key of that time.
pub struct SignedPreKey {
    pub(super) id: u32,
    pub(super) dh: DhSecretKey,
    pub(super) kem: Option<(u32, KemSecretKey)>,
    pub(super) exchange: DhSecretKey,
    pub(super) created_at: Timestamp,
    /// When a newer bundle was uploaded.
    pub(super) replaced_at: Option<Timestamp>,
    /// Whether the relay queue was drained since.
    pub(super) drained: bool,
}

impl SignedPreKey {
    pub(super) fn generate(
        id: u32,
        kem_id: Option<u32>,
        identity: &Identity,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Self {
        Self {
            id,
            dh: DhSecretKey::generate(rng),
            kem: kem_id.map(|id| (id, KemSecretKey::generate(rng))),
            exchange: identity.exchange_secret().duplicate(),
            created_at: now,
            replaced_at: None,
            drained: false,
        }
    }

    /// Its id.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The signed prekey, SPK.
    pub const fn key(&self) -> &DhSecretKey {
        &self.dh
    }

    /// Id and key of the last-resort ML-KEM prekey, KPK.
    pub fn kem(&self) -> Option<(u32, &KemSecretKey)> {
        self.kem.as_ref().map(|(id, key)| (*id, key))
    }

    /// The exchange key, IKx, that the bundle named.
    pub const fn exchange(&self) -> &DhSecretKey {
        &self.exchange
    }

    /// Ids of the suites that the bundle offered, ascending.
    pub const fn suites(&self) -> &'static [u8] {
        if self.kem.is_some() { &[2, KEM_SUITE] } else { &[2] }
    }

    /// When it was made.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Whether nothing can arrive any more that needs it: 96 h after a newer bundle was uploaded, and the relay's
    /// queue was drained once since.
    pub(super) fn is_obsolete(&self, now: Timestamp) -> bool {
        self.drained && self.replaced_at.is_some_and(|at| now.since(at) >= SIGNED_PREKEY_GRACE)
    }
}

impl fmt::Debug for SignedPreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, dh, kem, exchange, created_at, replaced_at, drained } = self;
        f.debug_struct("SignedPreKey")
            .field("id", id)
            .field("dh", dh)
            .field("kem", kem)
            .field("exchange", exchange)
            .field("created_at", created_at)
            .field("replaced_at", replaced_at)
            .field("drained", drained)
            .finish()
    }
}
