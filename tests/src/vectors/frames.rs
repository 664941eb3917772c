//! The five kinds of frames.

use agentmesh_core::{
    handshake::{self, InitialMessage, Suite},
    identity::Amid,
    keys::{Secret, VerifyingKey, kdf},
    wire::{
        control::{ControlError, Probe, ProbeReply, Refuse, RefuseReason},
        frame::{FrameError, NativeFrame},
        payload::{PayloadKind, from_payload, payload_kind, to_payload},
    },
};
use serde_json::{Value, json};

use super::{
    Topic,
    agents::Agent,
    opening::Opening,
    support::{NOW, Recorder, hex},
};

fn message_frame_vector(
    name: &str,
    opening: &Opening,
    key: &Secret<32>,
    plaintext: &[u8],
    frame: &[u8],
) -> Value {
    let parsed = NativeFrame::parse(frame.to_vec()).unwrap();
    let (hs, body) = match &parsed {
        NativeFrame::Handshake(frame) => (Some(hex(frame.hs())), frame.body()),
        NativeFrame::Message(frame) => (None, frame.body()),
        other => panic!("{other:?}"),
    };
    let number = |at: usize| u32::from_be_bytes(body[at..at + 4].try_into().unwrap());
    let mut vector = json!({
        "name": name,
        "kind": frame[1],
        "frame": hex(frame),
        "payload": to_payload(frame),
        "sid": hex(parsed.session_id().as_bytes()),
        "header": {
            "suite": body[1],
            "ratchet_key": hex(&body[2..34]),
            "pn": number(34),
            "n": number(38),
        },
        "nonce": hex(&body[42..54]),
        "ad": hex(opening.ad),
        "message_key": hex(key.as_bytes()),
        "plaintext": hex(plaintext),
    });
    if let Some(hs) = hs {
        let responder = opening.b.identity();
        vector["hs"] = hs.into();
        vector["responder_signing"] = hex(responder.signing_key().as_bytes()).into();
    }
    vector
}

fn control_vector(
    name: &str,
    from: &Agent,
    to: &Agent,
    frame: NativeFrame,
    fields: Value,
) -> Value {
    let bytes = frame.clone().encode();
    assert_eq!(NativeFrame::parse(bytes.clone()).as_ref(), Ok(&frame));
    assert_eq!(refuse_frame(&bytes, from.identity().amid(), to), None);
    let mut vector = fields;
    vector["name"] = name.into();
    vector["kind"] = bytes[1].into();
    vector["frame"] = hex(&bytes).into();
    vector["payload"] = to_payload(&bytes).into();
    vector["sid"] = hex(frame.session_id().as_bytes()).into();
    vector["from_seed"] = hex(from.seed).into();
    vector["from_amid"] = from.identity().amid().to_string().into();
    vector["to"] = hex(to.identity().signing_key().as_bytes()).into();
    vector
}

pub(crate) fn frame() -> Topic {
    let mut vectors = Vec::new();
    let mut openings = [(Suite::X25519, 530), (Suite::X25519MlKem768, 540)].map(|(suite, seed)| {
        let b = Agent::new(seed + 1);
        let b = if suite == Suite::X25519 { b.without_kem() } else { b };
        Opening::new(Agent::new(seed), b, suite, seed + 2)
    });
    for opening in &mut openings {
        let suite = opening.hs.suite().id();
        let (key, plaintext) = (opening.first_key.duplicate(), opening.first_plaintext.clone());
        let first = opening.first.clone();
        vectors.push(message_frame_vector(
            &format!("handshake, suite {suite}"),
            opening,
            &key,
            &plaintext,
            &first,
        ));
        let (key, plaintext, frame) = opening.next();
        vectors.push(message_frame_vector(
            &format!("message, suite {suite}"),
            opening,
            &key,
            &plaintext,
            frame.as_bytes(),
        ));
    }
    let [mut opening, _] = openings;
    let (a, b, sid) = (opening.a.clone(), opening.b.clone(), opening.sid);
    let (own, peer) = (a.identity(), b.identity());
    let mut rng = Recorder::new(550);
    let probe = Probe::sign(&peer, own.signing_key(), sid, NOW, &mut rng);
    let nonce = hex(probe.nonce());
    vectors.push(control_vector(
        "probe",
        &b,
        &a,
        NativeFrame::Probe(probe.clone()),
        json!({"nonce": nonce, "time": NOW.as_millis()}),
    ));
    let (.., enclosed) = opening.next();
    let known = ProbeReply::sign(&own, &probe, Some(enclosed.clone())).unwrap();
    vectors.push(control_vector(
        "probe reply, known",
        &a,
        &b,
        NativeFrame::ProbeReply(known.clone()),
        json!({"nonce": nonce, "known": true, "enclosed": hex(enclosed.as_bytes())}),
    ));
    let unknown = ProbeReply::sign(&own, &probe, None).unwrap();
    vectors.push(control_vector(
        "probe reply, unknown",
        &a,
        &b,
        NativeFrame::ProbeReply(unknown.clone()),
        json!({"nonce": nonce, "known": false, "enclosed": ""}),
    ));
    let blob = b.prekeys().bundle(&peer);
    let mut refuses = Vec::new();
    for (name, reason) in
        [("refuse, prekey gone", RefuseReason::PrekeyGone), ("refuse, suite", RefuseReason::Suite)]
    {
        let refuse = Refuse::sign(&peer, own.signing_key(), sid, reason, &blob).unwrap();
        refuses.push(NativeFrame::Refuse(refuse.clone()).encode());
        vectors.push(control_vector(
            name,
            &b,
            &a,
            NativeFrame::Refuse(refuse),
            json!({"refuse_reason": reason.code(), "blob": hex(&blob)}),
        ));
    }
    let samples = Samples {
        first: opening.first.clone(),
        second: enclosed.into_bytes(),
        probe: NativeFrame::Probe(probe).encode(),
        known: NativeFrame::ProbeReply(known).encode(),
        unknown: NativeFrame::ProbeReply(unknown).encode(),
        refuse: refuses.remove(0),
    };
    let refusals = frame_refusals(&a, &b, &samples);
    Topic { name: "frame", spec: "native.md §6", vectors, refusals }
}

/// Why a frame from `from` to `to` is refused before any session is asked.
fn refuse_frame(bytes: &[u8], from: Amid, to: &Agent) -> Option<&'static str> {
    let control = |error: ControlError| match error {
        ControlError::WrongSender => "amid-mismatch",
        ControlError::BadSignature { .. } => "signature",
        other => panic!("{other}"),
    };
    let own = *to.identity().signing_key();
    match NativeFrame::parse(bytes.to_vec()) {
        Err(FrameError::UnknownKind { .. }) => Some("unknown-kind"),
        Err(FrameError::UnknownSuite { .. }) => Some("suite"),
        Err(FrameError::Key { .. }) => Some("signing-key"),
        Err(_) => Some("malformed"),
        Ok(NativeFrame::Handshake(frame)) => {
            let hs = InitialMessage::parse(frame.hs()).unwrap();
            if hs.initiator() != from {
                return Some("amid-mismatch");
            }
            (handshake::session_id(&own, frame.hs()) != frame.session_id()).then_some("malformed")
        }
        Ok(NativeFrame::Message(_)) => None,
        Ok(NativeFrame::Probe(f)) => f.verify(&from, &own, f.time()).err().map(control),
        Ok(NativeFrame::ProbeReply(f)) => {
            f.verify(&from, &own, &f.session_id(), f.nonce()).err().map(control)
        }
        Ok(NativeFrame::Refuse(f)) => f.verify(&from, &own).err().map(control),
        Ok(other) => panic!("{other:?}"),
    }
}

struct Samples {
    first: Vec<u8>,
    second: Vec<u8>,
    probe: Vec<u8>,
    known: Vec<u8>,
    unknown: Vec<u8>,
    refuse: Vec<u8>,
}

fn frame_refusals(a: &Agent, b: &Agent, s: &Samples) -> Vec<Value> {
    const HS: usize = 110;
    // A sends, except where the frame is B's.
    let case = |name: &str, reason: &str, bytes: Vec<u8>, from: &Agent, to: &Agent| {
        let from = from.identity().amid();
        let told = refuse_frame(&bytes, from, to).unwrap_or_else(|| panic!("{name}"));
        let told_alike = reason.starts_with(told)
            || matches!(
                (told, reason),
                ("malformed", "wrong-suite") | ("unknown-kind", "malformed")
            );
        assert!(told_alike, "{name}: {told}");
        json!({
            "name": name,
            "reason": reason,
            "frame": hex(bytes),
            "from_amid": from.to_string(),
            "to": hex(to.identity().signing_key().as_bytes()),
        })
    };
    let ab = |name: &str, reason: &str, bytes: Vec<u8>| case(name, reason, bytes, a, b);
    let ba = |name: &str, reason: &str, bytes: Vec<u8>| case(name, reason, bytes, b, a);
    let with = |frame: &[u8], at: usize, bytes: &[u8]| {
        let mut frame = frame.to_vec();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        frame
    };
    let flipped = |frame: &[u8], at: usize| with(frame, at, &[frame[at] ^ 1]);
    let less = |frame: &[u8], n: usize| frame[..frame.len() - n].to_vec();
    let more = |frame: &[u8]| [frame, &[0]].concat();
    let third = Agent::new(551);
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let known = 2 + 16 + 16;
    let enclosed_sid = known + 1 + 32 + 4 + 2;
    let mut cases = vec![
        ab("nothing", "malformed", Vec::new()),
        ab("version 4", "malformed", with(&s.second, 0, &[4])),
        ab("kind 9", "unknown-kind", with(&s.second, 1, &[9])),
        ab("kind 0", "unknown-kind", with(&s.second, 1, &[0])),
        ab("a message of odd length", "malformed", less(&s.second, 1)),
        ab("a message without ciphertext", "malformed", s.second[..2 + 16 + 42 + 12 + 16].to_vec()),
        ab("a handshake of suite 1", "suite", with(&s.first, 2, &[1])),
        ab("a handshake of suite 4", "suite", with(&s.first, 2, &[4])),
        ab("a handshake with pn = 1", "malformed", with(&s.first, 2 + HS + 16 + 37, &[1])),
        ab("a handshake with n = 1", "malformed", with(&s.first, 2 + HS + 16 + 41, &[1])),
        ab(
            "a handshake with another suite in the header",
            "wrong-suite",
            with(&s.first, 2 + HS + 16 + 1, &[3]),
        ),
        ab("a handshake with another sid", "malformed", flipped(&s.first, 2 + HS)),
        ab("a handshake whose HS was changed", "malformed", flipped(&s.first, 2 + 40)),
        case("a handshake from somebody else", "amid-mismatch", s.first.clone(), &third, b),
        case("a handshake to somebody else", "malformed", s.first.clone(), a, &third),
        ba("a probe cut", "malformed", less(&s.probe, 1)),
        ba("a probe with a byte too many", "malformed", more(&s.probe)),
        ba("a probe about another session", "signature", flipped(&s.probe, 2)),
        ba("a probe with another nonce", "signature", flipped(&s.probe, 18)),
        ba("a probe with another time", "signature", flipped(&s.probe, 41)),
        case("a probe from somebody else", "amid-mismatch", s.probe.clone(), &third, a),
        case("a probe to somebody else", "signature", s.probe.clone(), b, &third),
        ba(
            "a probe with a key of small order",
            "signing-key-small-order",
            with(&s.probe, 42, &neutral),
        ),
        ab("known = 2", "malformed", with(&s.unknown, known, &[2])),
        ab("known without proof", "malformed", with(&s.unknown, known, &[1])),
        ab("proof of an unknown session", "malformed", with(&s.known, known, &[0])),
        ab("proof of another session", "malformed", flipped(&s.known, enclosed_sid)),
        ab("a proof that is no message", "malformed", with(&s.known, enclosed_sid - 1, &[3])),
        ab("a proof that was changed", "signature", flipped(&s.known, enclosed_sid + 100)),
        ab("a reply with a byte too many", "malformed", more(&s.unknown)),
        ba("a refusal cut", "malformed", less(&s.refuse, 1)),
        ba("a refusal for another reason", "signature", with(&s.refuse, 18, &[2])),
        ba("a refusal with another bundle", "signature", flipped(&s.refuse, 60)),
        case("a refusal from somebody else", "amid-mismatch", s.refuse.clone(), &third, a),
        case("a refusal to somebody else", "signature", s.refuse.clone(), b, &third),
    ];
    // A key of small order is refused before the sender is looked up, by the core; the checker says which it is.
    let small = cases.iter_mut().find(|c| c["reason"] == "signing-key-small-order").unwrap();
    let key = VerifyingKey::from_bytes(neutral);
    assert!(key.is_err());
    small["from_amid"] = amid_of(&neutral).into();
    for (name, reason, payload) in [
        ("base64 without padding", "base64", "AwI"),
        ("base64 with stray bits", "base64", "AwJ="),
        ("base64 for URLs", "base64", "Aw-_"),
        ("base64 with a line break", "base64", "AwIA\n"),
        ("a legacy payload", "legacy", "{}"),
        ("another version", "malformed", "BAIA"),
    ] {
        match payload_kind(payload) {
            PayloadKind::Legacy => assert_eq!(reason, "legacy"),
            PayloadKind::Native => assert!(from_payload(payload).is_err(), "{payload}"),
            _ => assert!(matches!(reason, "base64" | "malformed")),
        }
        cases.push(json!({"name": name, "reason": reason, "payload": payload}));
    }
    cases
}

/// The AMID that bytes would have which are no key.
fn amid_of(key: &[u8; 32]) -> String {
    let hash = kdf::sha256(&[key]);
    Amid::from_bytes(hash[..20].try_into().unwrap()).to_string()
}
