mod bundles;
mod life;
mod records;

use std::sync::LazyLock;

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;

use super::*;
use crate::{
    error::ErrorInfo,
    identity::{Amid, Label},
    keys::{DhPublicKey, KemPublicKey},
    limits::{BUNDLE_MAX_AGE, CLOCK_SKEW, SIGNED_PREKEY_GRACE},
    test_utils::seeded_rng,
    time::{DAY, HOUR},
};

const NOW: Timestamp = Timestamp::from_millis(1_770_206_400_000);

struct Owner {
    identity: Identity,
    prekeys: PreKeys,
    rng: ChaCha20Rng,
}

fn owner(seed: u64) -> Owner {
    let mut rng = seeded_rng(seed);
    let identity = Identity::generate(NOW, &mut rng);
    let prekeys = PreKeys::generate(&identity, NOW, &mut rng);
    Owner { identity, prekeys, rng }
}

impl Owner {
    fn amid(&self) -> Amid {
        self.identity.amid()
    }

    fn upload(&mut self, stock: Option<Stock>, now: Timestamp) {
        let receipt = self.prekeys.publication(&self.identity).receipt();
        self.prekeys.confirm_uploaded(receipt, stock, now);
    }

    fn maintain(&mut self, now: Timestamp) -> bool {
        let due = self.prekeys.needs_maintenance(&self.identity, now);
        let changed = self.prekeys.maintain(&self.identity, now, &mut self.rng);
        assert_eq!(due, changed);
        assert!(!self.prekeys.needs_maintenance(&self.identity, now));
        changed
    }

    /// A bundle whose body was changed, signed again by the owner: what only the owner could do.
    fn signed(&self, change: impl FnOnce(&mut blob::Body)) -> Vec<u8> {
        let bundle = self.prekeys.bundle(&self.identity);
        let mut body = verify(&bundle, &self.amid()).unwrap().body;
        change(&mut body);
        body.sign(&self.identity)
    }
}

fn part(key: &SignedOneTime) -> OneTimePart<'_> {
    OneTimePart { id: key.id, key: &key.key, signature: key.signature.as_bytes() }
}

fn verify(blob: &[u8], expected: &Amid) -> Result<PreKeyBundle, BundleError> {
    verify_parts(BundleParts::bundle_only(blob), expected)
}

fn verify_parts(parts: BundleParts<'_>, expected: &Amid) -> Result<PreKeyBundle, BundleError> {
    PreKeyBundle::verify(parts, &KnownPeer::first_contact(*expected), NOW)
}

#[test]
fn another_store_goes_on_above_every_number_that_was_used() {
    let mut rng = seeded_rng(77);
    let now = Timestamp::from_millis(1_770_206_400_000);
    let identity = Identity::generate(now, &mut rng);
    let mut old = PreKeys::generate(&identity, now, &mut rng);
    let counters = old.counters();
    // The old store goes on for a while after the backup.
    for _ in 0..20 {
        old.rotate(&identity, now, &mut rng);
    }
    let new = PreKeys::continue_after(&counters, &identity, now, &mut rng);
    let (first, last) = (new.publication(&identity), old.publication(&identity));
    assert!(first.signed_prekey_id > last.signed_prekey_id);
    let highest = last.one_time.iter().map(|key| key.id).max().unwrap();
    assert!(first.one_time.iter().all(|key| key.id > highest));
    let highest = last.one_time_kem.iter().map(|key| key.id).max().unwrap();
    assert!(first.one_time_kem.iter().all(|key| key.id > highest));
    assert!(new.bundle_created_at() > counters.bundle_created_at);
    // At the end of the numbers it does not run over.
    let exhausted = Counters { ids: [u32::MAX >> 1; 4], ..counters };
    let recovered = PreKeys::continue_after(&exhausted, &identity, now, &mut rng);
    assert!(recovered.current().id() < u32::MAX >> 1);
}
