//! Session setup, both sides and both suites.
//!
//! The initiator verifies the bundle and the one-time keys, agrees, and begins its sending chain. The responder
//! agrees, takes the first turn and opens the first message. vodozemac does three Diffie-Hellmans, verifies nothing
//! (its caller has to) and begins without a turn.

use agentmesh_benches::cpu_time::CpuTime;
use agentmesh_core::{handshake::Suite, identity::Identity, test_utils::seeded_rng};
use criterion::{BatchSize, BenchmarkId, Criterion};
use vodozemac::olm::{Account, OlmMessage, SessionConfig};

use crate::peers::{NOW, Responder, SID, olm_outbound};

pub(crate) fn bench(c: &mut Criterion<CpuTime>) {
    let mut rng = seeded_rng(4);
    let responder = Responder::new(&mut rng);
    let own = Identity::generate(NOW, &mut rng);

    let mut group = c.benchmark_group("initiate");
    for suite in [Suite::X25519, Suite::X25519MlKem768] {
        group.bench_function(BenchmarkId::new("agentmesh", suite.name()), |b| {
            b.iter(|| responder.initiate(&own, suite, &mut rng));
        });
    }
    let (alice, mut bob) = (Account::new(), Account::new());
    bob.generate_one_time_keys(1);
    let one_time = bob.one_time_keys().into_values().next().unwrap();
    let identity = bob.curve25519_key();
    group.bench_function(BenchmarkId::new("vodozemac", Suite::X25519.name()), |b| {
        b.iter(|| {
            alice.create_outbound_session(SessionConfig::version_1(), identity, one_time).unwrap()
        });
    });
    group.finish();

    let mut group = c.benchmark_group("accept");
    for suite in [Suite::X25519, Suite::X25519MlKem768] {
        let (message, mut session) = responder.initiate(&own, suite, &mut rng);
        let first = session.encrypt(b"hello", NOW, &mut rng).unwrap()[SID..].to_vec();
        group.bench_function(BenchmarkId::new("agentmesh", suite.name()), |b| {
            b.iter_batched_ref(
                || first.clone(),
                |first| responder.accept(message.as_bytes(), first, &mut rng),
                BatchSize::NumIterations(8),
            );
        });
    }
    let mut session = olm_outbound(&alice, &mut bob);
    let OlmMessage::PreKey(first) = session.encrypt("hello").unwrap() else { return };
    let pickle = serde_json::to_value(bob.pickle()).unwrap();
    group.bench_function(BenchmarkId::new("vodozemac", Suite::X25519.name()), |b| {
        b.iter_batched_ref(
            || Account::from_pickle(serde_json::from_value(pickle.clone()).unwrap()),
            |bob| {
                bob.create_inbound_session(
                    SessionConfig::version_1(),
                    alice.curve25519_key(),
                    &first,
                )
                .unwrap()
            },
            BatchSize::NumIterations(8),
        );
    });
    group.finish();
}
