//! The program: flags, the line on stdout, signals, and a database that was hurt.

use std::{
    io::Write,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use agentmesh_core::wire::{relay_features::Features, relay_frame::ServerFrame};
use agentmesh_server::{Server, ServerConfig, ServerError};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
};

use crate::support::*;

pub(crate) struct Program {
    pub(crate) child: Child,
    pub(crate) addr: String,
}

pub(crate) fn command(data_dir: &Path, listen: &str, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agentmesh-server"));
    command
        .args(["serve", "--listen", listen, "--data-dir"])
        .arg(data_dir)
        .args(flags)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl Program {
    async fn start(data_dir: &Path, listen: &str, flags: &[&str]) -> Self {
        Self::spawn(command(data_dir, listen, flags)).await
    }

    pub(crate) async fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("the program ended");
        let said: Value = serde_json::from_str(&line).unwrap();
        let addr = said["addr"].as_str().unwrap().to_owned();
        assert_eq!(line, format!("{{\"event\":\"listening\",\"addr\":\"{addr}\"}}"));
        // Nothing else is ever said there.
        tokio::spawn(async move {
            assert_eq!(lines.next_line().await.unwrap(), None);
        });
        Self { child, addr }
    }

    async fn connect(&self, identity: &agentmesh_core::identity::Identity) -> (Socket, u64) {
        let mut socket = Socket::open(&format!("ws://{}/v1/connect", self.addr)).await;
        let frame = connect_frame(identity, ACK);
        socket.send(&agentmesh_core::wire::relay_frame::ClientFrame::Connect(frame)).await;
        match socket.next().await {
            ServerFrame::Connected { pending_messages, .. } => (socket, pending_messages),
            other => panic!("{other:?}"),
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    async fn wait(&mut self) -> Option<i32> {
        self.child.wait().await.unwrap().code()
    }
}

#[tokio::test]
async fn sigterm_drains_within_5_seconds_and_exits_0() {
    let dir = tempfile::tempdir().unwrap();
    for signal in ["-TERM", "-INT"] {
        let mut program = Program::start(dir.path(), "127.0.0.1:0", &[]).await;
        let (mut socket, _) = program.connect(&identity()).await;
        let start = Instant::now();
        program.signal(signal);
        assert!(matches!(socket.next().await, ServerFrame::Error { .. }));
        socket.closed(1001).await;
        assert_eq!(program.wait().await, Some(0));
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn acked_messages_survive_sigkill_and_the_port_is_free_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (alice, bob) = (identity(), identity());
    let mut program = Program::start(dir.path(), "127.0.0.1:0", &[]).await;
    let addr = program.addr.clone();
    for round in 0..4_u8 {
        let (mut a, _) = program.connect(&alice).await;
        for n in 0..20 {
            a.send(&message_with_id(&bob, &format!("{round} {n}"), id(round * 20 + n))).await;
            a.acked(id(round * 20 + n)).await;
        }
        program.signal("-KILL");
        program.wait().await;
        program = Program::start(dir.path(), &addr, &[]).await;
    }
    let (mut b, pending) = program.connect(&bob).await;
    assert_eq!(pending, 80);
    for n in 0..80 {
        assert_eq!(b.receive().await.message_id, Some(id(n)));
        b.ack(&alice, id(n)).await;
    }
    b.is_alive().await;
    // Deletions are not waited for, but not put off for ever either.
    tokio::time::sleep(Duration::from_millis(500)).await;
    program.signal("-KILL");
    program.wait().await;
    program = Program::start(dir.path(), &addr, &[]).await;
    assert_eq!(program.connect(&bob).await.1, 0);
}

#[tokio::test]
async fn limits_have_flags() {
    let dir = tempfile::tempdir().unwrap();
    let flags = [
        "--profile=head",
        "--messages-per-minute=2",
        "--knocks-per-minute=0",
        "--connects-per-minute-per-ip=0",
        "--one-time-keys-per-hour=0",
        "--pending-per-agent=0",
        "--stored-messages=0",
        "--payload-bytes=10",
        "--message-ttl-seconds=0",
        "--idle-timeout-seconds=0",
        "--connect-timeout-seconds=0",
        "--outgoing-bytes=0",
        "--connections=0",
        "--connections-per-ip=0",
        "--requests-per-minute-per-ip=0",
        "--head-timeout-seconds=0",
        "--public-host=relay.example",
    ];
    let program = Program::start(dir.path(), "127.0.0.1:0", &flags).await;
    let (mut a, _) = program.connect(&identity()).await;
    let bob = identity();
    a.send(&message_with_id(&bob, "12345678901", id(0))).await;
    a.error("MESSAGE_TOO_LARGE".into()).await;
    for n in 1..3 {
        a.send(&message_with_id(&bob, "1234567890", id(n))).await;
        a.acked(id(n)).await;
    }
    a.send(&message_with_id(&bob, "x", id(3))).await;
    a.error("RATE_LIMITED".into()).await;
    // Nothing expires where nothing is limited.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(program.connect(&bob).await.1, 2);
}

#[tokio::test]
async fn wrong_flags_exit_2_and_a_taken_port_exits_1() {
    let dir = tempfile::tempdir().unwrap();
    let output = command(dir.path(), "127.0.0.1:0", &["--no-such-flag"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let output = command(dir.path(), &addr, &[]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8(output.stderr).unwrap().contains(&addr));
}

/// What starting says about a directory.
async fn start_error(dir: &Path) -> ServerError {
    let config = ServerConfig { data_dir: Some(dir.into()), ..ServerConfig::default() };
    match Server::start(config).await {
        Ok(_) => panic!("the server started"),
        Err(error) => {
            assert!(error.to_string().contains(dir.to_str().unwrap()), "{error}");
            error
        }
    }
}

#[tokio::test]
async fn damaged_database_is_an_error_that_names_it_and_never_a_fresh_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agentmesh.db");
    let config = || ServerConfig { data_dir: Some(dir.path().into()), ..ServerConfig::default() };
    let server = Server::start(config()).await.unwrap();
    let mut a = connect(&server, &identity(), ACK).await;
    for n in 0..50 {
        a.send(&message_with_id(&identity(), &"x".repeat(3000), id(n))).await;
        a.acked(id(n)).await;
    }
    server.shutdown().await;
    let good = std::fs::read(&path).unwrap();
    assert!(!dir.path().join("agentmesh.db-wal").exists());

    let mut flipped = good.clone();
    for at in (100..good.len()).step_by(997) {
        flipped[at] ^= 0x55;
    }
    for bad in
        [Vec::new(), good[..50].to_vec(), good[..good.len() / 2].to_vec(), vec![7; 10_000], flipped]
    {
        std::fs::write(&path, &bad).unwrap();
        let error = start_error(dir.path()).await;
        assert!(matches!(error, ServerError::Corrupt { .. }), "{error:?}");
        assert_eq!(std::fs::read(&path).unwrap(), bad, "the damaged file was changed");
    }
    let output = command(dir.path(), "127.0.0.1:0", &[]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("agentmesh.db"));
    std::fs::write(&path, good).unwrap();
    Server::start(config()).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn lost_foreign_and_newer_databases_are_errors_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agentmesh.db");
    let foreign = rusqlite::Connection::open(&path).unwrap();
    foreign.execute_batch("CREATE TABLE x (y)").unwrap();
    drop(foreign);
    assert!(matches!(start_error(dir.path()).await, ServerError::Corrupt { .. }));
    std::fs::remove_file(&path).unwrap();

    let config = || ServerConfig { data_dir: Some(dir.path().into()), ..ServerConfig::default() };
    Server::start(config()).await.unwrap().shutdown().await;
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(newer);
    let error = start_error(dir.path()).await;
    assert!(matches!(error, ServerError::SchemaVersion { found: 99, .. }), "{error:?}");

    std::fs::remove_file(&path).unwrap();
    std::fs::File::create(dir.path().join("agentmesh.db-wal")).unwrap().write_all(b"log").unwrap();
    let error = start_error(dir.path()).await;
    assert!(error.to_string().contains("agentmesh.db-wal"), "{error}");
}

#[tokio::test]
async fn unfinished_first_start_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("agentmesh.db.new"), b"half").unwrap();
    let config = ServerConfig { data_dir: Some(dir.path().into()), ..ServerConfig::default() };
    Server::start(config).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn one_process_at_a_time_uses_a_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::start(dir.path(), "127.0.0.1:0", &[]).await;
    assert!(matches!(start_error(dir.path()).await, ServerError::Locked { .. }));
    drop(program);
}

#[tokio::test]
async fn logs_go_to_stderr_without_payloads_and_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = command(dir.path(), "127.0.0.1:0", &[]);
    let mut child = command.env("RUST_LOG", "trace").spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    let mut program = Program { child, addr: said["addr"].as_str().unwrap().into() };
    let mut stderr = program.child.stderr.take().unwrap();
    let log = tokio::spawn(async move {
        let mut text = String::new();
        stderr.read_to_string(&mut text).await.unwrap();
        text
    });
    let alice = identity();
    let (mut a, _) = program.connect(&alice).await;
    a.send(&message_with_id(&alice, "c2VjcmV0LXBheWxvYWQ=", id(1))).await;
    a.receive().await;
    let frame = connect_frame(&alice, Features::NONE);
    let (signature, timestamp) = (frame.signature.clone(), "1999-01-01T00:00:00Z".to_owned());
    let mut refused = Socket::open(&format!("ws://{}/", program.addr)).await;
    let frame = agentmesh_core::wire::relay_frame::ConnectFrame { timestamp, ..frame };
    refused.send(&agentmesh_core::wire::relay_frame::ClientFrame::Connect(frame)).await;
    refused.error("INVALID_SIGNATURE".into()).await;
    program.signal("-TERM");
    assert_eq!(program.wait().await, Some(0));
    let log = log.await.unwrap();
    assert!(log.contains("listening") && log.contains("refused"), "{log}");
    assert!(!log.contains("c2VjcmV0") && !log.contains(&signature), "{log}");
}

#[tokio::test]
async fn metrics_count_and_name_nobody() {
    let server = start().await;
    let ((alice, mut a), (bob, mut b)) = pair(&server, ACK).await;
    register(&server, &alice, &[]).await;
    a.send(&message_with_id(&bob, "x", id(1))).await;
    b.receive().await;
    a.acked(id(1)).await;
    a.send(&message_with_id(&bob, &"x".repeat(70_000), id(2))).await;
    a.error("MESSAGE_TOO_LARGE".into()).await;
    get(&server, &format!("/registry/lookup?amid={}", alice.amid())).await;
    let text = http().get(format!("{}/metrics", server.url())).send().await.unwrap();
    assert!(
        text.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4")
    );
    let text = text.text().await.unwrap();
    for line in [
        "agentmesh_relay_connections 2",
        "agentmesh_relay_connects_total 2",
        "agentmesh_relay_accepted_total 1",
        "agentmesh_relay_delivered_total 1",
        "agentmesh_relay_pending_messages 1",
        "agentmesh_relay_refused_total{code=\"MESSAGE_TOO_LARGE\"} 1",
        "agentmesh_http_requests_total{route=\"/v1/registry/register\",status=\"201\"} 1",
        "agentmesh_store_messages_written_total 1",
        "# TYPE agentmesh_store_commit_seconds histogram",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    for agent in [&alice, &bob] {
        assert!(!text.contains(&agent.amid().to_string()));
    }
    b.ack(&alice, id(1)).await;
    b.is_alive().await;
    let text = http().get(format!("{}/metrics", server.url())).send().await.unwrap();
    assert!(text.text().await.unwrap().contains("agentmesh_relay_pending_messages 0"));
}
