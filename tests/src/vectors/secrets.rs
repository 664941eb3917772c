//! Sealed records, backups and what people compare.

use agentmesh_core::{
    identity::{Fingerprint, SafetyNumber, backup},
    keys::{SigningKey, passphrase::PassphraseCost},
    storage::{Record, RecordKind},
    vault::{StoreKey, Vault, VaultError},
};
use serde_json::{Value, json};

use super::{
    Topic,
    agents::Agent,
    support::{Recorder, hex},
};

pub(crate) fn vault() -> Topic {
    let mut rng = Recorder::new(600);
    let key: [u8; 32] = rng.bytes();
    let vault = Vault::new(&StoreKey::from_bytes(key));
    let mut records = Vec::new();
    let vectors = [
        ("identity", RecordKind::Identity, &b""[..], 1, &b"an identity"[..]),
        ("session", RecordKind::Session, &[7; 16], 2, &[1; 300]),
        ("empty", RecordKind::Meta, b"settings", u64::from(u32::MAX) + 1, b""),
    ]
    .into_iter()
    .map(|(name, kind, logical, version, plaintext)| {
        let id = vault.record_id(kind, logical);
        let sealed = vault.seal(id, version, plaintext, &mut rng).unwrap();
        let record = Record { id, version, sealed: sealed.clone() };
        assert_eq!(*vault.open(&record).unwrap(), plaintext);
        records.push(record);
        json!({
            "name": name,
            "store_key": hex(key),
            "kind": kind.as_u8(),
            "logical": hex(logical),
            "id": hex(id.key),
            "version": version,
            "salt": hex(&sealed[1..17]),
            "nonce": hex(&sealed[17..29]),
            "record": hex(plaintext),
            "sealed": hex(sealed),
        })
    })
    .collect();
    let good = records.remove(1);
    let case = |name: &str, reason: &str, record: Record| {
        let told = match vault.open(&record).unwrap_err() {
            VaultError::UnknownVersion { .. } => "unknown-version",
            _ => "unreadable",
        };
        assert_eq!(told, reason, "{name}");
        json!({
            "name": name,
            "reason": reason,
            "store_key": hex(key),
            "kind": record.id.kind.as_u8(),
            "id": hex(record.id.key),
            "version": record.version,
            "sealed": hex(record.sealed),
        })
    };
    let sealed = |at: usize, flip: u8| {
        let mut record = good.clone();
        record.sealed[at] ^= flip;
        record
    };
    let refusals = vec![
        case("another version", "unreadable", Record { version: 3, ..good.clone() }),
        case("another record", "unreadable", Record { id: records[0].id, ..good.clone() }),
        case("a newer format", "unknown-version", sealed(0, 3)),
        case("another salt", "unreadable", sealed(1, 1)),
        case("another nonce", "unreadable", sealed(17, 1)),
        case("another byte", "unreadable", sealed(40, 1)),
        case("nothing", "unreadable", Record { sealed: Vec::new(), ..good.clone() }),
    ];
    Topic { name: "vault", spec: "state.md", vectors, refusals }
}

pub(crate) fn backup() -> Topic {
    let agent = Agent::new(610);
    let vector = |name: &str, passphrase: &str, cost: PassphraseCost, seed: u64| {
        let identity = agent.identity();
        let text = backup::seal(&identity, passphrase, cost, &mut Recorder::new(seed)).unwrap();
        let spaced = format!("  {}\r\n{}\n", &text[..40], &text[40..]);
        assert_eq!(backup::open(&spaced, passphrase).unwrap().amid(), identity.amid());
        json!({
            "name": name,
            "passphrase": passphrase,
            "memory_kib": cost.memory_kib(),
            "passes": cost.passes(),
            "lanes": cost.lanes(),
            "record": hex(agent.identity_record()),
            "text": text,
        })
    };
    let cost = |memory, passes, lanes| PassphraseCost::new(memory, passes, lanes).unwrap();
    let vectors = vec![
        vector("least cost", "correct horse battery staple", cost(8192, 1, 1), 611),
        vector("two passes, two lanes", "p\u{e4}ssw\u{f6}rd", cost(9000, 2, 2), 612),
    ];
    Topic { name: "backup", spec: "state.md", vectors, refusals: Vec::new() }
}

pub(crate) fn fingerprint() -> Topic {
    let mut rng = Recorder::new(620);
    let vectors = (0..4)
        .map(|i| {
            let keys =
                [rng.bytes(), rng.bytes()].map(|seed| *SigningKey::from_seed(seed).verifying_key());
            let [a, b] = &keys;
            json!({
                "name": format!("pair {i}"),
                "a": hex(a.as_bytes()),
                "b": hex(b.as_bytes()),
                "fingerprint_a": Fingerprint::of(a).to_string(),
                "fingerprint_b": Fingerprint::of(b).to_string(),
                "safety_number": SafetyNumber::of(a, b).to_string(),
            })
        })
        .collect::<Vec<Value>>();
    Topic { name: "fingerprint", spec: "state.md", vectors, refusals: Vec::new() }
}
