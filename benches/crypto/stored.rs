//! A session to its sealed record and back.

use agentmesh_benches::{cpu_time::CpuTime, results::Results};
use agentmesh_core::{
    codec::Reader,
    session::Session,
    storage::{Record, RecordKind},
    test_utils::seeded_rng,
    vault::{StoreKey, Vault},
};
use criterion::{BatchSize, Criterion};
use vodozemac::olm::SessionPickle;

use crate::peers::{OlmPair, Pair};

/// What is stored of a session, unsealed.
pub(crate) fn record(session: &Session) -> Vec<u8> {
    let mut out = Vec::new().into();
    session.to_record(&mut out);
    std::mem::take(&mut *out)
}

/// What a fresh session takes in the store.
#[expect(clippy::cast_precision_loss, reason = "a count")]
pub(crate) fn sizes() -> Results {
    let mut rng = seeded_rng(7);
    let vault = Vault::new(&StoreKey::generate(&mut rng));
    let id = vault.record_id(RecordKind::Session, b"session");
    let Pair { alice, .. } = Pair::new(&mut rng);
    let sealed = vault.seal_with(id, 1, &mut rng, |out| alice.to_record(out)).unwrap();
    let pickled = OlmPair::new().alice.pickle().encrypt(&[7; 32]);
    let mut results = Results::default();
    results.add("stored session, bytes", "agentmesh", sealed.len() as f64);
    results.add("stored session, bytes", "vodozemac", pickled.len() as f64);
    results
}

pub(crate) fn bench(c: &mut Criterion<CpuTime>) {
    let mut rng = seeded_rng(6);
    let Pair { alice, .. } = Pair::new(&mut rng);
    let vault = Vault::new(&StoreKey::generate(&mut rng));
    let id = vault.record_id(RecordKind::Session, b"session");
    let olm = OlmPair::new().alice;
    let key = [7; 32];

    let mut group = c.benchmark_group("session seal");
    group.bench_function("agentmesh", |b| {
        b.iter(|| vault.seal_with(id, 1, &mut rng, |out| alice.to_record(out)).unwrap());
    });
    group.bench_function("vodozemac", |b| b.iter(|| olm.pickle().encrypt(&key)));
    group.finish();

    let sealed = vault.seal_with(id, 1, &mut rng, |out| alice.to_record(out)).unwrap();
    let pickled = olm.pickle().encrypt(&key);
    let record = Record { id, version: 1, sealed };
    let mut group = c.benchmark_group("session open");
    group.bench_function("agentmesh", |b| {
        b.iter_batched(
            || (),
            |()| {
                let opened = vault.open(&record).unwrap();
                Session::from_record(&mut Reader::new(&opened)).unwrap()
            },
            BatchSize::NumIterations(64),
        );
    });
    group.bench_function("vodozemac", |b| {
        b.iter_batched(
            || (),
            |()| {
                let pickle = SessionPickle::from_encrypted(&pickled, &key).unwrap();
                vodozemac::olm::Session::from_pickle(pickle)
            },
            BatchSize::NumIterations(64),
        );
    });
    group.finish();
}
