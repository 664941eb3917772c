//! Defects that the simulation of `engine/tests/simulation/` must find, behind a switch of the thread. Only the core's own
//! unit tests compile them.

use std::cell::Cell;

/// A mistake that one could make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// The relay hears that a frame arrived before that is on disk.
    AckBeforeCommit,
    /// A frame leaves before the state that it was encrypted with is on disk.
    SendBeforeCommit,
    /// The keys of what was not received of the previous chain are not kept.
    SkipPn,
    /// A reply to any probe counts as the reply to the one that is outstanding.
    AnyProbeNonce,
    /// What is encrypted again goes out under the name that it had at the relay.
    SameRelayId,
    /// Sessions that were answered are forgotten when they end.
    EvictTombstone,
}

thread_local! {
    static PLANTED: Cell<Option<Defect>> = const { Cell::new(None) };
}

/// Plants a defect in this thread, in place of the one before.
pub(crate) fn plant(defect: Option<Defect>) {
    PLANTED.set(defect);
}

/// Whether this defect is planted.
pub(crate) fn has(defect: Defect) -> bool {
    PLANTED.get() == Some(defect)
}
