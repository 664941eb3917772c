//! The two steps of receiving, and encryption in place.

use super::*;

#[test]
fn an_opened_message_changes_nothing_until_it_is_committed() {
    let mut p = pair(80);
    round_trip(&mut p);
    let m = p.alice.send(b"look");
    let before = p.bob.record();
    let mut copy = m.clone();
    let opened = p.bob.session.open(&mut copy, NOW).unwrap();
    assert_eq!(opened.plaintext(), b"look");
    drop(opened);
    assert_eq!(*p.bob.record(), *before);
    let mut copy = m.clone();
    let opened = p.bob.session.open(&mut copy, NOW).unwrap();
    assert_eq!(p.bob.session.commit(opened).unwrap(), b"look");
    assert_ne!(*p.bob.record(), *before);
    assert_eq!(p.bob.receive(&m), Err(DecryptError::Duplicate));
}

#[test]
fn a_message_opened_in_an_earlier_state_is_not_committed() {
    let mut p = pair(81);
    let (mut a, mut b) = (p.alice.send(b"a"), p.alice.send(b"b"));
    let again = b.clone();
    let first = p.bob.session.open(&mut a, NOW).unwrap();
    let second = p.bob.session.open(&mut b, NOW).unwrap();
    p.bob.session.commit(first).unwrap();
    let before = p.bob.record();
    assert_eq!(p.bob.session.commit(second), Err(DecryptError::Stale));
    assert_eq!(*p.bob.record(), *before);
    assert_eq!(p.bob.receive(&again).unwrap(), b"b");
}

#[test]
fn a_message_opened_by_another_session_is_not_committed() {
    let mut p = pair(85);
    let mut m = p.alice.send(b"for bob");
    let opened = p.bob.session.open(&mut m, NOW).unwrap();
    let mut other = pair(86);
    other.bob.session.id = SessionId::from_bytes([2; 16]);
    let before = other.bob.record();
    assert_eq!(other.bob.session.commit(opened), Err(DecryptError::Stale));
    assert_eq!(*other.bob.record(), *before);
}

#[test]
fn encrypting_between_open_and_commit_is_fine() {
    // In the middle of a chain, and at a turn.
    for turn in [false, true] {
        let mut p = pair(82);
        if turn {
            round_trip(&mut p);
        }
        let mut m = p.alice.send(b"in");
        let opened = p.bob.session.open(&mut m, NOW).unwrap();
        let sent = p.bob.send(b"out");
        assert_eq!(p.bob.session.commit(opened).unwrap(), b"in");
        assert_eq!(p.alice.receive(&sent).unwrap(), b"out");
        for _ in 0..3 {
            round_trip(&mut p);
        }
    }
}

#[test]
fn a_frame_is_encrypted_in_one_buffer_behind_what_it_holds() {
    let mut p = pair(83);
    let mut frame = vec![3, 2];
    frame.extend_from_slice(&[0; MESSAGE_PREFIX_LEN]);
    frame.extend_from_slice(b"in place");
    frame.reserve(512);
    let address = frame.as_ptr();
    p.alice.session.encrypt_in_place(&mut frame, 2, NOW, &mut p.alice.rng).unwrap();
    assert_eq!(frame.as_ptr(), address);
    assert_eq!(frame[..2], [3, 2]);
    assert_eq!(frame[2..18], [0x1d; 16]);
    assert_eq!(p.bob.receive(&frame[18..]).unwrap(), b"in place");

    let mut short = vec![0; MESSAGE_PREFIX_LEN];
    for start in [1, usize::MAX] {
        assert_eq!(
            p.alice.session.encrypt_in_place(&mut short, start, NOW, &mut p.alice.rng),
            Err(EncryptError::NoRoom)
        );
    }
}

#[test]
fn a_message_is_opened_where_it_lies() {
    let mut p = pair(84);
    let mut m = p.alice.send(b"in place");
    let range = m.as_ptr_range();
    let opened = p.bob.session.open(&mut m, NOW).unwrap();
    assert!(range.contains(&opened.plaintext().as_ptr()));
    assert_eq!(p.bob.session.commit(opened).unwrap(), b"in place");
}
