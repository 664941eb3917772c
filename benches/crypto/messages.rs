//! Encrypting and decrypting in one chain.
//!
//! `agentmesh` draws nonces from the operating system, `agentmesh, nonce apart` from a generator in the process: the
//! limit counts no nonce.

use agentmesh_core::{rng::SystemRng, session::MESSAGE_PREFIX_LEN, test_utils::seeded_rng};
use criterion::{BatchSize, BenchmarkId, Criterion};

use crate::peers::{LARGEST, NOW, OlmPair, Pair, receive};
use agentmesh_benches::cpu_time::CpuTime;

/// Few enough that a batch of frames stays in the cache, many enough that reading the clock does not count.
const BATCH: BatchSize = BatchSize::NumIterations(64);

pub(crate) fn bench(c: &mut Criterion<CpuTime>) {
    let mut rng = seeded_rng(1);
    for len in [64, 1024, LARGEST] {
        let text = vec![7; len];
        let mut group = c.benchmark_group("encrypt");

        let mut pair = Pair::new(&mut rng);
        group.bench_function(BenchmarkId::new("agentmesh", len), |b| {
            b.iter(|| pair.alice.encrypt(&text, NOW, &mut SystemRng).unwrap());
        });
        group.bench_function(BenchmarkId::new("agentmesh, nonce apart", len), |b| {
            b.iter(|| pair.alice.encrypt(&text, NOW, &mut rng).unwrap());
        });
        let mut buffer = Vec::with_capacity(LARGEST + 1024);
        buffer.resize(MESSAGE_PREFIX_LEN + len, 0);
        group.bench_function(BenchmarkId::new("agentmesh, in place", len), |b| {
            b.iter(|| {
                buffer.truncate(MESSAGE_PREFIX_LEN + len);
                pair.alice.encrypt_in_place(&mut buffer, 0, NOW, &mut rng).unwrap();
            });
        });
        let mut olm = OlmPair::new();
        group.bench_function(BenchmarkId::new("vodozemac", len), |b| {
            b.iter(|| olm.alice.encrypt(&text).unwrap());
        });
        group.finish();

        let mut group = c.benchmark_group("decrypt");
        let Pair { mut alice, mut bob } = Pair::new(&mut rng);
        group.bench_function(BenchmarkId::new("agentmesh", len), |b| {
            b.iter_batched_ref(
                || alice.encrypt(&text, NOW, &mut rng).unwrap(),
                |frame| receive(&mut bob, frame),
                BATCH,
            );
        });
        let OlmPair { mut alice, mut bob } = OlmPair::new();
        group.bench_function(BenchmarkId::new("vodozemac", len), |b| {
            b.iter_batched_ref(
                || alice.encrypt(&text).unwrap(),
                |message| bob.decrypt(message).unwrap(),
                BATCH,
            );
        });
        group.finish();
    }
}
