//! What a message of 1 KiB costs, encrypted, decrypted and with the session's record written, after many others: the
//! cost must not grow.

use agentmesh_benches::{cpu_time::CpuTime, is_measuring};
use agentmesh_core::test_utils::seeded_rng;
use criterion::{BatchSize, BenchmarkId, Criterion};

use crate::{
    peers::{NOW, OlmPair, Pair, receive},
    stored::record,
};

pub(crate) fn bench(c: &mut Criterion<CpuTime>) {
    let text = [7; 1024];
    let mut rng = seeded_rng(2);
    let mut group = c.benchmark_group("message after");
    for count in [1, 1000, 100_000] {
        if count > 1000 && !is_measuring() {
            break;
        }
        let Pair { mut alice, mut bob } = Pair::new(&mut rng);
        for _ in 0..count {
            let mut frame = alice.encrypt(&text, NOW, &mut rng).unwrap();
            receive(&mut bob, &mut frame);
        }
        group.bench_function(BenchmarkId::new("agentmesh", count), |b| {
            b.iter(|| {
                let mut frame = alice.encrypt(&text, NOW, &mut rng).unwrap();
                receive(&mut bob, &mut frame);
                record(&bob)
            });
        });
        let OlmPair { mut alice, mut bob } = OlmPair::new();
        for _ in 0..count {
            let message = alice.encrypt(text).unwrap();
            bob.decrypt(&message).unwrap();
        }
        group.bench_function(BenchmarkId::new("vodozemac", count), |b| {
            b.iter_batched(
                || (),
                |()| {
                    let message = alice.encrypt(text).unwrap();
                    bob.decrypt(&message).unwrap();
                    bob.pickle()
                },
                BatchSize::NumIterations(64),
            );
        });
    }
    group.finish();
}
