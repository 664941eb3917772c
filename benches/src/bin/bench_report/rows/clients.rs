//! Whole clients: beside what their stores do alone.

use super::{Goal, Peer, Row, Section, Unit, row};

pub(super) fn sections() -> [Section; 2] {
    [
        Section { title: "Whole clients, SQLite", unit: Unit::AsIs, rows: rows("sqlite") },
        Section { title: "Whole clients, file store", unit: Unit::AsIs, rows: rows("file") },
    ]
}

fn rows(store: &'static str) -> Vec<Row> {
    let bare = Some(("bare commits", Peer::Other("bare commits, 1/s", store)));
    let memory = Some(("in memory", Peer::Beside("memory")));
    vec![
        row("sent, one by one, msg/s", "sends, one by one, msg/s", store, bare, Goal::Rate),
        row("sent, 256 under way, msg/s", "sends, 256 under way, msg/s", store, memory, Goal::Rate),
        row(
            "sent and handled, one by one, msg/s",
            "handled, one by one, msg/s",
            store,
            bare,
            Goal::Rate,
        ),
        row(
            "sent and handled, 256 under way, msg/s",
            "handled, 256 under way, msg/s",
            store,
            memory,
            Goal::Rate,
        ),
    ]
}
