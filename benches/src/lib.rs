//! What the benches share: a clock that a busy machine does not disturb, and where results go, how crowds come back.
//!
//! `make bench` runs everything and writes `target/bench.json` and `docs/performance.md`; see the Makefile.

pub mod child;
pub mod cpu_time;
pub mod results;
pub mod spread;

/// Whether this is `cargo bench`, which passes `--bench`. Otherwise a bench only shows that it runs.
pub fn is_measuring() -> bool {
    std::env::args().any(|arg| arg == "--bench")
}
