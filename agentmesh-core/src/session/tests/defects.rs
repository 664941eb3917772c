//! What broke in earlier implementations of this design, each by name.

use rand_core::Rng as _;

use super::*;
use crate::{limits::MAX_PLAINTEXT, ratchet::work};

#[test]
fn same_frame_delivered_twice_leaves_the_chain_intact() {
    let mut p = pair(20);
    round_trip(&mut p);
    let m = p.alice.send(b"once");
    assert_eq!(p.bob.receive(&m).unwrap(), b"once");
    assert_eq!(p.bob.receive(&m), Err(DecryptError::Duplicate));
    assert_eq!(p.bob.receive(&m), Err(DecryptError::Duplicate));
    for i in 0..5u8 {
        let next = p.alice.send(&[i]);
        assert_eq!(p.bob.receive(&next).unwrap(), [i]);
        assert_eq!(p.bob.receive(&m), Err(DecryptError::Duplicate));
    }
}

#[test]
fn one_flipped_bit_loses_nothing() {
    let mut p = pair(21);
    round_trip(&mut p);
    let m = p.alice.send(b"intact");
    for bit in 0..m.len() * 8 {
        let mut bad = m.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(p.bob.receive(&bad).is_err(), "bit {bit}");
    }
    assert_eq!(p.bob.receive(&m).unwrap(), b"intact");
    let next = p.alice.send(b"next");
    assert_eq!(p.bob.receive(&next).unwrap(), b"next");
}

#[test]
fn truncated_and_extended_frames_lose_nothing() {
    let mut p = pair(22);
    let m = p.alice.send(b"whole");
    for len in 0..m.len() {
        assert_eq!(p.bob.receive(&m[..len]), Err(DecryptError::Malformed), "{len}");
    }
    let mut longer = m.clone();
    longer.extend_from_slice(&[0; 256]);
    assert_eq!(p.bob.receive(&longer), Err(DecryptError::Authentication));
    longer.resize(HEADER_LEN + 12 + MAX_PLAINTEXT + 256 + 16, 0);
    assert_eq!(p.bob.receive(&longer), Err(DecryptError::Malformed));
    assert_eq!(p.bob.receive(&m).unwrap(), b"whole");
}

#[test]
fn one_frame_with_a_random_ratchet_key_breaks_neither_direction() {
    let mut p = pair(23);
    round_trip(&mut p);
    let genuine = p.alice.send(b"genuine");
    let mut forged = genuine.clone();
    set_ratchet_key(&mut forged, &[0x42; 32]);
    set_n(&mut forged, 0);
    assert_eq!(p.bob.receive(&forged), Err(DecryptError::Authentication));
    assert_eq!(p.bob.receive(&genuine).unwrap(), b"genuine");
    for _ in 0..3 {
        round_trip(&mut p);
    }
}

#[test]
fn the_header_is_authenticated() {
    let mut p = pair(24);
    round_trip(&mut p);
    let m = p.alice.send(b"bound");
    let mut changed = m.clone();
    set_pn(&mut changed, 77);
    assert_eq!(p.bob.receive(&changed), Err(DecryptError::Authentication));
    assert_eq!(p.bob.receive(&m).unwrap(), b"bound");
}

#[test]
fn pn_is_honoured_and_not_a_thousand_keys_a_turn() {
    let mut p = pair(25);
    round_trip(&mut p);
    // Three of Alice's chain are lost, then she turns.
    for _ in 0..3 {
        p.alice.send(b"lost");
    }
    let late = p.alice.send(b"late");
    let answer = p.bob.send(b"turn");
    p.alice.receive(&answer).unwrap();
    let turned = p.alice.send(b"turned");
    let (result, work) = work::measure(|| p.bob.receive(&turned));
    assert_eq!(result.unwrap(), b"turned");
    assert_eq!(work.agreements, 1);
    assert_eq!(work.derivations, 1 + 4, "the message's key and the four that are missing");
    assert_eq!(p.bob.session.describe().skipped, 4);
    assert_eq!(p.bob.receive(&late).unwrap(), b"late");
    assert_eq!(p.bob.session.describe().skipped, 3);
}

#[test]
fn serialized_state_and_work_are_constant_with_turns() {
    let mut p = pair(26);
    for _ in 0..200 {
        round_trip(&mut p);
    }
    let (alice, bob) = (p.alice.record().len(), p.bob.record().len());
    for _ in 0..500 {
        let ((), work) = work::measure(|| round_trip(&mut p));
        // Each turn: the sender's and the receiver's half of it, two messages a round trip.
        assert_eq!(work.agreements, 4);
        assert_eq!(work.derivations, 4);
    }
    assert_eq!(p.alice.record().len(), alice);
    assert_eq!(p.bob.record().len(), bob);
    assert!(alice <= 1296 && bob <= 1296, "{alice} {bob}");
}

#[test]
fn late_message_across_turns_is_read() {
    let mut p = pair(27);
    round_trip(&mut p);
    let early = p.alice.send(b"early");
    let m = p.alice.send(b"first to arrive");
    p.bob.receive(&m).unwrap();
    for _ in 0..4 {
        round_trip(&mut p);
    }
    assert_eq!(p.bob.receive(&early).unwrap(), b"early");
    assert_eq!(p.bob.receive(&early), Err(DecryptError::Duplicate));
}

#[test]
fn reordered_frames_all_arrive() {
    let mut p = pair(28);
    let mut all: Vec<_> = (0..50u8).map(|i| (i, p.alice.send(&[i]))).collect();
    all.reverse();
    all.swap(3, 40);
    for (i, m) in &all {
        assert_eq!(p.bob.receive(m).unwrap(), [*i]);
    }
    for (_, m) in &all {
        assert_eq!(p.bob.receive(m), Err(DecryptError::Duplicate));
    }
    assert_eq!(p.bob.session.describe().skipped, 0);
}

#[test]
fn agt_2054_2184_skipped_keys_are_bounded_across_chains() {
    let mut p = pair(29);
    let m = p.bob.send(b"go");
    p.alice.receive(&m).unwrap();
    for _ in 0..6 {
        for _ in 0..600 {
            p.alice.send(b"lost");
        }
        let m = p.alice.send(b"kept");
        p.bob.receive(&m).unwrap();
        let m = p.bob.send(b"turn");
        p.alice.receive(&m).unwrap();
    }
    assert_eq!(p.bob.session.describe().skipped, 2000);
    assert!(p.bob.record().len() < 75_000);
    p.bob.restart();
}

#[test]
fn agt_3411_failures_never_tear_the_session_down() {
    let mut p = pair(30);
    round_trip(&mut p);
    for i in 0..1000u32 {
        let mut noise = vec![0; HEADER_LEN + 12 + 256 + 16];
        p.alice.rng.fill_bytes(&mut noise);
        noise[0] = 3;
        noise[1] = 2;
        set_n(&mut noise, i % 7);
        set_pn(&mut noise, i % 5);
        assert!(p.bob.receive(&noise).is_err());
    }
    round_trip(&mut p);
}

#[test]
fn encrypting_does_not_derive_the_public_key_again() {
    let mut p = pair(31);
    p.alice.restart();
    let (_, work) = work::measure(|| p.alice.send(b"cached"));
    assert_eq!(work, work::Work { derivations: 1, agreements: 0 });
}

#[test]
fn the_same_message_key_never_meets_the_same_nonce_after_a_rollback() {
    let mut p = pair(32);
    let saved = p.alice.record();
    let first = p.alice.send(b"before the crash");
    p.alice.session = Session::from_record(&mut Reader::new(&saved)).unwrap();
    let second = p.alice.send(b"after the restore");
    assert_eq!(first[..HEADER_LEN], second[..HEADER_LEN], "the same key");
    assert_ne!(first[HEADER_LEN..HEADER_LEN + 12], second[HEADER_LEN..HEADER_LEN + 12]);
    assert_eq!(p.bob.receive(&first).unwrap(), b"before the crash");
    assert_eq!(p.bob.receive(&second), Err(DecryptError::Rollback));
    assert_eq!(p.bob.receive(&first), Err(DecryptError::Duplicate));
    assert!(DecryptError::Rollback.is_undecryptable());
    assert!(!DecryptError::Duplicate.is_undecryptable());
}
