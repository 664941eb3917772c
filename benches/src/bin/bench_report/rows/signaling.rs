//! Signaling: beside a bare server of events.

use super::{
    Goal::{AtMost, Rate, Time},
    OURS, Section, Unit, beside, row,
};

pub(super) fn sections() -> [Section; 1] {
    [Section {
        title: "Signaling",
        unit: Unit::AsIs,
        rows: vec![
            row(
                "1,000 signals/s among 100 peers of a room, p50, ms",
                "signals, 1,000/s, p50 ms",
                OURS,
                beside("floor"),
                Time,
            ),
            row(
                "1,000 signals/s among 100 peers of a room, p99, ms",
                "signals, 1,000/s, p99 ms",
                OURS,
                beside("floor"),
                Time,
            ),
            row(
                "the same, whatever the floor does",
                "signals, 1,000/s, p99 ms",
                OURS,
                None,
                AtMost(5.0),
            ),
            row("signals/s, 32 under way", "signals/s, 32 under way", OURS, beside("floor"), Rate),
            row(
                "memory of a stream of events, KiB",
                "stream of events, KiB",
                OURS,
                beside("floor"),
                Time,
            ),
            row(
                "the server's memory with 5,000 streams, MiB",
                "5,000 streams of events, MiB",
                OURS,
                None,
                AtMost(150.0),
            ),
            row(
                "1,000 clients back after 2 s, the fullest second by the mean",
                "back after 2 s, fullest by mean",
                OURS,
                None,
                AtMost(3.0),
            ),
            row("the same, clients in it", "back after 2 s, fullest second", OURS, None, Rate),
            row(
                "1,000 clients back after 10 s, the fullest second by the mean",
                "back after 10 s, fullest by mean",
                OURS,
                None,
                AtMost(3.0),
            ),
            row("the same, clients in it", "back after 10 s, fullest second", OURS, None, Rate),
            row(
                "1,000 clients back after 30 s, the fullest second by the mean",
                "back after 30 s, fullest by mean",
                OURS,
                None,
                AtMost(3.0),
            ),
            row("the same, clients in it", "back after 30 s, fullest second", OURS, None, Rate),
        ],
    }]
}
