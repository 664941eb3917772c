//! The client's registry and relay connections against the real server.

use std::{sync::Arc, time::Duration};

use agentmesh_core::{
    ErrorInfo, Timestamp,
    client::{
        backoff::BackoffConfig,
        http::{HttpClient, HttpConfig},
        platform::Clock,
        proxy::ProxyConfig,
        registry::{AgentSearch, AnswerError, Registration, RegistryClient, Upload},
        relay::{
            self, Inbound, Outbound, RelayCommand, RelayConfig, RelayContext, RelayError,
            RelayEvent, RelayHandle, RelayPayload, RelayState,
        },
        subscription::Subscription,
        transport::ws_native::WsConnector,
    },
    identity::{Amid, Identity},
    prekeys::{KnownPeer, PreKeys, Stock},
    rng::SystemRng,
    wire::{
        relay_error::RelayErrorCode,
        relay_features::Features,
        relay_frame::{PresenceStatus, RelayMessageType},
        relay_id::RelayMessageId,
    },
};
use agentmesh_server::{Server, ServerConfig};
use tokio::time::timeout;
use url::Url;

const PATIENCE: Duration = Duration::from_secs(20);

/// One agent's connections.
struct Agent {
    handle: RelayHandle,
    events: Subscription<RelayEvent>,
    amid: Amid,
}

fn identity() -> Arc<Identity> {
    Arc::new(Identity::generate(Clock::system().now(), &mut SystemRng))
}

fn registry(base: &str, identity: &Arc<Identity>) -> RegistryClient {
    let config = HttpConfig { proxies: ProxyConfig::none(), ..HttpConfig::default() };
    let http = HttpClient::new(config).unwrap();
    RegistryClient::new(base, identity.clone(), http, Clock::system()).unwrap()
}

fn dial(url: &str, identity: &Arc<Identity>, features: Features) -> Agent {
    let mut config = RelayConfig::new(Url::parse(url).unwrap());
    config.features = features;
    config.backoff =
        BackoffConfig { base: Duration::from_millis(50), max: Duration::from_millis(200) };
    let (handle, events) = relay::connect(
        config,
        RelayContext {
            identity: identity.clone(),
            connector: Arc::new(WsConnector::new(&ProxyConfig::none(), PATIENCE).unwrap()),
            clock: Clock::system(),
            rng: Box::new(SystemRng),
        },
    );
    Agent { handle, events, amid: identity.amid() }
}

impl Agent {
    async fn event(&mut self) -> RelayEvent {
        timeout(PATIENCE, self.events.next()).await.unwrap().unwrap()
    }

    /// Skips failed attempts; the pending count and the extensions.
    async fn connected(&mut self) -> (u64, Features) {
        loop {
            match self.event().await {
                RelayEvent::Connected { pending, features, .. } => return (pending, features),
                RelayEvent::Disconnected { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn frame(&mut self) -> Inbound {
        match self.event().await {
            RelayEvent::Frame(frame) => frame,
            other => panic!("{other:?}"),
        }
    }

    async fn send(&self, to: Amid, payload: RelayPayload) -> RelayMessageId {
        let id = RelayMessageId::random(&mut SystemRng);
        let message = Outbound { to, id, message_type: RelayMessageType::Message, payload };
        self.handle.send(RelayCommand::Send(message)).await.unwrap();
        id
    }

    async fn ack(&self, frame: &Inbound) {
        let command = RelayCommand::Ack { from: frame.from, id: frame.id.unwrap() };
        self.handle.send(command).await.unwrap();
    }
}

fn native(bytes: &'static [u8]) -> RelayPayload {
    RelayPayload::Native(bytes.into())
}

#[tokio::test]
async fn an_agent_registers_is_found_and_publishes() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let (ann, bob) = (identity(), identity());
    let registry = registry(&server.registry_url(), &ann);
    assert_eq!(registry.health().await.unwrap().status, "healthy");
    let nobody = registry.lookup(&bob.amid()).await.unwrap_err();
    assert_eq!(nobody, AnswerError::AgentNotFound { amid: bob.amid() }.into());
    let unregistered = registry.set_status(&PresenceStatus::Online).await.unwrap_err();
    assert_eq!(unregistered.code(), "HTTP_NOT_FOUND");

    let registration = Registration {
        display_name: Some("Änn".into()),
        capabilities: vec!["weather/forecast".into()],
        ..Registration::default()
    };
    assert!(registry.register(&registration).await.unwrap().newly);
    assert!(!registry.register(&registration).await.unwrap().newly, "again is no error");
    registry.set_status(&PresenceStatus::Online).await.unwrap();
    registry.set_capabilities(&["tide/table".into()]).await.unwrap();

    let listing = registry.lookup(&ann.amid()).await.unwrap();
    assert_eq!(listing.details.display_name.as_deref(), Some("Änn"));
    assert_eq!(listing.details.status, PresenceStatus::Online);
    assert_eq!(
        (listing.signing_key, listing.exchange_key),
        (*ann.signing_key(), *ann.exchange_key())
    );
    let search = |capability: &str| AgentSearch {
        capability: Some(capability.into()),
        status: Some(PresenceStatus::Online),
        ..AgentSearch::default()
    };
    let found = registry.search(&search("tide/table")).await.unwrap();
    let agents: Vec<_> = found.agents.iter().map(|a| (a.amid, a.signing_key)).collect();
    assert_eq!(
        (agents, found.total, found.rejected),
        (vec![(ann.amid(), *ann.signing_key())], 1, 0)
    );
    assert!(registry.search(&search("weather/forecast")).await.unwrap().agents.is_empty());
    assert!(registry.clock_offset_seconds().is_none_or(|s| s.abs() <= 2));
}

#[tokio::test]
async fn bundles_travel_with_one_time_keys_that_are_handed_out_once() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let (ann, bob) = (identity(), identity());
    let bobs = registry(&server.registry_url(), &bob);
    let anns = registry(&server.registry_url(), &ann);
    bobs.register(&Registration::default()).await.unwrap();
    let peer = KnownPeer::first_contact(bob.amid());
    let early = anns.fetch_bundle(&peer).await.unwrap_err();
    assert_eq!(early, AnswerError::NativeBundleUnavailable { amid: bob.amid() }.into());

    let prekeys = PreKeys::generate(&bob, Clock::system().now(), &mut SystemRng);
    let publication = prekeys.publication(&bob);
    let stock = Stock { one_time: 100, one_time_kem: 20 };
    assert_eq!(bobs.upload_prekeys(&publication).await.unwrap(), Upload::Native { stock });
    assert_eq!(bobs.upload_prekeys(&publication).await.unwrap(), Upload::Native { stock });

    let mut handed_out = std::collections::HashSet::new();
    for _ in 0..3 {
        let bundle = anns.fetch_bundle(&peer).await.unwrap();
        assert_eq!(bundle.identity(), bob.signing_key());
        assert_eq!(bundle.suites(), [2, 3]);
        assert!(handed_out.insert(bundle.one_time().unwrap().0));
        assert!(handed_out.insert(bundle.one_time_kem().unwrap().0 + 1_000));
    }
    let stranger = anns.fetch_bundle(&KnownPeer::first_contact(ann.amid())).await.unwrap_err();
    assert_eq!(stranger, AnswerError::AgentNotFound { amid: ann.amid() }.into());
}

#[tokio::test]
async fn frames_go_from_agent_to_agent_whatever_both_negotiated() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let text = Features { binary: false, ..Features::ALL };
    for (anns, bobs) in
        [(Features::ALL, Features::ALL), (text, Features::ALL), (Features::ALL, text)]
    {
        let mut ann = dial(&server.relay_url(), &identity(), anns);
        let mut bob = dial(&server.relay_url(), &identity(), bobs);
        assert_eq!(ann.connected().await, (0, anns));
        assert_eq!(bob.connected().await, (0, bobs));
        let before = Clock::system().now().minus_millis(1_000);
        let id = ann.send(bob.amid, native(b"\x03 native frame")).await;
        let frame = bob.frame().await;
        assert_eq!((frame.from, frame.id), (ann.amid, Some(id)));
        assert_eq!(frame.payload, native(b"\x03 native frame"));
        assert!(frame.received_at.is_some_and(|at: Timestamp| at > before));
        bob.ack(&frame).await;
        assert_eq!(ann.event().await, RelayEvent::Acked(id));
        ann.handle.close().await;
        bob.handle.close().await;
    }
}

#[tokio::test]
async fn what_is_not_acknowledged_comes_again() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let bobs_identity = identity();
    let mut ann = dial(&server.relay_url(), &identity(), Features::ALL);
    ann.connected().await;
    // Absent: stored, and acknowledged once it is on disk.
    let id = ann.send(bobs_identity.amid(), native(b"\x03 later")).await;
    assert_eq!(ann.event().await, RelayEvent::Acked(id));
    for _ in 0..2 {
        let mut bob = dial(&server.relay_url(), &bobs_identity, Features::ALL);
        assert_eq!(bob.connected().await.0, 1);
        assert_eq!(bob.frame().await.id, Some(id));
        bob.handle.close().await;
    }
    let mut bob = dial(&server.relay_url(), &bobs_identity, Features::ALL);
    bob.connected().await;
    let frame = bob.frame().await;
    bob.ack(&frame).await;
    bob.handle.close().await;
    let mut bob = dial(&server.relay_url(), &bobs_identity, Features::ALL);
    assert_eq!(bob.connected().await.0, 0);
}

#[tokio::test]
async fn a_client_of_plain_0_2_works_as_ever() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let mut ann = dial(&server.relay_url(), &identity(), Features::NONE);
    let mut bob = dial(&server.relay_url(), &identity(), Features::NONE);
    assert_eq!(ann.connected().await, (0, Features::NONE));
    assert_eq!(bob.connected().await, (0, Features::NONE));
    ann.send(bob.amid, RelayPayload::Text(r#"{"type":"chat"}"#.into())).await;
    let frame = bob.frame().await;
    assert_eq!((frame.id, frame.payload), (None, RelayPayload::Text(r#"{"type":"chat"}"#.into())));

    bob.handle.set_presence(PresenceStatus::DoNotDisturb);
    // Set on another connection than it is asked on: there is no order between the two.
    for _ in 0..100 {
        ann.handle.send(RelayCommand::QueryPresence(bob.amid)).await.unwrap();
        let RelayEvent::Presence { amid, status, last_seen } = ann.event().await else { panic!() };
        assert_eq!(amid, bob.amid);
        if status == PresenceStatus::DoNotDisturb {
            assert!(last_seen.is_some());
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("presence was never told");
}

#[tokio::test]
async fn a_message_too_large_is_an_error_and_the_connection_stays() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let mut ann = dial(&server.relay_url(), &identity(), Features::ALL);
    ann.connected().await;
    let id = ann.send(ann.amid, RelayPayload::Text("{".repeat(65_537))).await;
    match ann.event().await {
        RelayEvent::Error { code: RelayErrorCode::MessageTooLarge, id: named, .. } => {
            assert_eq!(named, Some(id));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(ann.handle.state(), RelayState::Connected);
}

#[tokio::test]
async fn agt_takeover_loop_the_older_connection_goes_and_stays_away() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let identity = identity();
    let mut older = dial(&server.relay_url(), &identity, Features::ALL);
    older.connected().await;
    let mut newer = dial(&server.relay_url(), &identity, Features::ALL);
    newer.connected().await;
    assert_eq!(older.event().await, RelayEvent::Replaced);
    assert_eq!(older.events.next().await, None);
    let sent = older.handle.send(RelayCommand::QueryPresence(older.amid)).await;
    assert_eq!(sent, Err(RelayError::Replaced));
    newer.send(newer.amid, native(b"\x03 to myself")).await;
    assert!(matches!(newer.event().await, RelayEvent::Frame(_) | RelayEvent::Acked(_)));
}

#[tokio::test]
async fn a_client_comes_back_after_the_relay_did_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let config = |listen| ServerConfig {
        listen,
        data_dir: Some(dir.path().to_owned()),
        ..ServerConfig::for_development()
    };
    let server = Server::start(config("127.0.0.1:0".parse().unwrap())).await.unwrap();
    let (addr, url) = (server.addr(), server.relay_url());
    let bobs_identity = identity();
    let mut ann = dial(&url, &identity(), Features::ALL);
    ann.connected().await;
    let id = ann.send(bobs_identity.amid(), native(b"\x03 kept")).await;
    assert_eq!(ann.event().await, RelayEvent::Acked(id));

    server.shutdown().await;
    let server = Server::start(config(addr)).await.unwrap();
    loop {
        match ann.event().await {
            RelayEvent::Connected { .. } => break,
            RelayEvent::Disconnected { .. } => {}
            RelayEvent::Error { code: RelayErrorCode::ShuttingDown, .. } => {}
            other => panic!("{other:?}"),
        }
    }
    let mut bob = dial(&url, &bobs_identity, Features::ALL);
    assert_eq!(bob.connected().await.0, 1);
    assert_eq!(bob.frame().await.id, Some(id));
    server.shutdown().await;
}
