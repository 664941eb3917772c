//! What an agent counts and measures, through the facade `metrics`: the application installs whatever recorder it likes,
//! and without one nothing is kept. `docs/observability.md` lists the same.
//!
//! Labels name stages, reasons and codes, never a peer, a message or a session: their number is bounded by the code. The
//! gauges have the label `agent`, the own AMID, since one process can have many agents.

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::{
    ErrorInfo,
    client::agent::AgentEvent,
    engine::{CircuitState, Event, PrekeyChange, Stage},
    identity::Amid,
};

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// A level.
    Gauge,
    /// A distribution, in seconds.
    Histogram,
}

/// A metric that agents report.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: MetricKind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

macro_rules! table {
    ($( $constant:ident = $name:literal, $kind:ident, $labels:expr, $help:literal; )*) => {
        $( const $constant: &str = $name; )*
        /// All of them.
        pub const METRICS: &[Metric] = &[ $( Metric {
            name: $name,
            kind: MetricKind::$kind,
            labels: &$labels,
            help: $help,
        }, )* ];
    };
}

table! {
    SENT = "agentmesh_messages_sent_total", Counter, ["stage"],
        "messages of this process that came to a stage: queued, stored, delivered, handled";
    FAILED = "agentmesh_messages_failed_total", Counter, ["code"],
        "messages that will not be delivered, by the code of the failure";
    RECEIVED = "agentmesh_messages_received_total", Counter, [],
        "messages that came in and wait for their handler";
    DROPPED = "agentmesh_frames_dropped_total", Counter, ["reason"],
        "frames without effect";
    PARTS_REFUSED = "agentmesh_payloads_refused_total", Counter, [],
        "large payloads of peers that were given up";
    SESSIONS = "agentmesh_sessions_opened_total", Counter, ["suite", "side"],
        "new sessions; side is initiator or responder";
    CLOSED = "agentmesh_sessions_closed_total", Counter, [],
        "sessions closed by either end, killed ones among them";
    KNOCKS = "agentmesh_knocks_decided_total", Counter, ["by", "outcome"],
        "KNOCKs decided by us or by a peer: accepted or rejected";
    CONNECTS = "agentmesh_connects_total", Counter, [],
        "relay connections made";
    DISCONNECTS = "agentmesh_disconnects_total", Counter, [],
        "relay connections lost or given up";
    TAKEOVERS = "agentmesh_takeovers_total", Counter, [],
        "times that the same identity turned out to be in use elsewhere";
    REGISTRATIONS = "agentmesh_registrations_total", Counter, [],
        "times that the registry was told of this agent";
    TROUBLES = "agentmesh_troubles_total", Counter, ["code"],
        "things that did not work in the background, by code";
    PREKEYS = "agentmesh_prekey_changes_total", Counter, ["change"],
        "changes of the own prekeys: generated, rotated, consumed, published";
    CIRCUIT = "agentmesh_circuit_changes_total", Counter, ["state"],
        "orders to the circuit breakers: running, paused, stopped, blocked, unblocked, killed";
    POLICY = "agentmesh_policy_reloads_total", Counter, ["outcome"],
        "policies that came into force (loaded) or were not understood (failed)";
    LIMITED = "agentmesh_rate_limited_total", Counter, ["scope"],
        "messages refused by the limits on sending";
    COMMIT = "agentmesh_commit_seconds", Histogram, [],
        "how long a commit to the store took";
    OUTBOX = "agentmesh_outbox_messages", Gauge, ["agent"],
        "messages not handled by their recipients yet";
    INBOX = "agentmesh_inbox_messages", Gauge, ["agent"],
        "messages received and not handled yet";
    LIVE = "agentmesh_sessions", Gauge, ["agent"],
        "sessions that have keys";
    ONLINE = "agentmesh_online", Gauge, ["agent"],
        "1 with a relay connection, else 0";
}

/// Tells the installed recorder what each metric means. To be called once, after it was installed.
pub fn describe() {
    for metric in METRICS {
        match metric.kind {
            MetricKind::Counter => describe_counter!(metric.name, metric.help),
            MetricKind::Gauge => describe_gauge!(metric.name, metric.help),
            MetricKind::Histogram => describe_histogram!(metric.name, Unit::Seconds, metric.help),
        }
    }
}

/// Levels after a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Levels {
    pub(super) outbox: usize,
    pub(super) inbox: usize,
    pub(super) sessions: usize,
}

/// One agent's share.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    agent: String,
}

impl Meter {
    pub(super) fn new(amid: Amid) -> Self {
        Self { agent: amid.to_string() }
    }

    pub(super) fn committed(&self, took: Duration) {
        histogram!(COMMIT).record(took.as_secs_f64());
    }

    pub(super) fn queued(&self) {
        stage(Stage::Queued);
    }

    #[allow(clippy::cast_precision_loss, reason = "counts of things in memory")]
    pub(super) fn levels(&self, levels: Levels) {
        let set = |name, n: usize| gauge!(name, "agent" => self.agent.clone()).set(n as f64);
        set(OUTBOX, levels.outbox);
        set(INBOX, levels.inbox);
        set(LIVE, levels.sessions);
    }

    fn online(&self, online: bool) {
        gauge!(ONLINE, "agent" => self.agent.clone()).set(f64::from(u8::from(online)));
    }

    /// Counts an event.
    pub(super) fn record(&self, event: &AgentEvent) {
        match event {
            AgentEvent::Connected { .. } => {
                counter!(CONNECTS).increment(1);
                self.online(true);
            }
            AgentEvent::Disconnected { .. } => {
                counter!(DISCONNECTS).increment(1);
                self.online(false);
            }
            AgentEvent::Replaced | AgentEvent::Superseded => {
                counter!(TAKEOVERS).increment(1);
                self.online(false);
            }
            AgentEvent::Closed { .. } | AgentEvent::Revoked { .. } => self.online(false),
            AgentEvent::Registered { .. } => counter!(REGISTRATIONS).increment(1),
            AgentEvent::Trouble { code, .. } => counter!(TROUBLES, "code" => *code).increment(1),
            AgentEvent::PolicyReloaded => counter!(POLICY, "outcome" => "loaded").increment(1),
            AgentEvent::PolicyReloadFailed { .. } => {
                counter!(POLICY, "outcome" => "failed").increment(1);
            }
            AgentEvent::RateLimited { scope, .. } => {
                counter!(LIMITED, "scope" => scope.as_str()).increment(1);
            }
            AgentEvent::Engine(event) => engine(event),
            _ => {}
        }
    }
}

fn stage(stage: Stage) {
    counter!(SENT, "stage" => stage.as_str()).increment(1);
}

fn knock(by: &'static str, accepted: bool) {
    let outcome = if accepted { "accepted" } else { "rejected" };
    counter!(KNOCKS, "by" => by, "outcome" => outcome).increment(1);
}

fn circuit(state: &'static str) {
    counter!(CIRCUIT, "state" => state).increment(1);
}

fn engine(event: &Event) {
    match event {
        Event::MessageReady { .. } => counter!(RECEIVED).increment(1),
        Event::Progress { stage: reached, .. } => stage(*reached),
        Event::SendFailed { reason, .. } => counter!(FAILED, "code" => reason.code()).increment(1),
        Event::SessionEstablished { suite, initiator, .. } => {
            let side = if *initiator { "initiator" } else { "responder" };
            counter!(SESSIONS, "suite" => suite.name(), "side" => side).increment(1);
        }
        Event::SessionClosed { .. } => counter!(CLOSED).increment(1),
        Event::KnockDecided { rejected, .. } => knock("us", rejected.is_none()),
        Event::KnockAccepted { .. } => knock("peer", true),
        Event::KnockRejected { .. } => knock("peer", false),
        Event::PartsRefused { .. } => counter!(PARTS_REFUSED).increment(1),
        Event::PrekeysChanged { change } => {
            let change = match change {
                PrekeyChange::Generated => "generated",
                PrekeyChange::Rotated => "rotated",
                PrekeyChange::Consumed => "consumed",
                PrekeyChange::Published => "published",
            };
            counter!(PREKEYS, "change" => change).increment(1);
        }
        Event::CircuitChanged { state, .. } => circuit(match state {
            CircuitState::Running => "running",
            CircuitState::Paused => "paused",
            CircuitState::Stopped => "stopped",
        }),
        Event::SessionKilled { .. } => circuit("killed"),
        Event::PeerBlocked { .. } => circuit("blocked"),
        Event::PeerUnblocked { .. } => circuit("unblocked"),
        Event::FrameDropped { reason, .. } => {
            counter!(DROPPED, "reason" => reason.as_str()).increment(1);
        }
        _ => {}
    }
}
