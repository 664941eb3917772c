//! Stored records: what each field is, and that a session goes on from one.

use agentmesh_core::{
    Timestamp,
    codec::{CodecError, Reader},
    handshake::Suite,
    identity::Identity,
    keys::DhPublicKey,
    prekeys::PreKeys,
    session::Session,
};
use serde_json::{Value, json};

use super::{
    Topic,
    agents::Agent,
    sessions::Handshake,
    support::{NOW, Recorder, hex},
    talk::record,
};

type Read<T> = Result<T, CodecError>;

/// Reads `docs/protocol/state.md` once more, for the vector's fields.
fn session_fields(bytes: &[u8]) -> Read<Value> {
    let mut r = Reader::new(bytes);
    assert_eq!(r.u8("version")?, 1);
    let mut fields = json!({
        "suite": r.u8("suite")?,
        "sid": hex(r.bytes(16, "sid")?),
        "ad": hex(r.bytes(32, "ad")?),
        "created_at": r.u64("created")?,
        "root_key": hex(r.bytes(32, "root")?),
    });
    fields["sending"] = r
        .option("turn", |r| {
            Ok(json!({
                "ratchet_private": hex(r.bytes(32, "private")?),
                "ratchet_public": hex(r.bytes(32, "public")?),
                "chain_key": hex(r.bytes(32, "chain")?),
                "n": r.u32("n")?,
            }))
        })?
        .into();
    fields["pn"] = r.u32("pn")?.into();
    fields["receiving"] = r
        .option("receiving", |r| {
            Ok(json!({
                "ratchet_public": hex(r.bytes(32, "public")?),
                "chain_key": hex(r.bytes(32, "chain")?),
                "n": r.u32("n")?,
            }))
        })?
        .into();
    let mut runs = Vec::new();
    for _ in 0..r.count(2000, "runs")? {
        let (key, since) = (hex(r.bytes(32, "key")?), r.u64("since")?);
        let mut keys = Vec::new();
        for _ in 0..r.count(2000, "keys")? {
            keys.push(json!({"n": r.u32("n")?, "key": hex(r.bytes(32, "key")?)}));
        }
        runs.push(json!({"ratchet_public": key, "since": since, "keys": keys}));
    }
    fields["skipped"] = runs.into();
    let mut tags = Vec::new();
    for _ in 0..r.count(128, "tags")? {
        tags.push(hex(r.bytes(8, "tag")?));
    }
    fields["recent_tags"] = tags.into();
    r.finish("session")?;
    Ok(fields)
}

/// Two ends in the middle of a conversation.
struct Pair {
    a: Session,
    b: Session,
    rng: Recorder,
}

impl Pair {
    fn new(suite: Suite, seed: u64) -> Self {
        let (a, b) = (Agent::new(seed + 1), Agent::new(seed + 2));
        let handshake = Handshake::new(&a, &b, suite, seed);
        let spk = agentmesh_core::keys::DhSecretKey::from_bytes(b.spk.private);
        let mut rng = Recorder::new(seed + 3);
        let mut a =
            Session::initiate(suite, handshake.established(), spk.public_key(), NOW, &mut rng)
                .unwrap();
        let first = a.encrypt(b"first", NOW, &mut rng).unwrap();
        let mut b =
            Session::accept(suite, handshake.established(), &spk, &first[16..], NOW, &mut rng)
                .unwrap();
        b.decrypt(&first[16..], NOW).unwrap();
        Self { a, b, rng }
    }

    /// A vector of A's state, in which A then gets `inbound` and sends once.
    fn vector(&mut self, name: &str, at: Timestamp, inbound: &[(Vec<u8>, &str)]) -> Value {
        let before = record(&self.a);
        let mut again = Session::from_record(&mut Reader::new(&before)).unwrap();
        assert_eq!(record(&again), before);
        let mut then = Vec::new();
        for (message, plaintext) in inbound {
            assert_eq!(again.decrypt(message, at).unwrap(), plaintext.as_bytes());
            then.push(json!({
                "op": "deliver",
                "message": hex(message),
                "at": at.as_millis(),
                "result": "opened",
                "plaintext": hex(plaintext),
            }));
        }
        let due = again.describe().turn_due;
        let message = again.encrypt(b"going on", at, &mut self.rng).unwrap()[16..].to_vec();
        let key = DhPublicKey::from_slice(&message[2..34]).unwrap();
        then.push(json!({
            "op": "send",
            "plaintext": hex("going on"),
            "ratchet_private": due.then(|| hex(self.rng.private_of(&key))),
            "message": hex(message),
        }));
        json!({
            "name": name,
            "record": hex(&before),
            "fields": session_fields(&before).unwrap(),
            "then": then,
            "after": hex(record(&again)),
        })
    }

    fn b_says(&mut self, text: &str) -> Vec<u8> {
        self.b.encrypt(text.as_bytes(), NOW, &mut self.rng).unwrap()[16..].to_vec()
    }

    fn a_gets(&mut self, message: &[u8], after_ms: u64) {
        self.a.decrypt(message, NOW.plus_millis(after_ms)).unwrap();
    }
}

pub(crate) fn session() -> Topic {
    let mut vectors = Vec::new();
    for (suite, seed) in [(Suite::X25519, 400), (Suite::X25519MlKem768, 410)] {
        let mut pair = Pair::new(suite, seed);
        let name = |what: &str| format!("suite {}: {what}", suite.id());
        let answer = pair.b_says("answer");
        vectors.push(pair.vector(&name("initiator, nothing received"), NOW, &[]));
        pair.a_gets(&answer, 1000);
        vectors.push(pair.vector(&name("a turn is due"), NOW, &[]));

        let [late, skipped, last] = ["late", "skipped", "last"].map(|text| pair.b_says(text));
        pair.a_gets(&last, 2000);
        pair.a
            .encrypt(b"turn", NOW, &mut pair.rng)
            .map(|m| pair.b.decrypt(&m[16..], NOW))
            .unwrap()
            .unwrap();
        let [next, over] = ["next", "over"].map(|text| pair.b_says(text));
        pair.a_gets(&over, 3000);
        let inbound = [(late, "late"), (next, "next"), (skipped, "skipped")];
        // The last instant at which the older of the skipped keys are still there.
        let at = NOW.plus_millis(2000 + 96 * 3_600_000);
        vectors.push(pair.vector(&name("skipped keys of two chains"), at, &inbound));
        core::mem::swap(&mut pair.a, &mut pair.b);
        vectors.push(pair.vector(&name("responder"), NOW, &[]));
    }
    let good = record(&Pair::new(Suite::X25519, 420).a);
    let case = |name: &str, reason: &str, bytes: Vec<u8>| {
        let mut r = Reader::new(&bytes);
        let read = Session::from_record(&mut r).and_then(|_| r.finish("session"));
        let told = match read.unwrap_err() {
            CodecError::UnknownVersion { .. } => "unknown-version",
            _ => "malformed",
        };
        assert_eq!(told, reason, "{name}");
        json!({"name": name, "reason": reason, "record": hex(bytes)})
    };
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let refusals = vec![
        case("a newer version", "unknown-version", with(0, 2)),
        case("suite 1", "malformed", with(1, 1)),
        case("cut", "malformed", good[..good.len() - 1].to_vec()),
        case("a byte too many", "malformed", [&good[..], &[0]].concat()),
        case("nobody's turn", "malformed", {
            // Without sending and receiving chain there is nothing to go on with.
            let mut bytes = good[..90].to_vec();
            bytes.push(0);
            bytes.extend(&good[191..]);
            bytes
        }),
    ];
    Topic { name: "state-session", spec: "state.md", vectors, refusals }
}

pub(crate) fn identity() -> Topic {
    let agent = Agent::new(430);
    let identity = agent.identity();
    let bytes = identity.to_record().to_vec();
    assert_eq!(bytes, agent.identity_record());
    let rotated = identity.rotate_exchange(&mut Recorder::new(431));
    let vectors = vec![
        identity_vector("identity", &identity),
        identity_vector("exchange key rotated", &rotated),
    ];
    Topic { name: "state-identity", spec: "state.md", vectors, refusals: Vec::new() }
}

fn identity_vector(name: &str, identity: &Identity) -> Value {
    let bytes = identity.to_record().to_vec();
    json!({
        "name": name,
        "record": hex(&bytes),
        "fields": {
            "signing_seed": hex(&bytes[1..33]),
            "exchange_private": hex(&bytes[33..65]),
            "created_at": identity.created_at().as_millis(),
            "signing_public": hex(identity.signing_key().as_bytes()),
            "exchange_public": hex(identity.exchange_key().as_bytes()),
            "amid": identity.amid().to_string(),
        },
    })
}

pub(crate) fn prekeys() -> Topic {
    let agent = Agent::new(440);
    let identity = agent.identity();
    let mut rng = Recorder::new(441);
    let mut rotated = agent.prekeys();
    let receipt = rotated.publication(&identity).receipt();
    rotated.confirm_uploaded(receipt, None, NOW);
    rotated.rotate(&identity, NOW, &mut rng);
    let vectors = vec![
        prekeys_vector("two one-time keys", &agent.prekeys()),
        prekeys_vector("without ML-KEM", &Agent::new(442).without_kem().prekeys()),
        prekeys_vector("rotated, the newer bundle not yet uploaded", &rotated),
        {
            let receipt = rotated.publication(&identity).receipt();
            rotated.confirm_uploaded(receipt, None, NOW.plus_millis(5000));
            rotated.consume(agent.opk.as_ref().unwrap().id, 0);
            prekeys_vector("rotated and uploaded, the one-time prekey consumed", &rotated)
        },
    ];
    Topic { name: "state-prekeys", spec: "state.md", vectors, refusals: Vec::new() }
}

fn prekeys_vector(name: &str, prekeys: &PreKeys) -> Value {
    let bytes = prekeys.to_record().to_vec();
    assert_eq!(PreKeys::from_record(&bytes).unwrap().to_record().to_vec(), bytes);
    json!({"name": name, "record": hex(&bytes), "fields": prekeys_fields(&bytes).unwrap()})
}

fn prekeys_fields(bytes: &[u8]) -> Read<Value> {
    fn pool<'a>(
        r: &mut Reader<'a>,
        read: impl Fn(&mut Reader<'a>, &mut Value) -> Read<()>,
    ) -> Read<Value> {
        let mut pool = json!({
            "next_id": r.u32("next")?,
            "uploaded_through": r.u32("uploaded")?,
            "stock": r.option("stock", |r| r.u32("stock"))?,
        });
        let mut keys = Vec::new();
        for _ in 0..r.count(1000, "keys")? {
            let mut key = json!({"id": r.u32("id")?});
            read(r, &mut key)?;
            keys.push(key);
        }
        pool["keys"] = keys.into();
        Ok(pool)
    }
    fn pair(r: &mut Reader<'_>) -> Read<Value> {
        Ok(json!({"private": hex(r.bytes(32, "private")?), "public": hex(r.bytes(32, "public")?)}))
    }
    let mut r = Reader::new(bytes);
    assert_eq!(r.u8("version")?, 1);
    let mut fields = json!({
        "next_spk_id": r.u32("next spk")?,
        "next_kpk_id": r.u32("next kpk")?,
        "bundle_created_at": r.u64("created")?,
        "bundle_uploaded": r.bool("uploaded")?,
    });
    fields["opks"] = pool(&mut r, |r, key| {
        key["private"] = hex(r.bytes(32, "private")?).into();
        key["public"] = hex(r.bytes(32, "public")?).into();
        Ok(())
    })?;
    fields["kopks"] = pool(&mut r, |r, key| {
        key["seed"] = hex(r.bytes(64, "seed")?).into();
        Ok(())
    })?;
    let mut triples = Vec::new();
    for _ in 0..r.count(100, "triples")? {
        triples.push(json!({
            "id": r.u32("id")?,
            "created_at": r.u64("created")?,
            "spk": pair(&mut r)?,
            "exchange": pair(&mut r)?,
            "kpk": r.option("kpk", |r| Ok(json!({"id": r.u32("id")?, "seed": hex(r.bytes(64, "seed")?)})))?,
            "replaced_at": r.option("replaced", |r| r.u64("replaced"))?,
            "drained": r.bool("drained")?,
        }));
    }
    fields["triples"] = triples.into();
    r.finish("prekeys")?;
    Ok(fields)
}
