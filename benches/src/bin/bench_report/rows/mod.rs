//! The rows: what is compared with what, and what the ratio should be.

mod clients;
mod crypto;
mod node;
mod python;
mod relay;
mod services;
mod signaling;

/// How many of which primitive an operation needs.
pub(crate) type Recipe = &'static [(f64, &'static str)];

/// What a row is compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Peer {
    /// Another contender of the same group.
    Beside(&'static str),
    /// A contender of another group.
    Other(&'static str, &'static str),
    /// The sum of the primitives, each of the library that is fastest.
    Limit(Recipe),
    /// The same with dalek and RustCrypto alone.
    Pure(Recipe),
}

/// What ours divided by theirs should be, or theirs by ours.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// Our time is at most so many of theirs.
    TimeAtMost(f64),
    /// They take at least so many times as long.
    FasterBy(f64),
    /// Our rate is at least so many of theirs.
    RateAtLeast(f64),
    /// Our value itself is at most this.
    AtMost(f64),
    /// For the record.
    Time,
    /// Likewise.
    Rate,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) group: &'static str,
    pub(crate) ours: &'static str,
    pub(crate) peer: Option<(&'static str, Peer)>,
    pub(crate) goal: Goal,
}

#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) unit: Unit,
    pub(crate) rows: Vec<Row>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Nanoseconds as measured, microseconds as shown; the minimum counts.
    Time,
    /// As measured; the median counts, of ratios within a round.
    AsIs,
}

/// All of them.
pub(crate) fn sections() -> Vec<Section> {
    let sections = crypto::sections().into_iter().chain(relay::sections());
    let sections = sections.chain(signaling::sections()).chain(services::sections());
    let sections = sections.chain(clients::sections()).chain(python::sections());
    sections.chain(node::sections()).collect()
}

const OURS: &str = "agentmesh";

const fn row(
    what: &'static str,
    group: &'static str,
    ours: &'static str,
    peer: Option<(&'static str, Peer)>,
    goal: Goal,
) -> Row {
    Row { what, group, ours, peer, goal }
}

const fn beside(name: &'static str) -> Option<(&'static str, Peer)> {
    Some((name, Peer::Beside(name)))
}
