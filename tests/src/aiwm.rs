//! AIWM end to end: the supervisor against the reference server in both profiles, the script, the guide's program.

use std::{path::Path, process::Stdio, time::Duration};

use agentmesh_core::{
    ErrorInfo,
    client::proxy::ProxyConfig,
    services::aiwm::{
        AgentStatus, AiwmClient, AiwmEvent, AiwmOptions, AiwmState, AiwmSupervisor, Environment,
        SecretText, SupervisorOptions, Timing,
    },
};
use agentmesh_server::{AiwmConfig, Profile, Server, ServerConfig};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    process::Command,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(30);

async fn server(profile: Profile) -> (Server, String) {
    let aiwm = AiwmConfig::for_development().unwrap();
    let admin = aiwm.admin_token.clone().unwrap();
    let config = ServerConfig { aiwm, profile, ..ServerConfig::for_development() };
    (Server::start(config).await.unwrap(), admin)
}

async fn admin(
    server: &Server,
    token: &str,
    method: reqwest::Method,
    path: &str,
    body: Value,
) -> Value {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.request(method, format!("{}{path}", server.url()));
    let answer = request.bearer_auth(token).json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.json().await.unwrap()
}

/// An agent, its secret, and its `.env`.
async fn agent(server: &Server, token: &str) -> (String, String, String) {
    let settings = json!({"claudeModel": "m", "discord": {"token": "discord-bot-token", "channelIds": ["1", "2"]}});
    let body = json!({"name": "Customer $(id) \"Support\"", "description": "d", "status": "active", "settings": settings});
    let made = admin(server, token, reqwest::Method::POST, "/agents", body).await;
    let id = made["_id"].as_str().unwrap().to_owned();
    let path = format!("/agents/{id}/credentials/regenerate");
    let made = admin(server, token, reqwest::Method::POST, &path, Value::Null).await;
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (id, text("secret"), text("envConfig"))
}

fn quick(environment: Environment) -> SupervisorOptions {
    let ms = Duration::from_millis;
    let timing =
        Timing { heartbeat: ms(50), retries: vec![ms(5); 3], probe: ms(50), ..Timing::default() };
    SupervisorOptions {
        timing,
        instruction_file: "/nowhere".into(),
        ..SupervisorOptions::new(environment)
    }
}

fn count(supervisor: &AiwmSupervisor, name: &str) -> u64 {
    supervisor.counters().all().into_iter().find(|(n, ..)| *n == name).unwrap().2
}

async fn reaches(supervisor: &AiwmSupervisor, name: &str, least: u64) {
    let reached = async {
        while count(supervisor, name) < least {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn case_3_and_13_the_env_file_starts_an_agent_at_either_profile() {
    for profile in [Profile::Documented, Profile::Head] {
        let (server, token) = server(profile).await;
        let (id, _, env) = agent(&server, &token).await;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(".env");
        std::fs::write(&file, env).unwrap();
        let environment = Environment::from_file(&file).unwrap();
        assert_eq!(environment.get("DISCORD_CHANNEL_ID"), Some("1,2"));
        assert_eq!(environment.get("AGENT_NAME"), Some("Customer $(id) \"Support\""));
        let mut options = AiwmOptions::from_environment(&environment).unwrap().unwrap();
        options.http.proxies = ProxyConfig::none();
        let supervisor = AiwmSupervisor::start(Some(options), quick(environment)).await.unwrap();
        assert_eq!(supervisor.state(), AiwmState::Online);
        let config = supervisor.config();
        assert_eq!((config.model.as_str(), config.discord.places.len()), ("m", 2));
        supervisor.status().set(AgentStatus::Busy);
        reaches(&supervisor, "aiwm_heartbeat_success_total", 3).await;
        let path = format!("/agents/{id}");
        let shown = admin(&server, &token, reqwest::Method::GET, &path, Value::Null).await;
        assert_eq!(shown["connectionCount"], 1);
        assert_eq!(shown["lastReport"]["status"], "busy");

        let mut events = supervisor.events();
        admin(&server, &token, reqwest::Method::DELETE, &path, Value::Null).await;
        let deleted =
            async { while !matches!(events.next().await, Some(AiwmEvent::AgentDeleted)) {} };
        timeout(PATIENCE, deleted).await.unwrap();
        assert_eq!(supervisor.state(), AiwmState::Gone);
        supervisor.shutdown().await;
        server.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn case_20_a_controller_that_goes_away_and_comes_back_finds_the_agent_at_work() {
    let dir = tempfile::tempdir().unwrap();
    let aiwm = AiwmConfig::for_development().unwrap();
    let token = aiwm.admin_token.clone().unwrap();
    let data_dir = Some(dir.path().to_owned());
    let config = ServerConfig { aiwm, data_dir, ..ServerConfig::for_development() };
    let server = Server::start(config.clone()).await.unwrap();
    let (listen, url) = (server.addr(), server.url());
    let (id, secret, _) = agent(&server, &token).await;
    let controller = Some(options(&url, &id, &secret));
    let supervisor =
        AiwmSupervisor::start(controller, quick(Environment::default())).await.unwrap();
    reaches(&supervisor, "aiwm_heartbeat_success_total", 1).await;
    server.shutdown().await;
    reaches(&supervisor, "aiwm_heartbeat_failure_total", 2).await;
    assert_eq!(supervisor.state(), AiwmState::Online);
    assert_ne!(supervisor.health().aiwm.consecutive_heartbeat_failures, 0);
    let before = count(&supervisor, "aiwm_heartbeat_success_total");
    let server = Server::start(ServerConfig { listen, ..config }).await.unwrap();
    reaches(&supervisor, "aiwm_heartbeat_success_total", before + 2).await;
    assert_eq!(supervisor.health().aiwm.consecutive_heartbeat_failures, 0);
    assert_eq!(count(&supervisor, "aiwm_connection_success_total"), 1, "the token is still good");
    supervisor.shutdown().await;
    server.shutdown().await;
}

fn options(url: &str, id: &str, secret: &str) -> AiwmOptions {
    let mut options = AiwmOptions::new(url, id, SecretText::new(secret)).unwrap();
    options.http.proxies = ProxyConfig::none();
    options
}

fn client(url: &str, id: &str, secret: &str) -> AiwmClient {
    AiwmClient::new(options(url, id, secret)).unwrap()
}

/// Answers every request with these bytes.
async fn answering(answer: &'static str) -> (String, tokio::task::JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut seen = [0; 4096];
            let _ = socket.read(&mut seen).await;
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    (url, tasks)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_has_its_code() {
    let (server, token) = server(Profile::Documented).await;
    let (id, secret, _) = agent(&server, &token).await;
    let url = server.url();
    let failed = async |url: &str, id: &str, secret: &str| {
        client(url, id, secret).connect().await.unwrap_err()
    };
    let wrong = failed(&url, &id, "wrong").await;
    assert_eq!(wrong.code(), "AIWM_AUTH_REJECTED");
    assert!(wrong.to_string().contains("Invalid credentials"), "{wrong}");
    assert_eq!(failed(&url, &"0".repeat(24), "x").await.code(), "AIWM_AGENT_NOT_FOUND");
    assert_eq!(failed(&url, &id, "").await.code(), "AIWM_REJECTED");
    assert_eq!(failed("http://127.0.0.1:1", &id, &secret).await.code(), "AIWM_UNREACHABLE");
    for (answer, code) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>",
            "AIWM_PROTOCOL",
        ),
        (
            "HTTP/1.1 307 X\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "AIWM_PROTOCOL",
        ),
        (
            "HTTP/1.1 429 X\r\nretry-after: 7\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "AIWM_UNAVAILABLE",
        ),
        ("HTTP/1.1 503 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", "AIWM_UNAVAILABLE"),
    ] {
        let (url, _tasks) = answering(answer).await;
        let error = failed(&url, &id, &secret).await;
        assert_eq!(error.code(), code, "{answer}");
        assert!(!format!("{error} {error:?}").contains(&secret[..8]));
    }
    // Accepts connections, and nobody is there.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = options(&format!("http://{}", silent.local_addr().unwrap()), &id, &secret);
    options.http.try_timeout = Duration::from_millis(50);
    let error = AiwmClient::new(options).unwrap().connect().await.unwrap_err();
    assert_eq!(error.code(), "AIWM_UNREACHABLE");
    let insecure = AiwmOptions::new("http://example.org", &id, SecretText::new("x")).unwrap();
    assert_eq!(AiwmClient::new(insecure).unwrap_err().code(), "AIWM_CONFIG");
    let half = Environment::from_pairs([("AIWM_ENABLED", "yes"), ("AIWM_AGENT_ID", "x")]);
    let error = AiwmOptions::from_environment(&half).unwrap_err();
    assert!(error.to_string().contains("AIWM_BASE_URL, AIWM_AGENT_SECRET"), "{error}");
    server.shutdown().await;
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_succeeds_at_either_profile() {
    for profile in [Profile::Documented, Profile::Head] {
        let (server, token) = server(profile).await;
        let mut script = Command::new(root().join("scripts/test-agent-connection.sh"));
        script.arg(server.url()).env("AIWM_ADMIN_TOKEN", &token).env("no_proxy", "*");
        let done = timeout(PATIENCE, script.stdin(Stdio::null()).output()).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && text.ends_with("All steps succeeded.\n"), "{done:?}");
        server.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_of_the_guide_runs() {
    let program = std::fs::read_to_string(root().join("tests/src/bin/aiwm_agent.rs")).unwrap();
    let guide = std::fs::read_to_string(root().join("docs/guides/aiwm.md")).unwrap();
    assert!(guide.contains(&program[program.find("use agentmesh_core").unwrap()..]));
    let (server, token) = server(Profile::Documented).await;
    let (id, _, env) = agent(&server, &token).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(".env"), env).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_aiwm_agent"));
    program.current_dir(dir.path()).env("no_proxy", "*").kill_on_drop(true);
    let done = timeout(PATIENCE, program.output()).await.unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stdout), "Online: m, 100 turns\n", "{done:?}");
    let path = format!("/agents/{id}");
    let shown = admin(&server, &token, reqwest::Method::GET, &path, Value::Null).await;
    assert_eq!((&shown["connectionCount"], &shown["lastConnectedAt"]), (&json!(1), &Value::Null));
    server.shutdown().await;
}
