//! Errors that no other test provokes, each through a door that applications have. That every code is provoked
//! somewhere is checked in `architecture/provoked.rs`.

mod conversations;
mod values;

use std::{sync::Arc, time::Duration};

use agentmesh_core::{
    Error, ErrorInfo,
    client::{
        Agent, AgentBuilder, AgentError, AgentEvent, SendOptions,
        http::{HttpClient, HttpConfig, HttpError},
        platform::Clock,
        proxy::ProxyConfig,
        registry::{RegistryClient, RegistryError},
        relay::{self, RelayConfig, RelayContext, RelayError, RelayEvent},
        transport::ws_native::WsConnector,
    },
    engine::{LoadError, Stage},
    identity::{Amid, Identity},
    knock::{KnockRequest, Policy},
    limits,
    rng::SystemRng,
    storage::{
        Changes, CopyNames, MemoryStorage, RecordId, RecordKind, Storage, StorageError, copy,
    },
    vault::StoreKey,
};
use agentmesh_server::{Server, ServerConfig};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
    time::timeout,
};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};
use url::Url;

const PATIENCE: Duration = Duration::from_secs(20);
/// An address that nobody has a key for.
const NOBODY: &str = "3vaLv8qnmGSndxmYvHiHWN3cb312";

fn builder() -> AgentBuilder {
    let mut config = agentmesh_core::client::AgentConfig {
        registry_url: None,
        relay_url: None,
        policy: Policy::permissive(),
        ..Default::default()
    };
    config.http.proxies = ProxyConfig::none();
    Agent::builder().config(config).store_key(StoreKey::from_bytes([1; 32]))
}

fn offline() -> AgentBuilder {
    builder().storage(MemoryStorage::new())
}

/// A task that ends with its owner.
fn task<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinSet<T> {
    let mut tasks = JoinSet::new();
    tasks.spawn(future);
    tasks
}

async fn ended<T: 'static>(mut tasks: JoinSet<T>) -> T {
    timeout(PATIENCE, tasks.join_next()).await.unwrap().unwrap().unwrap()
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.expect_err("it fails").code()
}

#[tokio::test]
async fn agent_without_a_store_a_key_or_a_real_address_is_not_opened() {
    let store_less = builder().open_or_create().await.unwrap_err();
    assert!(matches!(store_less, Error::Agent(AgentError::Config { setting: "storage", .. })));
    let key_less = Agent::builder().storage(MemoryStorage::new()).open_or_create().await;
    assert!(matches!(key_less, Err(Error::Agent(AgentError::Config { setting: "store_key", .. }))));
    for url in ["https://relay.example", "relay.example", "ws://", ""] {
        let error = offline().relay_url(url).open_or_create().await.unwrap_err();
        assert!(
            matches!(error, Error::Agent(AgentError::Config { setting: "relay_url", .. })),
            "{url}: {error}"
        );
    }
}

#[tokio::test]
async fn empty_store_is_opened_by_nobody_and_a_full_one_created_by_nobody() {
    let storage = MemoryStorage::new();
    let open = || builder().storage(storage.clone());
    assert_eq!(code(open().load().await), "AGENT_NO_IDENTITY");
    let agent = open().create_new().await.unwrap();
    let amid = agent.amid();
    agent.close().await.unwrap();
    let storage = storage.reopen();
    let open = || builder().storage(storage.clone());
    assert_eq!(code(open().create_new().await), "STATE_IDENTITY_EXISTS");
    assert_eq!(open().load().await.unwrap().amid(), amid);
}

#[tokio::test]
async fn store_that_was_moved_elsewhere_opens_no_agent() {
    let storage = MemoryStorage::new();
    let open = |storage: &MemoryStorage| builder().storage(storage.clone());
    let amid = open(&storage).create().await.unwrap().amid();
    let (from, to) = (storage.reopen(), MemoryStorage::new());
    let names = CopyNames { from: "here", to: "there", now: Clock::system().now() };
    copy(&from, &to, names, &mut |_| {}).await.unwrap();
    let error = open(&from).load().await.unwrap_err();
    assert!(matches!(error, Error::Load(LoadError::Copied { .. })), "{error}");
    assert_eq!(open(&to).load().await.unwrap().amid(), amid);
}

#[tokio::test]
async fn agent_without_a_registry_says_so() {
    let agent = offline().open_or_create().await.unwrap();
    let nobody: Amid = NOBODY.parse().unwrap();
    assert_eq!(agent.lookup(&nobody).await.unwrap_err(), AgentError::NoRegistry.into());
    assert_eq!(code(agent.set_capabilities(vec!["x".into()]).await), "AGENT_NO_REGISTRY");
}

#[tokio::test]
async fn agent_that_reaches_no_relay_says_why_and_goes_on_trying() {
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/v1/connect", listener.local_addr().unwrap());
    drop(listener);
    let mut config = agentmesh_core::client::AgentConfig {
        registry_url: None,
        relay_url: Some(url),
        connect_timeout: Duration::from_millis(500),
        ..Default::default()
    };
    config.http.proxies = ProxyConfig::none();
    let agent = Agent::builder()
        .config(config)
        .storage(MemoryStorage::new())
        .store_key(StoreKey::from_bytes([1; 32]))
        .open_or_create()
        .await
        .unwrap();
    let error = agent.connect().await.unwrap_err();
    let Error::Agent(AgentError::NotOnline { reason }) = &error else { panic!("{error}") };
    assert!(!reason.is_empty());
    assert!(error.is_retryable());
}

#[tokio::test]
async fn who_waits_to_be_online_hears_that_another_connection_took_over() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    // A registry that answers nothing, so that the first agent is at the relay and not yet online.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let registry = format!("http://{}/v1", silent.local_addr().unwrap());
    let identity = Identity::generate(Clock::system().now(), &mut SystemRng);
    let copy = Identity::from_json(&identity.to_json()).unwrap();
    let older = offline()
        .identity(identity)
        .registry_url(registry)
        .relay_url(server.relay_url())
        .open_or_create()
        .await
        .unwrap();
    let mut events = older.events();
    let waiting = task({
        let older = older.clone();
        async move { older.connect().await }
    });
    let connected = |event: AgentEvent| matches!(event, AgentEvent::Connected { .. });
    while !connected(timeout(PATIENCE, events.next()).await.unwrap().unwrap()) {}
    let newer =
        offline().identity(copy).relay_url(server.relay_url()).open_or_create().await.unwrap();
    newer.connect().await.unwrap();
    let error = ended(waiting).await.unwrap_err();
    assert_eq!(error, AgentError::Replaced.into());
}

#[tokio::test]
async fn messages_that_can_never_be_sent_are_refused_at_once() {
    let agent = offline().open_or_create().await.unwrap();
    let nobody: Amid = NOBODY.parse().unwrap();
    let queued = || SendOptions::wait_for(Stage::Queued);
    for text in ["{", "", "{} {}", "nul"] {
        let error = agent.send(nobody, text, queued()).await.unwrap_err();
        assert_eq!(error.code(), "PAYLOAD_INVALID_JSON", "{text}");
        assert!(error.to_string().starts_with("the payload: not JSON"), "{error}");
    }
    let long = "x".repeat(limits::MAX_CAPABILITY + 1);
    let options = SendOptions { knock_request: Some(KnockRequest::new(long, "ask")), ..queued() };
    let error = agent.send(nobody, "1", options).await.unwrap_err();
    assert_eq!(error.code(), "KNOCK_REQUEST_INVALID");
    assert!(error.to_string().contains("capability"), "{error}");
    assert!(agent.outbox().await.unwrap().is_empty());
}

#[tokio::test]
async fn message_taken_back_fails_for_who_waits_for_it() {
    let agent = offline().open_or_create().await.unwrap();
    let nobody: Amid = NOBODY.parse().unwrap();
    let id = agent.new_id();
    let options = SendOptions { id: Some(id), ..SendOptions::wait_for(Stage::Queued) };
    agent.send(nobody, "1", options).await.unwrap();
    let options = SendOptions { id: Some(id), ..SendOptions::wait_for(Stage::Delivered) };
    let waiting = task({
        let agent = agent.clone();
        async move { agent.send(nobody, "1", options).await }
    });
    // The agent answers in order; whoever is asked after the wait began has taken it in.
    tokio::task::yield_now().await;
    while agent.stage(id).await.unwrap().is_none() {}
    agent.cancel(id).await.unwrap();
    let error = ended(waiting).await;
    assert_eq!(code(error), "SEND_CANCELLED");
}

#[tokio::test]
async fn record_beyond_the_limit_is_refused_and_the_store_goes_on() {
    let storage = MemoryStorage::new();
    let id = RecordId { kind: RecordKind::Inbox, key: [1; 16] };
    let mut changes = Changes::new();
    changes.put(id, 0, vec![0; limits::MAX_RECORD + 1]);
    let error = storage.commit(changes).await.unwrap_err();
    let (actual, limit) = (limits::MAX_RECORD + 1, limits::MAX_RECORD);
    assert_eq!(error, StorageError::TooLarge { id, actual, limit });
    let mut changes = Changes::new();
    changes.put(id, 0, vec![0; 1]);
    storage.commit(changes).await.unwrap();
}

#[tokio::test]
async fn answer_that_breaks_off_is_told_from_one_that_never_came() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let server = task(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.unwrap());
            }
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"status\":";
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let config = HttpConfig { proxies: ProxyConfig::none(), attempts: 1, ..HttpConfig::default() };
    let identity = Arc::new(Identity::generate(Clock::system().now(), &mut SystemRng));
    let http = HttpClient::new(config).unwrap();
    let registry = RegistryClient::new(&url, identity, http, Clock::system()).unwrap();
    let error = registry.health().await.unwrap_err();
    let RegistryError::Http(HttpError::Interrupted { .. }) = &error else { panic!("{error:?}") };
    assert_eq!(error.code(), "HTTP_INTERRUPTED");
    assert!(error.is_retryable());
    drop(server);
}

#[tokio::test]
async fn root_of_trust_is_not_taken_from_a_line_that_others_can_write_to() {
    let identity = Arc::new(Identity::generate(Clock::system().now(), &mut SystemRng));
    let http =
        HttpClient::new(HttpConfig { proxies: ProxyConfig::none(), ..HttpConfig::default() });
    let url = "http://registry.example/v1";
    let registry = RegistryClient::new(url, identity, http.unwrap(), Clock::system()).unwrap();
    let error = registry.root_certificate().await.unwrap_err();
    assert_eq!(error.code(), "REGISTRY_NOT_PRIVATE");
}

#[tokio::test]
async fn relay_that_closes_after_connected_is_told_from_a_broken_line() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("ws://{}/v1/connect", listener.local_addr().unwrap())).unwrap();
    let relay = task(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(socket).await.unwrap();
        socket.next().await.unwrap().unwrap();
        let connected = r#"{"type":"connected","session_id":"1","pending_messages":0}"#;
        socket.send(Message::text(connected)).await.unwrap();
        let frame = CloseFrame { code: CloseCode::Away, reason: "maintenance".into() };
        socket.close(Some(frame)).await.unwrap();
    });
    let identity = Arc::new(Identity::generate(Clock::system().now(), &mut SystemRng));
    let (_handle, mut events) = relay::connect(
        RelayConfig::new(url),
        RelayContext {
            identity,
            connector: Arc::new(WsConnector::new(&ProxyConfig::none(), PATIENCE).unwrap()),
            clock: Clock::system(),
            rng: Box::new(SystemRng),
        },
    );
    let connected = timeout(PATIENCE, events.next()).await.unwrap().unwrap();
    assert!(matches!(connected, RelayEvent::Connected { .. }), "{connected:?}");
    let lost = timeout(PATIENCE, events.next()).await.unwrap().unwrap();
    let RelayEvent::Disconnected { error, .. } = lost else { panic!("{lost:?}") };
    assert_eq!(error, RelayError::ClosedByRelay { code: Some(1001) });
    ended(relay).await;
}
