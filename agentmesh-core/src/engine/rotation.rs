//! Replacing our exchange key (docs/protocol/native.md §3).
//!
//! Identity and prekeys are written in one batch, and published after it: whatever is interrupted, the store holds either the
//! old generation or the new one, whole. Sessions do not depend on the key and live on. What peers began with the old
//! bundle still opens, because the old triple keeps its key until its grace period is over.

use std::sync::Arc;

use rand_core::CryptoRng;

use super::{Engine, Event};
use crate::{error::errors, limits, time::Timestamp};

errors! {
    /// Why the exchange key is not rotated now.
    pub enum RotationError {
        /// Too many earlier bundles are still kept for peers that may use them.
        #[error("{kept} earlier bundles are still in their grace period; at most {limit} are kept")]
        TooOften {
            /// Bundles kept.
            kept: usize,
            /// How many may be.
            limit: usize,
        } = "ROTATION_TOO_OFTEN", RateLimited, retryable;
    }
}

impl Engine {
    /// Why the exchange key cannot be rotated now, if so. [`Input::RotateExchangeKey`](super::Input::RotateExchangeKey)
    /// then does nothing.
    pub fn rotation_refusal(&self) -> Option<RotationError> {
        let (kept, limit) = (self.prekeys().retired(), limits::MAX_RETIRED_BUNDLES);
        (kept >= limit).then_some(RotationError::TooOften { kept, limit })
    }

    pub(super) fn rotate_exchange_key(&mut self, now: Timestamp, rng: &mut dyn CryptoRng) {
        if self.rotation_refusal().is_some() {
            return;
        }
        self.identity = Arc::new(self.identity.rotate_exchange(rng));
        self.identity_record.dirty = true;
        self.maintain_prekeys(now, rng);
        let key = *self.identity.exchange_key();
        self.out.events.push(Event::ExchangeKeyRotated { key });
    }
}
