//! The relay: beside a bare forwarder and NATS.

use super::{
    Goal::{AtMost, Rate, RateAtLeast, Time, TimeAtMost},
    OURS, Peer, Row, Section, Unit, beside, row,
};

const JSON: &str = "agentmesh, json";
const BINARY: &str = "agentmesh, binary";
const ACKNOWLEDGED: &str = "agentmesh, acknowledged";

pub(super) fn sections() -> [Section; 2] {
    [
        Section { title: "Relay, messages of 1 KiB over loopback", unit: Unit::AsIs, rows: live() },
        Section { title: "Relay, durable", unit: Unit::AsIs, rows: durable() },
    ]
}

fn live() -> Vec<Row> {
    vec![
        row(
            "ping-pong, cores kept awake, msg/s",
            "ping-pong awake, msg/s",
            JSON,
            beside("floor"),
            RateAtLeast(0.9),
        ),
        row(
            "ping-pong, cores kept awake, msg/s, binary frames",
            "ping-pong awake, msg/s",
            BINARY,
            beside("floor"),
            RateAtLeast(0.9),
        ),
        row(
            "ping-pong, cores kept awake, server's CPU, µs a message",
            "ping-pong awake, server CPU, µs/msg",
            JSON,
            beside("floor"),
            TimeAtMost(1.15),
        ),
        row(
            "ping-pong, cores kept awake, msg/s",
            "ping-pong awake, msg/s",
            JSON,
            beside("forwarder"),
            Rate,
        ),
        row(
            "ping-pong, cores kept awake, msg/s",
            "ping-pong awake, msg/s",
            JSON,
            beside("nats"),
            Rate,
        ),
        row(
            "ping-pong, cores asleep in between, msg/s",
            "ping-pong, msg/s",
            JSON,
            beside("floor"),
            Rate,
        ),
        row(
            "ping-pong, cores asleep in between, msg/s",
            "ping-pong, msg/s",
            JSON,
            beside("nats"),
            Rate,
        ),
        row(
            "ping-pong, cores asleep in between, server's CPU, µs a message",
            "ping-pong, server CPU, µs/msg",
            JSON,
            beside("floor"),
            Time,
        ),
        row("one way, msg/s, JSON", "one way, msg/s", JSON, beside("forwarder"), RateAtLeast(1.1)),
        row("one way, msg/s, JSON", "one way, msg/s", JSON, beside("floor"), Rate),
        row(
            "one way, msg/s, binary frames",
            "one way, msg/s",
            BINARY,
            beside("nats"),
            RateAtLeast(0.75),
        ),
        row(
            "one way, server's CPU, µs a message, binary",
            "one way, server CPU, µs/msg",
            BINARY,
            beside("floor"),
            Time,
        ),
        row(
            "p99 at 1,000 msg/s, ms",
            "paced 1,000 msg/s, p99 ms",
            JSON,
            beside("floor"),
            TimeAtMost(1.5),
        ),
        row(
            "p99 at 1,000 msg/s, ms",
            "paced 1,000 msg/s, p99 ms",
            JSON,
            beside("nats"),
            TimeAtMost(1.0),
        ),
        row(
            "memory of an idle connection, KiB",
            "idle connection, KiB",
            BINARY,
            None,
            AtMost(10.0),
        ),
        row(
            "memory of an idle connection, KiB",
            "idle connection, KiB",
            BINARY,
            beside("nats"),
            Time,
        ),
        row(
            "10,000 agents back after 2 s, the fullest second by the mean",
            "back after 2 s, fullest by mean",
            OURS,
            None,
            AtMost(3.0),
        ),
        row("the same, agents in it", "back after 2 s, fullest second", OURS, None, Rate),
        row(
            "10,000 agents back after 10 s, the fullest second by the mean",
            "back after 10 s, fullest by mean",
            OURS,
            None,
            AtMost(3.0),
        ),
        row("the same, agents in it", "back after 10 s, fullest second", OURS, None, Rate),
        row(
            "10,000 agents back after 30 s, the fullest second by the mean",
            "back after 30 s, fullest by mean",
            OURS,
            None,
            AtMost(3.0),
        ),
        row("the same, agents in it", "back after 30 s, fullest second", OURS, None, Rate),
    ]
}

fn durable() -> Vec<Row> {
    vec![
        row(
            "stored and acknowledged, one at a time, msg/s (in memory)",
            "durable in memory, 1 under way, msg/s",
            OURS,
            beside("jetstream"),
            RateAtLeast(0.5),
        ),
        row(
            "the same with 256 under way",
            "durable in memory, 256 under way, msg/s",
            OURS,
            beside("jetstream"),
            RateAtLeast(0.5),
        ),
        row(
            "one at a time, on the disk",
            "durable on disk, 1 under way, msg/s",
            OURS,
            Some(("fdatasync", Peer::Other("fdatasync of 4 KiB, 1/s", "disk"))),
            Rate,
        ),
        row(
            "256 under way, on the disk",
            "durable on disk, 256 under way, msg/s",
            OURS,
            Some(("fdatasync", Peer::Other("fdatasync of 4 KiB, 1/s", "disk"))),
            Rate,
        ),
        row(
            "native clients, ping-pong, cores kept awake, msg/s",
            "ping-pong awake, msg/s",
            ACKNOWLEDGED,
            beside("floor"),
            Rate,
        ),
        row(
            "native clients, one way, msg/s",
            "one way, msg/s",
            ACKNOWLEDGED,
            beside("floor"),
            Rate,
        ),
    ]
}
