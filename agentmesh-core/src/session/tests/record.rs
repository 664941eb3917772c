//! The persisted form.

use super::*;
use crate::codec::CodecError;

#[test]
fn a_fresh_record_is_under_1_kib() {
    let (alice, first, make_bob) = initiated(90);
    let bob = make_bob(&first);
    assert_eq!(alice.record().len(), 204);
    assert_eq!(bob.record().len(), 272);
}

#[test]
fn both_ends_go_on_after_a_restart_in_every_state() {
    let (mut alice, first, make_bob) = initiated(91);
    alice.restart();
    let mut bob = make_bob(&first);
    bob.restart();
    bob.receive(&first).unwrap();
    let mut p = Pair { alice, bob };
    for _ in 0..3 {
        p.alice.send(b"lost");
        let m = p.alice.send(b"to bob");
        p.bob.restart();
        assert_eq!(p.bob.receive(&m).unwrap(), b"to bob");
        p.bob.restart();
        assert_eq!(p.bob.receive(&m), Err(DecryptError::Duplicate));
        let m = p.bob.send(b"to alice");
        p.alice.restart();
        assert_eq!(p.alice.receive(&m).unwrap(), b"to alice");
        p.alice.restart();
    }
}

#[test]
fn the_responders_record_does_not_hold_the_signed_prekey() {
    let mut rng = seeded_rng(92);
    let prekey = DhSecretKey::generate(&mut rng);
    let mut alice = Session::initiate(
        Suite::X25519MlKem768,
        established([0xad; 32]),
        prekey.public_key(),
        NOW,
        &mut rng,
    )
    .unwrap();
    let frame = alice.encrypt(b"knock", NOW, &mut rng).unwrap();
    let session = Session::accept(
        Suite::X25519MlKem768,
        established([0xad; 32]),
        &prekey,
        &frame[SID..],
        NOW,
        &mut rng,
    )
    .unwrap();
    let bob = End { session, rng, now: NOW };
    let record = bob.record();
    assert!(!record.windows(32).any(|w| w == prekey.secret_bytes()));
    assert!(!record.windows(32).any(|w| w == [0x5e; 32]), "nor the shared secret");
}

#[test]
fn opened_keys_are_gone_from_the_record() {
    let mut p = pair(93);
    let m = p.alice.send(b"x");
    let chain = p.bob.session.ratchet.chain_bytes();
    p.bob.receive(&m).unwrap();
    assert!(!p.bob.record().windows(32).any(|w| w == chain));
}

#[test]
fn damaged_records_are_errors() {
    let mut p = pair(94);
    p.alice.send(b"lost");
    let m = p.alice.send(b"x");
    p.bob.receive(&m).unwrap();
    let record = p.bob.record();
    for cut in 0..record.len() {
        assert!(Session::from_record(&mut Reader::new(&record[..cut])).is_err(), "{cut}");
    }
    let refused = |at: usize, byte: u8| {
        let mut bad = record.to_vec();
        bad[at] = byte;
        Session::from_record(&mut Reader::new(&bad)).unwrap_err()
    };
    assert_eq!(refused(0, 2), CodecError::UnknownVersion { what: "session", version: 2 });
    for suite in [0, 1, 4] {
        assert_eq!(refused(1, suite), CodecError::InvalidValue { field: "suite" });
    }
    assert_eq!(refused(58 + 32, 2), CodecError::InvalidValue { field: "turn" });
}

#[test]
fn a_record_may_be_followed_and_preceded_by_other_fields() {
    let p = pair(95);
    let mut out = Zeroizing::new(b"before".to_vec());
    p.bob.session.to_record(&mut out);
    out.extend_from_slice(b"after");
    let mut r = Reader::new(&out);
    r.bytes(6, "before").unwrap();
    Session::from_record(&mut r).unwrap();
    assert_eq!(r.rest(), b"after");
}

#[test]
fn record_is_written_without_growing_so_that_no_key_is_left_behind() {
    let mut p = pair(96);
    round_trip(&mut p);
    p.alice.send(b"lost");
    let m = p.alice.send(b"kept");
    p.bob.receive(&m).unwrap();
    p.bob.send(b"an active chain");
    // Of both chains, a skipped key and recent frames, so that nothing that is reserved stays unused.
    let len = p.bob.record().len();
    let written = |before: usize, room: usize| {
        let mut out = Zeroizing::new(Vec::with_capacity(before + room));
        out.resize(before, 7);
        let at = out.as_ptr();
        p.bob.session.to_record(&mut out);
        assert_eq!(out.len(), before + len);
        (out.capacity(), out.as_ptr() == at)
    };
    assert_eq!(written(0, 0).0, len);
    assert_eq!(written(9, 0).0, 9 + len);
    assert_eq!(written(9, len - 1).0, 9 + len);
    assert_eq!(written(9, len), (9 + len, true));
    assert_eq!(written(9, len + 1), (9 + len + 1, true));
}
