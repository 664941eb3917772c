//! Bundles and one-time keys.

use agentmesh_core::{
    Timestamp,
    identity::Label,
    keys::DhPublicKey,
    prekeys::{BundleError, BundleParts, KnownPeer, OneTimePart, PreKeyBundle, SignedOneTime},
};
use serde_json::{Value, json};

use super::{
    Topic,
    agents::{Agent, Body, sign},
    keys::plus_l,
    support::{NOW, hex, lp},
};

/// A one-time key that can be spoilt.
#[derive(Clone)]
struct OneTime {
    id: u32,
    public: Vec<u8>,
    signature: Vec<u8>,
}

impl OneTime {
    fn of(key: &SignedOneTime) -> Self {
        let signature = key.signature.as_bytes().to_vec();
        Self { id: key.id, public: key.key.clone(), signature }
    }

    fn part(&self) -> OneTimePart<'_> {
        OneTimePart { id: self.id, key: &self.public, signature: &self.signature }
    }

    fn json(&self) -> Value {
        json!({"id": self.id, "public": hex(&self.public), "signature": hex(&self.signature)})
    }
}

fn one_time_keys(agent: &Agent) -> (Option<OneTime>, Option<OneTime>) {
    let publication = agent.prekeys().publication(&agent.identity());
    (
        publication.one_time.first().map(OneTime::of),
        publication.one_time_kem.first().map(OneTime::of),
    )
}

fn bundle_vector(name: &str, agent: &Agent, now: Timestamp) -> Value {
    let (identity, prekeys) = (agent.identity(), agent.prekeys());
    let blob = prekeys.bundle(&identity);
    let body = agent.body();
    assert_eq!(blob, body.blob(&agent.seed));
    let (opk, kopk) = one_time_keys(agent);
    let parts = BundleParts {
        blob: &blob,
        one_time: opk.as_ref().map(OneTime::part),
        one_time_kem: kopk.as_ref().map(OneTime::part),
    };
    let pinned_suite = *body.suites.last().unwrap();
    let peer = KnownPeer { amid: identity.amid(), newest_bundle: agent.bundle_at, pinned_suite };
    let verified = PreKeyBundle::verify(parts, &peer, now).unwrap();
    assert_eq!(verified.one_time().is_some(), opk.is_some());
    assert_eq!(verified.one_time_kem().is_some(), kopk.is_some());
    json!({
        "name": name,
        "owner": {"signing_seed": hex(agent.seed), "exchange_private": hex(agent.exchange)},
        "spk": {"id": agent.spk.id, "private": hex(agent.spk.private)},
        "kpk": (body.kpk_id != 0).then(|| json!({"id": body.kpk_id, "public": hex(&body.kpk)})),
        "suites": body.suites,
        "created_at": agent.bundle_at.as_millis(),
        "body": hex(&blob[..blob.len() - 64]),
        "signature": hex(&blob[blob.len() - 64..]),
        "blob": hex(&blob),
        "expected_amid": identity.amid().to_string(),
        "newest_seen": agent.bundle_at.as_millis(),
        "pinned_suite": pinned_suite,
        "now": now.as_millis(),
        "opk": opk.map(|k| k.json()),
        "kopk": kopk.map(|k| k.json()),
    })
}

pub(crate) fn bundle() -> Topic {
    const DAY: u64 = 86_400_000;
    let agents = [110, 111, 112, 113, 114].map(Agent::new);
    let [full, bare, plain, old, young] = agents;
    let (bare, plain) = (bare.without_opk().without_kopk(), plain.without_kem());
    let vectors = vec![
        bundle_vector("suites 2 and 3, both one-time keys", &full, NOW),
        bundle_vector("suites 2 and 3, no one-time keys", &bare, NOW),
        bundle_vector("suite 2 only", &plain, NOW),
        bundle_vector("30 days old", &old, old.bundle_at.plus_millis(30 * DAY)),
        bundle_vector("5 minutes ahead", &young, young.bundle_at.minus_millis(300_000)),
    ];
    let mut refusals = bundle_refusals();
    refusals.extend(one_time_refusals(&full));
    Topic { name: "bundle", spec: "native.md §3", vectors, refusals }
}

/// One-time keys that are ignored.
fn one_time_refusals(agent: &Agent) -> Vec<Value> {
    let identity = agent.identity();
    let blob = agent.prekeys().bundle(&identity);
    let case = |name: &str, reason: &str, field: &str, key: &OneTime| {
        let mut parts = BundleParts::bundle_only(&blob);
        match field {
            "opk" => parts.one_time = Some(key.part()),
            _ => parts.one_time_kem = Some(key.part()),
        }
        let peer = KnownPeer::first_contact(identity.amid());
        let verified = PreKeyBundle::verify(parts, &peer, NOW).unwrap();
        assert!(verified.one_time().is_none() && verified.one_time_kem().is_none(), "{name}");
        let mut case = key.json();
        case["name"] = name.into();
        case["reason"] = reason.into();
        case["one_time"] = field.into();
        case["signing"] = hex(identity.signing_key().as_bytes()).into();
        case
    };
    let (opk, kopk) = one_time_keys(agent);
    let (opk, kopk) = (opk.unwrap(), kopk.unwrap());
    let sign_opk = |id: u32, public: &[u8]| {
        let message = [&id.to_be_bytes()[..], public].concat();
        let signature = sign(&agent.seed, Label::Opk, &message).as_bytes().to_vec();
        OneTime { id, public: public.to_vec(), signature }
    };
    let sign_kopk = |public: &[u8]| {
        let message = [&kopk.id.to_be_bytes()[..], &lp(public)].concat();
        let signature = sign(&agent.seed, Label::Kem, &message).as_bytes().to_vec();
        OneTime { id: kopk.id, public: public.to_vec(), signature }
    };
    assert_eq!(sign_opk(opk.id, &opk.public).signature, opk.signature);
    assert_eq!(sign_kopk(&kopk.public).signature, kopk.signature);
    let mut spoilt = opk.clone();
    spoilt.signature[40] ^= 1;
    let mut unreduced = kopk.public.clone();
    unreduced[..2].fill(0xff);
    vec![
        case("OPK with a bad signature", "signature", "opk", &spoilt),
        case(
            "OPK under another id",
            "signature",
            "opk",
            &OneTime { id: opk.id + 1, ..opk.clone() },
        ),
        case("OPK with id 0", "malformed", "opk", &sign_opk(0, &opk.public)),
        case("small-order OPK", "small-order-key", "opk", &sign_opk(opk.id, &[0; 32])),
        case(
            "KOPK under another id",
            "signature",
            "kopk",
            &OneTime { id: kopk.id + 1, ..kopk.clone() },
        ),
        case("KOPK that fails the modulus check", "kem-key", "kopk", &sign_kopk(&unreduced)),
        case("short KOPK", "kem-key", "kopk", &sign_kopk(&kopk.public[..1183])),
    ]
}

/// X25519 public keys with which every exchange gives zero.
pub(crate) fn small_order_keys() -> Vec<[u8; 32]> {
    let mut one = [0; 32];
    one[0] = 1;
    let mut minus_one = [0xff; 32];
    minus_one[0] = 0xec;
    minus_one[31] = 0x7f;
    let mut p = minus_one;
    p[0] = 0xed;
    let mut zero_with_top_bit = [0; 32];
    zero_with_top_bit[31] = 0x80;
    let keys = vec![[0; 32], one, minus_one, p, zero_with_top_bit];
    assert!(keys.iter().all(|k| DhPublicKey::from_bytes(*k).is_low_order()));
    keys
}

fn bundle_refusals() -> Vec<Value> {
    let agent = Agent::new(120);
    let seed = agent.seed;
    let amid = agent.identity().amid();
    let good = agent.body();
    let at = Timestamp::from_millis(good.created_at);
    let changed = |change: fn(&mut Body)| {
        let mut body = good.clone();
        change(&mut body);
        body.blob(&seed)
    };
    let case = |name: &str, reason: &str, blob: &[u8], newest_bundle: Timestamp, now: Timestamp| {
        let pinned_suite = if reason == "suite-downgrade" { 3 } else { 0 };
        let peer = KnownPeer { amid, newest_bundle, pinned_suite };
        let refused = PreKeyBundle::verify(BundleParts::bundle_only(blob), &peer, now).unwrap_err();
        assert!(reason.starts_with(bundle_reason(&refused)), "{name}: {refused}");
        json!({
            "name": name,
            "reason": reason,
            "blob": hex(blob),
            "expected_amid": amid.to_string(),
            "newest_seen": newest_bundle.as_millis(),
            "pinned_suite": pinned_suite,
            "now": now.as_millis(),
        })
    };
    let plain =
        |name: &str, reason: &str, blob: &[u8]| case(name, reason, blob, Timestamp::ZERO, NOW);
    let blob = good.blob(&seed);
    let other = Agent::new(121);
    let mut malleable = blob.clone();
    let s = malleable.len() - 32;
    malleable[s..].copy_from_slice(&plus_l(&blob[s..]));
    let mut flipped = blob.clone();
    flipped[70] ^= 1;
    let mut cases = vec![
        case("stale", "stale", &blob, at.plus_millis(1), NOW),
        case("too old", "too-old", &blob, Timestamp::ZERO, at.plus_millis(30 * 86_400_000 + 1)),
        case(
            "from the future",
            "from-the-future",
            &blob,
            Timestamp::ZERO,
            at.minus_millis(300_001),
        ),
        plain("S >= L", "signature-s-not-reduced", &malleable),
        plain("exchange key swapped", "signature", &flipped),
        plain("another agent's", "amid-mismatch", &other.body().blob(&other.seed)),
        plain(
            "AMID of the one asked for, key of another",
            "amid-mismatch",
            &Body { amid: amid.to_string(), ..other.body() }.blob(&other.seed),
        ),
        plain("signed by another key", "signature", &good.blob(&other.seed)),
        plain("cut", "malformed", &blob[..blob.len() - 1]),
        plain("a byte too many", "malformed", &[&blob[..], &[0]].concat()),
        plain(
            "suite 3 without KPK",
            "suite-set",
            &changed(|b| {
                b.kpk.clear();
                b.kpk_id = 0;
            }),
        ),
        plain("suite 3 stripped by the owner", "suite-set", &changed(|b| b.suites = vec![2])),
        plain(
            "suite 3 and its key withdrawn",
            "suite-downgrade",
            &changed(|b| {
                b.kpk.clear();
                b.kpk_id = 0;
                b.suites = vec![2];
            }),
        ),
        plain(
            "suite 3 and its key withdrawn for a later suite",
            "suite-downgrade",
            &changed(|b| {
                b.kpk.clear();
                b.kpk_id = 0;
                b.suites = vec![2, 9];
            }),
        ),
        plain("suites not ascending", "suite-set", &changed(|b| b.suites = vec![3, 2])),
        plain("suites not unique", "suite-set", &changed(|b| b.suites = vec![2, 2, 3])),
        plain(
            "no suites",
            "suite-set",
            &changed(|b| {
                b.kpk.clear();
                b.kpk_id = 0;
                b.suites.clear();
            }),
        ),
        plain("SPK id 0", "malformed", &changed(|b| b.spk_id = 0)),
        plain("SPK id 2^31", "malformed", &changed(|b| b.spk_id = 1 << 31)),
        plain("KPK without id", "malformed", &changed(|b| b.kpk_id = 0)),
        plain("KPK fails the modulus check", "kem-key", &changed(|b| b.kpk[..2].fill(0xff))),
    ];
    for (i, key) in small_order_keys().into_iter().enumerate() {
        let mut spk = good.clone();
        spk.spk = key;
        let mut exchange = good.clone();
        exchange.exchange = key;
        cases.push(plain(&format!("small-order SPK {i}"), "small-order-key", &spk.blob(&seed)));
        cases.push(plain(
            &format!("small-order IKx {i}"),
            "small-order-key",
            &exchange.blob(&seed),
        ));
    }
    cases
}

/// The vectors' names; of signatures they say more than the core.
fn bundle_reason(error: &BundleError) -> &'static str {
    match error {
        BundleError::AmidMismatch => "amid-mismatch",
        BundleError::TooOld { .. } => "too-old",
        BundleError::FromTheFuture { .. } => "from-the-future",
        BundleError::Stale { .. } => "stale",
        BundleError::LowOrderKey { .. } => "small-order-key",
        BundleError::SuiteDowngrade { .. } => "suite-downgrade",
        BundleError::SuiteSet => "suite-set",
        BundleError::KemKey { .. } => "kem-key",
        BundleError::Malformed { .. } => "malformed",
        BundleError::BadSignature => "signature",
        other => panic!("{other}"),
    }
}
