# Two commands matter: `make demo` shows the main job, `make test` passes every test.
.PHONY: test demo
test:
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --workspace
