//! Conversations over lines that break, with servers that are killed, busy, or not what they were.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use agentmesh_core::{
    ErrorInfo,
    client::{proxy::ProxyConfig, subscription::Subscription},
    services::agent_ws::{
        AgentWebSocketClient, AgentWebSocketError, AgentWebSocketEvent as Event, ClientTimings,
        PATH, QueryOptions,
        service::{AgentWebSocketConfig, ChatBackend, EchoBackend, OpenAiBackend, OpenAiConfig},
    },
};
use agentmesh_server::{AgentWsConfig, Server, ServerConfig};
use futures_util::{SinkExt, StreamExt};
use tokio::{io::AsyncWriteExt, net::TcpListener, runtime::Handle, task::JoinSet, time::timeout};
use tokio_tungstenite::tungstenite::Message;

use super::{Fake, Line, More, Network, PATIENCE, until};
use crate::agent_ws::{
    model, model_config,
    provider::{Answer, Provider},
    relaxed, until_empty,
};

const MS: Duration = Duration::from_millis(1);

/// The waits of the documents, a fiftieth of each.
fn timings() -> ClientTimings {
    let whole = ClientTimings::default();
    ClientTimings {
        open: whole.open / 50,
        welcome: whole.welcome / 50,
        ping_every: whole.ping_every / 50,
        pong_within: whole.pong_within / 50,
        pause: whole.pause / 50,
        longest_pause: whole.longest_pause / 50,
        reset_after: whole.reset_after / 50,
        ..whole
    }
}

async fn server(config: AgentWebSocketConfig, backend: Arc<dyn ChatBackend>) -> Server {
    let agent_ws = AgentWsConfig { service: Arc::new(config), backend, push_token: None };
    Server::start(ServerConfig { agent_ws, ..ServerConfig::for_development() }).await.unwrap()
}

fn url(network: &Network) -> String {
    format!("ws://{}{PATH}", network.addr())
}

fn builder(url: &str) -> agentmesh_core::services::agent_ws::AgentWebSocketBuilder {
    AgentWebSocketClient::builder(url).proxies(ProxyConfig::none()).timings(timings())
}

async fn new_session(events: &mut Subscription<Event>) {
    let new = async { while !matches!(events.next().await, Some(Event::NewSession(_))) {} };
    timeout(PATIENCE, new).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn line_that_is_away_for_a_minute_or_three_comes_back_with_a_new_session() {
    let provider = Provider::start([]).await;
    let server = server(relaxed(), model(&provider.url)).await;
    let network = Network::to(server.addr()).await;
    for (line, away) in [
        (Line::Silent, Duration::from_secs(60) / 50),
        (Line::Silent, Duration::from_secs(180) / 50),
        (Line::Cut, Duration::from_secs(60) / 50),
    ] {
        let client = builder(&url(&network)).connect().await.unwrap();
        let mut events = client.events();
        assert_eq!(client.query("a").await.unwrap().content, "a");
        let before = network.attempts();
        network.set(line);
        let began = Instant::now();
        let soon = QueryOptions { deadline: Some(2000 * MS) };
        let lost = timeout(PATIENCE, client.query_with("into the void", soon)).await.unwrap();
        // The second if the loss was noticed before the query was sent: then it waits for the next session.
        assert!(
            matches!(
                lost,
                Err(AgentWebSocketError::ConnectionLost { .. }
                    | AgentWebSocketError::Timeout { .. })
            ),
            "{lost:?}"
        );
        tokio::time::sleep(away.saturating_sub(began.elapsed())).await;
        // Pauses keep attempts apart: after a few that double, none is shorter than four fifths of the longest.
        let least = timings().longest_pause.mul_f64(0.8).as_millis();
        let most = 6 + began.elapsed().as_millis() / least;
        let tried = u128::try_from(network.attempts() - before).unwrap();
        assert!(tried <= most, "{line:?}: {tried} attempts, at most {most}");
        network.set(Line::Up);
        new_session(&mut events).await;
        assert_eq!(timeout(PATIENCE, client.query("b")).await.unwrap().unwrap().content, "b");
        client.close().await;
        until_empty(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_is_half_gone_loses_its_session_and_its_call() {
    let provider = Provider::start([Answer::Hang]).await;
    let config = AgentWebSocketConfig { ping_every: 500 * MS, pong_within: 1000 * MS, ..relaxed() };
    let server = server(config, model(&provider.url)).await;
    let network = Network::to(server.addr()).await;
    // This client would notice only much later.
    let client = builder(&url(&network)).timings(ClientTimings::default()).connect().await.unwrap();
    let _asked = client.query_stream("x", QueryOptions::default()).await.unwrap();
    provider.hanging(1).await;
    network.set(Line::Silent);
    provider.hanging(0).await;
    until_empty(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrades_in_a_storm_of_429_are_asked_for_with_pauses() {
    let busy = "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let fake = Fake::answering(busy).await;
    let client = builder(&fake.url.replace("http", "ws")).start().unwrap();
    let mut events = client.events();
    let mut pauses = Vec::new();
    while pauses.len() < 5 {
        match timeout(PATIENCE, events.next()).await.unwrap() {
            Some(Event::Disconnected { error, retry_in }) => {
                assert_eq!(error.code(), "AGENT_WS_CONNECT");
                pauses.push(retry_in);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(pauses.windows(2).take(3).all(|two| two[1] > two[0]), "{pauses:?}");
    assert_eq!(fake.connections(), 5, "one connection an attempt");
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_redirects_in_place_of_an_agent_pass_and_lead_nowhere() {
    let elsewhere = Fake::answering("HTTP/1.1 101 Switching Protocols\r\n\r\n").await;
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nlocation: {}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        elsewhere.url.replace("http", "ws")
    );
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>";
    for answer in [page, &redirect] {
        let server = server(relaxed(), Arc::new(EchoBackend)).await;
        let (network, addr) = (Network::to(server.addr()).await, server.addr());
        let client = builder(&url(&network)).connect().await.unwrap();
        let mut events = client.events();
        let fake = Fake::answering(answer).await;
        network.lead_to(fake.url.strip_prefix("http://").unwrap().parse().unwrap());
        until("asked for the page", || fake.connections() >= 2).await;
        network.lead_to(addr);
        new_session(&mut events).await;
        assert_eq!(client.query("back?").await.unwrap().content, "back?");
        // Whoever gets them at once is told, and does not go on.
        let first = builder(&fake.url.replace("http", "ws")).connect().await;
        assert_eq!(first.unwrap_err().code(), "AGENT_WS_REFUSED");
        client.close().await;
        server.shutdown().await;
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_answers_without_an_end_are_given_up() {
    const UPGRADE: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n";
    let header = |_: usize| Some((b"x-more: and more\r\n".repeat(1000), Duration::ZERO));
    let fake = Fake::endless(UPGRADE, header).await;
    let patient = ClientTimings { open: PATIENCE, ..timings() };
    let client = builder(&fake.url.replace("http", "ws")).timings(patient);
    let failed = timeout(PATIENCE, client.connect()).await.unwrap().unwrap_err();
    assert_eq!(failed.code(), "AGENT_WS_CONNECT");

    // Fragments of one message, for ever.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let mut task = JoinSet::new();
    task.spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(tcp).await.unwrap();
        let welcome = r#"{"type":"status","content":"hello","timestamp":1}"#;
        socket.send(Message::text(welcome)).await.unwrap();
        socket.next().await.unwrap().unwrap();
        let mut frame = vec![b'x'; 4 + 0x4000];
        frame[..4].copy_from_slice(&[0x01, 126, 0x40, 0x00]);
        let mut sent = 0_usize;
        while socket.get_mut().write_all(&frame).await.is_ok() {
            frame[0] = 0x00;
            sent += frame.len();
        }
        sent
    });
    let client = builder(&url).connect().await.unwrap();
    let lost = timeout(PATIENCE, client.query("x")).await.unwrap().unwrap_err();
    assert_eq!(lost.code(), "AGENT_WS_CONNECTION_LOST");
    client.close().await;
    let sent = timeout(PATIENCE, task.join_next()).await.unwrap().unwrap().unwrap();
    assert!(sent < 32 << 20, "{sent} bytes were taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn model_that_trickles_or_floods_is_given_up() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{";
    let trickle: More = |_| Some((b" ".to_vec(), 20 * MS));
    let flood: More = |_| Some((vec![b' '; 64 * 1024], Duration::ZERO));
    for (more, patience, expected) in
        [(trickle, 500 * MS, "no answer within"), (flood, PATIENCE, "exceeds 1048576 bytes")]
    {
        let fake = Fake::endless(HEAD, more).await;
        let config = OpenAiConfig { timeout: patience, ..model_config(&fake.url) };
        let server = server(relaxed(), Arc::new(OpenAiBackend::new(config).unwrap())).await;
        let client = builder(&server.agent_websocket_url()).connect().await.unwrap();
        let failed = timeout(PATIENCE, client.query("x")).await.unwrap().unwrap_err();
        assert!(failed.to_string().contains(expected), "{failed}");
        client.close().await;
        server.shutdown().await;
    }
}

/// The tasks of this test's own runtime.
fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_a_hundred_clients_whatever_ended_them() {
    let provider = Provider::start([]).await;
    let config = AgentWebSocketConfig { max_sessions_per_ip: 0, ..relaxed() };
    let server = server(config, model(&provider.url)).await;
    let network = Network::to(server.addr()).await;
    let round = async |count: usize| {
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.push(builder(&url(&network)).connect().await.unwrap());
        }
        for client in &clients {
            assert_eq!(client.query("x").await.unwrap().content, "x");
        }
        for (n, client) in clients.iter().enumerate() {
            if n % 2 == 0 {
                client.close().await;
            }
        }
        let soon = || QueryOptions { deadline: Some(500 * MS) };
        let asked: Vec<_> = clients.iter().map(|one| one.query_with("lost", soon())).collect();
        network.set(Line::Cut);
        for lost in timeout(PATIENCE, futures_util::future::join_all(asked)).await.unwrap() {
            lost.unwrap_err();
        }
        drop(clients);
        network.set(Line::Up);
        until_empty(&server).await;
    };
    // Connection pools and the like exist from now on.
    round(4).await;
    // What `until_empty` and the backend keep open for a moment may come and go.
    let before = tasks() + 8;
    round(100).await;
    until("no task is left", || tasks() <= before).await;
    client_of_nobody(&network).await;
    until("no task is left", || tasks() <= before).await;
}

/// One that never gets a connection, and is dropped.
async fn client_of_nobody(network: &Network) {
    network.set(Line::Silent);
    let client = builder(&url(network)).start().unwrap();
    let asked = client.query_stream("x", QueryOptions::default()).await.unwrap();
    drop((client, asked));
}
