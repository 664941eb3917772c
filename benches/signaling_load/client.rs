//! A client as small as it can be: one socket for its events, one for its signals.

use std::net::SocketAddr;

use agentmesh_benches::child::Child;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

pub(crate) const ROOM: &str = "BENCH";

/// Somebody in a room, with an open stream.
pub(crate) struct Peer {
    pub(crate) id: String,
    pub(crate) token: String,
    stream: BufReader<TcpStream>,
    line: String,
}

impl Peer {
    pub(crate) async fn join(addr: SocketAddr, room: &str) -> Self {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let request = format!("GET /api/connect?room={room} HTTP/1.1\r\nHost: bench\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let stream = BufReader::with_capacity(1024, stream);
        let mut peer =
            Self { id: String::new(), token: String::new(), stream, line: String::new() };
        while !peer.next_line().await.unwrap().starts_with("data: {\"id\"") {}
        let joined: serde_json::Value = serde_json::from_str(&peer.line["data: ".len()..]).unwrap();
        peer.id = joined["id"].as_str().unwrap().to_owned();
        peer.token = joined["token"].as_str().unwrap().to_owned();
        peer
    }

    async fn next_line(&mut self) -> Option<&str> {
        self.line.clear();
        let n = self.stream.read_line(&mut self.line).await.ok()?;
        (n > 0).then_some(&self.line)
    }

    /// Reads until the roster has everybody in it, so that nothing waits that was there before.
    async fn settle(&mut self, everybody: usize) {
        loop {
            let line = self.next_line().await.unwrap();
            if line.starts_with("data: [") && line.matches('"').count() == 2 * everybody {
                return;
            }
        }
    }

    /// The number of the next signal that comes; `None` at the end of the stream.
    pub(crate) async fn next_signal(&mut self) -> Option<usize> {
        loop {
            let line = self.next_line().await?;
            if let Some((_, rest)) = line.split_once("\"n\":") {
                return rest.split(['}', ',']).next()?.parse().ok();
            }
        }
    }
}

/// A connection that signals go out on, one after the other.
pub(crate) struct Poster {
    stream: TcpStream,
    from: (String, String),
    buffer: Vec<u8>,
}

impl Poster {
    pub(crate) async fn new(addr: SocketAddr, from: &Peer) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, from: (from.id.clone(), from.token.clone()), buffer: vec![0; 4096] }
    }

    /// Sends signal `n` and waits for the answer.
    pub(crate) async fn post(&mut self, to: &str, n: usize) {
        let (sender, token) = &self.from;
        let body = format!(
            r#"{{"sender":"{sender}","to":"{to}","token":"{token}","signal":{{"sdp":"{:0>256}","n":{n}}}}}"#,
            0
        );
        let request = format!(
            "POST /api/signal?room={ROOM} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await.unwrap();
        let mut filled = 0;
        loop {
            let n = self.stream.read(&mut self.buffer[filled..]).await.unwrap();
            assert!(n > 0, "the server closed a connection");
            filled += n;
            let answer = &self.buffer[..filled];
            if answer.ends_with(b"}") {
                assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(answer));
                return;
            }
        }
    }
}

/// So many people in one room, who all know of each other if the server tells them.
pub(crate) async fn crowd(server: &Child, name: &str, count: usize) -> Vec<Peer> {
    let mut peers = Vec::with_capacity(count);
    for _ in 0..count {
        peers.push(Peer::join(server.addr, ROOM).await);
    }
    if name == "agentmesh" {
        for peer in &mut peers {
            peer.settle(count).await;
        }
    }
    peers
}
