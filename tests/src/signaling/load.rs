//! Many rooms, many streams, and one that nobody reads.

use std::{net::SocketAddr, time::Duration};

use agentmesh_server::{Rate, Server, ServerConfig, SignalingLimits};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::{PATIENCE, Peer};

/// Far more than it takes on a slow machine.
const LONG: Duration = Duration::from_secs(300);
/// Requests at a time.
const AT_ONCE: usize = 64;
const ROOMS: usize = 10_000;
const LIVE: usize = 4_000;

/// A stream without any client around it.
struct Stream {
    socket: TcpStream,
    id: String,
    token: String,
}

async fn answer(addr: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(addr).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    timeout(PATIENCE, socket.read_to_string(&mut text)).await.unwrap().unwrap();
    text
}

async fn post(addr: SocketAddr, path: &str, body: &Value) -> String {
    let body = body.to_string();
    let length = body.len();
    answer(addr, &format!("POST /api/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")).await
}

async fn open(addr: SocketAddr, room: &str, receive_buffer: Option<u32>) -> Stream {
    let socket = TcpSocket::new_v4().unwrap();
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    let mut socket = socket.connect(addr).await.unwrap();
    let request = format!("GET /api/connect?room={room} HTTP/1.1\r\nHost: x\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let text = until(&mut socket, "event: roster").await;
    let data = text.split("event: joined\ndata: ").nth(1).unwrap().lines().next().unwrap();
    let joined: Value = serde_json::from_str(data).unwrap();
    let member = |name: &str| joined[name].as_str().unwrap().to_owned();
    Stream { socket, id: member("id"), token: member("token") }
}

/// Reads on until a text was there.
async fn until(socket: &mut TcpStream, wanted: &str) -> String {
    let (mut text, mut buffer) = (String::new(), vec![0; 4096]);
    while !text.contains(wanted) {
        let read = timeout(LONG, socket.read(&mut buffer)).await.unwrap().unwrap();
        assert!(read > 0, "the stream ended: {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    text
}

async fn health(server: &Server) -> Value {
    let request = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let text = answer(server.addr(), request).await;
    let body: Value = serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    body["signaling"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_rooms_of_which_four_thousand_are_alive() {
    let files = rlimit::increase_nofile_limit(24_000).unwrap();
    assert!(files >= 17_000, "{files} open files are not enough for 8,000 streams and their ends");
    let server = super::server().await;
    let addr = server.addr();
    let quiet: Vec<_> = stream::iter(LIVE..ROOMS)
        .map(|n| async move {
            let Stream { id, token, .. } = open(addr, &format!("room-{n}"), None).await;
            (n, id, token)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut live: Vec<_> = stream::iter(0..LIVE)
        .map(|n| async move {
            let room = format!("room-{n}");
            let mut a = open(addr, &room, None).await;
            let b = open(addr, &room, None).await;
            until(&mut a.socket, &b.id).await;
            (room, a, b)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    assert_eq!(health(&server).await, json!({"rooms": ROOMS, "sessions": ROOMS + LIVE}));
    let one_more = answer(
        addr,
        "GET /api/connect?room=one-more HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(one_more.starts_with("HTTP/1.1 503 "), "{one_more}");

    for (room, a, b) in live.iter_mut().step_by(40) {
        let body = json!({"sender": a.id, "to": b.id, "token": a.token, "signal": {"from": *room}});
        let sent = post(addr, &format!("signal?room={room}"), &body).await;
        assert!(sent.starts_with("HTTP/1.1 200 "), "{sent}");
        until(&mut b.socket, &format!(r#""signal":{{"from":"{room}"}}"#)).await;
    }
    let all = live.iter().flat_map(|(room, a, b)| {
        [(room.clone(), &a.id, &a.token), (room.clone(), &b.id, &b.token)]
    });
    let all = all.chain(quiet.iter().map(|(n, id, token)| (format!("room-{n}"), id, token)));
    let left = stream::iter(all)
        .map(|(room, id, token)| async move {
            let body = json!({"sender": id, "token": token});
            post(addr, &format!("leave?room={room}"), &body).await.starts_with("HTTP/1.1 200 ")
        })
        .buffer_unordered(AT_ONCE)
        .filter(|left| std::future::ready(*left));
    assert_eq!(left.count().await, ROOMS + LIVE);
    assert_eq!(
        health(&server).await,
        json!({"rooms": 0, "sessions": 0}),
        "nothing is left of them"
    );
    server.shutdown().await;
}

#[tokio::test]
async fn b17_stream_that_nobody_reads_is_cut_off_and_nobody_else_notices() {
    let signals = Rate { burst: 1000, per_minute: 60_000 };
    let signaling = SignalingLimits { signals, connects: None, ..SignalingLimits::default() };
    let server =
        Server::start(ServerConfig { signaling, ..ServerConfig::for_development() }).await.unwrap();
    let addr = server.addr();
    let slow = open(addr, "r", Some(4096)).await;
    let mut other = Peer::join(server.url(), "r").await;
    let sender = open(addr, "r", None).await;
    let to = |id: &str, signal: &str| json!({"sender": sender.id, "to": id, "token": sender.token, "signal": signal});
    let long = "x".repeat(60 * 1024);
    for _ in 0..200 {
        let sent = post(addr, "signal?room=r", &to(&slow.id, &long)).await;
        assert!(sent.starts_with("HTTP/1.1 200 "), "{sent}");
    }
    post(addr, "signal?room=r", &to(&other.id(), "on time")).await;
    assert_eq!(other.signal().await.value, json!("on time"));
    let mut rest = Vec::new();
    let mut socket = slow.socket;
    // It ends: with the last byte that was on its way, or with a reset.
    let _ = timeout(LONG, socket.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.len() < 200 * long.len(), "not everything was kept for it: {}", rest.len());
    // It may come back as who it was.
    let query = format!("room=r&session_id={}&token={}", slow.id, slow.token);
    let back = open(addr, query.strip_prefix("room=").unwrap(), None).await;
    assert_eq!(back.id, slow.id);
    server.shutdown().await;
}
