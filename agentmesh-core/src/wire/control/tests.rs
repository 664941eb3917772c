use proptest::prelude::*;

use super::*;
use crate::{
    Timestamp,
    handshake::SessionId,
    identity::Identity,
    limits::{CLOCK_SKEW, MAX_BUNDLE},
    test_utils::seeded_rng,
    wire::frame::{FrameError, MessageFrame, NativeFrame},
};

const NOW: Timestamp = Timestamp::from_millis(1_770_206_400_123);
const SID: SessionId = SessionId::from_bytes([0x51; 16]);

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn alice() -> Identity {
    Identity::generate(NOW, &mut seeded_rng(1))
}

fn bob() -> Identity {
    Identity::generate(NOW, &mut seeded_rng(2))
}

fn mallory() -> Identity {
    Identity::generate(NOW, &mut seeded_rng(3))
}

fn message(sid: SessionId) -> MessageFrame {
    let mut bytes = sid.as_bytes().to_vec();
    bytes.resize(16 + 42 + 12 + 256 + 16, 0x77);
    MessageFrame::new(&bytes).unwrap()
}

/// Alice asks Bob.
fn probe() -> Probe {
    Probe::sign(&alice(), bob().signing_key(), SID, NOW, &mut seeded_rng(4))
}

/// Bob answers Alice.
fn reply(enclosed: Option<MessageFrame>) -> ProbeReply {
    ProbeReply::sign(&bob(), &probe(), enclosed).unwrap()
}

/// Bob refuses Alice.
fn refuse() -> Refuse {
    Refuse::sign(&bob(), alice().signing_key(), SID, RefuseReason::PrekeyGone, b"bundle").unwrap()
}

fn frames() -> [NativeFrame; 4] {
    [
        NativeFrame::Probe(probe()),
        NativeFrame::ProbeReply(reply(None)),
        NativeFrame::ProbeReply(reply(Some(message(SID)))),
        NativeFrame::Refuse(refuse()),
    ]
}

#[test]
fn encodings_are_fixed() {
    let text = frames().map(|frame| hex(&frame.encode())).join("\n");
    insta::assert_snapshot!("control_frames", text);
    for frame in frames() {
        assert_eq!(frame.session_id(), SID);
        assert_eq!(NativeFrame::parse(frame.clone().encode()), Ok(frame));
    }
}

#[test]
fn probe_is_believed_from_its_sender_by_its_recipient_for_five_minutes() {
    let (alice, bob, mallory) = (alice(), bob(), mallory());
    let probe = probe();
    let own = bob.signing_key();
    assert_eq!(probe.verify(&alice.amid(), own, NOW), Ok(()));
    assert_eq!(probe.verify(&mallory.amid(), own, NOW), Err(ControlError::WrongSender));
    let elsewhere = probe.verify(&alice.amid(), mallory.signing_key(), NOW);
    assert!(matches!(elsewhere, Err(ControlError::BadSignature { .. })));
    for at in [NOW.plus_millis(CLOCK_SKEW), NOW.minus_millis(CLOCK_SKEW)] {
        assert_eq!(probe.verify(&alice.amid(), own, at), Ok(()));
    }
    for at in [NOW.plus_millis(CLOCK_SKEW + 1), NOW.minus_millis(CLOCK_SKEW + 1)] {
        assert_eq!(probe.verify(&alice.amid(), own, at), Err(ControlError::OutOfWindow));
    }
}

#[test]
fn reply_is_believed_if_it_answers_our_probe() {
    let (alice, bob, mallory) = (alice(), bob(), mallory());
    let (own, nonce) = (alice.signing_key(), *probe().nonce());
    for enclosed in [None, Some(message(SID))] {
        let reply = reply(enclosed.clone());
        assert_eq!((reply.is_known(), reply.enclosed()), (enclosed.is_some(), enclosed.as_ref()));
        assert_eq!(reply.verify(&bob.amid(), own, &SID, &nonce), Ok(()));
        let other_sid = SessionId::from_bytes([0; 16]);
        assert_eq!(reply.verify(&bob.amid(), own, &other_sid, &nonce), Err(ControlError::NotAsked));
        assert_eq!(reply.verify(&bob.amid(), own, &SID, &[0; 16]), Err(ControlError::NotAsked));
        assert_eq!(
            reply.verify(&mallory.amid(), own, &SID, &nonce),
            Err(ControlError::WrongSender)
        );
        let elsewhere = reply.verify(&bob.amid(), mallory.signing_key(), &SID, &nonce);
        assert!(matches!(elsewhere, Err(ControlError::BadSignature { .. })));
    }
}

#[test]
fn reply_encloses_a_message_of_the_session_or_nothing() {
    let other = message(SessionId::from_bytes([1; 16]));
    assert!(matches!(
        ProbeReply::sign(&bob(), &probe(), Some(other)),
        Err(FrameError::Field { .. })
    ));
    // known at 34, lp(enclosed) from 67 on.
    let parse = |change: &dyn Fn(&mut Vec<u8>), enclosed| {
        let mut bytes = reply(enclosed).encode();
        change(&mut bytes);
        NativeFrame::parse(bytes)
    };
    let with = || Some(message(SID));
    assert!(parse(&|_| (), with()).is_ok());
    assert!(parse(&|b| b[34] = 0, with()).is_err());
    assert!(parse(&|b| b[34] = 2, with()).is_err());
    assert!(parse(&|b| b[34] = 1, None).is_err());
    // The enclosed frame's version, kind and sid.
    for at in [71, 72, 73] {
        assert!(parse(&|b| b[at] ^= 1, with()).is_err(), "{at}");
    }
    assert!(parse(&|b| b.push(0), None).is_err());
}

#[test]
fn refusal_is_believed_from_its_sender_by_its_recipient() {
    let (alice, bob, mallory) = (alice(), bob(), mallory());
    let refuse = refuse();
    assert_eq!(refuse.verify(&bob.amid(), alice.signing_key()), Ok(()));
    assert_eq!((refuse.reason(), refuse.blob()), (RefuseReason::PrekeyGone, &b"bundle"[..]));
    assert_eq!(refuse.verify(&mallory.amid(), alice.signing_key()), Err(ControlError::WrongSender));
    let elsewhere = refuse.verify(&bob.amid(), mallory.signing_key());
    assert!(matches!(elsewhere, Err(ControlError::BadSignature { .. })));
}

#[test]
fn refusal_carries_a_bundle_of_bounded_length_and_any_reason() {
    let of = |reason, len| Refuse::sign(&bob(), alice().signing_key(), SID, reason, &vec![0; len]);
    let unknown = of(RefuseReason::Unknown(77), MAX_BUNDLE).unwrap();
    assert_eq!(NativeFrame::parse(unknown.encode()), Ok(NativeFrame::Refuse(unknown)));
    assert!(of(RefuseReason::Suite, MAX_BUNDLE + 1).is_err());
    let mut bytes = of(RefuseReason::Suite, MAX_BUNDLE).unwrap().encode();
    bytes[53] += 1;
    assert!(matches!(NativeFrame::parse(bytes), Err(FrameError::Field { .. })));
    assert_eq!([1, 2, 3].map(|n| RefuseReason::from_code(n).code()), [1, 2, 3]);
}

/// Whether the recipient would believe it.
fn is_believed(frame: &NativeFrame) -> bool {
    let (alice, bob) = (alice(), bob());
    match frame {
        NativeFrame::Probe(probe) => probe.verify(&alice.amid(), bob.signing_key(), NOW).is_ok(),
        NativeFrame::ProbeReply(reply) => {
            reply.verify(&bob.amid(), alice.signing_key(), &SID, probe().nonce()).is_ok()
        }
        NativeFrame::Refuse(refuse) => refuse.verify(&bob.amid(), alice.signing_key()).is_ok(),
        _ => false,
    }
}

#[test]
fn every_byte_is_signed() {
    for frame in frames() {
        assert!(is_believed(&frame));
        let bytes = frame.encode();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let believed = NativeFrame::parse(changed).is_ok_and(|frame| is_believed(&frame));
            assert!(!believed, "byte {at} of a frame of kind {}", bytes[1]);
        }
    }
}

proptest! {
    #[test]
    fn parse_never_panics(
        which in 0..4usize,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = frames()[which].clone().encode();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(frame) = NativeFrame::parse(bytes.clone()) {
            prop_assert_eq!(frame.encode(), bytes.clone());
        }
        bytes.truncate(cut.index(bytes.len()));
        let _ = NativeFrame::parse(bytes);
    }
}
