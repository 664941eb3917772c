//! Ping-pong of 1 KiB: every message takes a turn of the ratchet. One iteration is two messages.

use agentmesh_benches::cpu_time::CpuTime;
use agentmesh_core::test_utils::seeded_rng;
use criterion::Criterion;

use crate::peers::{OlmPair, Pair};

pub(crate) fn bench(c: &mut Criterion<CpuTime>) {
    let text = [7; 1024];
    let mut rng = seeded_rng(3);
    let mut group = c.benchmark_group("two turns");
    let mut pair = Pair::new(&mut rng);
    group.bench_function("agentmesh", |b| b.iter(|| pair.round_trip(&text, &mut rng)));
    let mut olm = OlmPair::new();
    group.bench_function("vodozemac", |b| b.iter(|| olm.round_trip(&text)));
    group.finish();
}
