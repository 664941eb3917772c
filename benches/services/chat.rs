//! Clients of the agent WebSocket that ask one question after the other; the server echoes.

use std::{net::TcpStream, time::Duration};

use agentmesh_benches::{child::Child, results::Results};
use agentmesh_core::services::agent_ws::PATH;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client::client};

use crate::{OURS, crowd};

const CLIENTS: usize = 8;
const QUESTION: &str =
    r#"{"type":"query","id":"1","content":"What is a WebSocket, in one sentence?"}"#;

struct Client(WebSocket<TcpStream>);

impl Client {
    fn open(child: &Child) -> Self {
        let stream = TcpStream::connect(child.addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let (mut socket, _) = client(format!("ws://{}{PATH}", child.addr), stream).unwrap();
        // The welcome.
        socket.read().unwrap();
        Self(socket)
    }

    fn ask(&mut self) {
        self.0.send(Message::text(QUESTION)).unwrap();
        loop {
            if let Message::Text(text) = self.0.read().unwrap() {
                assert!(!text.contains(r#""type":"error""#), "{text}");
                if text.contains(r#""type":"response""#) {
                    return;
                }
            }
        }
    }
}

/// Questions, each with a status and an answer.
pub(crate) fn questions(child: &Child, each: Duration, results: &mut Results) {
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Client::open(child)).collect();
    let done = crowd::run(child, &mut clients, each, Client::ask);
    results.add("chat, questions/s", OURS, done.rate);
    results.add("chat, server CPU, µs a question", OURS, done.cpu_us);
}
