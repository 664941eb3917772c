//! Two servers that say what a test wants: one over HTTP, one over a WebSocket.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method, Response},
};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{Message, handshake::server},
};

use super::PATIENCE;

/// What came over HTTP.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

/// What is answered: status, headers, body.
pub(super) struct Answer(pub(super) u16, pub(super) Vec<(&'static str, String)>, pub(super) String);

pub(super) fn answer(status: u16, body: &Value) -> Answer {
    Answer(status, vec![("content-type", "application/json".into())], body.to_string())
}

#[derive(Default)]
struct Script {
    answers: VecDeque<Answer>,
    asked: Vec<Asked>,
}

/// Answers in the order of its script, then 404.
pub(super) struct HttpFake {
    pub(super) url: String,
    script: Arc<Mutex<Script>>,
    _task: JoinSet<()>,
}

impl HttpFake {
    pub(super) async fn start(answers: Vec<Answer>) -> Self {
        let script = Arc::new(Mutex::new(Script { answers: answers.into(), asked: Vec::new() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(respond).with_state(script.clone());
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, script, _task: task }
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.script.lock().unwrap().asked.clone()
    }
}

async fn respond(State(script): State<Arc<Mutex<Script>>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let mut script = script.lock().unwrap();
    script.asked.push(Asked {
        method: parts.method,
        target: parts.uri.to_string(),
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    });
    let Answer(status, headers, body) =
        script.answers.pop_front().unwrap_or_else(|| answer(404, &json!({"error": "Not found"})));
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(body.into()).unwrap()
}

/// What becomes of a request for a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sockets {
    Pass,
    /// As a proxy that knows none.
    Refused,
    /// As one that takes it for a request like others, and waits.
    Swallowed,
}

/// A way to a server that can be cut.
pub(super) struct Wire {
    pub(super) url: String,
    cut: tokio::sync::watch::Sender<u64>,
    server: Arc<Mutex<std::net::SocketAddr>>,
    _task: JoinSet<()>,
}

impl Wire {
    pub(super) async fn to(server: std::net::SocketAddr) -> Self {
        Self::through(server, Sockets::Pass).await
    }

    /// Through a proxy.
    pub(super) async fn through(server: std::net::SocketAddr, sockets: Sockets) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (cut, cuts) = tokio::sync::watch::channel(0);
        let server = Arc::new(Mutex::new(server));
        let leads_to = Arc::clone(&server);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut lines = JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut cuts = cuts.clone();
                cuts.mark_unchanged();
                let server = *leads_to.lock().unwrap();
                lines.spawn(async move {
                    let mut head = Vec::new();
                    while sockets != Sockets::Pass && !head.ends_with(b"\r\n\r\n") {
                        let Ok(byte) = near.read_u8().await else { return };
                        head.push(byte);
                    }
                    let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
                    if text.contains("upgrade: websocket") {
                        if sockets == Sockets::Refused {
                            let no = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
                            let _ = near.write_all(no).await;
                        } else {
                            let _ = cuts.changed().await;
                        }
                        return;
                    }
                    let mut far = TcpStream::connect(server).await.unwrap();
                    far.write_all(&head).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Self { url, cut, server, _task: task }
    }

    /// From now on to another server; whatever there is ends.
    pub(super) fn lead_to(&self, server: std::net::SocketAddr) {
        *self.server.lock().unwrap() = server;
        self.cut();
    }

    /// Every connection ends, without a word of leave.
    pub(super) fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }
}

/// Speaks Engine.IO and Socket.IO by hand.
pub(super) struct SocketFake {
    pub(super) url: String,
    listener: TcpListener,
}

impl SocketFake {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self { url, listener }
    }

    pub(super) async fn tcp(&self) -> TcpStream {
        timeout(PATIENCE, self.listener.accept()).await.unwrap().unwrap().0
    }

    /// The next WebSocket, and what it was asked for with.
    pub(super) async fn accept(&self) -> (Peer, String) {
        let tcp = self.tcp().await;
        let mut target = String::new();
        #[allow(clippy::result_large_err, reason = "the library's signature")]
        let note = |request: &server::Request, response: server::Response| {
            target = request.uri().to_string();
            assert!(request.headers().get("authorization").is_none(), "the key stays here");
            Ok(response)
        };
        let socket = timeout(PATIENCE, accept_hdr_async(tcp, note)).await.unwrap().unwrap();
        (Peer { socket }, target)
    }

    /// A client that was let in, and what it joined with.
    pub(super) async fn joined(&self) -> (Peer, String) {
        let (mut peer, _) = self.accept().await;
        peer.open().await;
        let join = peer.next().await;
        peer.send(r#"40{"sid":"s"}"#).await;
        (peer, join)
    }

    /// The same, with its question for the history answered.
    pub(super) async fn ready(&self) -> Peer {
        let (mut peer, _) = self.joined().await;
        peer.tells_history(&[]).await;
        peer
    }
}

/// A client's connection.
pub(super) struct Peer {
    socket: WebSocketStream<TcpStream>,
}

impl Peer {
    pub(super) async fn send(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    /// To somebody who may hang up on it.
    pub(super) async fn tries_to_send(&mut self, text: String) {
        let _ = self.socket.send(Message::text(text)).await;
    }

    pub(super) async fn send_bytes(&mut self, bytes: &'static [u8]) {
        self.socket.send(Message::binary(bytes)).await.unwrap();
    }

    pub(super) async fn open(&mut self) {
        self.open_with(25_000, 20_000).await;
    }

    pub(super) async fn open_with(&mut self, interval: u64, timeout: u64) {
        let open = json!({"sid": "e", "upgrades": [], "pingInterval": interval, "pingTimeout": timeout, "maxPayload": 1_000_000});
        self.send(format!("0{open}")).await;
    }

    pub(super) async fn event(&mut self, name: &str, data: Value) {
        self.send(format!("42{}", json!([name, data]))).await;
    }

    /// The next frame; `None` if the client is gone.
    pub(super) async fn try_next(&mut self) -> Option<String> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("no frame") {
                Some(Ok(Message::Text(text))) => return Some(text.as_str().to_owned()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(_) | Err(_)) | None => return None,
            }
        }
    }

    pub(super) async fn next(&mut self) -> String {
        self.try_next().await.expect("the client is gone")
    }

    /// The next event of the client's, with its argument.
    pub(super) async fn next_event(&mut self) -> (String, Value) {
        let frame = self.next().await;
        let json = frame.strip_prefix("42").unwrap_or_else(|| panic!("{frame}"));
        let mut event: Vec<Value> = serde_json::from_str(json).unwrap();
        let arg = if event.len() > 1 { event.remove(1) } else { Value::Null };
        (event[0].as_str().unwrap().to_owned(), arg)
    }

    pub(super) async fn expects(&mut self, name: &str) -> Value {
        let (event, arg) = self.next_event().await;
        assert_eq!(event, name);
        arg
    }

    pub(super) async fn tells_history(&mut self, messages: &[Value]) {
        self.expects("get_history").await;
        self.event("history", json!({"messages": messages})).await;
    }

    /// Says something as an agent does: init, two pieces, the message, the result.
    pub(super) async fn answers(&mut self, uuid: &str, text: &str) {
        self.event("message", json!({"role": "system", "subtype": "init", "session_id": "c1"}))
            .await;
        let (a, b) = text.split_at(text.len() / 2);
        self.event("stream", json!({"type": "text", "content": a})).await;
        self.event("stream", json!({"type": "text", "content": b})).await;
        self.says(uuid, text).await;
        self.event("result", json!({"type": "result", "is_error": false, "session_id": "c1"}))
            .await;
    }

    pub(super) async fn says(&mut self, uuid: &str, text: &str) {
        let content = json!([{"type": "text", "text": text}]);
        self.event("message", json!({"role": "assistant", "uuid": uuid, "content": content})).await;
    }

    /// Ends the TCP connection without a word.
    pub(super) fn cut(self) {
        drop(self.socket);
    }
}
