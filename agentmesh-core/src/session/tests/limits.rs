//! Bounds: numbers, ages, sizes.

use super::*;
use crate::limits::{MAX_PLAINTEXT, SKIPPED_KEY_AGE};

/// Alice's record with another next number of her sending chain.
fn with_sending_n(end: &mut End, n: u32) {
    let mut record = end.record();
    let at = 58 + 32 + 1 + 96;
    record[at..at + 4].copy_from_slice(&n.to_be_bytes());
    end.session = Session::from_record(&mut Reader::new(&record)).unwrap();
    assert_eq!(end.session.describe().sent, n);
}

#[test]
fn the_last_number_is_2_pow_32_minus_2_then_exhausted() {
    let mut p = pair(60);
    with_sending_n(&mut p.alice, u32::MAX - 1);
    assert!(!p.alice.session.needs_new_handshake(NOW));
    let last = p.alice.send(b"last");
    assert_eq!(last[38..42], (u32::MAX - 1).to_be_bytes());
    assert!(p.alice.session.needs_new_handshake(NOW));
    let before = p.alice.record();
    assert_eq!(
        p.alice.session.encrypt(b"one more", NOW, &mut p.alice.rng),
        Err(EncryptError::Exhausted)
    );
    assert_eq!(*p.alice.record(), *before);
    // A new turn brings new numbers.
    let m = p.bob.send(b"turn");
    p.alice.receive(&m).unwrap();
    assert!(!p.alice.session.needs_new_handshake(NOW));
    assert_eq!(p.alice.send(b"again")[34..38], u32::MAX.to_be_bytes(), "pn");
}

#[test]
fn the_number_2_pow_32_minus_1_is_malformed() {
    let mut p = pair(61);
    let mut m = p.alice.send(b"x");
    set_n(&mut m, u32::MAX);
    assert_eq!(p.bob.receive(&m), Err(DecryptError::Malformed));
}

#[test]
fn after_30_days_nothing_is_encrypted_but_everything_is_opened() {
    let mut p = pair(62);
    let day_30 = NOW.plus_millis(SESSION_AGE);
    p.alice.now = day_30.minus_millis(1);
    let m = p.alice.send(b"in time");
    p.alice.now = day_30;
    assert!(p.alice.session.needs_new_handshake(day_30));
    let before = p.alice.record();
    let mut out = b"head".to_vec();
    assert_eq!(
        p.alice.session.encrypt_into(b"late", &mut out, day_30, &mut p.alice.rng),
        Err(EncryptError::Expired)
    );
    assert_eq!(out, b"head");
    assert_eq!(*p.alice.record(), *before);
    p.bob.now = day_30;
    assert_eq!(p.bob.receive(&m).unwrap(), b"in time");
}

#[test]
fn a_clock_that_goes_backwards_expires_nothing() {
    let mut p = pair(63);
    let early = p.alice.send(b"early");
    let m = p.alice.send(b"m");
    p.bob.receive(&m).unwrap();
    p.bob.now = Timestamp::ZERO;
    assert_eq!(p.bob.receive(&early).unwrap(), b"early");
    p.bob.send(b"still sends");
}

#[test]
fn a_thousand_messages_may_be_missing_but_not_one_more() {
    let mut p = pair(64);
    for _ in 0..1000 {
        p.alice.send(b"lost");
    }
    let m = p.alice.send(b"arrives");
    assert_eq!(p.bob.receive(&m).unwrap(), b"arrives");
    for _ in 0..1001 {
        p.alice.send(b"lost");
    }
    let m = p.alice.send(b"too far");
    assert_eq!(p.bob.receive(&m), Err(DecryptError::TooManySkipped { gap: 1001, limit: 1000 }));
}

#[test]
fn a_thousand_may_be_missing_on_both_sides_of_a_turn() {
    let mut p = pair(65);
    let m = p.bob.send(b"go");
    let old: Vec<_> = (0..1000).map(|_| p.alice.send(b"old")).collect();
    p.alice.receive(&m).unwrap();
    let new: Vec<_> = (0..1000).map(|_| p.alice.send(b"new")).collect();
    let m = p.alice.send(b"arrives");
    assert_eq!(p.bob.receive(&m).unwrap(), b"arrives");
    assert_eq!(p.bob.session.describe().skipped, 2000);
    p.bob.restart();
    for (old, new) in old.iter().zip(&new).rev() {
        assert_eq!(p.bob.receive(old).unwrap(), b"old");
        assert_eq!(p.bob.receive(new).unwrap(), b"new");
    }
    assert_eq!(p.bob.session.describe().skipped, 0);
}

#[test]
fn the_oldest_skipped_key_goes_first() {
    let mut p = pair(66);
    let oldest = p.alice.send(b"oldest");
    let second = p.alice.send(b"second");
    let m = p.alice.send(b"m");
    p.bob.receive(&m).unwrap();
    for missing in [1000, 999] {
        for _ in 0..missing {
            p.alice.send(b"lost");
        }
        let m = p.alice.send(b"m");
        p.bob.receive(&m).unwrap();
    }
    assert_eq!(p.bob.session.describe().skipped, 2000);
    assert_eq!(p.bob.receive(&oldest), Err(DecryptError::Rollback));
    assert_eq!(p.bob.receive(&second).unwrap(), b"second");
}

#[test]
fn a_skipped_key_waits_for_96_hours() {
    let mut p = pair(67);
    let early = p.alice.send(b"early");
    let m = p.alice.send(b"m");
    p.bob.receive(&m).unwrap();
    p.bob.now = NOW.plus_millis(SKIPPED_KEY_AGE);
    let mut copy = early.clone();
    assert!(p.bob.session.open(&mut copy, p.bob.now).is_ok());
    p.bob.now = p.bob.now.plus_millis(1);
    assert_eq!(p.bob.receive(&early), Err(DecryptError::Rollback));
    assert_eq!(p.bob.session.describe().skipped, 1);
    assert!(p.bob.session.expire_skipped(p.bob.now));
    assert!(!p.bob.session.expire_skipped(p.bob.now));
    assert_eq!(p.bob.session.describe().skipped, 0);
}

#[test]
fn opening_a_message_drops_skipped_keys_that_are_too_old() {
    let mut p = pair(69);
    p.alice.send(b"lost");
    let m = p.alice.send(b"m");
    p.bob.receive(&m).unwrap();
    assert_eq!(p.bob.session.describe().skipped, 1);
    p.bob.now = NOW.plus_millis(SKIPPED_KEY_AGE + 1);
    let m = p.alice.send(b"m");
    p.bob.receive(&m).unwrap();
    assert_eq!(p.bob.session.describe().skipped, 0);
}

#[test]
fn plaintexts_up_to_the_limit_and_no_longer() {
    let mut p = pair(68);
    let longest = vec![7; MAX_PLAINTEXT - 1];
    let m = p.alice.send(&longest);
    assert_eq!(p.bob.receive(&m).unwrap(), longest);
    let before = p.alice.record();
    assert_eq!(
        p.alice.session.encrypt(&vec![7; MAX_PLAINTEXT], NOW, &mut p.alice.rng),
        Err(EncryptError::TooLong { limit: MAX_PLAINTEXT - 1, actual: MAX_PLAINTEXT })
    );
    assert_eq!(*p.alice.record(), *before);
}
