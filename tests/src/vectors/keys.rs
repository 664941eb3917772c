//! Identities and signatures.

use agentmesh_core::{
    identity::{Amid, Label},
    keys::{KeyError, Signature, SigningKey, VerifyingKey},
};
use serde_json::{Value, json};

use super::{
    Topic,
    agents::sign,
    support::{Recorder, hex},
};

/// Ten identities, among them one whose AMID begins with a `1`.
pub(crate) fn identity() -> Topic {
    let vector = |name: String, seed: [u8; 32]| {
        let key = *SigningKey::from_seed(seed).verifying_key();
        let amid = Amid::of(&key);
        let text = amid.to_string();
        assert_eq!(text.parse::<Amid>().unwrap(), amid);
        json!({"name": name, "seed": hex(seed), "public": hex(key.as_bytes()), "amid": text})
    };
    let mut rng = Recorder::new(100);
    let mut vectors: Vec<_> = (0..9).map(|i| vector(format!("random {i}"), rng.bytes())).collect();
    let leading = loop {
        let seed = rng.bytes();
        if Amid::of(SigningKey::from_seed(seed).verifying_key()).as_bytes()[0] == 0 {
            break seed;
        }
    };
    vectors.push(vector("leading zero byte".to_owned(), leading));
    Topic { name: "identity", spec: "native.md §2", vectors, refusals: Vec::new() }
}

const LABELS: [(Label, &str); 11] = [
    (Label::Bundle, "bundle"),
    (Label::Opk, "opk"),
    (Label::Kem, "kem"),
    (Label::Knock, "knock"),
    (Label::Accept, "accept"),
    (Label::Reject, "reject"),
    (Label::Probe, "probe"),
    (Label::ProbeReply, "probe-reply"),
    (Label::Refuse, "refuse"),
    (Label::Connect, "connect"),
    (Label::Request, "request"),
];

pub(crate) fn signature() -> Topic {
    let mut rng = Recorder::new(101);
    let vectors = LABELS
        .iter()
        .enumerate()
        .map(|(i, (label, text))| {
            let seed = rng.bytes();
            let message = rng.bytes::<64>()[..i * 5].to_vec();
            let made = sign(&seed, *label, &message);
            let key = *SigningKey::from_seed(seed).verifying_key();
            key.verify_labelled(*label, &[&message], &made).unwrap();
            json!({
                "name": text,
                "seed": hex(seed),
                "public": hex(key.as_bytes()),
                "label": text,
                "message": hex(&message),
                "signature": hex(made.as_bytes()),
            })
        })
        .collect();
    Topic { name: "signature", spec: "native.md §2", vectors, refusals: signature_refusals() }
}

/// L, the order of the base point, little-endian.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// s + L, which a verifier that reduces s takes for s.
pub(crate) fn plus_l(s: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    s.iter()
        .zip(L)
        .map(|(s, l)| {
            carry += u16::from(*s) + u16::from(l);
            let byte = carry.to_le_bytes()[0];
            carry >>= 8;
            byte
        })
        .collect()
}

fn signature_refusals() -> Vec<Value> {
    let seed = Recorder::new(102).bytes();
    let key = *SigningKey::from_seed(seed).verifying_key();
    let message = b"message";
    let good = *sign(&seed, Label::Knock, message).as_bytes();
    let neutral = {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        neutral
    };
    // With A = neutral, [s]B - [k]A is [s]B whatever the message: R = B and s = 1 pass where small order is not checked.
    let mut base = [0x66; 32];
    base[0] = 0x58;
    let forged = [base, neutral].concat();
    let mut non_canonical = [0xff; 32];
    non_canonical[0] = 0xee;
    non_canonical[31] = 0x7f;
    let case = |name, reason, public: &[u8], label, text: &str, signature: &[u8]| {
        let made = Signature::from_slice(signature).unwrap();
        let refused = VerifyingKey::from_slice(public)
            .and_then(|key| key.verify_labelled(label, &[message], &made));
        let wanted = match reason {
            "signing-key-small-order" | "signing-key-not-canonical" => {
                KeyError::InvalidVerifyingKey
            }
            _ => KeyError::BadSignature,
        };
        assert_eq!(refused, Err(wanted), "{name}");
        json!({
            "name": name,
            "reason": reason,
            "public": hex(public),
            "label": text,
            "message": hex(message),
            "signature": hex(signature),
        })
    };
    let knock = |name, reason, public: &[u8], signature: &[u8]| {
        case(name, reason, public, Label::Knock, "knock", signature)
    };
    let own = key.as_bytes();
    vec![
        knock(
            "S >= L",
            "signature-s-not-reduced",
            own,
            &[&good[..32], &plus_l(&good[32..])].concat(),
        ),
        knock(
            "another key",
            "signature",
            SigningKey::from_seed([9; 32]).verifying_key().as_bytes(),
            &good,
        ),
        case("another label", "signature", own, Label::Accept, "accept", &good),
        knock("small-order A, forged without a key", "signing-key-small-order", &neutral, &forged),
        knock("small-order A, zero", "signing-key-small-order", &[0; 32], &good),
        knock("non-canonical A", "signing-key-not-canonical", &non_canonical, &good),
        knock(
            "small-order R",
            "signature-r-small-order",
            own,
            &[&neutral[..], &good[32..]].concat(),
        ),
        knock(
            "non-canonical R",
            "signature-r-not-canonical",
            own,
            &[&non_canonical[..], &good[32..]].concat(),
        ),
        knock("another S", "signature", own, &[&good[..32], &[0; 32]].concat()),
    ]
}
