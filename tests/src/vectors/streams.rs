//! Bodies of streams, and the ids of their frames.

use agentmesh_core::{
    hazmat,
    identity::Amid,
    wire::{
        CborError,
        id::MessageId,
        peer_error::PeerError,
        stream::{ChunkContent, StreamBody, StreamEnd, StreamFrame},
    },
};
use serde_json::{Value, json};

use super::{
    Topic,
    cbor::{bytes, list, map, text, uint},
    plaintexts::is_cbor_reason,
    support::{NOW, Recorder, hex},
};

fn chunk(chunk: &ChunkContent) -> Value {
    match chunk {
        ChunkContent::Text(text) => json!({"text": text}),
        ChunkContent::Bytes(bytes) => json!({"bytes": hex(bytes)}),
    }
}

fn vector(name: &str, body: &StreamBody) -> Value {
    let encoded = body.encode().unwrap();
    assert_eq!(StreamBody::decode(&encoded).as_ref(), Ok(body));
    let fields = match body {
        StreamBody::Cancel { reason } => json!({"cancel": reason}),
        StreamBody::Frame(frame) => {
            let (end, error) = match &frame.end {
                None => (None, None),
                Some(StreamEnd::Finished) => (Some(0), None),
                Some(StreamEnd::Failed(error)) => {
                    (Some(1 + u8::from(error.retryable)), Some(error))
                }
            };
            let chunks: Vec<_> = frame.chunks.iter().map(chunk).collect();
            json!({
                "first": frame.first,
                "chunks": (!chunks.is_empty()).then_some(chunks),
                "end": end,
                "code": error.map(|e| &e.code),
                "message": error.map(|e| &e.message),
                "metadata": frame.metadata,
            })
        }
    };
    json!({"name": name, "body": hex(encoded), "fields": fields})
}

pub(crate) fn stream() -> Topic {
    let chunks = |texts: &[&str]| texts.iter().map(|t| ChunkContent::from(*t)).collect::<Vec<_>>();
    let frame = |first, texts: &[&str]| StreamFrame {
        first,
        chunks: chunks(texts),
        ..StreamFrame::default()
    };
    let failed = PeerError::new("MODEL_OVERLOADED", "sp\u{e4}ter");
    let bodies = [
        ("the sender is there", frame(0, &[])),
        ("one token", frame(0, &["Hel"])),
        ("tokens that waited", frame(1, &["lo", "! ", "", "w\u{f6}rld"])),
        (
            "bytes, and metadata",
            StreamFrame {
                chunks: vec![vec![0, 255].into(), Vec::new().into()],
                metadata: Some(r#"{"model":"m"}"#.into()),
                ..frame(65_536, &[])
            },
        ),
        ("the end", StreamFrame { end: Some(StreamEnd::Finished), ..frame(5_000, &["."]) }),
        (
            "a failure",
            StreamFrame { end: Some(StreamEnd::Failed(failed.clone())), ..frame(7, &[]) },
        ),
        (
            "a failure worth another try",
            StreamFrame { end: Some(StreamEnd::Failed(failed.retryable())), ..frame(7, &["x"]) },
        ),
        ("the last number", frame((1 << 53) - 1, &["x"])),
    ];
    let mut vectors: Vec<_> =
        bodies.into_iter().map(|(name, frame)| vector(name, &StreamBody::Frame(frame))).collect();
    for reason in ["", "enough"] {
        vectors.push(vector("a cancel", &StreamBody::Cancel { reason: reason.into() }));
    }
    let request = MessageId::new_v7(NOW, &mut Recorder::new(900));
    let (sender, reader) = (Amid::from_bytes([1; 20]), Amid::from_bytes([2; 20]));
    for n in [0, 1, 1 << 40] {
        let id = hazmat::stream_frame_id(sender, reader, request, n);
        vectors.push(json!({
            "name": format!("id of frame {n}"),
            "sender": hex(sender.as_bytes()),
            "reader": hex(reader.as_bytes()),
            "request": hex(request.as_bytes()),
            "n": n,
            "id": hex(id.as_bytes()),
        }));
    }
    Topic { name: "stream", spec: "native.md §6.3", vectors, refusals: refusals() }
}

fn refusals() -> Vec<Value> {
    let case = |name: &str, reason: &str, entries: &[(u64, Vec<u8>)]| {
        let raw = map(entries);
        let refused = StreamBody::decode(&raw).unwrap_err();
        assert!(is_reason(&refused, reason), "{name}: {refused}");
        json!({"name": name, "reason": reason, "body": hex(raw)})
    };
    let x = |n: usize| text(&"x".repeat(n));
    vec![
        case("nothing", "cbor-missing", &[]),
        case("an end without a number", "cbor-missing", &[(3, uint(0))]),
        case("a cancel with chunks", "cbor-missing", &[(2, list(&[x(1)])), (7, x(0))]),
        case("a cancel with a number", "stream-body", &[(1, uint(0)), (7, x(0))]),
        case("a list without chunks", "stream-body", &[(1, uint(0)), (2, list(&[]))]),
        case("a chunk that is a number", "cbor-type", &[(1, uint(0)), (2, list(&[uint(1)]))]),
        case("a chunk too long", "cbor-too-long", &[(1, uint(0)), (2, list(&[x(24 * 1024 + 1)]))]),
        case(
            "too many chunks",
            "cbor-too-long",
            &[(1, uint(0)), (2, list(&vec![bytes(b""); 1025]))],
        ),
        case(
            "a frame too long",
            "cbor-too-long",
            &[(1, uint(0)), (2, list(&[x(20_000), x(20_000)]))],
        ),
        case("a number too large", "stream-body", &[(1, uint((1 << 53) + 1))]),
        case(
            "chunks beyond the last number",
            "stream-body",
            &[(1, uint(1 << 53)), (2, list(&[x(1)]))],
        ),
        case("a failure without words", "stream-body", &[(1, uint(0)), (3, uint(1)), (4, x(1))]),
        case("words without a failure", "stream-body", &[(1, uint(0)), (4, x(1)), (5, x(1))]),
        case(
            "an end with words",
            "stream-body",
            &[(1, uint(0)), (3, uint(0)), (4, x(1)), (5, x(1))],
        ),
        case("another end", "stream-body", &[(1, uint(0)), (3, uint(3))]),
        case("a long code", "cbor-too-long", &[(1, uint(0)), (3, uint(1)), (4, x(65)), (5, x(1))]),
        case("metadata that is no JSON", "stream-body", &[(1, uint(0)), (6, text("{"))]),
        case("long metadata", "cbor-too-long", &[(1, uint(0)), (6, x(4097))]),
        case("a long reason", "cbor-too-long", &[(7, x(1025))]),
    ]
}

fn is_reason(error: &CborError, reason: &str) -> bool {
    reason == "stream-body" && matches!(error, CborError::InvalidValue { .. })
        || is_cbor_reason(error, reason)
}
