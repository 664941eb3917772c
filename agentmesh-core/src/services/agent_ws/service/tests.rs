//! Whole sessions over a pipe, in tokio's paused time: what takes minutes takes none.

use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Method, header};
use serde_json::{Value, json};
use tokio::{io::DuplexStream, task::JoinHandle};
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::{
    client::{platform::BoxFuture, proxy::ProxyConfig},
    redaction::Shown,
    services::agent_ws::SecretText,
};

/// Never answers, and tells when it is dropped.
#[derive(Debug, Default)]
struct Hanging(Arc<AtomicUsize>);

struct Call(Arc<AtomicUsize>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl ChatBackend for Hanging {
    fn complete<'a>(
        &'a self,
        request: &'a ChatRequest,
        _deltas: Option<&'a Deltas>,
    ) -> BoxFuture<'a, Result<String, ChatError>> {
        Box::pin(async move {
            if request.question() != "hang" {
                return Ok(request.question().to_owned());
            }
            self.0.fetch_add(1, Ordering::SeqCst);
            let _call = Call(Arc::clone(&self.0));
            std::future::pending().await
        })
    }
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (header::UPGRADE, "WebSocket"),
        (header::CONNECTION, "keep-alive, Upgrade"),
        (header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    headers
}

struct Peer {
    socket: WebSocketStream<DuplexStream>,
    session: JoinHandle<()>,
}

async fn connect(service: &AgentWebSocketService) -> Peer {
    let (headers, method) = (headers(), Method::GET);
    let seat = service
        .admit(&UpgradeRequest { method: &method, headers: &headers, query: None, ip: None })
        .unwrap();
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let service = service.clone();
    #[allow(clippy::disallowed_methods, reason = "the test owns the handle")]
    let session = tokio::spawn(async move { service.serve(theirs, Vec::new(), seat).await });
    let socket = WebSocketStream::from_raw_socket(ours, Role::Client, None).await;
    Peer { socket, session }
}

impl Peer {
    async fn next(&mut self) -> Message {
        loop {
            match self.socket.next().await.unwrap().unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                other => return other,
            }
        }
    }

    async fn json(&mut self) -> Value {
        serde_json::from_str(self.next().await.to_text().unwrap()).unwrap()
    }

    async fn ask(&mut self, content: &str) {
        let query = json!({"type": "query", "content": content});
        self.socket.send(Message::text(query.to_string())).await.unwrap();
    }
}

fn service(calls: &Arc<AtomicUsize>) -> AgentWebSocketService {
    let config = AgentWebSocketConfig { rate: None, ..AgentWebSocketConfig::default() };
    AgentWebSocketService::new(config, Arc::new(Hanging(Arc::clone(calls)))).unwrap()
}

#[tokio::test(start_paused = true)]
async fn case_13_inactivity_ends_with_a_notification_and_1000() {
    let service = service(&Arc::default());
    let mut peer = connect(&service).await;
    assert_eq!(peer.json().await["type"], "notification");
    let started = Instant::now();
    assert_eq!(peer.json().await["content"], "Session closed due to inactivity");
    assert_eq!(started.elapsed().as_secs(), 35 * 60);
    let Message::Close(Some(frame)) = peer.next().await else { panic!() };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1000, "Session timeout"));
    drop(peer.socket);
    peer.session.await.unwrap();
    assert_eq!(service.stats().sessions, 0);
}

#[tokio::test(start_paused = true)]
async fn case_12_call_that_hangs_is_dropped_after_a_minute() {
    let calls = Arc::new(AtomicUsize::new(0));
    let service = service(&calls);
    let mut peer = connect(&service).await;
    peer.json().await;
    peer.ask("hang").await;
    assert_eq!(peer.json().await["content"], "Thinking...");
    let started = Instant::now();
    assert_eq!(peer.json().await["type"], "error");
    assert_eq!(started.elapsed().as_secs(), 60);
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    peer.ask("fine").await;
    peer.json().await;
    assert_eq!(peer.json().await["content"], "fine");
    assert_eq!((service.stats().answers, service.stats().errors), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn case_24_client_that_vanishes_takes_its_call_with_it() {
    let calls = Arc::new(AtomicUsize::new(0));
    let service = service(&calls);
    let mut peer = connect(&service).await;
    peer.json().await;
    peer.ask("hang").await;
    peer.json().await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    drop(peer.socket);
    peer.session.await.unwrap();
    assert_eq!((calls.load(Ordering::SeqCst), service.stats().sessions), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn client_that_reads_nothing_loses_its_session() {
    let service = service(&Arc::default());
    let mut peer = connect(&service).await;
    peer.json().await;
    // More answers than the pipe holds, and nobody who reads them.
    for _ in 0..12 {
        let query = json!({"content": "x".repeat(60_000)}).to_string();
        if peer.socket.send(Message::text(query)).await.is_err() {
            break;
        }
    }
    peer.session.await.unwrap();
    assert_eq!(service.stats().sessions, 0);
}

#[tokio::test(start_paused = true)]
async fn pushes_reach_one_session_and_only_so_many_wait() {
    let service = service(&Arc::default());
    let mut peer = connect(&service).await;
    let id = peer.json().await["sessionId"].as_str().unwrap().to_owned();
    assert_eq!(service.notify("nobody", "x"), Err(PushError::NotFound));
    let taken = (0..100).take_while(|_| service.notify(&id, "news").is_ok()).count();
    assert_eq!(taken, PUSHES);
    assert_eq!(service.notify(&id, "news"), Err(PushError::Busy));
    assert_eq!(peer.json().await["content"], "news");
    service.stop();
    let refused = service.admit(&UpgradeRequest {
        method: &Method::GET,
        headers: &headers(),
        query: None,
        ip: None,
    });
    assert_eq!(refused.unwrap_err().status, 503);
}

#[test]
fn environment_says_what_the_documents_promise() {
    let get = |name: &str| {
        let value = match name {
            "AGENT_NAME" => "x",
            "SESSION_TIMEOUT" => "2",
            "MAX_HISTORY" => " 10 ",
            "COMMANDS" => "off",
            "FEEDBACK" => "query",
            "MODEL" => "m",
            "TEMPERATURE" => "0.1",
            "MAX_TOKENS" => "7",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let config = AgentWebSocketConfig::from_env(get).unwrap();
    assert_eq!((config.agent_name.as_str(), config.max_history), ("x", 10));
    assert_eq!(config.session_timeout, Duration::from_secs(120));
    assert_eq!((config.commands, config.feedback), (false, FeedbackMode::Query));
    let model = OpenAiConfig::openrouter(None).with_env(get).unwrap();
    assert_eq!((model.model.as_str(), model.temperature, model.max_tokens), ("m", 0.1, 7));
    for (name, value) in
        [("SESSION_TIMEOUT", "soon"), ("SESSION_TIMEOUT", "0"), ("MAX_HISTORY", "-1")]
    {
        let get = |asked: &str| (asked == name).then(|| value.to_owned());
        assert!(AgentWebSocketConfig::from_env(get).is_err(), "{name}={value}");
    }
    let hot = |asked: &str| (asked == "TEMPERATURE").then(|| "9".to_owned());
    assert!(OpenAiConfig::openrouter(None).with_env(hot).is_err());
    let second = |asked: &str| (asked == "OPENROUTER_MODEL").then(|| "n".to_owned());
    assert_eq!(OpenAiConfig::openrouter(None).with_env(second).unwrap().model, "n");
}

/// One snapshot, to be read by whoever changes it.
#[tokio::test]
async fn who_is_let_in_and_whose_key_is_used_is_not_printed() {
    let (token, key) = ("open sesame", "sk-or-v1-hush");
    let access = Access { tokens: vec![SecretText::trimmed(token)], ..Access::default() };
    let config = AgentWebSocketConfig { access, ..AgentWebSocketConfig::default() };
    let model = OpenAiConfig {
        proxies: ProxyConfig::none(),
        ..OpenAiConfig::openrouter(Some(SecretText::trimmed(key)))
    };
    let mut shown = Shown::default();
    shown.add("SecretText", &SecretText::trimmed(token));
    shown.add("OpenAiConfig", &model);
    let backend = OpenAiBackend::new(model).unwrap();
    shown.add("OpenAiBackend", &backend);
    let service = AgentWebSocketService::new(config, Arc::new(backend)).unwrap();
    shown.add("AgentWebSocketService", &service);
    let mut headers = headers();
    headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    let request =
        UpgradeRequest { method: &Method::GET, headers: &headers, query: Some(token), ip: None };
    shown.add("UpgradeRequest", &request);
    let mut seat = service.admit(&request).unwrap();
    // Random; it has to go back before the seat does.
    let id = std::mem::replace(&mut seat.id, "the session's id".to_owned());
    shown.add("Seat", &seat);
    seat.id = id;
    insta::assert_snapshot!(shown.without(&[token.as_bytes(), key.as_bytes()]));
}
