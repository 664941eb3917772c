//! A stream that nobody reads.

use std::{net::SocketAddr, time::Duration};

use agentmesh_server::{Limits, Rate, Server, ServerConfig, SignalingLimits};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::{PATIENCE, Peer};

/// Far more than it takes on a slow machine.
const LONG: Duration = Duration::from_secs(300);
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

/// What would last for ever otherwise: the client reads nothing and closes nothing.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn b17_stream_that_is_stalled_does_not_keep_its_connection() {
    let signals = Rate { burst: 1000, per_minute: 60_000 };
    let config = ServerConfig::for_development();
    let server = Server::start(ServerConfig {
        signaling: SignalingLimits { signals, ..config.signaling },
        limits: Limits { stalled_timeout: Duration::from_secs(1), ..config.limits },
        ..config
    })
    .await
    .unwrap();
    let addr = server.addr();
    let health = async || {
        let request = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let answer = answer(addr, request).await;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let health: Value = serde_json::from_str(body).unwrap();
        health["relay"]["sockets"].as_u64().unwrap()
    };
    let slow = open(addr, "r", Some(4096)).await;
    let sender = open(addr, "r", None).await;
    let signal = json!({"sender": sender.id, "to": slow.id, "token": sender.token, "signal": "x".repeat(60 * 1024)});
    for _ in 0..200 {
        let sent = post(addr, "signal?room=r", &signal).await;
        assert!(sent.starts_with("HTTP/1.1 200 "), "{sent}");
    }
    let let_go = async {
        // The sender's and the one that asks.
        while health().await > 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LONG, let_go).await.unwrap();
    assert!(slow.socket.peer_addr().is_ok(), "it was open all the time");
    server.shutdown().await;
}
