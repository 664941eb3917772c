//! The services beside the relay.

use super::{
    Goal::{Rate, Time},
    OURS, Row, Section, Unit, row,
};

pub(super) fn sections() -> [Section; 1] {
    [Section { title: "AIWM and agent WebSocket", unit: Unit::AsIs, rows: rows() }]
}

fn rows() -> Vec<Row> {
    vec![
        row(
            "AIWM, connect and heartbeat without bcrypt, pairs/s",
            "AIWM connect and heartbeat without bcrypt, 1/s",
            OURS,
            None,
            Rate,
        ),
        row(
            "the same, server's CPU, µs a pair",
            "AIWM connect and heartbeat without bcrypt, µs",
            OURS,
            None,
            Time,
        ),
        row("AIWM, heartbeats/s", "AIWM heartbeats, 1/s", OURS, None, Rate),
        row("AIWM, server's CPU, µs a heartbeat", "AIWM heartbeats, µs", OURS, None, Time),
        row("AIWM, connects/s", "AIWM connects, 1/s", OURS, None, Rate),
        row(
            "AIWM, p99 of a heartbeat meanwhile, ms",
            "AIWM heartbeat beside connects, p99 ms",
            OURS,
            None,
            Time,
        ),
        row("agent WebSocket, questions/s (echo)", "chat, questions/s", OURS, None, Rate),
        row(
            "the same, server's CPU, µs a question",
            "chat, server CPU, µs a question",
            OURS,
            None,
            Time,
        ),
    ]
}
