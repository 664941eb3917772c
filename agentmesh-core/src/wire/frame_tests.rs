use proptest::prelude::*;

use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// What a session would give out, with `fill` for all that is encrypted.
fn message(suite: u8, blocks: usize, fill: u8) -> Vec<u8> {
    let mut bytes = vec![0x51; 16];
    bytes.extend([3, suite]);
    bytes.extend([0x2a; 32]);
    bytes.extend([0; 8]);
    bytes.resize(AROUND_CIPHERTEXT - 16 + 256 * blocks + 16, fill);
    bytes
}

fn hs(suite: u8) -> Vec<u8> {
    let len = if suite == 3 { HANDSHAKE_KEM_LEN } else { HANDSHAKE_LEN };
    let mut bytes = vec![0x45; len];
    bytes[0] = suite;
    bytes
}

fn frames() -> [NativeFrame; 3] {
    [
        NativeFrame::Message(MessageFrame::new(&message(2, 1, 7)).unwrap()),
        NativeFrame::Handshake(HandshakeFrame::new(&hs(2), &message(2, 1, 7)).unwrap()),
        NativeFrame::Handshake(HandshakeFrame::new(&hs(3), &message(3, 2, 7)).unwrap()),
    ]
}

#[test]
fn encodings_are_fixed() {
    let text = frames().map(|frame| hex(&frame.encode())).join("\n");
    insta::assert_snapshot!("session_frames", text);
}

#[test]
fn hands_out_what_it_was_made_of() {
    let sid = SessionId::from_bytes([0x51; 16]);
    for suite in [2, 3] {
        let message = message(suite, 3, 9);
        let frame = HandshakeFrame::new(&hs(suite), &message).unwrap();
        assert_eq!((frame.hs(), frame.body()), (&hs(suite)[..], &message[16..]));
        assert_eq!(frame.session_id(), sid);
        let bytes = frame.as_bytes().to_vec();
        assert_eq!(bytes, [&[3, 1][..], &hs(suite), &message].concat());
        assert_eq!(NativeFrame::parse(bytes), Ok(NativeFrame::Handshake(frame)));

        let frame = MessageFrame::new(&message).unwrap();
        assert_eq!((frame.session_id(), frame.body()), (sid, &message[16..]));
        assert_eq!(frame.as_bytes(), [&MESSAGE_PREFIX[..], &message].concat());
        assert_eq!(NativeFrame::parse(frame.as_bytes().to_vec()), Ok(NativeFrame::Message(frame)));
    }
}

#[test]
fn parse_keeps_the_buffer() {
    let bytes = frames()[0].clone().encode();
    let at = bytes.as_ptr();
    let frame = NativeFrame::parse(bytes).unwrap();
    let bytes = frame.encode();
    assert_eq!(bytes.as_ptr(), at);
}

#[test]
fn version_and_kind_come_first() {
    assert_eq!(NativeFrame::parse(vec![2, 2]), Err(FrameError::NotNative));
    assert_eq!(NativeFrame::parse(b"{}".to_vec()), Err(FrameError::NotNative));
    for kind in (0..=255).filter(|kind| !(1..=5).contains(kind)) {
        assert_eq!(NativeFrame::parse(vec![3, kind, 0]), Err(FrameError::UnknownKind { kind }));
    }
    for empty in [vec![], vec![3]] {
        assert!(matches!(NativeFrame::parse(empty), Err(FrameError::Field { .. })));
    }
    let probe = MessageFrame::from_frame(vec![3, 3]);
    assert_eq!(probe, Err(FrameError::UnknownKind { kind: 3 }));
}

#[test]
fn ciphertext_is_whole_blocks() {
    for len in 0..1200 {
        let frame = MessageFrame::new(&vec![3; len]);
        let blocks = len.checked_sub(AROUND_CIPHERTEXT).filter(|n| *n > 0 && n % 256 == 0);
        assert_eq!(frame.is_ok(), blocks.is_some(), "{len}");
    }
    assert!(HandshakeFrame::new(&hs(2), &message(2, 1, 0)[..330]).is_err());
    assert!(HandshakeFrame::new(&hs(2), &[]).is_err());
}

#[test]
fn frame_is_bounded() {
    let blocks = (MAX_FRAME - 2 - AROUND_CIPHERTEXT) / 256;
    assert!(MessageFrame::new(&message(2, blocks, 0)).is_ok());
    let too_long = MessageFrame::new(&message(2, blocks + 1, 0));
    assert!(matches!(too_long, Err(FrameError::TooLong { .. })));
    let bytes = vec![3; MAX_FRAME + 1];
    let error = FrameError::TooLong { limit: MAX_FRAME, actual: MAX_FRAME + 1 };
    assert_eq!(NativeFrame::parse(bytes), Err(error));
}

#[test]
fn handshake_is_of_a_native_suite_with_the_first_header_of_a_session() {
    for suite in [0, 1, 4, 255] {
        let frame = HandshakeFrame::new(&hs(suite), &message(suite, 1, 0));
        assert_eq!(frame, Err(FrameError::UnknownSuite { suite }));
    }
    let header = Err(invalid("header"));
    assert_eq!(HandshakeFrame::new(&hs(3), &message(2, 1, 0)), header);
    // Version, suite, pn and n.
    for at in [16, 17, 50, 53, 54, 57] {
        let mut message = message(2, 1, 0);
        message[at] ^= 1;
        assert_eq!(HandshakeFrame::new(&hs(2), &message), header, "{at}");
    }
    // An HS of another suite's length shifts what follows.
    assert!(HandshakeFrame::new(&hs(2)[..109], &message(2, 1, 0)).is_err());
}

#[test]
fn debug_shows_no_bytes() {
    let text = format!("{:?}", frames());
    assert!(text.contains("MessageFrame(51515151515151515151515151515151, 344 bytes)"), "{text}");
    assert!(!text.contains("2a2a") && !text.contains("4545"));
}

proptest! {
    #[test]
    fn message_round_trips(blocks in 1..20usize, fill in any::<u8>(), suite in 2..=3u8) {
        let message = message(suite, blocks, fill);
        for frame in [
            NativeFrame::Message(MessageFrame::new(&message).unwrap()),
            NativeFrame::Handshake(HandshakeFrame::new(&hs(suite), &message).unwrap()),
        ] {
            prop_assert_eq!(NativeFrame::parse(frame.clone().encode()), Ok(frame));
        }
    }

    #[test]
    fn parse_never_panics(
        which in 0..3usize,
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

    #[test]
    fn noise_never_panics(kind in 0..8u8, noise in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let bytes = [&[3, kind][..], &noise].concat();
        if let Ok(frame) = NativeFrame::parse(bytes.clone()) {
            prop_assert_eq!(frame.encode(), bytes);
        }
    }
}
