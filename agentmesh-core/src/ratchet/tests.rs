//! What the types of this folder print.

use super::{
    chain_key::{ChainKey, ReceivingChain, SendingChain},
    double_ratchet::DoubleRatchet,
    message_key::MessageKey,
    root_key::RootKey,
    skipped::SkippedKeys,
};
use crate::{
    Timestamp,
    keys::{DhSecretKey, Secret},
    redaction::Shown,
    test_utils::seeded_rng,
};

const SECRET: [u8; 32] = [0xab; 32];

#[test]
fn keys_and_chains_print_redacted() {
    let (mut shown, mut rng) = (Shown::default(), seeded_rng(1));
    let key = || Secret::new(SECRET);
    let (own, remote) =
        (DhSecretKey::from_bytes(SECRET), *DhSecretKey::generate(&mut rng).public_key());
    shown.add("RootKey", &RootKey::new(key()));
    shown.add("ChainKey", &ChainKey::new(key()));
    shown.add("MessageKey", &MessageKey::new(key()));
    shown.add("SendingChain", &SendingChain::first(ChainKey::new(key())));
    shown.add("ReceivingChain", &ReceivingChain::first(remote, ChainKey::new(key())));
    let ratchet = DoubleRatchet::accept(key(), &own, &remote, &mut rng).unwrap();
    shown.add("DoubleRatchet", &ratchet);
    let mut skipped = SkippedKeys::default();
    skipped.insert(remote, 0, vec![MessageKey::new(key())], Timestamp::from_millis(0));
    shown.add("SkippedKeys", &skipped);
    insta::assert_snapshot!(shown.without(&[&SECRET[..8], &ratchet.chain_bytes()[..8]]));
}
