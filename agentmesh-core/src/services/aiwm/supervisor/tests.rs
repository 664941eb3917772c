//! The supervisor with a controller that answers as the test says, in tokio's paused time.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::json;

use super::*;
use crate::services::aiwm::{SecretText, answer::Connected};

type Answers<T> = Mutex<VecDeque<Result<T, AiwmError>>>;

/// Answers from lists; when they are used up, everything succeeds.
#[derive(Default)]
struct Script {
    connects: Answers<serde_json::Value>,
    beats: Answers<()>,
    connected: AtomicUsize,
    beaten: Mutex<Vec<(String, AgentStatus)>>,
    disconnected: AtomicUsize,
    /// Disconnects never end.
    hangs: bool,
}

fn unreachable_error() -> AiwmError {
    AiwmError::Unreachable { reason: "test".into() }
}

fn refused() -> AiwmError {
    AiwmError::AuthRejected { message: "Invalid credentials".into(), correlation_id: "c".into() }
}

fn gone() -> AiwmError {
    AiwmError::NotFound { message: "gone".into(), correlation_id: "c".into() }
}

impl Controller for Arc<Script> {
    fn connect(&self) -> platform::BoxFuture<'_, Result<Connected, AiwmError>> {
        Box::pin(async {
            let number = self.connected.fetch_add(1, Ordering::Relaxed) + 1;
            let next = lock(&self.connects).pop_front();
            let answer = match next {
                Some(answer) => answer?,
                None => json!({"settings": {"claudeModel": "m"}}),
            };
            let mut answer = answer;
            answer["token"] = format!("token-{number}").into();
            let bearer = format!("Bearer token-{number}");
            answer["mcpServers"] = json!({"Builtin": {"headers": {"Authorization": bearer}}});
            Ok(Connected::parse(answer.to_string().as_bytes()).unwrap())
        })
    }

    fn heartbeat<'a>(
        &'a self,
        token: &'a SecretText,
        status: AgentStatus,
        _: Option<&'a Metrics>,
    ) -> platform::BoxFuture<'a, Result<(), AiwmError>> {
        Box::pin(async move {
            lock(&self.beaten).push((token.expose().to_owned(), status));
            lock(&self.beats).pop_front().unwrap_or(Ok(()))
        })
    }

    fn disconnect<'a>(
        &'a self,
        _: &'a SecretText,
    ) -> platform::BoxFuture<'a, Result<(), AiwmError>> {
        Box::pin(async {
            self.disconnected.fetch_add(1, Ordering::Relaxed);
            if self.hangs {
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    }
}

fn options() -> SupervisorOptions {
    SupervisorOptions {
        instruction_file: "/nowhere".into(),
        clock: Clock::starting_at(crate::Timestamp::from_millis(1_700_000_000_000)),
        ..SupervisorOptions::new(Environment::from_pairs([("CLAUDE_MODEL", "env")]))
    }
}

async fn start(script: &Arc<Script>) -> AiwmSupervisor {
    AiwmSupervisor::start_with(Arc::clone(script), options()).await.unwrap()
}

fn count(supervisor: &AiwmSupervisor, name: &str) -> u64 {
    supervisor.counters().all().iter().find(|(n, ..)| *n == name).unwrap().2
}

#[tokio::test(start_paused = true)]
async fn case_16_local_until_a_probe_finds_the_controller() {
    let failures = (0..6).map(|_| Err(unreachable_error())).collect();
    let script = Arc::new(Script { connects: Mutex::new(failures), ..Script::default() });
    let supervisor = start(&script).await;
    assert_eq!(supervisor.state(), AiwmState::Degraded);
    assert_eq!(supervisor.config().model, "env");
    assert_eq!(supervisor.health().status, "degraded");
    let mut events = supervisor.events();
    let updated = loop {
        if let AiwmEvent::ConfigUpdated(config) = events.next().await.unwrap() {
            break config;
        }
    };
    assert_eq!(updated.model, "m");
    assert_eq!(script.connected.load(Ordering::Relaxed), 7);
    assert_eq!(count(&supervisor, "aiwm_connection_failure_total"), 6);
    assert_eq!(count(&supervisor, "aiwm_config_update_total"), 1);
    supervisor.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn case_18_a_refused_heartbeat_gets_a_new_token_and_goes_on() {
    let script = Arc::new(Script {
        beats: Mutex::new([Ok(()), Err(refused())].into()),
        ..Script::default()
    });
    let supervisor = start(&script).await;
    supervisor.status().set(AgentStatus::Busy);
    tokio::time::sleep(Duration::from_secs(125)).await;
    let tokens: Vec<_> = lock(&script.beaten).iter().map(|(token, _)| token.clone()).collect();
    assert_eq!(tokens, ["token-1", "token-1", "token-2", "token-2"]);
    assert_eq!(lock(&script.beaten).last().unwrap().1, AgentStatus::Busy);
    assert_eq!(supervisor.state(), AiwmState::Online);
    assert_eq!(count(&supervisor, "aiwm_token_refresh_total"), 1);
    assert_eq!(count(&supervisor, "aiwm_config_update_total"), 0, "only the token is new");
    supervisor.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn case_19_and_20_failures_are_counted_and_a_deleted_agent_is_told_once() {
    let beats = [Ok(()), Err(unreachable_error()), Err(unreachable_error()), Ok(()), Err(gone())];
    let script = Arc::new(Script { beats: Mutex::new(beats.into()), ..Script::default() });
    let supervisor = start(&script).await;
    let mut events = supervisor.events();
    tokio::time::sleep(Duration::from_secs(130)).await;
    assert_eq!(count(&supervisor, "aiwm_heartbeat_failure_total"), 2);
    assert_eq!(supervisor.health().aiwm.consecutive_heartbeat_failures, 2);
    assert_eq!(supervisor.state(), AiwmState::Online);
    tokio::time::sleep(Duration::from_secs(2000)).await;
    assert_eq!(supervisor.state(), AiwmState::Gone);
    let mut deleted = 0;
    while let Some(event) = events.try_next() {
        deleted += usize::from(matches!(event, AiwmEvent::AgentDeleted));
    }
    assert_eq!(deleted, 1);
    assert_eq!(lock(&script.beaten).len(), 5);
    supervisor.shutdown().await;
    assert_eq!(script.disconnected.load(Ordering::Relaxed), 0, "nobody there knows us");
}

#[tokio::test(start_paused = true)]
async fn case_24_shutdown_ends_in_two_seconds_even_if_the_controller_hangs() {
    let script = Arc::new(Script { hangs: true, ..Script::default() });
    let supervisor = start(&script).await;
    let status = supervisor.status();
    let before = tokio::time::Instant::now();
    supervisor.shutdown().await;
    // The timer counts whole milliseconds.
    assert!(before.elapsed() < Duration::from_millis(2010));
    assert_eq!(script.disconnected.load(Ordering::Relaxed), 1);
    let beats = lock(&script.beaten).len();
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(lock(&script.beaten).len(), beats);
    assert_eq!(status.get(), AgentStatus::Online);
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_an_error_only_if_asked_for() {
    let all = || Mutex::new([Err(refused())].into());
    let script = Arc::new(Script { connects: all(), ..Script::default() });
    let supervisor = start(&script).await;
    assert_eq!(supervisor.state(), AiwmState::Degraded);
    let script = Arc::new(Script { connects: all(), ..Script::default() });
    let strict = SupervisorOptions { fail_fast: true, ..options() };
    let error = AiwmSupervisor::start_with(script, strict).await.unwrap_err();
    assert_eq!(error, refused());
}

#[tokio::test(start_paused = true)]
async fn health_and_metrics_have_the_documented_names() {
    let script = Arc::new(Script::default());
    let supervisor = start(&script).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let answer = supervisor.respond("/health");
    let health: serde_json::Value = serde_json::from_str(answer.body()).unwrap();
    assert_eq!(
        health,
        json!({"status": "ok", "aiwm": {"state": "online",
        "lastConnectedAt": "2023-11-14T22:13:20.000Z", "lastHeartbeatAt": "2023-11-14T22:13:20.000Z",
        "tokenExpiresAt": "2023-11-15T22:13:20.000Z", "consecutiveHeartbeatFailures": 0}})
    );
    let metrics = supervisor.respond("/metrics").into_body();
    for name in [
        "connection_success",
        "connection_failure",
        "heartbeat_success",
        "heartbeat_failure",
        "token_refresh",
        "config_update",
    ] {
        assert!(
            metrics.contains(&format!("# TYPE aiwm_{name}_total counter\naiwm_{name}_total ")),
            "{metrics}"
        );
    }
    assert_eq!(supervisor.respond("/x").status(), 404);
    supervisor.shutdown().await;
    let local = AiwmSupervisor::start(None, options()).await.unwrap();
    assert_eq!((local.state(), local.config().model.as_str()), (AiwmState::Disabled, "env"));
    local.shutdown().await;
}
