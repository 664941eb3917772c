//! KNOCK, ACCEPT and REJECT.

use agentmesh_core::{
    Timestamp,
    handshake::Suite,
    identity::Label,
    keys::VerifyingKey,
    knock::{Accept, Answer, Decision, Knock, KnockChecks, KnockError, KnockRequest, Reject, Tier},
    wire::plaintext::{MessageType, SignedBody},
};
use serde_json::{Value, json};

use super::{
    Topic,
    agents::{Agent, sign},
    cbor::{bytes, list, map, text, uint},
    plaintexts::is_cbor_reason,
    support::{NOW, Recorder, hex, lp},
};

/// All of it as one KNOCK is measured.
struct KnockCase<'a> {
    signer: &'a Agent,
    ad: [u8; 32],
    now: Timestamp,
    suite: Suite,
    own_suites: &'a [u8],
    pinned: Option<Suite>,
}

impl KnockCase<'_> {
    fn checks(&self) -> KnockChecks<'_> {
        let Self { now, suite, own_suites, pinned, .. } = *self;
        KnockChecks { now, suite, own_suites, pinned }
    }

    fn add_to(&self, vector: &mut Value) {
        vector["ad"] = hex(self.ad).into();
        vector["now"] = self.now.as_millis().into();
        vector["suite"] = self.suite.id().into();
        vector["pinned_suite"] = self.pinned.map_or(0, Suite::id).into();
    }
}

const REQUEST: &str = r#"{"type":"streaming","ttl":600,"expectedMessages":3,"intent":{"capability":"weather/forecast","action":"query","params":{"city":"Troms\u00f8"}},"priority":0.5,"later":[]}"#;

fn knock_vector(name: &str, knock: &Knock, case: &KnockCase<'_>) -> Value {
    let signer = case.signer.identity();
    let sealed = knock.seal(&signer, &case.ad).unwrap();
    let opened = Knock::open(&sealed, signer.signing_key(), &case.ad, case.checks()).unwrap();
    assert_eq!(opened.knock(), knock);
    let mut vector = json!({
        "name": name,
        "type": 16,
        "signer_seed": hex(case.signer.seed),
        "body": hex(&sealed.body),
        "signature": hex(sealed.signature.as_bytes()),
        "fields": {
            "request": knock.request,
            "tier": knock.tier.as_str(),
            "certificate": knock.certificate.as_ref().map(hex),
            "time": knock.time.as_millis(),
            "nonce": hex(knock.nonce),
            "suites": knock.suites,
        },
    });
    case.add_to(&mut vector);
    vector
}

fn answer_vector(name: &str, agent: &Agent, decision: &Decision, rng: &mut Recorder) -> Value {
    let (ad, nonce) = (rng.bytes(), rng.bytes());
    let identity = agent.identity();
    let answer = Answer::new(decision, nonce, NOW);
    let (kind, sealed) = answer.seal(&identity, &ad).unwrap();
    let opened = Answer::open(kind, &sealed, identity.signing_key(), &ad, &nonce);
    assert_eq!(opened.as_ref(), Ok(&answer));
    let fields = match &answer {
        Answer::Accept(Accept { time, ttl_s, .. }) => {
            json!({"knock_nonce": hex(nonce), "time": time.as_millis(), "ttl": ttl_s})
        }
        Answer::Reject(Reject { time, reason, retry_after_s, .. }) => json!({
            "knock_nonce": hex(nonce),
            "time": time.as_millis(),
            "reason": reason,
            "retry_after": retry_after_s,
        }),
    };
    json!({
        "name": name,
        "type": kind.code(),
        "signer_seed": hex(agent.seed),
        "ad": hex(ad),
        "knock_nonce": hex(nonce),
        "body": hex(&sealed.body),
        "signature": hex(sealed.signature.as_bytes()),
        "fields": fields,
    })
}

pub(crate) fn knock() -> Topic {
    let agent = Agent::new(520);
    let mut rng = Recorder::new(521);
    let case = |rng: &mut Recorder, now| KnockCase {
        signer: &agent,
        ad: rng.bytes(),
        now,
        suite: Suite::X25519MlKem768,
        own_suites: &[2, 3, 200],
        pinned: Some(Suite::X25519MlKem768),
    };
    let plain = KnockRequest::new("weather/forecast", "query");
    let knock = Knock::new(&plain, Tier::Anonymous, &[2, 3], NOW, &mut rng).unwrap();
    let mut full = Knock::new(&plain, Tier::Organization, &[1, 2, 3, 200], NOW, &mut rng).unwrap();
    full.request = REQUEST.into();
    full.certificate = Some(rng.bytes::<48>().to_vec());
    let weak = Knock::new(&plain, Tier::Verified, &[2], NOW, &mut rng).unwrap();
    let vectors = vec![
        knock_vector("KNOCK", &knock, &case(&mut rng, NOW)),
        knock_vector("KNOCK with everything", &full, &case(&mut rng, NOW)),
        knock_vector(
            "KNOCK of an agent with suite 2 only",
            &weak,
            &KnockCase { suite: Suite::X25519, pinned: None, ..case(&mut rng, NOW) },
        ),
        knock_vector(
            "KNOCK 96 hours old",
            &knock,
            &case(&mut rng, NOW.plus_millis(96 * 3_600_000)),
        ),
        knock_vector("KNOCK 5 minutes ahead", &knock, &case(&mut rng, NOW.minus_millis(300_000))),
        answer_vector("ACCEPT", &agent, &Decision::accept(), &mut rng),
        answer_vector("ACCEPT with ttl", &agent, &Decision::Accept { ttl_s: Some(60) }, &mut rng),
        answer_vector("REJECT", &agent, &Decision::reject("blocked"), &mut rng),
        answer_vector(
            "REJECT for a while",
            &agent,
            &Decision::reject_for("zu besch\u{e4}ftigt", 3600),
            &mut rng,
        ),
    ];
    let mut refusals = knock_refusals(&knock, &case(&mut rng, NOW));
    refusals.extend(answer_refusals(&agent, &mut rng));
    Topic { name: "knock", spec: "native.md §6.2", vectors, refusals }
}

fn sign_body(agent: &Agent, label: Label, ad: &[u8; 32], body: &[u8]) -> SignedBody {
    let signature = sign(&agent.seed, label, &[&ad[..], &lp(body)].concat());
    SignedBody { body: body.to_vec(), signature }
}

fn knock_refusals(knock: &Knock, good: &KnockCase<'_>) -> Vec<Value> {
    let signer = good.signer.identity();
    let key = *signer.signing_key();
    let sealed = knock.seal(&signer, &good.ad).unwrap();
    let case =
        |name: &str, reason: &str, signed: &SignedBody, key: &VerifyingKey, how: &KnockCase<'_>| {
            let refused = Knock::open(signed, key, &how.ad, how.checks()).unwrap_err();
            assert!(is_knock_reason(&refused, reason), "{name}: {refused}");
            let mut case = json!({
                "name": name,
                "reason": reason,
                "type": 16,
                "signer": hex(key.as_bytes()),
                "body": hex(&signed.body),
                "signature": hex(signed.signature.as_bytes()),
            });
            how.add_to(&mut case);
            case["own_suites"] = how.own_suites.into();
            case
        };
    let at = |now| KnockCase { now, ..*good };
    let entries = |changes: &[(u64, Vec<u8>)]| {
        let mut entries = vec![
            (1, text(&knock.request)),
            (2, text("anonymous")),
            (4, uint(NOW.as_millis())),
            (5, bytes(&knock.nonce)),
            (6, list(&[uint(2), uint(3)])),
        ];
        for (key, value) in changes {
            entries.retain(|(k, _)| k != key);
            entries.push((*key, value.clone()));
        }
        entries.sort_by_key(|(key, _)| *key);
        entries
    };
    let signed = |body: &[u8]| sign_body(good.signer, Label::Knock, &good.ad, body);
    assert_eq!(signed(&map(&entries(&[]))), sealed);
    let with = |name: &str, reason: &str, changes: &[(u64, Vec<u8>)]| {
        case(name, reason, &signed(&map(&entries(changes))), &key, good)
    };
    let mut twice = entries(&[]);
    twice.insert(1, twice[0].clone());
    let request = |json: &str| [(1, text(json))];
    let mut malleable = sealed.clone();
    malleable.body[10] ^= 1;
    vec![
        case("another AD", "signature", &sealed, &key, &KnockCase { ad: [1; 32], ..*good }),
        case(
            "another signer",
            "signature",
            &sealed,
            Agent::new(529).identity().signing_key(),
            good,
        ),
        case("another body", "signature", &malleable, &key, good),
        case(
            "an ACCEPT's signature",
            "signature",
            &sign_body(good.signer, Label::Accept, &good.ad, &sealed.body),
            &key,
            good,
        ),
        case("too old", "knock-expired", &sealed, &key, &at(NOW.plus_millis(96 * 3_600_000 + 1))),
        case(
            "from the future",
            "knock-from-the-future",
            &sealed,
            &key,
            &at(NOW.minus_millis(300_001)),
        ),
        case(
            "a weaker suite than both speak",
            "suite-downgrade",
            &sealed,
            &key,
            &KnockCase { suite: Suite::X25519, pinned: None, ..*good },
        ),
        case(
            "a weaker suite than pinned",
            "suite-downgrade",
            &sealed,
            &key,
            &KnockCase { suite: Suite::X25519, own_suites: &[2], ..*good },
        ),
        case("a key twice", "cbor-duplicate-key", &signed(&map(&twice)), &key, good),
        with("a suite that it does not list", "suite-set", &[(6, list(&[uint(2)]))]),
        with("suites not ascending", "suite-set", &[(6, list(&[uint(3), uint(2)]))]),
        with("a suite twice", "suite-set", &[(6, list(&[uint(3), uint(3)]))]),
        with("suite 0", "suite-set", &[(6, list(&[uint(0), uint(3)]))]),
        with("suite 256", "suite-set", &[(6, list(&[uint(3), uint(256)]))]),
        with("a short nonce", "cbor-type", &[(5, bytes(&[0; 15]))]),
        with("a long tier", "cbor-too-long", &[(2, text(&"x".repeat(33)))]),
        with("a request that is no JSON", "json", &request("{")),
        with("a request that is no object", "knock-request", &request("[]")),
        with(
            "a request without intent",
            "knock-request",
            &request(r#"{"type":"one-shot","ttl":1}"#),
        ),
        with(
            "a request with two intents",
            "knock-request",
            &request(
                r#"{"type":"one-shot","ttl":1,"intent":{"capability":"a","action":"b"},"intent":{"capability":"c","action":"d"}}"#,
            ),
        ),
    ]
}

fn answer_refusals(agent: &Agent, rng: &mut Recorder) -> Vec<Value> {
    let (ad, nonce): ([u8; 32], [u8; 16]) = (rng.bytes(), rng.bytes());
    let identity = agent.identity();
    let key = identity.signing_key();
    let (_, accept) = Answer::new(&Decision::accept(), nonce, NOW).seal(&identity, &ad).unwrap();
    let (_, reject) =
        Answer::new(&Decision::reject("no"), nonce, NOW).seal(&identity, &ad).unwrap();
    let case = |name: &str,
                reason: &str,
                kind: MessageType,
                signed: &SignedBody,
                ad: [u8; 32],
                nonce: [u8; 16]| {
        let refused = Answer::open(kind, signed, key, &ad, &nonce).unwrap_err();
        assert!(is_knock_reason(&refused, reason), "{name}: {refused}");
        json!({
            "name": name,
            "reason": reason,
            "type": kind.code(),
            "signer": hex(key.as_bytes()),
            "ad": hex(ad),
            "knock_nonce": hex(nonce),
            "body": hex(&signed.body),
            "signature": hex(signed.signature.as_bytes()),
        })
    };
    vec![
        case("a REJECT taken for an ACCEPT", "signature", MessageType::Accept, &reject, ad, nonce),
        case("an ACCEPT taken for a REJECT", "signature", MessageType::Reject, &accept, ad, nonce),
        case(
            "an ACCEPT of another session",
            "signature",
            MessageType::Accept,
            &accept,
            [2; 32],
            nonce,
        ),
        case(
            "an ACCEPT of another KNOCK",
            "knock-nonce",
            MessageType::Accept,
            &accept,
            ad,
            [3; 16],
        ),
    ]
}

fn is_knock_reason(error: &KnockError, reason: &str) -> bool {
    match error {
        KnockError::BadSignature { .. } => reason == "signature",
        KnockError::Body { source } => is_cbor_reason(source, reason),
        KnockError::Request { .. } => ["json", "knock-request"].contains(&reason),
        KnockError::Expired => reason == "knock-expired",
        KnockError::FromTheFuture => reason == "knock-from-the-future",
        KnockError::SuiteDowngrade { .. } => reason == "suite-downgrade",
        KnockError::WrongNonce => reason == "knock-nonce",
        _ => false,
    }
}
