//! What the types of `agentmesh/0.2` print of keys: nothing.

use super::{
    LegacyAuditKey, LegacyPrekeys, LegacyRatchet, LegacySession,
    skipped::{SkippedKey, SkippedKeys},
};
use crate::{
    identity::Identity,
    keys::Secret,
    redaction::Shown,
    test_utils::{mesh::START, seeded_rng},
};

const SECRET: [u8; 32] = [0xab; 32];

#[test]
fn old_keys_and_sessions_print_redacted() {
    let (mut shown, mut rng) = (Shown::default(), seeded_rng(1));
    let alice = Identity::generate(START, &mut rng);
    let bob = Identity::generate(START, &mut rng);
    shown.add("LegacyAuditKey", &LegacyAuditKey::of(&alice));
    let prekeys = LegacyPrekeys::generate(START, &mut rng);
    shown.add("LegacyPrekeys", &prekeys);
    let ratchet = LegacyRatchet::new(Secret::new(SECRET), Some(*bob.exchange_key()), &mut rng);
    shown.add("LegacyRatchet", &ratchet);
    let bundle = prekeys.bundle(&bob, START);
    let begun = LegacySession::initiate(&alice, &bob.public(), &bundle, START, &mut rng);
    shown.add("LegacySession", &begun.unwrap().0);
    let key = SkippedKey {
        ratchet_key: *bob.exchange_key(),
        n: 7,
        key: Secret::new(SECRET),
        since: START,
    };
    shown.add("SkippedKeys", &SkippedKeys::new(vec![key]));
    let signed = prekeys.signed(prekeys.signed_id(), START).unwrap();
    let audit = *LegacyAuditKey::of(&alice).as_bytes();
    let secrets = [
        &SECRET[..],
        alice.seed(),
        alice.exchange_secret().secret_bytes(),
        signed.secret_bytes(),
        &audit,
    ];
    insta::assert_snapshot!(shown.without(&secrets));
}
