# Two commands matter: `make demo` shows the main job, `make test` passes every test.
.PHONY: test test-vectors demo checker wasm docs bench bench-smoke fuzz mutants deny simulate soak attack schemathesis python-package

# Everything that must pass, with a summary at the end; installs what it needs on a bare Debian machine.
# STEPS="format clippy" runs only those steps.
test:
	./scripts/test.sh $(STEPS)

# Every known answer alone, with how many there are of each source. AGENTMESH_VECTORS_0_2=FILE reads those of the deployed
# SDK from another file of the same structure.
test-vectors:
	./scripts/vectors.sh

# The vectors of tests/vectors/native/, verified by a Python program that shares no code with the core: first its own
# tests, then the vectors. Needs Python 3.10 and `cryptography`, which goes into a venv if the system has none.
checker:
	./tests/checker/run

# The core for wasm32-unknown-unknown, and the npm package for Workers and browsers.
wasm:
	./scripts/wasm.sh

# Writes what is generated: docs/errors.md.
docs:
	AGENTMESH_UPDATE_DOCS=1 cargo test -p agentmesh-tests --test all glossary

# Two agents, a relay and SIGKILL: the main job on real processes, step by step. Needs Python 3.9; builds what it needs.
demo:
	python3 scripts/demo

# Measures everything beside its peers, for about a quarter of an hour, and writes target/bench.json and docs/performance.md.
# With nats-server installed (apt-get install nats-server), NATS is one of them.
PASSES = 1 2 3 4 5 6 7
bench:
	rm -rf $${CARGO_TARGET_DIR:-target}/criterion
	for pass in $(PASSES); do cargo bench -p agentmesh-benches --bench crypto -- --save-baseline pass$$pass \
	  --warm-up-time 0.1 --measurement-time 0.3 --sample-size 10 --nresamples 1000 --quiet || exit; done
	cargo bench -p agentmesh-benches --bench relay_load
	cargo bench -p agentmesh-benches --bench signaling_load
	cargo bench -p agentmesh-benches --bench storage
	cargo bench -p agentmesh-benches --bench services
	./scripts/bench-python.sh
	./scripts/wasm.sh module
	./scripts/bench-node.sh
	cargo run --release -p agentmesh-benches --bin bench_report

# Every bench once, so that none rots; `make test` does it, too.
bench-smoke:
	cargo test -p agentmesh-benches --bench '*'

# Every fuzzing target for MINUTES, JOBS of them at a time, or TARGETS="…" only; see fuzz/README.md. Needs a nightly compiler and cargo-fuzz.
MINUTES = 1
JOBS = 1
fuzz:
	MINUTES=$(MINUTES) JOBS=$(JOBS) ./scripts/fuzz.sh $(TARGETS)

# Changes the core in one place at a time, and demands that its unit tests notice. SHARD=k/n (from 0) is a part of the work, ROOMS="keys ratchet"
# some of the rooms; what was interrupted goes on where it was. Needs cargo-mutants.
SHARD = 0/1
mutants:
	SHARD=$(SHARD) ROOMS="$(ROOMS)" ./scripts/mutants.sh

# Licences, sources, bans and known advisories of everything that is depended on (deny.toml). Needs cargo-deny, and GitHub for the
# advisories: CHECKS="bans licenses sources" does without.
CHECKS =
deny:
	cargo deny --all-features check $(CHECKS)

# SCHEDULES=n of the simulation, or those of SEEDS=FROM..TO; what is printed says where to go on. SEEDS=A,B,… says which of
# these fail, and SEEDS=N prints everything that happens in one.
SCHEDULES = 1000000
SEEDS = 0..$(SCHEDULES)
simulate:
	AGENTMESH_SIMULATE=$(SEEDS) cargo test --release -p agentmesh-core --no-default-features --features getrandom,hazmat --lib -- \
	  --ignored --exact --nocapture engine::tests::simulation::more_schedules

# What takes too long for `make test`: a million calls from Python and from Node, 30,000 requests and 2,000 visits from Python, ten thousand connects given up, 200 killed agents.
soak:
	./scripts/soak.sh

# Attacks the server while honest agents write 200 messages a second, and fuzzes its HTTP interface by its own description;
# a quarter of an hour. AGENTMESH_SERVER=PROGRAM takes a server that is built already.
attack:
	./scripts/attack.sh

# The second half of it alone.
schemathesis:
	./scripts/attack.sh schemathesis

# Source distribution and wheel of the Python package as for PyPI, installed and tried where there is nothing else.
python-package:
	./scripts/python-package.sh
