use proptest::prelude::*;

use super::*;
use crate::{
    limits::{MAX_JSON_DEPTH, MIN_STREAM_WINDOW_BYTES},
    test_utils::seeded_rng,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2).map(|pair| core::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn id(n: u64) -> MessageId {
    MessageId::new_v7(Timestamp::from_millis(1_770_206_400_000 + n), &mut seeded_rng(n))
}

fn message(kind: MessageType) -> Plaintext {
    Plaintext::new(id(1), kind, 7, Timestamp::from_millis(1_770_206_400_123))
}

/// A message with every field that can stand beside the others.
fn full() -> Plaintext {
    Plaintext {
        in_reply_to: Some(id(2)),
        payload: Payload::Bytes(vec![1, 2, 3]),
        part: Some(Part { group: [0xaa; 16], index: 1, count: 300, sha256: [0xbb; 32] }),
        receipts: vec![
            Receipt { id: id(3), stage: Stage::Delivered },
            Receipt { id: id(4), stage: Stage::Handled },
            Receipt { id: id(5), stage: Stage::Unknown(1000) },
        ],
        signed: Some(SignedBody { body: vec![0xa0], signature: Signature::from_bytes([0xcc; 64]) }),
        headers: Headers {
            trace: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
            stream: Some(StreamTerms { frames: 16, bytes: 262_144 }),
            schema: Some("agentmesh/message".into()),
        },
        ..message(MessageType::Knock)
    }
}

#[test]
fn encoding_is_fixed() {
    let json = Plaintext {
        payload: Payload::Json(r#"{"a":"ü"}"#.into()),
        ..message(MessageType::Request)
    };
    insta::assert_snapshot!(
        "plaintext_minimal",
        hex(&message(MessageType::Status).encode().unwrap())
    );
    insta::assert_snapshot!("plaintext_json", hex(&json.encode().unwrap()));
    insta::assert_snapshot!("plaintext_full", hex(&full().encode().unwrap()));
    for message in [message(MessageType::Status), json, full()] {
        assert_eq!(Plaintext::decode(&message.encode().unwrap()), Ok(message));
    }
}

#[test]
fn codes_are_those_of_the_protocol() {
    for code in 0..40 {
        assert_eq!(MessageType::from_code(code).code(), code);
        assert_eq!(Stage::from_code(code).code(), code);
    }
    assert_eq!(MessageType::from_code(11), MessageType::Unknown(11));
    assert_eq!(Stage::from_code(3), Stage::Read);
    let unknown = message(MessageType::Unknown(99));
    assert_eq!(Plaintext::decode(&unknown.encode().unwrap()), Ok(unknown));
}

/// `01 id, 02 6, 03 0, 05 1` and then whatever the test adds.
fn with(count: u8, more: &str) -> Result<Plaintext, PlaintextError> {
    let start =
        format!("a{:x} 0150 019c2871 5a00 7abc 8def 0123456789ab 0206 0300 0501", 4 + count);
    Plaintext::decode(&unhex(&format!("{start}{more}")))
}

fn cbor<T>(source: CborError) -> Result<T, PlaintextError> {
    Err(PlaintextError::Cbor { source })
}

#[test]
fn unknown_keys_are_ignored_and_checked() {
    let bare = with(0, "").unwrap();
    assert_eq!(with(1, "0ff6"), Ok(bare.clone()));
    assert_eq!(with(2, "0f83010203 1903e8a16161f5"), Ok(bare));
    assert_eq!(with(1, "0f9f01ff"), cbor(CborError::Indefinite));
    assert_eq!(with(1, "0fa201000100"), cbor(CborError::DuplicateKey));
    assert_eq!(with(1, "0ffa3f800000"), cbor(CborError::NotShortest));
    assert_eq!(with(1, "0f1817"), cbor(CborError::NotShortest));
    let deep = "81".repeat(MAX_JSON_DEPTH);
    assert!(matches!(
        with(1, &format!("0f{deep}00")),
        Err(PlaintextError::Cbor { source: CborError::TooDeep { .. } })
    ));
    assert_eq!(with(1, "6161f6"), with(1, "0ff93c00"));
    assert_eq!(with(2, "6161f6 0ff6"), cbor(CborError::UnsortedKeys));
    let many =
        (15..=79).map(|n| if n < 24 { format!("{n:02x}f6") } else { format!("18{n:02x}f6") });
    let many: String = many.collect();
    let start = "b845 0150019c28715a007abc8def0123456789ab 0206 0300 0501";
    assert_eq!(
        Plaintext::decode(&unhex(&format!("{start}{many}"))),
        cbor(CborError::TooLong { field: "message", limit: 64, actual: 69 })
    );
}

#[test]
fn non_canonical_encodings_are_refused() {
    assert_eq!(with(0, "00"), cbor(CborError::TrailingBytes { extra: 1 }));
    assert_eq!(with(1, ""), cbor(CborError::Truncated));
    assert_eq!(with(1, "0300"), cbor(CborError::UnsortedKeys));
    assert_eq!(with(1, "0501"), cbor(CborError::DuplicateKey));
    assert_eq!(with(1, "0580"), cbor(CborError::DuplicateKey));
    assert_eq!(with(1, "180f00"), cbor(CborError::NotShortest));
    assert_eq!(with(1, "065801"), cbor(CborError::NotShortest));
    assert_eq!(with(1, "064101"), cbor(CborError::WrongType { field: "payload" }));
    assert_eq!(Plaintext::decode(&unhex("bfff")), cbor(CborError::Indefinite));
    assert_eq!(Plaintext::decode(&unhex("80")), cbor(CborError::WrongType { field: "message" }));
    assert_eq!(Plaintext::decode(&[]), cbor(CborError::Truncated));
}

#[test]
fn required_fields_are_required() {
    let whole = ["0150019c28715a007abc8def0123456789ab", "0206", "0300", "0501"];
    for (i, field) in ["id", "type", "seq", "sent_at"].into_iter().enumerate() {
        let rest: String =
            whole.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, s)| *s).collect();
        assert_eq!(
            Plaintext::decode(&unhex(&format!("a3{rest}"))),
            cbor(CborError::Missing { field })
        );
    }
}

#[test]
fn values_are_checked() {
    let invalid = |field| cbor(CborError::InvalidValue { field });
    // A version 4 id, an id too short, a time past the year 9999.
    let v4 = "50019c28715a004abc8def0123456789ab";
    assert_eq!(Plaintext::decode(&unhex(&format!("a401{v4}020603000501"))), invalid("id"));
    assert_eq!(Plaintext::decode(&unhex("a40141000206030005 01")), invalid("id"));
    let late = "a40150019c28715a007abc8def0123456789ab02060300051bffffffffffffffff";
    assert_eq!(Plaintext::decode(&unhex(late)), invalid("sent_at"));
    // Receipts and parts.
    assert_eq!(with(1, "0980"), invalid("receipts"));
    assert_eq!(with(1, &format!("09818150{}", "00".repeat(16))), invalid("receipt"));
    assert_eq!(
        with(1, "09990101"),
        cbor(CborError::TooLong { field: "receipts", limit: MAX_RECEIPTS, actual: 257 })
    );
    let part = |index: &str, count: &str| {
        with(1, &format!("088450{}{index}{count}5820{}", "aa".repeat(16), "bb".repeat(32)))
    };
    assert!(part("00", "01").is_ok());
    assert!(part("1907ff", "190800").is_ok());
    assert_eq!(part("01", "01"), invalid("part"));
    assert_eq!(part("00", "00"), invalid("part"));
    assert_eq!(part("00", "190801"), invalid("part"));
    assert_eq!(part("00", "1b0000000100000000"), invalid("part count"));
    let trace = |len: usize| with(1, &format!("0c79{len:04x}{}", "30".repeat(len)));
    assert!(trace(256).is_ok());
    assert_eq!(trace(257), cbor(CborError::TooLong { field: "trace", limit: 256, actual: 257 }));
    // Terms of a stream, and the name of a schema.
    let terms = |frames: &str, bytes: &str| with(1, &format!("0d82{frames}{bytes}"));
    let smallest = StreamTerms { frames: 1, bytes: MIN_STREAM_WINDOW_BYTES };
    assert_eq!(terms("01", "198000").unwrap().headers.stream, Some(smallest));
    assert!(terms("1840", "1a00200000").is_ok());
    for (frames, bytes) in
        [("00", "198000"), ("1841", "198000"), ("01", "197fff"), ("01", "1a00200001")]
    {
        assert_eq!(terms(frames, bytes), invalid("stream"));
    }
    assert_eq!(with(1, "0d8101"), invalid("stream"));
    assert_eq!(with(1, "0e60"), invalid("schema"));
    let schema = |len: usize| with(1, &format!("0e78{len:02x}{}", "61".repeat(len)));
    assert_eq!(schema(128).unwrap().headers.schema, Some("a".repeat(128)));
    assert_eq!(schema(129), cbor(CborError::TooLong { field: "schema", limit: 128, actual: 129 }));
}

#[test]
fn json_must_be_json_unless_it_is_a_part() {
    assert!(with(1, "06647b7d2020").is_ok());
    assert!(matches!(with(1, "06617b"), Err(PlaintextError::Json { .. })));
    assert!(matches!(with(1, "0660"), Err(PlaintextError::Json { .. })));
    assert_eq!(with(2, "06617b0740"), Err(PlaintextError::TwoPayloads));
    let mut piece =
        Plaintext { payload: Payload::Json("{\"a".into()), ..message(MessageType::Request) };
    assert!(matches!(piece.encode(), Err(PlaintextError::Json { .. })));
    piece.part = Some(Part { group: [0; 16], index: 0, count: 2, sha256: [0; 32] });
    assert_eq!(Plaintext::decode(&piece.encode().unwrap()), Ok(piece));
    let deep = "[".repeat(MAX_JSON_DEPTH + 1) + &"]".repeat(MAX_JSON_DEPTH + 1);
    let deep = Plaintext { payload: Payload::Json(deep), ..message(MessageType::Request) };
    let source = JsonError::TooDeep { limit: MAX_JSON_DEPTH };
    assert_eq!(deep.encode(), Err(PlaintextError::Json { source }));
}

#[test]
fn body_and_signature_come_together() {
    let signature = format!("0b5840{}", "cc".repeat(64));
    assert_eq!(with(1, "0a41a0"), Err(PlaintextError::Unsigned));
    assert_eq!(with(1, &signature), Err(PlaintextError::Unsigned));
    assert_eq!(with(2, &format!("0a41a0{signature}")), Err(PlaintextError::Unsigned));
    let later = Plaintext { kind: MessageType::Unknown(19), ..full() };
    assert_eq!(Plaintext::decode(&later.encode().unwrap()), Ok(later));
    for kind in [MessageType::Knock, MessageType::Accept, MessageType::Reject] {
        assert_eq!(message(kind).encode(), Err(PlaintextError::Unsigned));
        let code = kind.code();
        let bytes =
            unhex(&format!("a4 0150019c28715a007abc8def0123456789ab 02{code:02x} 0300 0501"));
        assert_eq!(Plaintext::decode(&bytes), Err(PlaintextError::Unsigned));
    }
}

#[test]
fn length_is_bounded_on_both_sides() {
    let of = |len: usize| Plaintext {
        payload: Payload::Bytes(vec![0; len]),
        ..message(MessageType::Request)
    };
    let around = of(1000).encode().unwrap().len() - 1000;
    let longest = of(LONGEST - around).encode().unwrap();
    assert_eq!(longest.len(), LONGEST);
    assert!(Plaintext::decode(&longest).is_ok());
    let too_long = PlaintextError::TooLong { limit: LONGEST, actual: LONGEST + 1 };
    assert_eq!(of(LONGEST - around + 1).encode(), Err(too_long.clone()));
    assert_eq!(Plaintext::decode(&vec![0; LONGEST + 1]), Err(too_long));
    assert!(of(crate::limits::MAX_PAYLOAD).encode().is_ok());
}

#[test]
fn debug_shows_lengths_only() {
    let mut message = full();
    message.payload = Payload::Json("\"top secret\"".into());
    let text = format!("{message:?}");
    assert!(text.contains("Json(12 bytes)") && text.contains("SignedBody(1 bytes)"), "{text}");
    assert!(!text.contains("secret"));
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        Just(Payload::None),
        proptest::collection::vec(any::<u8>(), 0..600).prop_map(Payload::Bytes),
        "\\PC{0,60}".prop_map(|text| Payload::Json(serde_json::to_string(&text).unwrap())),
    ]
}

prop_compose! {
    fn any_message()(
        kind in prop_oneof![0..25u64, any::<u64>()],
        seq in any::<u64>(),
        in_reply_to in proptest::option::of(0..9u64),
        sent_at in 0..300_000_000_000_000u64,
        payload in payload(),
        part in proptest::option::of((any::<[u8; 16]>(), 0..MAX_PARTS)),
        receipts in proptest::collection::vec((0..99u64, 0..9u64), 0..20),
        signed in proptest::collection::vec(any::<u8>(), 0..60),
        trace in proptest::option::of("[ -~]{0,80}"),
        stream in proptest::option::of((1..=64u32, 32_768..=2_097_152u32)),
        schema in proptest::option::of("[a-z/-]{1,40}"),
    ) -> Plaintext {
        let kind = MessageType::from_code(kind);
        Plaintext {
            in_reply_to: in_reply_to.map(id),
            payload,
            part: part.map(|(group, index)| Part { group, index, count: MAX_PARTS, sha256: [9; 32] }),
            receipts: receipts
                .into_iter()
                .map(|(n, stage)| Receipt { id: id(n), stage: Stage::from_code(stage) })
                .collect(),
            signed: kind.is_signed().then(|| SignedBody { body: signed, signature: Signature::from_bytes([5; 64]) }),
            headers: Headers {
                trace,
                stream: stream.map(|(frames, bytes)| StreamTerms { frames, bytes }),
                schema,
            },
            ..Plaintext::new(id(0), kind, seq, Timestamp::from_millis(sent_at))
        }
    }
}

proptest! {
    #[test]
    fn round_trips(message in any_message()) {
        let bytes = message.encode().unwrap();
        prop_assert_eq!(Plaintext::decode(&bytes), Ok(message));
        // An independent reader agrees on where it ends.
        let mut theirs = minicbor::Decoder::new(&bytes);
        prop_assert!(theirs.skip().is_ok());
        prop_assert_eq!(theirs.position(), bytes.len());
    }

    #[test]
    fn one_message_has_one_encoding(
        message in any_message(),
        at in any::<prop::sample::Index>(),
        flip in 1..=255u8,
    ) {
        let bytes = message.encode().unwrap();
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] ^= flip;
        // Whatever decodes to a message without unknown keys was its encoding.
        if let Ok(other) = Plaintext::decode(&changed) {
            prop_assert_ne!(&other, &message);
        }
    }

    #[test]
    fn decode_never_panics(
        message in any_message(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = message.encode().unwrap();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = Plaintext::decode(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        let _ = Plaintext::decode(&bytes);
    }

    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Plaintext::decode(&bytes);
    }
}
