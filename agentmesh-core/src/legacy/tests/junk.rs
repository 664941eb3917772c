//! Session files that the deployed SDK flooded: it keeps up to 2,000 keys of dead chains.

use core::fmt::Write;

use base64ct::{Base64, Encoding};
use rand_core::Rng;

use super::super::*;
use crate::{Timestamp, identity::Identity, limits::MAX_SKIPPED_KEYS, test_utils::seeded_rng};

const NOW: Timestamp = Timestamp::from_millis(1_770_206_400_000);

fn pair() -> (LegacySession, LegacySession) {
    let (alice, bob) = (
        Identity::generate(NOW, &mut seeded_rng(11)),
        Identity::generate(NOW, &mut seeded_rng(12)),
    );
    let rng = &mut seeded_rng(13);
    let prekeys = LegacyPrekeys::generate(NOW, rng);
    let bundle = prekeys.bundle(&bob, NOW);
    let (mut at_alice, message) =
        LegacySession::initiate(&alice, &bob.public(), &bundle, NOW, rng).unwrap();
    let keys = prekeys.responder_keys(&bob, &message, NOW).unwrap();
    let at_bob = LegacySession::accept(&alice.public(), &message, keys, NOW, rng).unwrap();
    at_alice.activate(at_bob.ratchet_public_key(), NOW).unwrap();
    (at_alice, at_bob)
}

/// `count` keys of two dead chains, as the deployed SDK leaves them behind.
fn junk(count: usize) -> String {
    let rng = &mut seeded_rng(14);
    let mut random = || {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Base64::encode_string(&bytes)
    };
    let chains = [random(), random()];
    let mut out = String::new();
    for n in 0..count {
        let (chain, place) = (&chains[n * 2 / count.max(1)], n % (count / 2));
        let _ = write!(out, "\n      \"{chain}:{place}\": \"{}\",", random());
    }
    out
}

fn flooded(session: &LegacySession, count: usize) -> LegacySession {
    let opening = "\"skipped_keys\": {";
    let file = session.to_json();
    assert!(file.contains(opening));
    // The junk is the older.
    let file = file.replace(opening, &format!("{opening}{}", junk(count)));
    LegacySession::from_json(&file).unwrap()
}

#[test]
fn two_thousand_junk_keys_cost_no_message() {
    let (mut alice, mut bob) = pair();
    let rng = &mut seeded_rng(15);
    let sent: Vec<_> =
        (0..6).map(|n| alice.encrypt(&format!("{{\"n\":{n}}}"), NOW, rng).unwrap()).collect();
    for n in [0, 4] {
        bob.decrypt(&sent[n], NOW, rng).unwrap();
    }
    let genuine = bob.skipped_keys();
    assert_eq!(genuine, 3);

    for count in [MAX_SKIPPED_KEYS - genuine, MAX_SKIPPED_KEYS] {
        // Beyond 2,000 in all, the oldest are left out, and those are junk.
        let mut bob = flooded(&bob, count);
        assert_eq!(bob.skipped_keys(), MAX_SKIPPED_KEYS);
        let file = bob.to_json();
        assert_eq!(*LegacySession::from_json(&file).unwrap().to_json(), *file);

        // What only looks like one of them opens nothing, and takes nothing away.
        let name = file.lines().find(|line| line.contains("=:0\"")).unwrap();
        let key = Base64::decode_vec(&name.trim().trim_matches('"')[..44]).unwrap();
        let mut forged = sent[1].clone();
        forged.header.ratchet_key = crate::keys::DhPublicKey::from_slice(&key).unwrap();
        assert_eq!(bob.decrypt(&forged, NOW, rng), Err(LegacyDecryptError::Authentication));
        assert_eq!(*bob.to_json(), *file);

        // In order, late, over two steps of the ratchet, and over a gap.
        assert_eq!(bob.decrypt(&sent[5], NOW, rng).unwrap(), "{\"n\":5}");
        assert_eq!(bob.decrypt(&sent[2], NOW, rng).unwrap(), "{\"n\":2}");
        let mut peer = LegacySession::from_json(&alice.to_json()).unwrap();
        for round in 0..2 {
            let answer = bob.encrypt("{\"answer\":true}", NOW, rng).unwrap();
            assert_eq!(peer.decrypt(&answer, NOW, rng).unwrap(), "{\"answer\":true}");
            let flight: Vec<_> =
                (0..12).map(|_| peer.encrypt("{\"on\":true}", NOW, rng).unwrap()).collect();
            for n in [11, 0, 6] {
                assert_eq!(bob.decrypt(&flight[n], NOW, rng).unwrap(), "{\"on\":true}", "{round}");
            }
        }
        assert_eq!(bob.decrypt(&sent[1], NOW, rng).unwrap(), "{\"n\":1}", "late by two steps");
        assert_eq!(bob.decrypt(&sent[3], NOW, rng).unwrap(), "{\"n\":3}");
        assert!(bob.skipped_keys() <= MAX_SKIPPED_KEYS);
        let before = bob.to_json();
        for again in &sent {
            assert!(bob.decrypt(again, NOW, rng).is_err());
        }
        assert_eq!(*bob.to_json(), *before);
    }
}
