//! An agent under a controller that is away, broken, or somebody else.

use std::time::Duration;

use agentmesh_core::{
    ErrorInfo,
    client::proxy::ProxyConfig,
    services::aiwm::{
        AiwmClient, AiwmError, AiwmOptions, AiwmState, AiwmSupervisor, Environment, SecretText,
        SupervisorOptions, Timing,
    },
};
use agentmesh_server::{AiwmConfig, Server, ServerConfig};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Fake, Line, Network, PATIENCE, until};

const MS: Duration = Duration::from_millis(1);
const ADMIN: &str = "an-administrator-of-tests";
const ID: &str = "0123456789abcdef01234567";

/// A controller over a directory, with keys of its own: no token of another one is good.
async fn controller(dir: &std::path::Path, listen: Option<std::net::SocketAddr>) -> Server {
    let development = ServerConfig::for_development();
    let config = ServerConfig {
        listen: listen.unwrap_or(development.listen),
        data_dir: Some(dir.to_owned()),
        aiwm: AiwmConfig {
            admin_token: Some(ADMIN.into()),
            ..AiwmConfig::for_development().unwrap()
        },
        ..development
    };
    Server::start(config).await.unwrap()
}

/// An agent of that controller and its secret.
async fn agent(server: &Server) -> (String, String) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |path: String, body: Value| -> Value {
        let request = http.post(format!("{}{path}", server.url())).bearer_auth(ADMIN);
        request.json(&body).send().await.unwrap().json().await.unwrap()
    };
    let body = json!({"name": "a", "description": "d", "status": "active"});
    let id = post("/agents".into(), body).await["_id"].as_str().unwrap().to_owned();
    let made = post(format!("/agents/{id}/credentials/regenerate"), Value::Null).await;
    (id, made["secret"].as_str().unwrap().to_owned())
}

fn options(url: &str, id: &str, secret: &str) -> AiwmOptions {
    let mut options = AiwmOptions::new(url, id, SecretText::new(secret)).unwrap();
    options.http.proxies = ProxyConfig::none();
    // Long enough for bcrypt on a slow machine.
    options.http.try_timeout = 2000 * MS;
    options.http.total_timeout = 2000 * MS;
    options
}

async fn supervisor(url: &str, id: &str, secret: &str) -> AiwmSupervisor {
    let timing = Timing {
        heartbeat: 50 * MS,
        retries: vec![5 * MS; 3],
        probe: 50 * MS,
        farewell: 100 * MS,
        ..Timing::default()
    };
    let options_of_agent = SupervisorOptions {
        timing,
        instruction_file: "/nowhere".into(),
        ..SupervisorOptions::new(Environment::default())
    };
    AiwmSupervisor::start(Some(options(url, id, secret)), options_of_agent).await.unwrap()
}

fn count(supervisor: &AiwmSupervisor, name: &str) -> u64 {
    let name = format!("aiwm_{name}_total");
    supervisor.counters().all().into_iter().find(|(n, ..)| *n == name).unwrap().2
}

/// `more` of one counter from now on.
async fn more(supervisor: &AiwmSupervisor, name: &str, more: u64) {
    let least = count(supervisor, name) + more;
    until(name, || count(supervisor, name) >= least).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn line_that_is_cut_or_silent_costs_heartbeats_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let server = controller(dir.path(), None).await;
    let (id, secret) = agent(&server).await;
    let network = Network::to(server.addr()).await;
    let url = format!("http://{}", network.addr());
    let supervisor = supervisor(&url, &id, &secret).await;
    more(&supervisor, "heartbeat_success", 1).await;
    for line in [Line::Cut, Line::Silent, Line::Cut] {
        network.set(line);
        more(&supervisor, "heartbeat_failure", 2).await;
        assert_eq!(supervisor.state(), AiwmState::Online, "{line:?}");
        network.set(Line::Up);
        more(&supervisor, "heartbeat_success", 2).await;
    }
    assert_eq!(count(&supervisor, "connection_success"), 1, "the token stays good");
    // Taking leave of a controller that does not answer takes no longer than it may.
    network.set(Line::Silent);
    timeout(PATIENCE, supervisor.shutdown()).await.unwrap();
    assert_eq!(supervisor.state(), AiwmState::Stopped);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn controller_that_comes_back_with_other_keys_is_connected_to_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = controller(dir.path(), None).await;
    let (id, secret) = agent(&server).await;
    let listen = server.addr();
    let supervisor = supervisor(&server.url(), &id, &secret).await;
    more(&supervisor, "heartbeat_success", 1).await;
    server.shutdown().await;
    more(&supervisor, "heartbeat_failure", 1).await;
    let server = controller(dir.path(), Some(listen)).await;
    more(&supervisor, "token_refresh", 1).await;
    more(&supervisor, "heartbeat_success", 3).await;
    assert_eq!(count(&supervisor, "token_refresh"), 1);
    assert_eq!(count(&supervisor, "connection_success"), 2);
    supervisor.shutdown().await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_starts_without_its_controller_and_finds_it_later() {
    let dir = tempfile::tempdir().unwrap();
    let server = controller(dir.path(), None).await;
    let (id, secret) = agent(&server).await;
    let network = Network::to(server.addr()).await;
    network.set(Line::Silent);
    let url = format!("http://{}", network.addr());
    let supervisor = timeout(PATIENCE, supervisor(&url, &id, &secret)).await.unwrap();
    assert_eq!(supervisor.state(), AiwmState::Degraded);
    assert!(network.attempts() >= 4, "one try and three more: {}", network.attempts());
    network.set(Line::Up);
    until("online", || supervisor.state() == AiwmState::Online).await;
    more(&supervisor, "heartbeat_success", 1).await;
    supervisor.shutdown().await;
    server.shutdown().await;
}

fn http(status: &str, more: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{more}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_survive_storms_of_429_pages_and_redirects() {
    let elsewhere = Fake::answering(http("200 OK", "", r#"{"success":true}"#)).await;
    let location = format!("location: {}/\r\n", elsewhere.url);
    for answer in [
        http("429 Too Many Requests", "retry-after: 1\r\n", ""),
        http("503 Service Unavailable", "", "<html>busy</html>"),
        http("200 OK", "content-type: text/html\r\n", "<html>Please log in</html>"),
        // Not the controller's 404, which would mean that the agent was deleted.
        http("404 Not Found", "content-type: text/html\r\n", "<html>Nothing here</html>"),
        http("302 Found", &location, ""),
        http("307 Temporary Redirect", &location, ""),
    ] {
        let token = json!({"token": "a.b.c", "instruction": "x", "tools": []}).to_string();
        let fake = Fake::first(http("200 OK", "", &token), answer.clone()).await;
        let supervisor = supervisor(&fake.url, ID, "s").await;
        more(&supervisor, "heartbeat_failure", 5).await;
        assert_eq!(supervisor.state(), AiwmState::Online, "{answer}");
        assert_eq!(count(&supervisor, "heartbeat_success"), 0, "{answer}");
        supervisor.shutdown().await;
        // The connect, one request a heartbeat of which the last was given up perhaps, and the farewell.
        let asked = u64::try_from(fake.connections()).unwrap();
        let beats = count(&supervisor, "heartbeat_failure");
        assert!((1 + beats..=3 + beats).contains(&asked), "{asked} requests, {beats} heartbeats");
    }
    assert_eq!(elsewhere.connections(), 0, "no secret and no token goes elsewhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn connects_in_a_storm_of_429_pages_and_redirects_are_counted_and_end() {
    let elsewhere = Fake::answering(http("200 OK", "", r#"{"token":"a.b.c"}"#)).await;
    let location = format!("location: {}/\r\n", elsewhere.url);
    for answer in [
        http("429 Too Many Requests", "", ""),
        http("200 OK", "content-type: text/html\r\n", "<html>Please log in</html>"),
        http("307 Temporary Redirect", &location, ""),
        http("308 Permanent Redirect", &location, ""),
    ] {
        let fake = Fake::answering(answer).await;
        let supervisor = timeout(PATIENCE, supervisor(&fake.url, ID, "s")).await.unwrap();
        assert_eq!(supervisor.state(), AiwmState::Degraded);
        assert!(fake.connections() >= 4, "one try and three more: {}", fake.connections());
        // From then on one probe after the other.
        more(&supervisor, "connection_failure", 3).await;
        let failed = count(&supervisor, "connection_failure");
        supervisor.shutdown().await;
        let asked = u64::try_from(fake.connections()).unwrap();
        assert!((failed..=failed + 2).contains(&asked), "{asked} requests, {failed} failures");
    }
    assert_eq!(elsewhere.connections(), 0, "no secret goes elsewhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_an_end_are_given_up() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"token\":\"";
    let flood = |_: usize| Some((vec![b'x'; 64 * 1024], Duration::ZERO));
    let trickle = |_: usize| Some((vec![b'x'], 20 * MS));
    let header = |_: usize| Some((b"x-more: and more\r\n".repeat(1000), Duration::ZERO));
    let connect = async |fake: &Fake, patient: bool| {
        let mut options = options(&fake.url, ID, "s");
        if patient {
            (options.http.try_timeout, options.http.total_timeout) = (PATIENCE, PATIENCE);
        }
        let client = AiwmClient::new(options).unwrap();
        timeout(PATIENCE, client.connect()).await.unwrap().unwrap_err()
    };
    // A body over the bound is not read to its end, which would never come.
    let fake = Fake::endless(HEAD, flood).await;
    let error = connect(&fake, true).await;
    assert!(matches!(error, AiwmError::Protocol { .. }), "{error:?}");
    // One that trickles is out of time.
    let fake = Fake::endless(HEAD, trickle).await;
    assert_eq!(connect(&fake, false).await.code(), "AIWM_UNREACHABLE");
    // Headers have a bound, too.
    let fake = Fake::endless("HTTP/1.1 200 OK\r\n", header).await;
    assert_eq!(connect(&fake, true).await.code(), "AIWM_UNREACHABLE");
}
