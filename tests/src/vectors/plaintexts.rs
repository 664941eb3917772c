//! Plaintexts and their padding.

use agentmesh_core::{
    handshake::Suite,
    keys::{DhSecretKey, Secret, Signature, aead, kdf},
    session::{DecryptError, Session},
    wire::{
        CborError,
        id::MessageId,
        plaintext::{
            MessageType, Part, Payload, Plaintext, PlaintextError, Receipt, SignedBody, Stage,
            StreamTerms,
        },
    },
};
use serde_json::{Value, json};

use super::{
    Topic,
    agents::Agent,
    cbor::{bytes, list, map, text, uint},
    sessions::Handshake,
    support::{NOW, Recorder, hex},
    talk::sending_chain,
};

fn padded(plaintext: &[u8]) -> Vec<u8> {
    let mut padded = [plaintext, &[0x80]].concat();
    padded.resize(padded.len().next_multiple_of(256), 0);
    padded
}

fn plaintext_vector(name: &str, message: &Plaintext) -> Value {
    let encoded = message.encode().unwrap();
    assert_eq!(Plaintext::decode(&encoded).as_ref(), Ok(message));
    plaintext_json(name, &encoded, message, true)
}

fn plaintext_json(name: &str, encoded: &[u8], message: &Plaintext, exact: bool) -> Value {
    let id = |id: &MessageId| hex(id.as_bytes());
    let (json, bytes) = match &message.payload {
        Payload::None => (None, None),
        Payload::Json(text) => (Some(text.clone()), None),
        Payload::Bytes(bytes) => (None, Some(hex(bytes))),
    };
    let receipt = |r: &Receipt| json!({"id": id(&r.id), "stage": r.stage.code()});
    let receipts = message.receipts.iter().map(receipt).collect::<Vec<_>>();
    json!({
        "name": name,
        "exact": exact,
        "plaintext": hex(encoded),
        "padded": hex(padded(encoded)),
        "fields": {
            "id": id(&message.id),
            "type": message.kind.code(),
            "seq": message.seq,
            "in_reply_to": message.in_reply_to.as_ref().map(id),
            "sent_at": message.sent_at.as_millis(),
            "json": json,
            "bytes": bytes,
            "part": message.part.map(|p| json!({
                "group": hex(p.group),
                "index": p.index,
                "count": p.count,
                "sha256": hex(p.sha256),
            })),
            "receipts": (!receipts.is_empty()).then_some(receipts),
            "body": message.signed.as_ref().map(|s| hex(&s.body)),
            "sig": message.signed.as_ref().map(|s| hex(s.signature.as_bytes())),
            "trace": message.headers.trace,
            "stream": message.headers.stream.map(|t| json!({"frames": t.frames, "bytes": t.bytes})),
            "schema": message.headers.schema,
        },
    })
}

pub(crate) fn plaintext() -> Topic {
    let mut rng = Recorder::new(500);
    let mut message = |kind, seq| Plaintext::new(MessageId::new_v7(NOW, &mut rng), kind, seq, NOW);
    let mut vectors = Vec::new();
    let kinds = [
        ("request", MessageType::Request),
        ("response", MessageType::Response),
        ("stream", MessageType::Stream),
        ("status", MessageType::Status),
        ("error", MessageType::Error),
        ("message", MessageType::Message),
        ("close", MessageType::Close),
        ("capability negotiation", MessageType::CapabilityNegotiation),
        ("capability answer", MessageType::CapabilityNegotiationResponse),
        ("an unknown type", MessageType::Unknown(4000)),
    ];
    for (seq, (name, kind)) in (0..).zip(kinds) {
        vectors.push(plaintext_vector(name, &message(kind, seq)));
    }
    let asked = message(MessageType::Request, 1 << 33);
    let mut answer = message(MessageType::Response, 255);
    answer.in_reply_to = Some(asked.id);
    answer.payload = Payload::Json("{\"hello\":\"w\u{f6}rld\",\"n\":[1,-2.5e3,null]}".into());
    answer.headers.trace = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
    vectors.push(plaintext_vector("JSON answer with trace", &answer));
    let mut binary = message(MessageType::Message, 65536);
    binary.payload = Payload::Bytes(vec![0x80, 0, 0]);
    vectors.push(plaintext_vector("bytes that look like padding", &binary));
    let mut empty = message(MessageType::Message, 23);
    empty.payload = Payload::Bytes(Vec::new());
    vectors.push(plaintext_vector("no bytes are not no payload", &empty));
    let mut piece = message(MessageType::Message, 24);
    piece.payload = Payload::Json("{\"a piece of".into());
    let sha256 = kdf::sha256(&[b"the whole"]);
    piece.part = Some(Part { group: [7; 16], index: 2047, count: 2048, sha256 });
    vectors.push(plaintext_vector("a part", &piece));
    let mut receipt = message(MessageType::Receipt, 0);
    receipt.receipts = [Stage::Delivered, Stage::Handled, Stage::Read, Stage::Unknown(300)]
        .map(|stage| Receipt { id: asked.id, stage })
        .to_vec();
    vectors.push(plaintext_vector("receipts", &receipt));
    let mut knock = message(MessageType::Knock, 0);
    let signature = Signature::from_bytes([5; 64]);
    knock.signed = Some(SignedBody { body: vec![0xa0], signature });
    vectors.push(plaintext_vector("KNOCK", &knock));

    let mut wish = Plaintext::new(asked.id, MessageType::Request, 2, NOW);
    wish.payload = Payload::Json("{}".into());
    wish.headers.stream = Some(StreamTerms { frames: 16, bytes: 262_144 });
    wish.headers.schema = Some("agentmesh/message".into());
    vectors.push(plaintext_vector("request for a stream, with a schema", &wish));

    // What a later version may add is passed over.
    let plain = message(MessageType::Message, 1);
    let later = map(&[
        (1, bytes(plain.id.as_bytes())),
        (2, uint(6)),
        (3, uint(1)),
        (5, uint(NOW.as_millis())),
        (15, list(&[uint(1), list(&[text("x"), bytes(b"y")]), map(&[(0, vec![0xf6])])])),
        (24, vec![0x38, 99]),
        (25, vec![0xc1, 0x1a, 0x65, 0, 0, 0]),
        (26, vec![0xf9, 0x3c, 0]),
        (27, vec![0xf9, 0x7e, 0]),
        (28, vec![0xfb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 1]),
        (1 << 32, vec![0xf5]),
    ]);
    assert_eq!(Plaintext::decode(&later).as_ref(), Ok(&plain));
    vectors.push(plaintext_json("entries of a later version", &later, &plain, false));
    let mut named = plaintext_with(&plain, &[]);
    named[0] += 3;
    named.extend([0x20, 0x00, 0x61, b'a', 0x00, 0x81, 0x01, 0x00]);
    assert_eq!(Plaintext::decode(&named).as_ref(), Ok(&plain));
    vectors.push(plaintext_json("keys that are no numbers", &named, &plain, false));
    let deep = [vec![0x81; 15], vec![0]].concat();
    let deepest = plaintext_with(&plain, &[(99, deep)]);
    assert_eq!(Plaintext::decode(&deepest).as_ref(), Ok(&plain));
    vectors.push(plaintext_json("an unknown entry 16 deep", &deepest, &plain, false));
    let mut refusals = plaintext_refusals(&plain);
    refusals.extend(padding_refusals(&plain));
    Topic { name: "plaintext", spec: "native.md §2, §5, §6.1", vectors, refusals }
}

/// The four required entries and others.
fn plaintext_with(message: &Plaintext, more: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut entries = vec![
        (1, bytes(message.id.as_bytes())),
        (2, uint(message.kind.code())),
        (3, uint(message.seq)),
        (5, uint(message.sent_at.as_millis())),
    ];
    for (key, value) in more {
        entries.retain(|(k, _)| k != key);
        entries.push((*key, value.clone()));
    }
    entries.sort_by_key(|(key, _)| *key);
    map(&entries)
}

fn plaintext_refusals(plain: &Plaintext) -> Vec<Value> {
    let good = plaintext_with(plain, &[]);
    assert_eq!(Plaintext::decode(&good).as_ref(), Ok(plain));
    let case = |name: &str, reason: &str, raw: Vec<u8>| {
        let refused = Plaintext::decode(&raw).unwrap_err();
        assert!(is_plaintext_reason(&refused, reason), "{name}: {refused}");
        json!({"name": name, "reason": reason, "plaintext": hex(raw)})
    };
    let with = |name: &str, reason: &str, more: &[(u64, Vec<u8>)]| {
        case(name, reason, plaintext_with(plain, more))
    };
    let id = plain.id.as_bytes();
    let part = |index, count| list(&[bytes(&[7; 16]), uint(index), uint(count), bytes(&[1; 32])]);
    let mut twice = good.clone();
    twice[0] += 1;
    let at = twice.windows(2).position(|w| w == [0x02, 0x06]).unwrap();
    twice.splice(at..at, [0x02, 0x06]);
    let mut unsorted = vec![0xa4, 0x02, 0x06, 0x01];
    unsorted.extend(bytes(id));
    unsorted.extend(&good[good.len() - 12..]);
    let mut wide = good.clone();
    wide.splice(at..at + 2, [0x02, 0x18, 0x06]);
    let mut endless = good.clone();
    endless[0] = 0xbf;
    endless.push(0xff);
    let mut version_4 = *id;
    version_4[6] = 0x4a;
    vec![
        case("a key twice", "cbor-duplicate-key", twice),
        case("keys out of order", "cbor-unsorted", unsorted),
        case("a number not in its shortest form", "cbor-not-shortest", wide),
        case("a map of indefinite length", "cbor-indefinite", endless),
        case("a byte too many", "cbor-trailing-bytes", [&good[..], &[0]].concat()),
        case("cut", "cbor-truncated", good[..good.len() - 1].to_vec()),
        case("nothing", "cbor-truncated", Vec::new()),
        case("a list", "cbor-type", list(&[uint(1)])),
        case("an empty map", "cbor-missing", map(&[])),
        with(
            "a key twice inside an unknown entry",
            "cbor-duplicate-key",
            &[(99, vec![0xa2, 1, 0, 1, 0])],
        ),
        with("an unknown entry 17 deep", "cbor-depth", &[(99, [vec![0x81; 16], vec![0]].concat())]),
        with(
            "a float that fits 16 bits in 32",
            "cbor-not-shortest",
            &[(99, vec![0xfa, 0x3f, 0x80, 0, 0])],
        ),
        with(
            "a float that fits 32 bits in 64",
            "cbor-not-shortest",
            &[(99, vec![0xfb, 0x3f, 0xf0, 0, 0, 0x20, 0, 0, 0])],
        ),
        with("another NaN", "cbor-not-shortest", &[(99, vec![0xf9, 0x7e, 1])]),
        with("a simple value in two bytes", "cbor-reserved", &[(99, vec![0xf8, 0x18])]),
        with("a body in a message", "unsigned", &[(10, bytes(b"x")), (11, bytes(&[0; 64]))]),
        with("text that is not UTF-8", "cbor-utf8", &[(6, vec![0x61, 0xff])]),
        with("seq as text", "cbor-type", &[(3, text("1"))]),
        with("a negative seq", "cbor-type", &[(3, vec![0x20])]),
        with("a short id", "cbor-type", &[(1, bytes(&id[..15]))]),
        with("an id that is no UUIDv7", "uuid", &[(1, bytes(&version_4))]),
        with("beyond the year 9999", "time", &[(5, uint(253_402_300_800_000))]),
        with("two payloads", "two-payloads", &[(6, text("1")), (7, bytes(b"1"))]),
        with("JSON that is none", "json", &[(6, text("{"))]),
        with("NaN", "json", &[(6, text("NaN"))]),
        with("JSON nested 65 deep", "json", &[(6, text(&("[".repeat(65) + &"]".repeat(65))))]),
        with("part 3 of 3", "part", &[(6, text("x")), (8, part(3, 3))]),
        with("2049 parts", "part", &[(6, text("x")), (8, part(0, 2049))]),
        with(
            "a part of three fields",
            "cbor-type",
            &[(8, list(&[bytes(&[7; 16]), uint(0), uint(1)]))],
        ),
        with("no receipts in a list", "receipts", &[(9, list(&[]))]),
        with("a receipt of one field", "cbor-type", &[(9, list(&[list(&[bytes(id)])]))]),
        with("a body without signature", "unsigned", &[(10, bytes(b"x"))]),
        with("a KNOCK without body", "unsigned", &[(2, uint(16))]),
        with("a short signature", "cbor-type", &[(10, bytes(b"x")), (11, bytes(&[0; 63]))]),
        with("a long trace", "cbor-too-long", &[(12, text(&"x".repeat(257)))]),
        with("a window of no frames", "stream-terms", &[(13, list(&[uint(0), uint(65536)]))]),
        with("a window of 65 frames", "stream-terms", &[(13, list(&[uint(65), uint(65536)]))]),
        with("a window too small for a frame", "stream-terms", &[(13, list(&[uint(1), uint(99)]))]),
        with("a window of one number", "cbor-type", &[(13, list(&[uint(1)]))]),
        with("a schema without name", "schema", &[(14, text(""))]),
        with("a long name of a schema", "cbor-too-long", &[(14, text(&"x".repeat(129)))]),
    ]
}

/// Whether the core's error is the vector's reason. Lengths are a type in the one and a limit in the other.
fn is_plaintext_reason(error: &PlaintextError, reason: &str) -> bool {
    match error {
        PlaintextError::Cbor { source } => is_cbor_reason(source, reason),
        PlaintextError::Json { .. } => reason == "json",
        PlaintextError::TwoPayloads => reason == "two-payloads",
        PlaintextError::Unsigned => reason == "unsigned",
        _ => false,
    }
}

pub(crate) fn is_cbor_reason(error: &CborError, reason: &str) -> bool {
    let reasons: &[&str] = match error {
        CborError::Truncated => &["cbor-truncated"],
        CborError::TrailingBytes { .. } => &["cbor-trailing-bytes"],
        CborError::Indefinite => &["cbor-indefinite"],
        CborError::NotShortest => &["cbor-not-shortest"],
        CborError::UnsortedKeys => &["cbor-unsorted"],
        CborError::DuplicateKey => &["cbor-duplicate-key"],
        CborError::TooDeep { .. } => &["cbor-depth"],
        CborError::Malformed => &["cbor-utf8", "cbor-reserved"],
        CborError::WrongType { .. } => &["cbor-type"],
        CborError::Missing { .. } => &["cbor-missing"],
        CborError::InvalidValue { .. } => &[
            "cbor-type",
            "uuid",
            "time",
            "part",
            "receipts",
            "suite-set",
            "stream-terms",
            "schema",
        ],
        CborError::TooLong { .. } => &["cbor-type", "cbor-too-long"],
        _ => &[],
    };
    reasons.contains(&reason)
}

/// A session pair and the key of A's next message, to seal what no sender would.
struct Wire {
    a: Session,
    b: Session,
    rng: Recorder,
}

impl Wire {
    fn new(seed: u64) -> Self {
        let (a, b) = (Agent::new(seed), Agent::new(seed + 1));
        let handshake = Handshake::new(&a, &b, Suite::X25519, seed + 2);
        let spk = DhSecretKey::from_bytes(b.spk.private);
        let mut rng = Recorder::new(seed + 3);
        let a = Session::initiate(
            Suite::X25519,
            handshake.established(),
            spk.public_key(),
            NOW,
            &mut rng,
        );
        let mut a = a.unwrap();
        let first = a.encrypt(b"", NOW, &mut rng).unwrap();
        let b = Session::accept(
            Suite::X25519,
            handshake.established(),
            &spk,
            &first[16..],
            NOW,
            &mut rng,
        );
        let mut b = b.unwrap();
        b.decrypt(&first[16..], NOW).unwrap();
        Self { a, b, rng }
    }

    /// A message with this padded plaintext.
    fn seal(&mut self, padded: &[u8]) -> Vec<u8> {
        let key = message_key(&self.a);
        let ad = *self.a.associated_data();
        let honest = self.a.encrypt(b"", NOW, &mut self.rng).unwrap();
        let (header, nonce) = (&honest[16..58], &honest[58..70]);
        let mut message = honest[16..70].to_vec();
        let aad = [&ad[..], header].concat();
        let mut sealed = padded.to_vec();
        aead::seal_in_place(&key, nonce.try_into().unwrap(), &aad, &mut sealed, 0).unwrap();
        message.extend(sealed);
        message
    }
}

/// The key of the next message in the current sending chain.
pub(crate) fn message_key(session: &Session) -> Secret<32> {
    kdf::hmac_sha256(&sending_chain(session), &[&[1]])
}

fn padding_refusals(plain: &Plaintext) -> Vec<Value> {
    let good = padded(&plain.encode().unwrap());
    let mut wire = Wire::new(510);
    let mut opens = |bytes: &[u8]| {
        let message = wire.seal(bytes);
        wire.b.decrypt(&message, NOW).map(|_| ())
    };
    assert_eq!(opens(&good), Ok(()));
    let mut case = |name: &str, bytes: Vec<u8>| {
        assert_eq!(opens(&bytes), Err(DecryptError::Padding), "{name}");
        json!({"name": name, "reason": "padding", "padded": hex(bytes)})
    };
    let mut other_mark = good.clone();
    *other_mark.iter_mut().rfind(|b| **b == 0x80).unwrap() = 0x81;
    let mut late = good.clone();
    *late.last_mut().unwrap() = 1;
    vec![
        case("a block too many", [&good[..], &[0; 256]].concat()),
        case("no mark", vec![0; 256]),
        case("another mark", other_mark),
        case("something behind the mark", late),
        case("a mark and two blocks", [&[0x80][..], &[0; 511]].concat()),
    ]
}
