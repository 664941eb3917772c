//! What can be seen of agents from outside: metrics, spans with the trace of the peer, sessions described. Real sockets and
//! SQLite; each test has its own recorder and its own subscriber, for its own thread.

use std::{collections::BTreeSet, time::Duration};

use agentmesh_core::{
    client::{
        Agent, AgentBuilder, SendOptions,
        metrics::{METRICS, MetricKind, describe},
        trace::TraceParent,
    },
    engine::Stage,
    knock::Policy,
    storage::{MemoryStorage, SqliteStorage},
    vault::StoreKey,
};
use agentmesh_server::{Server, ServerConfig};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tracing::Instrument;

use crate::log::Log;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn builder(server: &Server) -> AgentBuilder {
    Agent::builder()
        .storage(MemoryStorage::new())
        .store_key(StoreKey::from_bytes([1; 32]))
        .registry_url(server.registry_url())
        .relay_url(server.relay_url())
        .policy(Policy::permissive())
}

async fn online(builder: AgentBuilder) -> Agent {
    let agent = builder.open_or_create().await.unwrap();
    agent.connect().await.unwrap();
    agent
}

fn delivered() -> SendOptions {
    SendOptions::wait_for(Stage::Delivered)
}

async fn talk_and_quarrel() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let (alice, bob) = (online(builder(&server)).await, online(builder(&server)).await);
    let mut messages = bob.messages().await.unwrap();
    for text in ["1", "2"] {
        alice.send(bob.amid(), text, delivered()).await.unwrap();
        messages.next().await.unwrap().ack().await.unwrap();
    }
    bob.pause_new().await.unwrap();
    let carol = online(builder(&server)).await;
    let refused = carol.send(bob.amid(), "3", delivered()).await.unwrap_err();
    assert_eq!(agentmesh_core::ErrorInfo::code(&refused), "SEND_KNOCK_REJECTED");
    bob.block(carol.amid()).await.unwrap();
    for agent in [alice, bob, carol] {
        agent.close().await.unwrap();
    }
    server.shutdown().await;
}

#[test]
fn metrics_count_what_happens_and_name_no_peer() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        describe();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(talk_and_quarrel());
    });
    // Reading a snapshot empties histograms and counters, so there is one.
    let all = snapshotter.snapshot().into_vec();
    let known: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    let value = |name: &str, labels: &[(&str, &str)]| {
        let mut sum = 0.0;
        for (key, _, _, value) in &all {
            let key = key.key();
            let has = |(k, v): &(&str, &str)| {
                key.labels().any(|label| label.key() == *k && label.value() == *v)
            };
            if key.name() == name && labels.iter().all(has) {
                sum += match value {
                    DebugValue::Counter(n) => *n as f64,
                    DebugValue::Gauge(n) => n.into_inner(),
                    DebugValue::Histogram(values) => values.len() as f64,
                };
            }
        }
        sum
    };
    assert_eq!(value("agentmesh_messages_sent_total", &[("stage", "queued")]), 3.0);
    assert_eq!(value("agentmesh_messages_sent_total", &[("stage", "handled")]), 2.0);
    assert_eq!(value("agentmesh_messages_received_total", &[]), 2.0);
    let rejected = [("code", "SEND_KNOCK_REJECTED")];
    assert_eq!(value("agentmesh_messages_failed_total", &rejected), 1.0);
    let opened = [("suite", "x25519-mlkem768"), ("side", "initiator")];
    assert_eq!(value("agentmesh_sessions_opened_total", &opened), 2.0);
    assert_eq!(value("agentmesh_knocks_decided_total", &[("by", "us")]), 2.0);
    let no = [("by", "peer"), ("outcome", "rejected")];
    assert_eq!(value("agentmesh_knocks_decided_total", &no), 1.0);
    assert_eq!(value("agentmesh_circuit_changes_total", &[("state", "paused")]), 1.0);
    assert_eq!(value("agentmesh_circuit_changes_total", &[("state", "blocked")]), 1.0);
    assert!(value("agentmesh_connects_total", &[]) >= 3.0);
    assert_eq!(value("agentmesh_online", &[]), 0.0, "all are closed");
    assert!(value("agentmesh_commit_seconds", &[]) > 3.0);
    for (key, _, _, _) in &all {
        let key = key.key();
        if !key.name().starts_with("agentmesh_") || !known.contains(key.name()) {
            // The server has a recorder of its own.
            assert!(!key.name().starts_with("agentmesh_"), "{} is not documented", key.name());
            continue;
        }
        let documented = METRICS.iter().find(|metric| metric.name == key.name()).unwrap();
        for label in key.labels() {
            assert!(documented.labels.contains(&label.key()), "{key:?}");
            assert!(label.key() == "agent" || label.value().len() < 40, "{key:?}");
        }
    }
}

#[test]
fn every_metric_is_in_the_documentation() {
    let text = std::fs::read_to_string(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/observability.md"),
    )
    .unwrap();
    for metric in METRICS {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let row =
            format!("| `{}` | {kind} | {} | {} |", metric.name, labels.join(", "), metric.help);
        assert!(text.contains(&row), "docs/observability.md lacks the row\n{row}");
    }
}

#[tokio::test]
async fn trace_context_crosses_inside_the_ciphertext_and_is_in_the_spans_of_both_ends() {
    let log = Log::default();
    let _logging = log.everything();
    let dir = tempfile::tempdir().unwrap();
    let mut config = ServerConfig::for_development();
    config.data_dir = Some(dir.path().to_owned());
    let server = Server::start(config).await.unwrap();
    let parent: TraceParent = TRACE.parse().unwrap();
    let alice = online(builder(&server).trace_source(move || Some(parent))).await;
    let bob = online(builder(&server)).await;
    let bobs = bob.amid();
    bob.close().await.unwrap();
    // At rest at the relay, nothing shows it.
    let error = alice.send(bobs, "1", SendOptions::default()).await;
    assert!(error.is_ok(), "{error:?}");
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        let id = parent.trace_id();
        assert!(!bytes.windows(id.len()).any(|window| window == id.as_bytes()));
    }

    let bob = online(builder(&server)).await;
    let mut messages = bob.messages().await.unwrap();
    let own: TraceParent =
        "00-11111111111111111111111111111111-2222222222222222-01".parse().unwrap();
    let options = SendOptions { trace: Some(own.to_string()), ..SendOptions::default() };
    for (options, expected) in [(SendOptions::default(), parent), (options, own)] {
        alice.send(bob.amid(), "2", options).await.unwrap();
        let message = messages.next().await.unwrap();
        assert_eq!(message.trace(), Some(expected.to_string().as_str()));
        let span = message.span();
        async { tracing::info!(target: "application", "at work") }.instrument(span).await;
        message.ack().await.unwrap();
        let text = log.text();
        let ids =
            format!("trace_id=\"{}\" parent_id=\"{}\"", expected.trace_id(), expected.span_id());
        for place in ["at work", "close"] {
            let said = |line: &str| line.contains(&ids) && line.contains(place);
            assert!(text.lines().any(said), "no line with {ids} and {place}");
        }
    }
    // What a peer writes there is its business, and no part of a log.
    let options =
        SendOptions { trace: Some("\u{1b}[2J owned".to_owned()), ..SendOptions::default() };
    alice.send(bob.amid(), "3", options).await.unwrap();
    let message = messages.next().await.unwrap();
    message.span().in_scope(|| tracing::info!(target: "application", "careful"));
    assert!(!log.text().contains("owned"));
    assert!(log.text().contains(&format!("agent{{amid={}}}", alice.amid())));
    for agent in [alice, bob] {
        agent.close().await.unwrap();
    }
    server.shutdown().await;
}

#[tokio::test]
async fn nothing_that_is_said_at_trace_level_holds_a_secret() {
    const SAID: &str = "the words in question";
    const ANSWERED: &str = "the answer in question";
    let log = Log::default();
    let _logging = log.everything();
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let key = [0xab; 32];
    let open = || builder(&server).store_key(StoreKey::from_bytes(key));
    let (alice, bob) = (online(open()).await, online(open()).await);
    let mut messages = bob.messages().await.unwrap();
    let question = format!("{{\"question\":\"{SAID}\"}}");
    let asked =
        alice.request(bob.amid(), question, Duration::from_secs(20), SendOptions::default());
    let answer = async {
        let message = messages.next().await.unwrap();
        let answer = format!("{{\"answer\":\"{ANSWERED}\"}}");
        message.respond(&bob, answer, SendOptions::default()).await.unwrap();
    };
    let (answered, ()) = tokio::join!(asked, answer);
    assert!(answered.unwrap().payload.as_json().unwrap().contains(ANSWERED));
    let backup = alice.back_up("the pass phrase in question").await.unwrap();
    assert!(!backup.is_empty());
    for agent in [alice, bob] {
        agent.close().await.unwrap();
    }
    server.shutdown().await;
    let text = log.text();
    assert!(text.len() > 10_000 && text.contains("TRACE"), "the log is switched on");
    let hex = "ab".repeat(8);
    let list = "171, 171, 171, 171";
    for secret in [SAID, ANSWERED, "in question", &hex, list] {
        let found = text.lines().find(|line| line.contains(secret));
        assert!(found.is_none(), "{secret} in {found:?}");
    }
}

#[tokio::test]
async fn sessions_are_described_without_secrets() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = || SqliteStorage::open(dir.path().join("agent.db")).unwrap();
    let alice = online(builder(&server).storage(store())).await;
    let bob = online(builder(&server)).await;
    assert!(alice.sessions().await.unwrap().is_empty());
    assert_eq!(alice.describe(bob.amid()).await.unwrap(), None);
    alice.send(bob.amid(), "1", delivered()).await.unwrap();
    let here = alice.describe(bob.amid()).await.unwrap().unwrap();
    let there = bob.describe(alice.amid()).await.unwrap().unwrap();
    assert_eq!(here.id, there.id);
    assert_eq!((here.suite, here.initiator, there.initiator), ("x25519-mlkem768", true, false));
    assert!(here.accepted && here.confirmed && there.accepted);
    // It is on disk, and found again.
    alice.close().await.unwrap();
    let alice = builder(&server).storage(store()).load().await.unwrap();
    let again = alice.sessions().await.unwrap();
    assert_eq!(again.len(), 1);
    assert_eq!((again[0].peer, &again[0].id), (bob.amid(), &here.id));
    alice.kill_session(bob.amid()).await.unwrap();
    assert!(alice.sessions().await.unwrap().is_empty());
    for agent in [alice, bob] {
        agent.close().await.unwrap();
    }
    server.shutdown().await;
}
