//! Frames that nobody holding the keys wrote: no effect, bounded work.

use proptest::prelude::*;

use super::*;
use crate::{
    limits::MAX_SKIP_PER_STEP,
    ratchet::work::{self, Work},
};

const NOTHING: Work = Work { derivations: 0, agreements: 0 };

/// Bob has received two chains of Alice and kept keys of both; Alice may turn at any time.
fn busy(seed: u64) -> (Pair, Vec<Vec<u8>>) {
    let mut p = pair(seed);
    let mut seen = Vec::new();
    for _ in 0..2 {
        p.alice.send(b"lost");
        p.alice.send(b"lost");
        let m = p.alice.send(b"kept");
        p.bob.receive(&m).unwrap();
        seen.push(m);
        let turn = p.bob.send(b"turn");
        p.alice.receive(&turn).unwrap();
    }
    (p, seen)
}

#[test]
fn a_hundred_thousand_forged_frames_change_nothing() {
    let (mut p, seen) = busy(40);
    let genuine = p.alice.send(b"genuine");
    let mut rng = seeded_rng(41);
    let mut any = move || rng.next_u32();
    let before = p.bob.record();
    let mut most = NOTHING;
    for i in 0..100_000u32 {
        let mut m = if any() % 2 == 0 { genuine.clone() } else { seen[1].clone() };
        match i % 8 {
            // Full price for one in a few hundred only, or the test would take minutes.
            0 if i % 400 == 0 => set_ratchet_key(&mut m, &[any() as u8 | 8; 32]),
            0 => set_ratchet_key(&mut m, &[0; 32]),
            1 => set_n(&mut m, any()),
            2 => set_n(&mut m, 1 + any() % 3),
            3 => set_pn(&mut m, any() | 1 << 20),
            4 => m[1] = any() as u8 | 4,
            5 => {
                let at = 42 + any() as usize % (m.len() - 42);
                m[at] ^= 1 << (any() % 8);
            }
            6 => {
                let len = any() as usize % m.len();
                m.truncate(len);
            }
            _ => m = (0..m.len()).map(|_| any() as u8).collect(),
        }
        let (result, work) = work::measure(|| p.bob.session.decrypt(&m, NOW));
        assert!(result.is_err());
        most.derivations = most.derivations.max(work.derivations);
        most.agreements = most.agreements.max(work.agreements);
    }
    assert_eq!(*p.bob.record(), *before);
    assert!(most.derivations <= 1 + MAX_SKIP_PER_STEP as usize && most.agreements <= 1, "{most:?}");
    assert_eq!(p.bob.receive(&genuine).unwrap(), b"genuine");
}

#[test]
fn the_costliest_forgery_takes_one_agreement_and_1001_derivations() {
    let (mut p, _) = busy(42);
    let mut m = p.alice.send(b"x");
    set_ratchet_key(&mut m, &[9; 32]);
    set_n(&mut m, 1000);
    set_pn(&mut m, 1003);
    let (result, work) = work::measure(|| p.bob.receive(&m));
    assert_eq!(result, Err(DecryptError::Authentication));
    assert_eq!(work, Work { derivations: 1001, agreements: 1 });
}

#[test]
fn gaps_are_checked_before_anything_is_derived() {
    let (mut p, _) = busy(43);
    let known = p.alice.send(b"x");
    p.bob.receive(&known).unwrap();
    p.bob.send(b"now a turn of Alice is plausible");
    let mut refused = |change: &dyn Fn(&mut Vec<u8>), gap: u32| {
        let mut m = known.clone();
        // Another tag than the genuine frame's.
        *m.last_mut().unwrap() ^= 1;
        let tag = m.len() - 16;
        m[tag] ^= 1;
        change(&mut m);
        let (result, work) = work::measure(|| p.bob.receive(&m));
        assert_eq!(result, Err(DecryptError::TooManySkipped { gap, limit: 1000 }));
        assert_eq!(work, NOTHING);
    };
    refused(&|m| set_n(m, 1002), 1001);
    refused(&|m| set_n(m, u32::MAX - 1), u32::MAX - 2);
    let new = |m: &mut Vec<u8>| set_ratchet_key(m, &[9; 32]);
    refused(&|m| (new(m), set_n(m, 1001)).1, 1001);
    refused(&|m| (new(m), set_n(m, 0), set_pn(m, 1002)).2, 1001);
    refused(&|m| (new(m), set_n(m, 0), set_pn(m, u32::MAX)).2, u32::MAX - 1);
}

#[test]
fn implausible_ratchet_keys_cost_no_agreement() {
    let (mut p, _) = busy(44);
    let m = p.alice.send(b"x");
    let own = *p.bob.send(b"own key").first_chunk::<34>().unwrap();
    for key in [&[0u8; 32], &[0xff; 32], own[2..].try_into().unwrap()] {
        let mut forged = m.clone();
        set_ratchet_key(&mut forged, key);
        let (result, work) = work::measure(|| p.bob.receive(&forged));
        if *key != [0xff; 32] {
            assert_eq!((result, work), (Err(DecryptError::UnknownChain), NOTHING));
        }
    }
    // Bob's turn is due: the peer cannot have another new key before it has seen one of his.
    p.bob.receive(&m).unwrap();
    let mut forged = p.alice.send(b"y");
    set_ratchet_key(&mut forged, &[9; 32]);
    let (result, work) = work::measure(|| p.bob.receive(&forged));
    assert_eq!((result, work), (Err(DecryptError::UnknownChain), NOTHING));
}

#[test]
fn the_first_answer_has_no_predecessor() {
    let (mut alice, first, make_bob) = initiated(45);
    let mut bob = make_bob(&first);
    bob.receive(&first).unwrap();
    let answer = bob.send(b"answer");
    let mut forged = answer.clone();
    set_pn(&mut forged, 1);
    let (result, work) = work::measure(|| alice.receive(&forged));
    assert_eq!((result, work), (Err(DecryptError::UnknownChain), NOTHING));
    assert_eq!(alice.receive(&answer).unwrap(), b"answer");
}

#[test]
fn another_suite_is_refused_before_anything_is_derived() {
    let mut p = pair(46);
    let mut m = p.alice.send(b"x");
    m[1] = 3;
    let (result, work) = work::measure(|| p.bob.receive(&m));
    assert_eq!(result, Err(DecryptError::WrongSuite { expected: 2, actual: 3 }));
    assert_eq!(work, NOTHING);
}

#[test]
fn a_message_of_another_session_does_not_open() {
    // The same secret even, but another transcript and so another session id.
    let mut rng = seeded_rng(47);
    let prekey = DhSecretKey::generate(&mut rng);
    let mut alice =
        Session::initiate(Suite::X25519, established([1; 32]), prekey.public_key(), NOW, &mut rng)
            .unwrap();
    let frame = alice.encrypt(b"knock", NOW, &mut rng).unwrap();
    let session =
        Session::accept(Suite::X25519, established([2; 32]), &prekey, &frame[SID..], NOW, &mut rng)
            .unwrap();
    let mut bob = End { session, rng, now: NOW };
    assert_eq!(bob.receive(&frame[SID..]), Err(DecryptError::Authentication));
}

#[test]
fn a_known_tag_on_another_frame_gains_nothing() {
    let mut p = pair(48);
    let first = p.alice.send(b"first");
    p.bob.receive(&first).unwrap();
    let next = p.alice.send(b"next");
    let mut forged = next.clone();
    let tag = forged.len() - 16;
    forged[tag..].copy_from_slice(&first[tag..]);
    assert_eq!(p.bob.receive(&forged), Err(DecryptError::Duplicate));
    assert_eq!(p.bob.receive(&next).unwrap(), b"next");
}

#[test]
fn padding_is_checked_after_authentication_and_changes_nothing() {
    let mut p = pair(49);
    for bad in [&[0u8; 256][..], &[1; 256], &[[0x80; 1].as_slice(), &[0; 511]].concat()] {
        let frame = p.alice.session.encrypt_unpadded(bad, &mut p.alice.rng);
        assert_eq!(p.bob.receive(&frame[SID..]), Err(DecryptError::Padding));
    }
    let m = p.alice.send(b"after");
    assert_eq!(p.bob.receive(&m).unwrap(), b"after");
    assert_eq!(p.bob.session.describe().skipped, 3);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_or_change_the_state(
        message in proptest::collection::vec(any::<u8>(), 0..700),
        header in any::<bool>(),
    ) {
        let (mut p, _) = busy(50);
        let mut message = message;
        if header && message.len() > 2 {
            message[0] = 3;
            message[1] = 2;
        }
        prop_assert!(p.bob.receive(&message).is_err());
    }
}
