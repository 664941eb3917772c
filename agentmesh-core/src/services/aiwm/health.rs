//! What can be seen from outside: the six counters, and the answer to `/health`.

use std::sync::atomic::{AtomicU64, Ordering};

use http::{Response, StatusCode, header};
use serde::Serialize;

use super::machine::AiwmState;
use crate::Timestamp;

/// Only grows. With the feature `metrics`, the application's recorder counts the same.
#[derive(Debug)]
pub(super) struct Counter {
    name: &'static str,
    help: &'static str,
    value: AtomicU64,
}

impl Counter {
    const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, value: AtomicU64::new(0) }
    }

    pub(super) fn add(&self) {
        self.value.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        metrics::counter!(self.name).increment(1);
    }

    pub(super) fn value(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

/// The counters, by the names of the documents.
#[derive(Debug)]
pub struct AiwmCounters {
    pub(super) connection_success: Counter,
    pub(super) connection_failure: Counter,
    pub(super) heartbeat_success: Counter,
    pub(super) heartbeat_failure: Counter,
    pub(super) token_refresh: Counter,
    pub(super) config_update: Counter,
}

impl AiwmCounters {
    pub(super) fn new() -> Self {
        let counter = Counter::new;
        Self {
            connection_success: counter("aiwm_connection_success_total", "Connects that succeeded"),
            connection_failure: counter("aiwm_connection_failure_total", "Connects that failed"),
            heartbeat_success: counter("aiwm_heartbeat_success_total", "Heartbeats that succeeded"),
            heartbeat_failure: counter("aiwm_heartbeat_failure_total", "Heartbeats that failed"),
            token_refresh: counter("aiwm_token_refresh_total", "Tokens replaced"),
            config_update: counter("aiwm_config_update_total", "Configurations that changed"),
        }
    }

    /// Name, meaning and value of each.
    pub fn all(&self) -> [(&'static str, &'static str, u64); 6] {
        [
            &self.connection_success,
            &self.connection_failure,
            &self.heartbeat_success,
            &self.heartbeat_failure,
            &self.token_refresh,
            &self.config_update,
        ]
        .map(|counter| (counter.name, counter.help, counter.value()))
    }

    /// In the text format of Prometheus.
    pub fn prometheus(&self) -> String {
        let lines = self.all().map(|(name, help, value)| {
            format!("# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}\n")
        });
        lines.concat()
    }
}

/// How an agent stands with its controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// `ok`, or `degraded` while the controller cannot be used.
    pub status: &'static str,
    /// Details.
    pub aiwm: AiwmHealth,
}

/// Details of [`Health`]. Times are RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AiwmHealth {
    /// The state.
    pub state: AiwmState,
    /// The last connect that succeeded.
    pub last_connected_at: Option<String>,
    /// The last heartbeat that succeeded.
    pub last_heartbeat_at: Option<String>,
    /// Until when the token is good.
    pub token_expires_at: Option<String>,
    /// Heartbeats that failed since the last one that did not.
    pub consecutive_heartbeat_failures: u64,
}

/// Times that [`Health`] shows.
#[derive(Debug, Clone, Default)]
pub(super) struct Times {
    pub(super) connected: Option<Timestamp>,
    pub(super) heartbeat: Option<Timestamp>,
    pub(super) token_ends: Option<Timestamp>,
    pub(super) missed: u64,
}

impl Health {
    pub(super) fn new(state: AiwmState, times: &Times) -> Self {
        let ok = matches!(state, AiwmState::Online | AiwmState::Disabled);
        let time = |at: Option<Timestamp>| at.map(Timestamp::to_rfc3339_millis);
        Self {
            status: if ok { "ok" } else { "degraded" },
            aiwm: AiwmHealth {
                state,
                last_connected_at: time(times.connected),
                last_heartbeat_at: time(times.heartbeat),
                token_expires_at: time(times.token_ends),
                consecutive_heartbeat_failures: times.missed,
            },
        }
    }
}

/// Answers `/health` and `/metrics`, and 404 to everything else. A degraded agent still works, so `/health` is 200.
pub(super) fn respond(path: &str, health: &Health, counters: &AiwmCounters) -> Response<String> {
    let (status, kind, body) = match path {
        "/health" => {
            (StatusCode::OK, "application/json", serde_json::to_string(health).unwrap_or_default())
        }
        "/metrics" => {
            (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", counters.prometheus())
        }
        _ => (StatusCode::NOT_FOUND, "application/json", r#"{"error":"Not found"}"#.to_owned()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let kind = http::HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
