use proptest::prelude::*;

use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2).map(|pair| core::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn frame(first: u64, chunks: &[&str]) -> StreamFrame {
    StreamFrame {
        first,
        chunks: chunks.iter().map(|c| (*c).into()).collect(),
        ..Default::default()
    }
}

#[test]
fn encoding_is_fixed() {
    let cases = [
        (StreamBody::Frame(frame(0, &[])), "a10100"),
        (StreamBody::Frame(frame(7, &["He", "llo"])), "a20107028262486563 6c6c6f"),
        (
            StreamBody::Frame(StreamFrame {
                chunks: vec![vec![1, 2].into(), "".into()],
                end: Some(StreamEnd::Finished),
                metadata: Some("{}".into()),
                ..frame(300, &[])
            }),
            "a4 01 19012c 02 82 42 0102 60 03 00 06 62 7b7d",
        ),
        (
            StreamBody::Frame(StreamFrame {
                end: Some(StreamEnd::Failed(PeerError::new("X", "no"))),
                ..frame(1, &[])
            }),
            "a4 0101 0301 0461 58 0562 6e6f",
        ),
        (StreamBody::Cancel { reason: "".into() }, "a10760"),
    ];
    for (body, expected) in cases {
        let bytes = body.encode().unwrap();
        assert_eq!(hex(&bytes), expected.replace(' ', ""), "{body:?}");
        assert_eq!(StreamBody::decode(&bytes), Ok(body));
    }
}

#[test]
fn a_frame_is_either_chunks_or_a_cancel() {
    let missing = Err(CborError::Missing { field: "first" });
    let invalid = |field| Err(CborError::InvalidValue { field });
    assert_eq!(StreamBody::decode(&unhex("a0")), missing);
    assert_eq!(StreamBody::decode(&unhex("a20281600760")), missing);
    assert_eq!(StreamBody::decode(&unhex("a10300")), missing);
    assert_eq!(StreamBody::decode(&unhex("a201000760")), invalid("cancel"));
    assert_eq!(StreamBody::decode(&unhex("a201000280")), invalid("chunks"));
    assert!(StreamBody::decode(&unhex("a2010018ff00")).is_ok(), "later keys are skipped");
}

#[test]
fn an_end_has_words_if_and_only_if_it_failed() {
    let end = |more: &str, n: u8| StreamBody::decode(&unhex(&format!("a{n:x}0100{more}")));
    let invalid = Err(CborError::InvalidValue { field: "end" });
    assert!(end("0300", 2).is_ok());
    assert!(end("030104600560", 4).is_ok());
    assert!(end("030204600560", 4).is_ok());
    assert_eq!(end("030304600560", 4), invalid);
    assert_eq!(end("0301", 2), invalid);
    assert_eq!(end("03000460", 3), invalid);
    assert_eq!(end("0460", 2), invalid);
    assert_eq!(end("0302", 2), invalid);
}

#[test]
fn every_bound_holds_in_both_directions() {
    let refused = |frame: StreamFrame| StreamBody::Frame(frame).encode().unwrap_err();
    let long = "x".repeat(MAX_STREAM_CHUNK + 1);
    assert!(matches!(refused(frame(0, &[&long])), CborError::TooLong { field: "chunk", .. }));
    let many = vec![""; MAX_STREAM_CHUNKS + 1];
    assert!(matches!(refused(frame(0, &many)), CborError::TooLong { field: "chunks", .. }));
    let two = "x".repeat(MAX_STREAM_CHUNK - 100);
    assert!(matches!(
        refused(frame(0, &[&two, &two])),
        CborError::TooLong { field: "stream frame", .. }
    ));
    assert_eq!(refused(frame(1 << 53, &["x"])), CborError::InvalidValue { field: "first" });
    assert!(StreamBody::Frame(frame((1 << 53) - 1, &["x"])).encode().is_ok());
    let with = |metadata: &str| StreamFrame { metadata: Some(metadata.into()), ..frame(0, &[]) };
    assert_eq!(refused(with("{")), CborError::InvalidValue { field: "metadata" });
    let long = format!("\"{}\"", "x".repeat(MAX_STREAM_METADATA));
    assert!(matches!(refused(with(&long)), CborError::TooLong { field: "metadata", .. }));
    let full = frame(0, &[&"x".repeat(MAX_STREAM_CHUNK)]);
    assert!(StreamBody::Frame(full).encode().is_ok());
    // The same, read.
    let chunk =
        format!("a201000281 79{:04x}{}", MAX_STREAM_CHUNK + 1, "78".repeat(MAX_STREAM_CHUNK + 1));
    assert!(matches!(
        StreamBody::decode(&unhex(&chunk)),
        Err(CborError::TooLong { field: "chunk", .. })
    ));
    assert!(StreamBody::decode(&unhex("a1 01 1b0020000000000001")).is_err());
    assert!(StreamBody::decode(&vec![0; MAX_STREAM_FRAME + 1]).is_err());
}

#[test]
fn debug_shows_numbers_only() {
    let text = format!("{:?}", StreamBody::Frame(frame(3, &["secret"])));
    assert!(!text.contains("secret") && text.contains("chunks: 1"), "{text}");
}

prop_compose! {
    fn any_frame()(
        first in 0..1u64 << 53,
        chunks in proptest::collection::vec(
            prop_oneof![
                "\\PC{0,20}".prop_map(ChunkContent::Text),
                proptest::collection::vec(any::<u8>(), 0..40).prop_map(ChunkContent::Bytes),
            ],
            0..40,
        ),
        end in proptest::option::of(prop_oneof![
            Just(StreamEnd::Finished),
            ("[A-Z_]{0,20}", "\\PC{0,40}", any::<bool>()).prop_map(|(code, message, again)| {
                let error = PeerError::new(code, message);
                StreamEnd::Failed(if again { error.retryable() } else { error })
            }),
        ]),
        metadata in proptest::option::of("[a-z]{0,20}".prop_map(|s| format!("{s:?}"))),
    ) -> StreamFrame {
        StreamFrame { first: first - (first.min(40)), chunks, end, metadata }
    }
}

proptest! {
    #[test]
    fn round_trips(frame in any_frame()) {
        let body = StreamBody::Frame(frame);
        let bytes = body.encode().unwrap();
        prop_assert_eq!(StreamBody::decode(&bytes), Ok(body));
    }

    #[test]
    fn decode_never_panics_and_one_body_has_one_encoding(
        frame in any_frame(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut bytes = StreamBody::Frame(frame).encode().unwrap();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(body) = StreamBody::decode(&bytes) {
            let again = body.encode().unwrap();
            // Keys that this build does not know are lost; everything else comes back as it was.
            prop_assert!(again == bytes || again.len() < bytes.len());
        }
    }
}
