# Two commands matter: `make demo` shows the main job, `make test` passes every test.
.PHONY: test demo checker
test: checker
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --workspace

# The vectors of tests/vectors/native/, verified by a Python program that shares no code with the core: first its own
# tests, then the vectors. Needs Python 3.10 and `cryptography`, which goes into a venv if the system has none.
checker:
	./tests/checker/run
