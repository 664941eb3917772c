//! 100 one-time keys, and the whole first publication of an agent.

use agentmesh_benches::cpu_time::CpuTime;
use agentmesh_core::{
    hazmat,
    identity::{Identity, Label},
    keys::DhSecretKey,
    prekeys::PreKeys,
    test_utils::seeded_rng,
};
use criterion::{BatchSize, Criterion};
use vodozemac::olm::Account;

use crate::peers::NOW;

pub(crate) fn bench(c: &mut Criterion<CpuTime>) {
    let mut rng = seeded_rng(5);
    let identity = Identity::generate(NOW, &mut rng);

    let mut group = c.benchmark_group("100 one-time keys");
    group.bench_function("agentmesh", |b| {
        b.iter(|| [(); 100].map(|()| DhSecretKey::generate(&mut rng)));
    });
    group.bench_function("agentmesh, signed", |b| {
        b.iter(|| {
            [(); 100].map(|()| {
                let key = DhSecretKey::generate(&mut rng);
                hazmat::sign_labelled(&identity, Label::Opk, &[&[0; 4], key.public_key().as_ref()])
            })
        });
    });
    group.bench_function("vodozemac", |b| {
        b.iter_batched_ref(
            Account::new,
            |account| account.generate_one_time_keys(100),
            BatchSize::PerIteration,
        );
    });
    group.finish();

    let mut group = c.benchmark_group("publication");
    group.bench_function("agentmesh", |b| {
        b.iter(|| PreKeys::generate(&identity, NOW, &mut rng).publication(&identity));
    });
    group.finish();
}
