# Two commands matter: `make demo` shows the main job, `make test` passes every test.
.PHONY: test demo checker wasm docs

# Everything that must pass, with a summary at the end; installs what it needs on a bare Debian machine.
# STEPS="format clippy" runs only those steps.
test:
	./scripts/test.sh $(STEPS)

# The vectors of tests/vectors/native/, verified by a Python program that shares no code with the core: first its own
# tests, then the vectors. Needs Python 3.10 and `cryptography`, which goes into a venv if the system has none.
checker:
	./tests/checker/run

# The core, without features, for wasm32-unknown-unknown.
wasm:
	./scripts/wasm-toolchain.sh check -p agentmesh-core --no-default-features

# Writes what is generated: docs/errors.md.
docs:
	AGENTMESH_UPDATE_DOCS=1 cargo test -p agentmesh-tests --test all glossary

# Two agents, a relay and SIGKILL: the main job on real processes, step by step. Needs Python 3.9; builds what it needs.
demo:
	python3 scripts/demo
