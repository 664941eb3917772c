//! A crowd at the signaling service: as many rooms as it takes, most of them with somebody who was cut off, thousands
//! with two who are there. All are served, nobody is forgotten, and when they left, the memory is there for the next.
//! And a thousand of our clients whose server dies and comes back.

use std::{path::Path, time::Duration};

use agentmesh_core::{
    client::{http::HttpConfig, proxy::ProxyConfig, subscription::Subscription},
    services::signaling::{SignalingClient, SignalingEvent},
};
use futures_util::{StreamExt, future::join_all, stream};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::server_process::ServerProcess;

const ROOMS: usize = 10_000;
/// Rooms with two live streams.
const LIVE: usize = 4_000;
const AT_ONCE: usize = 64;
const PATIENCE: Duration = Duration::from_secs(120);

struct Server {
    process: ServerProcess,
    http: Client,
}

/// Somebody in a room, and the stream if there is one.
struct Peer {
    room: usize,
    id: String,
    token: String,
    stream: Option<(Response, Vec<u8>)>,
}

impl Server {
    fn start(dir: &Path) -> Self {
        let process = ServerProcess::start(dir);
        let http = Client::builder().no_proxy().build().unwrap();
        Self { process, http }
    }

    async fn try_join(&self, room: usize) -> Response {
        let url = format!("http://{}/api/connect?room={room}", self.process.addr());
        timeout(PATIENCE, self.http.get(url).send()).await.unwrap().unwrap()
    }

    async fn join(&self, room: usize) -> Peer {
        let response = self.try_join(room).await;
        assert_eq!(response.status(), StatusCode::OK);
        let mut peer = Peer {
            room,
            id: String::new(),
            token: String::new(),
            stream: Some((response, vec![])),
        };
        let joined = peer.until(|block| block.starts_with("event: joined")).await;
        let (_, data) = joined.split_once("data: ").unwrap();
        let joined: Value = serde_json::from_str(data).unwrap();
        peer.id = joined["id"].as_str().unwrap().to_owned();
        peer.token = joined["token"].as_str().unwrap().to_owned();
        peer
    }

    async fn post(&self, path: &str, room: usize, body: Value) -> StatusCode {
        let url = format!("http://{}/api/{path}?room={room}", self.process.addr());
        let request = self.http.post(url).body(body.to_string()).send();
        timeout(PATIENCE, request).await.unwrap().unwrap().status()
    }

    /// Rooms and sessions.
    async fn health(&self) -> (u64, u64) {
        let url = format!("http://{}/health", self.process.addr());
        let health: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        let count = |name: &str| health["signaling"][name].as_u64().unwrap();
        (count("rooms"), count("sessions"))
    }

    /// Memory of its own that is in RAM.
    fn memory_kib(&self) -> u64 {
        let path = format!("/proc/{}/smaps_rollup", self.process.id());
        let rollup = std::fs::read_to_string(path).unwrap();
        let line = rollup.lines().find(|line| line.starts_with("Pss:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Everybody comes, two to a room in some rooms, and one who is cut off in the others.
    async fn fill(&self) -> Vec<Peer> {
        let who = (0..ROOMS).chain(0..LIVE);
        let joining = stream::iter(who).map(async |room| {
            let mut peer = self.join(room).await;
            if room >= LIVE {
                peer.stream = None;
            }
            peer
        });
        joining.buffer_unordered(AT_ONCE).collect().await
    }

    async fn empty(&self, peers: Vec<Peer>) {
        let leaving = stream::iter(peers).map(async |peer| {
            let body = json!({"sender": peer.id, "token": peer.token});
            assert_eq!(self.post("leave", peer.room, body).await, StatusCode::OK);
        });
        leaving.buffer_unordered(AT_ONCE).collect::<()>().await;
        assert_eq!(self.health().await, (0, 0));
    }
}

impl Peer {
    /// The next block of the stream for which this holds.
    async fn until(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let (response, buffer) = self.stream.as_mut().unwrap();
        loop {
            while let Some(end) = buffer.windows(2).position(|w| w == b"\n\n") {
                let block: Vec<u8> = buffer.drain(..end + 2).collect();
                let block = String::from_utf8(block).unwrap();
                if wanted(&block) {
                    return block;
                }
            }
            let chunk = timeout(PATIENCE, response.chunk()).await.unwrap().unwrap();
            buffer.extend_from_slice(&chunk.expect("the stream goes on"));
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_rooms_are_served_and_leave_nothing_behind() {
    agentmesh_server::raise_file_limit();
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let mut levels = Vec::new();
    for _ in 0..2 {
        let mut peers = server.fill().await;
        assert_eq!(server.health().await, (10_000, 14_000));
        assert_eq!(server.try_join(ROOMS).await.status(), StatusCode::SERVICE_UNAVAILABLE);
        peers.sort_by_key(|peer| (peer.stream.is_none(), peer.room));
        for [a, b] in peers[..2 * LIVE].as_chunks_mut().0.iter_mut().step_by(40) {
            assert_eq!(a.room, b.room);
            let body = json!({"sender": a.id, "to": b.id, "token": a.token, "signal": a.room});
            assert_eq!(server.post("signal", a.room, body).await, StatusCode::OK);
            let signal = b.until(|block| block.starts_with("event: signal")).await;
            assert!(signal.contains(&format!("\"signal\":{}}}", a.room)), "{signal}");
        }
        let alive = stream::iter(&mut peers[..2 * LIVE])
            .map(async |peer| drop(peer.until(|block| block.starts_with(": keepalive")).await));
        alive.buffer_unordered(2 * LIVE).collect::<()>().await;
        server.empty(peers).await;
        levels.push(server.memory_kib());
    }
    // What the first crowd grew is used again by the next.
    assert!(levels[1] < levels[0] + levels[0] / 4, "KiB after each crowd: {levels:?}");
}

/// Waits for the event that a client is looking for.
async fn until(
    events: &mut Subscription<SignalingEvent>,
    wanted: impl Fn(&SignalingEvent) -> bool,
) {
    let wait = async { while !wanted(&events.next().await.expect("no client gives up")) {} };
    timeout(PATIENCE, wait).await.expect("it happens");
}

/// Every client comes back as somebody new, because a server forgets its sessions. How they spread over the seconds is
/// asserted in virtual time, beside the state machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_clients_outlive_their_server() {
    agentmesh_server::raise_file_limit();
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    let (addr, http) = (
        server.process.addr(),
        HttpConfig { proxies: ProxyConfig::none(), ..HttpConfig::default() },
    );
    let joining = stream::iter(0..1_000).map(|n| {
        let client = SignalingClient::builder(format!("http://{addr}"), format!("{}", n / 4));
        let client = client.http(http.clone());
        async move {
            let client = timeout(PATIENCE, client.connect()).await.unwrap().unwrap();
            let events = client.events();
            (client, events)
        }
    });
    let mut clients: Vec<_> = joining.buffer_unordered(AT_ONCE).collect().await;
    assert_eq!(server.health().await, (250, 1_000));
    server.process.kill();
    let gone = |event: &SignalingEvent| matches!(event, SignalingEvent::Disconnected { .. });
    join_all(clients.iter_mut().map(|(_, events)| until(events, gone))).await;
    server.process.restart();
    let back = |event: &SignalingEvent| matches!(event, SignalingEvent::IdentityChanged { .. });
    join_all(clients.iter_mut().map(|(_, events)| until(events, back))).await;
    assert_eq!(server.health().await, (250, 1_000));
    join_all(clients.iter().map(|(client, _)| client.shutdown())).await;
    assert_eq!(server.health().await, (0, 0), "who ends says so");
}
