//! Bundles that are signed whenever they are asked for, rotation, replenishment, and state that is never made anew.

use super::{super::*, Clock, Party, through_json};
use crate::{
    Error,
    limits::{ONE_TIME_PREKEYS_KEPT, SIGNED_PREKEY_AGE, SIGNED_PREKEY_GRACE},
    prekeys::{KnownPeer, PreKeyBundle},
    test_utils::block_on,
    time::HOUR,
};

fn verified(party: &Party, bundle: &Bundle) -> PreKeyBundle {
    let known = KnownPeer::first_contact(party.identity().amid());
    let now = party.store.context().now();
    let verified = bundle.verify(&known, now, 0).unwrap();
    let signature = bundle.signed_prekey_signature.as_ref().unwrap();
    let signer = party.identity().signing_key();
    signer.verify(bundle.signed_prekey.as_bytes(), signature).unwrap();
    verified
}

#[test]
fn every_bundle_is_signed_and_has_its_one_time_keys() {
    let clock = Clock::new();
    let mut party = Party::new(61, &clock);
    let none = block_on(party.prekeys.bundle());
    assert!(matches!(none, Err(Error::Manager(ManagerError::NoPrekeys))), "{none:?}");
    assert!(block_on(party.prekeys.rotate_signed_prekey()).is_err());
    let first = party.bundle();
    let before = party.records();
    for _ in 0..3 {
        let again = party.bundle();
        assert_eq!(again.native, first.native);
        assert_eq!(again.one_time_prekeys, first.one_time_prekeys);
        assert_eq!(again.one_time_prekeys.len(), 100);
        assert_eq!(again.native.as_ref().unwrap().kopks.len(), 20);
        let checked = verified(&party, &again);
        assert!(checked.one_time().is_some() && checked.one_time_kem().is_some());
        party.restart();
    }
    assert_eq!(party.records(), before, "asking changes nothing");
    assert_eq!(block_on(party.prekeys.remaining()).unwrap(), 100);
    assert!(!block_on(party.prekeys.needs_replenishment()).unwrap());
}

#[test]
fn one_time_keys_are_handed_out_one_by_one_and_replenished() {
    let clock = Clock::new();
    let mut party = Party::new(62, &clock);
    let mut all = party.bundle();
    let (one, other) = (all.take_one(), all.take_one());
    assert_eq!((one.one_time_prekeys.len(), all.one_time_prekeys.len()), (1, 98));
    assert_ne!(one.one_time_prekeys, other.one_time_prekeys);
    assert_eq!(one.native.as_ref().unwrap().kopks.len(), 1);
    let one = through_json(&one);
    for n in 0..85 {
        let peer = Party::new(700 + n, &clock);
        let bundle = if n == 0 { one.clone() } else { all.take_one() };
        let begun = peer.initiate(&party, &bundle).unwrap();
        party.accept(&peer, &begun.x3dh_message).unwrap();
    }
    assert_eq!(block_on(party.prekeys.remaining()).unwrap(), 15);
    assert!(block_on(party.prekeys.needs_replenishment()).unwrap());
    let ids =
        |bundle: &Bundle| bundle.one_time_prekeys.iter().map(|key| key.id).collect::<Vec<_>>();
    let filled = block_on(party.prekeys.replenish_one_time_prekeys(100)).unwrap();
    assert_eq!(filled.one_time_prekeys.len(), 100);
    assert!(ids(&filled).last() > ids(&all).last(), "ids are not used twice");
    party.restart();
    assert_eq!(ids(&party.bundle()), ids(&filled));
    // More than is kept is not made.
    let most = block_on(party.prekeys.replenish_one_time_prekeys(10_000)).unwrap();
    assert_eq!(most.one_time_prekeys.len(), ONE_TIME_PREKEYS_KEPT);
}

#[test]
fn the_signed_prekey_rotates_by_age_and_the_old_one_answers_for_its_grace() {
    let clock = Clock::new();
    let (alice, bob) = (Party::new(63, &clock), Party::new(64, &clock));
    let old = bob.bundle();
    clock.advance(SIGNED_PREKEY_AGE);
    let new = bob.bundle();
    assert_ne!(old.signed_prekey, new.signed_prekey);
    verified(&bob, &new);
    clock.advance(SIGNED_PREKEY_GRACE - HOUR);
    let begun = alice.initiate(&bob, &old).unwrap();
    bob.accept(&alice, &begun.x3dh_message).unwrap();
    clock.advance(HOUR);
    bob.bundle();
    let late = Party::new(65, &clock);
    let begun = late.initiate(&bob, &old).unwrap();
    assert!(matches!(bob.accept(&late, &begun.x3dh_message), Err(Error::Handshake(_))));
}

#[test]
fn lost_prekeys_come_back_with_ids_that_were_never_used() {
    let clock = Clock::new();
    let mut party = Party::new(66, &clock);
    let first = party.bundle();
    party.lose_the_store();
    let second = party.bundle();
    let used = |bundle: &Bundle, id: u32| bundle.one_time_prekeys.iter().any(|key| key.id == id);
    assert!(second.one_time_prekeys.iter().all(|key| !used(&first, key.id)));
    assert_ne!(first.signed_prekey_id, second.signed_prekey_id);
    for bundle in [&first, &second] {
        assert!(bundle.signed_prekey_id >= 1 << 20 && bundle.signed_prekey_id < 1 << 31);
    }
}

#[test]
fn bundles_are_read_in_every_shape() {
    let clock = Clock::new();
    let party = Party::new(67, &clock);
    let bundle = party.bundle().take_one();
    let json = serde_json::to_value(&bundle).unwrap();
    let prekey = json["one_time_prekeys"][0].clone();
    let native = json["native"].clone();
    // As a registry answers: single keys, prefixes, those of `native` inside it.
    let registry = serde_json::json!({
        "identity_key": format!("x25519:{}", json["identity_key"].as_str().unwrap()),
        "signed_prekey": json["signed_prekey"],
        "signed_prekey_signature": format!("ed25519:{}", json["signed_prekey_signature"].as_str().unwrap()),
        "signed_prekey_id": json["signed_prekey_id"],
        "one_time_prekey": { "id": prekey["id"], "key": prekey["key"] },
        "native": { "bundle": native["bundle"], "opk": prekey, "kopk": native["kopks"][0] },
    });
    let read: Bundle = serde_json::from_value(registry).unwrap();
    assert_eq!(read, Bundle { uploaded_at: None, ..bundle.clone() });
    let camel = serde_json::json!({
        "identityKey": bundle.identity_key.as_bytes(),
        "signedPrekey": bundle.signed_prekey.as_bytes(),
        "signedPrekeySignature": bundle.signed_prekey_signature.unwrap().as_bytes().to_vec(),
        "signedPrekeyId": bundle.signed_prekey_id,
        "oneTimePrekeys": json["one_time_prekeys"],
        "native": native,
    });
    let read: Bundle = serde_json::from_value(camel).unwrap();
    assert_eq!(read, Bundle { uploaded_at: None, ..bundle });
}
