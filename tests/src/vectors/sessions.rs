//! Handshakes, and conversations of two sessions.

use agentmesh_core::{
    handshake::{self, Established, HandshakeError, InitialMessage, KemKind, ResponderKeys, Suite},
    keys::{DhSecretKey, KemCiphertext, KemSecretKey, Secret},
    prekeys::{BundleParts, KnownPeer, OneTimePart, PreKeyBundle},
};
use serde_json::{Value, json};

use super::{
    Topic,
    agents::{Agent, public},
    bundles::small_order_keys,
    support::{NOW, Recorder, hex},
    talk::Talk,
};

/// A handshake with everything that went into it.
pub(crate) struct Handshake {
    pub(crate) message: InitialMessage,
    pub(crate) established: Established,
    pub(crate) ephemeral: [u8; 32],
}

impl Handshake {
    /// Between two agents, with all one-time keys that B has.
    pub(crate) fn new(a: &Agent, b: &Agent, suite: Suite, seed: u64) -> Self {
        let publication = b.prekeys().publication(&b.identity());
        fn part(keys: &[agentmesh_core::prekeys::SignedOneTime]) -> Option<OneTimePart<'_>> {
            keys.first().map(|k| OneTimePart {
                id: k.id,
                key: &k.key,
                signature: k.signature.as_bytes(),
            })
        }
        let parts = BundleParts {
            blob: &publication.bundle,
            one_time: part(&publication.one_time),
            one_time_kem: part(&publication.one_time_kem),
        };
        let peer = KnownPeer::first_contact(b.identity().amid());
        let bundle = PreKeyBundle::verify(parts, &peer, NOW).unwrap();
        let mut rng = Recorder::new(seed);
        let (message, established) =
            handshake::initiate(&a.identity(), &bundle, suite, &mut rng).unwrap();
        let (identity, prekeys) = (b.identity(), b.prekeys());
        let parsed = InitialMessage::parse(message.as_bytes()).unwrap();
        let keys = ResponderKeys::find(identity.signing_key(), &prekeys, &parsed).unwrap();
        assert_eq!(handshake::accept(&parsed, keys).unwrap(), established);
        let ephemeral = rng.private_of(message.ephemeral());
        Self { message, established, ephemeral }
    }

    pub(crate) fn established(&self) -> Established {
        Established {
            shared_secret: self.established.shared_secret.duplicate(),
            associated_data: self.established.associated_data,
            session_id: self.established.session_id,
        }
    }
}

/// Only those of B's one-time keys that the handshake names.
fn named(b: &Agent, message: &InitialMessage) -> Agent {
    let mut b = b.clone();
    b.opk = b.opk.filter(|_| message.one_time_prekey_id() != 0);
    b.kpk = b.kpk.filter(|_| message.kem_kind() == KemKind::LastResort);
    b.kopk = b.kopk.filter(|_| message.kem_kind() == KemKind::OneTime);
    b
}

fn handshake_vector(name: &str, a: &Agent, b: &Agent, suite: Suite, seed: u64) -> Value {
    let Handshake { message, established, ephemeral } = Handshake::new(a, b, suite, seed);
    let used = named(b, &message);
    let dh = |private: &[u8; 32], peer: &[u8; 32]| {
        let shared = DhSecretKey::from_bytes(*private).diffie_hellman(&public(peer)).unwrap();
        hex(shared.as_bytes())
    };
    let decapsulate = |flip: u8| {
        used.kpk.as_ref().or(used.kopk.as_ref()).map(|kem| {
            let mut ciphertext = message.as_bytes()[110..].to_vec();
            *ciphertext.last_mut().unwrap() ^= flip;
            let ciphertext = KemCiphertext::from_bytes(&ciphertext).unwrap();
            let key = KemSecretKey::from_seed(Secret::new(kem.private));
            hex(key.decapsulate(&ciphertext).as_bytes())
        })
    };
    json!({
        "name": name,
        "suite": suite.id(),
        "initiator": {
            "signing_seed": hex(a.seed),
            "exchange_private": hex(a.exchange),
            "ephemeral_private": hex(ephemeral),
        },
        "responder": used.responder(),
        "hs": hex(message.as_bytes()),
        "dh1": dh(&a.exchange, &b.spk.private),
        "dh2": dh(&ephemeral, &b.exchange),
        "dh3": dh(&ephemeral, &b.spk.private),
        "dh4": used.opk.as_ref().map(|opk| dh(&ephemeral, &opk.private)),
        "ss": decapsulate(0),
        "ss_if_last_bit_flipped": decapsulate(1),
        "ad": hex(established.associated_data),
        "sid": hex(established.session_id.as_bytes()),
        "sk": hex(established.shared_secret.as_bytes()),
    })
}

pub(crate) fn handshake() -> Topic {
    let (a, b) = (Agent::new(200), Agent::new(201));
    let (x25519, hybrid) = (Suite::X25519, Suite::X25519MlKem768);
    let bare = b.clone().without_opk();
    let vectors = vec![
        handshake_vector("suite 2, OPK", &a, &b.clone().without_kem(), x25519, 210),
        handshake_vector("suite 2, no OPK", &a, &bare.clone().without_kem(), x25519, 211),
        handshake_vector("suite 3, KPK, OPK", &a, &b.clone().without_kopk(), hybrid, 212),
        handshake_vector("suite 3, KPK, no OPK", &a, &bare.clone().without_kopk(), hybrid, 213),
        handshake_vector("suite 3, KOPK, OPK", &a, &b, hybrid, 214),
        handshake_vector("suite 3, KOPK, no OPK", &a, &bare, hybrid, 215),
    ];
    Topic {
        name: "handshake", spec: "native.md §4", vectors, refusals: handshake_refusals(&a, &b)
    }
}

fn handshake_refusals(a: &Agent, b: &Agent) -> Vec<Value> {
    let (identity, prekeys) = (b.identity(), b.prekeys());
    let case = |name: &str, reason: &str, hs: Vec<u8>| {
        let refused = InitialMessage::parse(&hs)
            .and_then(|message| {
                let keys = ResponderKeys::find(identity.signing_key(), &prekeys, &message)?;
                handshake::accept(&message, keys)
            })
            .unwrap_err();
        let told = match refused {
            HandshakeError::Malformed { .. } => "malformed",
            HandshakeError::UnsupportedSuite { .. } => "suite",
            HandshakeError::NonContributory => "non-contributory",
            HandshakeError::PreKeyGone { .. } => "prekey-gone",
            other => panic!("{name}: {other}"),
        };
        assert_eq!(told, reason, "{name}");
        json!({"name": name, "reason": reason, "hs": hex(hs), "responder": b.responder()})
    };
    let plain = b.clone().without_kem();
    let two = Handshake::new(a, &plain, Suite::X25519, 220).message.as_bytes().to_vec();
    let three = Handshake::new(a, b, Suite::X25519MlKem768, 221).message.as_bytes().to_vec();
    let with = |hs: &[u8], at: usize, bytes: &[u8]| {
        let mut hs = hs.to_vec();
        hs[at..at + bytes.len()].copy_from_slice(bytes);
        hs
    };
    let id = |n: u32| n.to_be_bytes();
    let mut cases = vec![
        case("suite 1", "suite", with(&two, 0, &[1])),
        case("suite 4", "suite", with(&two, 0, &[4])),
        case("suite 3 with the length of suite 2", "malformed", with(&two, 0, &[3])),
        case("cut", "malformed", two[..109].to_vec()),
        case("a byte too many", "malformed", [&two[..], &[0]].concat()),
        case("SPK id 0", "malformed", with(&two, 97, &id(0))),
        case("OPK id 2^31", "malformed", with(&two, 101, &id(1 << 31))),
        case("KEM kind in suite 2", "malformed", with(&two, 105, &[1])),
        case("KEM id in suite 2", "malformed", with(&two, 106, &id(1))),
        case("KEM kind 0 in suite 3", "malformed", with(&three, 105, &[0])),
        case("KEM kind 3 in suite 3", "malformed", with(&three, 105, &[3])),
        case("KEM id 0 in suite 3", "malformed", with(&three, 106, &id(0))),
        case("unknown SPK", "prekey-gone", with(&two, 97, &id(8))),
        case("unknown OPK", "prekey-gone", with(&two, 101, &id(1000))),
        case("unknown KOPK", "prekey-gone", with(&three, 106, &id(34))),
        case("KOPK's id as KPK's", "prekey-gone", with(&three, 105, &[1])),
    ];
    for (i, key) in small_order_keys().iter().enumerate() {
        cases.push(case(&format!("small-order IKx {i}"), "non-contributory", with(&two, 33, key)));
        cases.push(case(&format!("small-order EK {i}"), "non-contributory", with(&three, 65, key)));
    }
    cases
}

pub(crate) fn transcript() -> Topic {
    let vectors = vec![
        transcript_vector("suite 2", Suite::X25519, 230),
        transcript_vector("suite 3", Suite::X25519MlKem768, 231),
    ];
    Topic { name: "transcript", spec: "native.md §5", vectors, refusals: Vec::new() }
}

fn transcript_vector(name: &str, suite: Suite, seed: u64) -> Value {
    let (a, b) = (Agent::new(seed + 10), Agent::new(seed + 20));
    let handshake = Handshake::new(&a, &b, suite, seed);
    let mut talk = Talk::new(suite, handshake.established(), b.spk.private, seed + 30);
    const A: bool = true;
    const B: bool = false;

    // The first chain: two overtake one, and everything comes twice.
    let [m0, m1, m2] = ["m0", "m1", "m2"].map(|text| talk.send(A, text.as_bytes()));
    talk.record(A);
    talk.deliver(B, m0, "opened");
    talk.record(B);
    talk.deliver(B, m0, "duplicate");
    talk.deliver(B, m2, "opened");
    talk.deliver(B, m2, "duplicate");
    talk.record(B);

    // Turns.
    let m3 = talk.send(B, b"");
    let m4 = talk.send(B, &[0; 255]);
    talk.deliver(A, m4, "opened");
    talk.record(A);
    talk.deliver(A, m3, "opened");
    let [m5, m6, m7] = [&[0x80; 256][..], &[0; 511], b"\x80\0"].map(|text| talk.send(A, text));
    talk.deliver(B, m7, "opened");
    talk.deliver(B, m5, "opened");
    let m8 = talk.send(B, b"m8");
    talk.deliver(A, m8, "opened");
    let m9 = talk.send(A, b"m9");

    // What anybody on the way can do changes nothing.
    let good = talk.message(m9);
    let with = |at: usize, bytes: &[u8]| {
        let mut message = good.clone();
        message[at..at + bytes.len()].copy_from_slice(bytes);
        message
    };
    let last = good.len() - 1;
    talk.inject(B, &with(last, &[good[last] ^ 1]), "undecryptable");
    talk.inject(B, &with(60, &[good[60] ^ 1]), "undecryptable");
    talk.inject(B, &with(42, &[good[42] ^ 1]), "undecryptable");
    talk.inject(B, &with(37, &[good[37] ^ 1]), "undecryptable");
    talk.inject(B, &with(41, &[good[41] ^ 1]), "undecryptable");
    talk.inject(B, &with(2, &[good[2] ^ 1]), "undecryptable");
    for small in small_order_keys() {
        talk.inject(B, &with(2, &small), "undecryptable");
    }
    talk.inject(B, &with(0, &[4]), "malformed");
    talk.inject(B, &with(1, &[5 - suite.id()]), "wrong-suite");
    talk.inject(B, &with(1, &[1]), "wrong-suite");
    talk.inject(B, &with(38, &1001u32.to_be_bytes()), "too-many-skipped");
    talk.inject(B, &with(34, &1004u32.to_be_bytes()), "too-many-skipped");
    talk.inject(B, &with(38, &u32::MAX.to_be_bytes()), "malformed");
    talk.inject(B, &good[..last], "malformed");
    talk.inject(B, &good[..42 + 12 + 16], "malformed");

    // It opens all the same, and its pn makes room for what was overtaken in the chain before.
    talk.deliver(B, m9, "opened");
    talk.deliver(B, m6, "opened");
    talk.deliver(B, m1, "opened");
    talk.deliver(B, m1, "duplicate");
    talk.record(B);

    // Two frames with a new ratchet key each while none is due: the second cannot be genuine. The first 8 bytes of the
    // tag say that it is a copy of the first.
    let m10 = talk.send(B, b"m10");
    talk.deliver(A, m10, "opened");
    let mut strange = talk.message(m10);
    strange[2..34].copy_from_slice(public(&[9; 32]).as_bytes());
    talk.inject(A, &strange, "duplicate");
    *strange.last_mut().unwrap() ^= 1;
    talk.inject(A, &strange, "duplicate");
    let tag = strange.len() - 16;
    strange[tag] ^= 1;
    talk.inject(A, &strange, "undecryptable");

    // A sender that goes back in time uses keys twice; the receiver opens the first use only.
    let before = talk.record(A);
    let m11 = talk.send(A, b"m11");
    let m12 = talk.send(A, b"m12");
    talk.deliver(B, m11, "opened");
    talk.deliver(B, m12, "opened");
    let in_chain = talk.record(A);
    let m13 = talk.send(A, b"m13");
    talk.deliver(B, m13, "opened");
    talk.restore(A, &in_chain);
    let again = talk.send(A, b"m13 once more");
    talk.deliver(B, again, "undecryptable");
    talk.deliver(B, m13, "duplicate");
    talk.restore(A, &before);
    let other = talk.send(A, b"another key for the same turn");
    talk.deliver(B, other, "undecryptable");

    // A skipped key waits 96 hours, and no longer.
    let m14 = talk.send(B, b"m14");
    let m15 = talk.send(B, b"m15");
    let m16 = talk.send(B, b"m16");
    talk.restore(A, &in_chain);
    talk.deliver(A, m16, "opened");
    talk.wait(96 * 3_600_000);
    talk.deliver(A, m14, "opened");
    talk.wait(1);
    talk.deliver(A, m15, "undecryptable");
    talk.record(A);
    talk.into_json(name)
}
