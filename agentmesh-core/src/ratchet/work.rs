//! Counts what a frame costs, so that tests can hold the bounds. Test builds only.

use std::cell::Cell;

thread_local! {
    static DERIVATIONS: Cell<usize> = const { Cell::new(0) };
    static AGREEMENTS: Cell<usize> = const { Cell::new(0) };
}

/// What was computed on this thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) derivations: usize,
    pub(crate) agreements: usize,
}

pub(super) fn count_derivation() {
    DERIVATIONS.with(|n| n.set(n.get() + 1));
}

pub(super) fn count_agreement() {
    AGREEMENTS.with(|n| n.set(n.get() + 1));
}

/// Runs `f` and says what it computed.
pub(crate) fn measure<T>(f: impl FnOnce() -> T) -> (T, Work) {
    let before = (DERIVATIONS.get(), AGREEMENTS.get());
    let result = f();
    let work =
        Work { derivations: DERIVATIONS.get() - before.0, agreements: AGREEMENTS.get() - before.1 };
    (result, work)
}
