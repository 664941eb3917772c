//! What can be seen from outside: the six counters, and the answer to `/health`.

use std::sync::atomic::{AtomicU64, Ordering};

use http::{Response, StatusCode, header};
use serde::Serialize;

use super::machine::AiwmState;
use crate::Timestamp;

/// The counters, by the names of the documents.
#[derive(Debug, Default)]
pub struct AiwmCounters {
    pub(super) connection_success: AtomicU64,
    pub(super) connection_failure: AtomicU64,
    pub(super) heartbeat_success: AtomicU64,
    pub(super) heartbeat_failure: AtomicU64,
    pub(super) token_refresh: AtomicU64,
    pub(super) config_update: AtomicU64,
}

impl AiwmCounters {
    /// Name, meaning and value of each.
    pub fn all(&self) -> [(&'static str, &'static str, u64); 6] {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            (
                "aiwm_connection_success_total",
                "Connects that succeeded",
                of(&self.connection_success),
            ),
            ("aiwm_connection_failure_total", "Connects that failed", of(&self.connection_failure)),
            (
                "aiwm_heartbeat_success_total",
                "Heartbeats that succeeded",
                of(&self.heartbeat_success),
            ),
            ("aiwm_heartbeat_failure_total", "Heartbeats that failed", of(&self.heartbeat_failure)),
            ("aiwm_token_refresh_total", "Tokens replaced", of(&self.token_refresh)),
            ("aiwm_config_update_total", "Configurations that changed", of(&self.config_update)),
        ]
    }

    /// In the text format of Prometheus.
    pub fn prometheus(&self) -> String {
        let lines = self.all().map(|(name, help, value)| {
            format!("# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}\n")
        });
        lines.concat()
    }
}

pub(super) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
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
