use proptest::prelude::*;

use super::*;
use crate::{
    handshake::SessionId,
    identity::Label,
    limits::{
        CLOCK_SKEW, DEFAULT_SESSION_TTL, KNOCK_MAX_AGE, MAX_CAPABILITY, MAX_KNOCK_CERTIFICATE,
        MAX_KNOCK_REQUEST, MAX_REASON,
    },
    wire::plaintext::MessageType,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2).map(|pair| core::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn with_certificate() -> Knock {
    Knock { certificate: Some(vec![1, 2, 3]), tier: Tier::Unknown("gold".into()), ..knock() }
}

fn decisions() -> [Decision; 4] {
    [
        Decision::accept(),
        Decision::Accept { ttl_s: Some(60) },
        Decision::reject("Tier anonymous below minimum verified"),
        Decision::reject_for("busy", 60),
    ]
}

#[test]
fn encodings_are_fixed() {
    let mut lines = Vec::new();
    for knock in [knock(), with_certificate()] {
        let signed = knock.seal(&alice(), &AD).unwrap();
        lines.push(format!("knock  {} {}", hex(&signed.body), hex(signed.signature.as_bytes())));
        assert_eq!(Knock::decode(&signed.body), Ok(knock));
    }
    for decision in decisions() {
        let (kind, signed) = Answer::new(&decision, [7; 16], NOW).seal(&bob(), &AD).unwrap();
        lines.push(format!("{kind:?} {} {}", hex(&signed.body), hex(signed.signature.as_bytes())));
    }
    insta::assert_snapshot!("knock_bodies", lines.join("\n"));
}

#[test]
fn knock_is_believed_in_its_session_from_its_sender() {
    let signed = knock().seal(&alice(), &AD).unwrap();
    let verified = open(&signed).unwrap();
    assert_eq!((verified.knock(), verified.request()), (&knock(), &request()));
    assert_eq!((verified.identity(), verified.amid()), (alice().signing_key(), alice().amid()));
    let elsewhere = Knock::open(&signed, alice().signing_key(), &[0; 32], checks());
    assert!(matches!(elsewhere, Err(KnockError::BadSignature { .. })));
    let other = Knock::open(&signed, bob().signing_key(), &AD, checks());
    assert!(matches!(other, Err(KnockError::BadSignature { .. })));
}

#[test]
fn knock_is_believed_for_four_days_and_five_minutes_ahead() {
    let signed = knock().seal(&alice(), &AD).unwrap();
    let at = |now| {
        let checks = KnockChecks { now, ..checks() };
        Knock::open(&signed, alice().signing_key(), &AD, checks).map(|_| ())
    };
    assert_eq!(at(NOW.plus_millis(KNOCK_MAX_AGE)), Ok(()));
    assert_eq!(at(NOW.plus_millis(KNOCK_MAX_AGE + 1)), Err(KnockError::Expired));
    assert_eq!(at(NOW.minus_millis(CLOCK_SKEW)), Ok(()));
    assert_eq!(at(NOW.minus_millis(CLOCK_SKEW + 1)), Err(KnockError::FromTheFuture));
}

#[test]
fn handshake_is_in_the_strongest_suite_that_it_could_be_in() {
    let check = |listed: &[u8], suite, own_suites: &[u8], pinned| {
        let knock = Knock { suites: listed.to_vec(), ..knock() };
        let signed = knock.seal(&alice(), &AD).unwrap();
        let checks = KnockChecks { now: NOW, suite, own_suites, pinned };
        Knock::open(&signed, alice().signing_key(), &AD, checks).map(|_| ())
    };
    let (two, three) = (Suite::X25519, Suite::X25519MlKem768);
    assert_eq!(check(&[2, 3], three, &[2, 3], Some(three)), Ok(()));
    assert_eq!(check(&[2, 3], two, &[2], Some(two)), Ok(()));
    assert_eq!(check(&[2], two, &[2, 3], None), Ok(()));
    assert_eq!(check(&[2, 9], two, &[2, 3], None), Ok(()));
    for (listed, pinned) in [(&[2, 3][..], None), (&[2], Some(three))] {
        let downgrade = check(listed, two, &[2, 3], pinned);
        assert!(matches!(downgrade, Err(KnockError::SuiteDowngrade { .. })));
    }
    // A suite in use that the initiator says it does not speak.
    assert!(matches!(check(&[2], three, &[2, 3], None), Err(KnockError::Body { .. })));
}

#[test]
fn every_byte_of_a_body_is_signed() {
    let signed = with_certificate().seal(&alice(), &AD).unwrap();
    for at in 0..signed.body.len() {
        let mut changed = signed.clone();
        changed.body[at] ^= 1;
        assert!(matches!(open(&changed), Err(KnockError::BadSignature { .. })), "{at}");
    }
}

#[test]
fn answers_are_believed_in_their_session_to_their_knock() {
    let nonce = knock().nonce;
    for decision in decisions() {
        let answer = Answer::new(&decision, nonce, NOW);
        let (kind, signed) = answer.seal(&bob(), &AD).unwrap();
        let open = |kind, ad: &[u8; 32], nonce: &[u8; 16]| {
            Answer::open(kind, &signed, bob().signing_key(), ad, nonce)
        };
        assert_eq!(open(kind, &AD, &nonce), Ok(answer));
        assert_eq!(open(kind, &AD, &[0; 16]), Err(KnockError::WrongNonce));
        assert!(matches!(open(kind, &[0; 32], &nonce), Err(KnockError::BadSignature { .. })));
        assert_eq!(open(MessageType::Knock, &AD, &nonce), Err(KnockError::NotAnAnswer));
        let other = Answer::open(kind, &signed, alice().signing_key(), &AD, &nonce);
        assert!(matches!(other, Err(KnockError::BadSignature { .. })));
    }
}

#[test]
fn long_reasons_are_cut_between_characters() {
    let answer = Answer::new(&Decision::reject("ü".repeat(MAX_REASON)), [7; 16], NOW);
    let Answer::Reject(reject) = &answer else { panic!("{answer:?}") };
    assert_eq!(reject.reason.len(), MAX_REASON);
    let answer =
        Answer::new(&Decision::reject(format!("x{}", "ü".repeat(MAX_REASON))), [7; 16], NOW);
    let (kind, signed) = answer.seal(&bob(), &AD).unwrap();
    let read = Answer::open(kind, &signed, bob().signing_key(), &AD, &[7; 16]);
    assert_eq!(read, Ok(answer));
}

#[test]
fn bodies_are_checked() {
    let nonce = format!("50{}", "07".repeat(16));
    let decode = |body: &str| match Knock::decode(&unhex(body)) {
        Ok(_) => None,
        Err(KnockError::Body { source }) => Some(source),
        Err(other) => panic!("{other}"),
    };
    let whole = format!("a5 01627b7d 026161 0401 05{nonce} 06820203");
    assert_eq!(decode(&whole), None);
    let more = format!("a7 01627b7d 026161 0401 05{nonce} 06820203 07f6 1818a0");
    assert_eq!(decode(&more), None);
    let invalid = |field| Some(CborError::InvalidValue { field });
    for suites in ["80", "820302", "820202", "8100", "81190100"] {
        let body = format!("a5 01627b7d 026161 0401 05{nonce} 06{suites}");
        assert_eq!(decode(&body), invalid("suites"), "{suites}");
    }
    let missing = format!("a4 01627b7d 026161 0401 05{nonce}");
    assert_eq!(decode(&missing), Some(CborError::Missing { field: "suites" }));
    assert_eq!(decode(&format!("{whole}00")), Some(CborError::TrailingBytes { extra: 1 }));
    let too_long = |field, limit| Some(CborError::TooLong { field, limit, actual: limit + 1 });
    assert_eq!(decode("a1 01 194001"), Some(CborError::WrongType { field: "request" }));
    assert_eq!(decode("a1 01 794001"), too_long("request", MAX_KNOCK_REQUEST));
    assert_eq!(decode("a1 02 7821"), too_long("tier", 32));
    assert_eq!(decode("a1 03 592001"), too_long("certificate", MAX_KNOCK_CERTIFICATE));
    assert_eq!(decode("b1"), too_long("KNOCK", 16));

    let certificate = Some(vec![0; MAX_KNOCK_CERTIFICATE + 1]);
    assert!(Knock { certificate, ..knock() }.seal(&alice(), &AD).is_err());
    assert!(Knock { suites: vec![], ..knock() }.seal(&alice(), &AD).is_err());
    assert!(Knock { request: "{}".into(), ..knock() }.seal(&alice(), &AD).is_err());
}

#[test]
fn request_is_read_and_written_as_0_2_does() {
    let text = concat!(
        r#"{"type":"streaming","ttl":60,"expectedMessages":5,"intent":{"capability":"☃/日本","#,
        r#""action":"sub\"\\\n ","params":{"b":1,"a":[true,null,{"z":0.1}],"n":1e+21}},"priority":7.5}"#
    );
    let request = KnockRequest::parse(text).unwrap();
    assert_eq!(request.session_type, SessionType::Streaming);
    assert_eq!((request.ttl_s, request.expected_messages), (60, Some(5)));
    assert_eq!(request.intent.capability, "☃/日本");
    assert_eq!(request.priority, Some(7.5));
    assert_eq!(request.to_json().as_deref(), Ok(text));
    // Members that nobody knows are passed over.
    let more = text.replacen('{', r#"{"x3dh":{"a":[]},"#, 1);
    assert_eq!(KnockRequest::parse(&more), Ok(request));
}

#[test]
fn request_is_checked() {
    let with = |ttl: &str, capability: &str| {
        let text = format!(
            r#"{{"type":"one-shot","ttl":{ttl},"intent":{{"capability":{capability},"action":"a"}}}}"#
        );
        KnockRequest::parse(&text)
    };
    assert_eq!(with("0", r#""c""#).unwrap().ttl_s, DEFAULT_SESSION_TTL);
    assert_eq!(with("9007199254740991", r#""c""#).unwrap().ttl_s, 9_007_199_254_740_991);
    for ttl in ["-1", "1.5", "null", "\"60\"", "1e400"] {
        assert!(with(ttl, r#""c""#).is_err(), "{ttl}");
    }
    let long = |n: usize| format!("{:?}", "c".repeat(n));
    assert!(with("1", &long(MAX_CAPABILITY)).is_ok());
    assert!(matches!(with("1", &long(MAX_CAPABILITY + 1)), Err(KnockError::Body { .. })));
    for bad in [
        "",
        "{}",
        "[]",
        r#"{"type":"one-shot","ttl":1}"#,
        r#"["one-shot",1,null,{"capability":"c","action":"a"},null]"#,
        r#"{"type":"one-shot","ttl":1,"intent":["c","a"]}"#,
        r#"{"type":"forever","ttl":1,"intent":{"capability":"c","action":"a"}}"#,
        r#"{"type":"one-shot","ttl":1,"intent":{"action":"a"}}"#,
        r#"{"type":"one-shot","ttl":1,"ttl":2,"intent":{"capability":"c","action":"a"}}"#,
        r#"{"type":"one-shot","ttl":1,"intent":{"capability":"c","action":"a"}} x"#,
    ] {
        assert!(matches!(KnockRequest::parse(bad), Err(KnockError::Request { .. })), "{bad}");
    }
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    assert!(matches!(KnockRequest::parse(&deep), Err(KnockError::Body { .. })));
    let mut request = request();
    request.intent.params = Some("{".into());
    assert!(matches!(request.to_json(), Err(KnockError::Request { .. })));
    request.intent.params = Some(format!("{:?}", "x".repeat(MAX_KNOCK_REQUEST)));
    assert!(matches!(request.to_json(), Err(KnockError::Body { .. })));
}

#[test]
fn handler_sees_what_was_verified() {
    let sid = SessionId::from_bytes([9; 16]);
    let info = verified(&knock()).into_info(sid, Suite::X25519MlKem768);
    assert_eq!((info.from, info.session_id), (alice().amid(), sid));
    assert_eq!(info.request, request());
    let stored = KnockInfo::new(*alice().signing_key(), sid, Suite::X25519MlKem768, knock());
    assert_eq!(stored, Ok(info.clone()));
    let context = info.context(NOW.plus_millis(5));
    assert_eq!(
        (context.from, context.capability, context.ttl_s),
        (info.from, "weather/forecast", 300)
    );
    assert_eq!((context.age_ms, context.legacy), (5, false));
    // The registry says who the peer is, not the peer.
    let boast = Knock { tier: Tier::Organization, ..knock() };
    let info = verified(&boast).into_info(sid, Suite::X25519);
    assert_eq!(info.context(NOW).tier, Tier::Anonymous);
}

#[test]
fn debug_shows_no_content() {
    let mut request = request();
    request.intent.params = Some("\"secret\"".into());
    let knock = Knock::new(&request, Tier::Anonymous, &[2], NOW, &mut seeded_rng(3)).unwrap();
    let text = format!("{request:?} {knock:?}");
    assert!(!text.contains("secret"), "{text}");
}

proptest! {
    #[test]
    fn knock_round_trips(
        capability in "\\PC{0,40}",
        action in "\\PC{0,40}",
        params in proptest::option::of("[a-z]{0,20}"),
        ttl_s in 1..u64::MAX,
        tier in "[a-z]{0,32}",
        certificate in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..100)),
        suites in proptest::collection::btree_set(1..=255u8, 1..16),
        seed in any::<u64>(),
    ) {
        let mut request = KnockRequest::new(capability, action);
        request.intent.params = params.map(|p| format!("{p:?}"));
        request.ttl_s = ttl_s;
        let suites: Vec<u8> = suites.into_iter().collect();
        let tier = Tier::from(tier.as_str());
        let mut knock = Knock::new(&request, tier, &suites, NOW, &mut seeded_rng(seed)).unwrap();
        knock.certificate = certificate;
        let signed = knock.seal(&alice(), &AD).unwrap();
        prop_assert_eq!(Knock::decode(&signed.body), Ok(knock.clone()));
        prop_assert_eq!(KnockRequest::parse(&knock.request), Ok(request));
    }

    #[test]
    fn decoding_never_panics(
        noise in proptest::collection::vec(any::<u8>(), 0..80),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        text in "\\PC{0,60}",
    ) {
        let mut body = with_certificate().seal(&alice(), &AD).unwrap().body;
        for (at, byte) in edits {
            let at = at.index(body.len());
            body[at] = byte;
        }
        for bytes in [&body, &noise] {
            let _ = Knock::decode(bytes);
            for kind in [MessageType::Accept, MessageType::Reject] {
                // Signed by a peer that may send what it likes.
                let reject = kind == MessageType::Reject;
                let label = if reject { Label::Reject } else { Label::Accept };
                let signed = signed::sign(label, bytes.clone(), &bob(), &AD);
                let _ = Answer::open(kind, &signed, bob().signing_key(), &AD, &[7; 16]);
            }
        }
        let _ = KnockRequest::parse(&text);
    }
}
