//! What the server counts, for `/metrics` in the Prometheus format. One recorder a server, none of them global, so
//! that servers in one process do not add up.

use std::fmt;

use agentmesh_core::services::agent_ws::service::ServiceStats;
use axum::{extract::State, response::IntoResponse};
use http::header;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::state::Shared;

/// Seconds; a commit is an fsync.
const COMMIT_BUCKETS: &[f64] = &[0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0];

/// Handles of everything counted in a hot place.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    /// Relay connections that are authenticated and open.
    pub(crate) connections: Gauge,
    /// Relay connections authenticated.
    pub(crate) connects: Counter,
    /// Relay connections refused.
    pub(crate) connects_refused: Counter,
    /// Among the connections, those of clients that poll.
    pub(crate) poll_sessions: Gauge,
    /// Connections closed because a newer one of the same agent took over.
    pub(crate) replaced: Counter,
    /// Connections closed because nothing was heard of them.
    pub(crate) timed_out: Counter,
    /// Messages accepted from senders.
    pub(crate) accepted: Counter,
    /// Messages put on a recipient's connection.
    pub(crate) delivered: Counter,
    /// Messages acknowledged by their recipients.
    pub(crate) acknowledged: Counter,
    /// Messages that waited too long.
    pub(crate) expired: Counter,
    /// Messages in the store or on their way there.
    pub(crate) pending: Gauge,
    /// Transactions of the store.
    pub(crate) commits: Counter,
    /// How long they took.
    pub(crate) commit_seconds: Histogram,
    /// Transactions that failed.
    pub(crate) commit_failures: Counter,
    /// Secrets of agents looked at, each with the work of a bcrypt.
    pub(crate) aiwm_secret_checks: Counter,
    /// Messages written.
    pub(crate) stored: Counter,
    /// Messages not written because they were acknowledged first.
    pub(crate) writes_saved: Counter,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let builder = PrometheusBuilder::new();
        // Fails for an empty list only.
        let recorder = builder.set_buckets(COMMIT_BUCKETS).unwrap_or_default().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, describe);
        let counters =
            |name: &'static str| metrics::with_local_recorder(&recorder, || counter!(name));
        let gauges = |name: &'static str| metrics::with_local_recorder(&recorder, || gauge!(name));
        Self {
            handle,
            connections: gauges("agentmesh_relay_connections"),
            connects: counters("agentmesh_relay_connects_total"),
            connects_refused: counters("agentmesh_relay_connects_refused_total"),
            poll_sessions: gauges("agentmesh_relay_poll_sessions"),
            replaced: counters("agentmesh_relay_replaced_total"),
            timed_out: counters("agentmesh_relay_timed_out_total"),
            accepted: counters("agentmesh_relay_accepted_total"),
            delivered: counters("agentmesh_relay_delivered_total"),
            acknowledged: counters("agentmesh_relay_acknowledged_total"),
            expired: counters("agentmesh_relay_expired_total"),
            pending: gauges("agentmesh_relay_pending_messages"),
            commits: counters("agentmesh_store_commits_total"),
            commit_seconds: metrics::with_local_recorder(&recorder, || {
                histogram!("agentmesh_store_commit_seconds")
            }),
            commit_failures: counters("agentmesh_store_commit_failures_total"),
            aiwm_secret_checks: counters("agentmesh_aiwm_secret_checks_total"),
            stored: counters("agentmesh_store_messages_written_total"),
            writes_saved: counters("agentmesh_store_messages_saved_total"),
            recorder,
        }
    }

    /// Counts a frame refused with an error.
    pub(crate) fn refused(&self, code: &str) {
        let code = code.to_owned();
        metrics::with_local_recorder(&self.recorder, || {
            counter!("agentmesh_relay_refused_total", "code" => code).increment(1);
        });
    }

    /// Counts an HTTP request. `route` is the route's pattern, never a path with somebody's name in it.
    pub(crate) fn http(&self, route: &str, status: u16) {
        let (route, status) = (route.to_owned(), status.to_string());
        metrics::with_local_recorder(&self.recorder, || {
            counter!("agentmesh_http_requests_total", "route" => route, "status" => status)
                .increment(1);
        });
    }

    /// Takes over what the agent WebSocket counts itself.
    fn agent_ws(&self, stats: &ServiceStats) {
        let gauged = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        metrics::with_local_recorder(&self.recorder, || {
            gauge!("agentmesh_agent_websocket_sessions").set(gauged(stats.sessions));
            counter!("agentmesh_agent_websocket_sessions_total").absolute(stats.sessions_total);
            counter!("agentmesh_agent_websocket_messages_total").absolute(stats.messages);
            counter!("agentmesh_agent_websocket_errors_total").absolute(stats.errors);
            counter!("agentmesh_agent_websocket_answers_total").absolute(stats.answers);
            let took = u64::try_from(stats.answer_time.as_millis()).unwrap_or(u64::MAX);
            counter!("agentmesh_agent_websocket_answer_milliseconds_total").absolute(took);
        });
    }

    /// Folds what histograms have collected; to be called now and then.
    pub(crate) fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

fn describe() {
    for (name, text) in [
        ("agentmesh_relay_connects_total", "Relay connections authenticated"),
        ("agentmesh_relay_connects_refused_total", "Relay connections refused"),
        (
            "agentmesh_relay_replaced_total",
            "Connections taken over by a newer one of the same agent",
        ),
        ("agentmesh_relay_timed_out_total", "Connections closed for silence"),
        ("agentmesh_relay_accepted_total", "Messages accepted from senders"),
        ("agentmesh_relay_delivered_total", "Messages put on a recipient's connection"),
        ("agentmesh_relay_acknowledged_total", "Messages acknowledged by their recipients"),
        ("agentmesh_relay_expired_total", "Messages that waited too long"),
        ("agentmesh_relay_refused_total", "Frames refused, by error code"),
        ("agentmesh_store_commits_total", "Transactions of the store"),
        ("agentmesh_store_commit_failures_total", "Transactions of the store that failed"),
        ("agentmesh_store_messages_written_total", "Messages written to the store"),
        (
            "agentmesh_store_messages_saved_total",
            "Messages acknowledged before they had to be written",
        ),
        ("agentmesh_aiwm_secret_checks_total", "Secrets of agents looked at"),
        ("agentmesh_agent_websocket_sessions_total", "Agent WebSocket: sessions"),
        ("agentmesh_agent_websocket_messages_total", "Agent WebSocket: messages that came in"),
        ("agentmesh_agent_websocket_errors_total", "Agent WebSocket: errors that went out"),
        ("agentmesh_agent_websocket_answers_total", "Agent WebSocket: calls of the backend"),
        (
            "agentmesh_agent_websocket_answer_milliseconds_total",
            "Agent WebSocket: how long these took together",
        ),
        ("agentmesh_http_requests_total", "HTTP requests, by route and status"),
    ] {
        metrics::describe_counter!(name, text);
    }
    metrics::describe_gauge!("agentmesh_agent_websocket_sessions", "Agent WebSocket: sessions now");
    metrics::describe_gauge!("agentmesh_relay_connections", "Relay connections open");
    metrics::describe_gauge!("agentmesh_relay_poll_sessions", "Relay connections without a socket");
    metrics::describe_gauge!("agentmesh_relay_pending_messages", "Messages not acknowledged yet");
    metrics::describe_histogram!("agentmesh_store_commit_seconds", "Duration of a transaction");
}

/// `GET /metrics`.
pub(crate) async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    shared.metrics.agent_ws(&shared.agent_ws.stats());
    let text = shared.metrics.handle.render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
