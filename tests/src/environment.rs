//! The way to the servers: proxies of each kind with and without passwords, private certificate authorities, IPv6, and what
//! is refused because everybody could read it. The proxies and servers are real, small, and in this process.

#![allow(clippy::disallowed_methods, reason = "tasks end with the runtime of their test")]

mod proxies;
mod tls_server;
mod variables;

use std::time::Duration;

use agentmesh_core::{
    Error, ErrorInfo,
    client::{
        Agent,
        http::{HttpClient, HttpConfig},
        platform::Clock,
        proxy::ProxyConfig,
        registry::RegistryClient,
        tls::TlsConfig,
        transport::{Connector, Incoming, Outgoing, TransportError, ws_native::WsConnector},
    },
    identity::Identity,
    rng::SystemRng,
    storage::MemoryStorage,
    vault::{StoreKey, passphrase},
};
use agentmesh_server::{Server, ServerConfig};
use futures_util::{SinkExt, StreamExt};
use url::Url;

use self::{
    proxies::{Kind, Proxy},
    tls_server::TlsServer,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Sends a text and gets it back.
async fn echo(connector: &WsConnector, url: &str) -> Result<(), TransportError> {
    let mut socket = connector.connect(&Url::parse(url).unwrap()).await?;
    socket.send(Outgoing::Text("there and back".into())).await?;
    assert_eq!(socket.next().await, Some(Ok(Incoming::Text("there and back".into()))));
    Ok(())
}

/// Asks a registry how it is.
async fn ask(http: HttpConfig, registry: &str) -> Result<(), Error> {
    let identity = Identity::generate(Clock::system().now(), &mut SystemRng);
    let http = HttpClient::new(HttpConfig { attempts: 1, ..http })?;
    let client = RegistryClient::new(registry, identity.into(), http, Clock::system())?;
    client.health().await?;
    Ok(())
}

fn direct(tls: TlsConfig) -> HttpConfig {
    HttpConfig { proxies: ProxyConfig::none(), tls, ..HttpConfig::default() }
}

#[tokio::test]
async fn websockets_and_requests_go_through_every_kind_of_proxy() {
    let server = TlsServer::start("relay.invalid").await;
    let trust = TlsConfig::platform().only_ca_file(server.ca_file());
    for kind in [Kind::Connect, Kind::ConnectOverTls, Kind::Socks5] {
        for password in [None, Some("pa@ss:word")] {
            // A name that only the proxy can resolve.
            let proxy = Proxy::start(kind, password, server.port()).await;
            let trust =
                proxy.ca_file().map_or_else(|| trust.clone(), |ca| trust.clone().with_ca_file(ca));
            let proxies = ProxyConfig::all(&proxy.url(password));
            let connector = WsConnector::with_tls(&proxies, &trust, PATIENCE).unwrap();
            echo(&connector, "wss://relay.invalid/v1/connect").await.unwrap();
            assert_eq!(proxy.tunnels(), ["relay.invalid:443"], "{kind:?}");
            let http = HttpConfig { proxies, tls: trust.clone(), ..HttpConfig::default() };
            ask(http, "https://relay.invalid/v1").await.unwrap();
            assert_eq!(proxy.tunnels().len(), 2, "{kind:?}");

            if password.is_some() {
                for wrong in [None, Some("wrong")] {
                    let url = proxy.url(wrong);
                    let proxies = ProxyConfig::all(&url);
                    let connector = WsConnector::with_tls(&proxies, &trust, PATIENCE).unwrap();
                    let refused = echo(&connector, "wss://relay.invalid/").await.unwrap_err();
                    assert!(matches!(refused, TransportError::Proxy { .. }), "{kind:?}: {refused}");
                    assert!(!refused.to_string().contains("wrong"), "{refused}");
                    let http = HttpConfig { proxies, tls: trust.clone(), ..HttpConfig::default() };
                    let refused = ask(http, "https://relay.invalid/v1").await.unwrap_err();
                    assert_eq!(refused.code(), "HTTP_CONNECT", "{kind:?}: {refused}");
                    assert!(!refused.to_string().contains("wrong"), "{refused}");
                }
                assert_eq!(proxy.tunnels().len(), 2, "{kind:?}: nobody got through");
            }
        }
    }
}

#[tokio::test]
async fn socks_with_names_resolved_here_gets_an_address() {
    let server = TlsServer::start("localhost").await;
    let proxy = Proxy::start(Kind::Socks5, None, server.port()).await;
    let trust = TlsConfig::platform().only_ca_file(server.ca_file());
    let url = proxy.url(None).replace("socks5h://", "socks5://");
    // Loopback goes straight, so the proxy is not asked.
    let connector = WsConnector::with_tls(&ProxyConfig::all(&url), &trust, PATIENCE).unwrap();
    echo(&connector, &format!("wss://localhost:{}/", server.port())).await.unwrap();
    assert_eq!(proxy.tunnels(), [""; 0]);
    // A name that nobody has is found out here, before the proxy hears of it.
    let unknown = echo(&connector, "wss://no-such-host.invalid/").await.unwrap_err();
    assert!(matches!(unknown, TransportError::Connect { .. }), "{unknown}");
    let v6 = echo(&connector, "wss://[2001:db8::1]/").await.unwrap_err();
    assert!(v6.to_string().contains("socks5h"), "{v6}");
    assert_eq!(proxy.tunnels(), [""; 0]);
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_it_was_named_and_nowhere_else() {
    let server = TlsServer::start("localhost").await;
    let (ws, registry) = (
        format!("wss://localhost:{}/", server.port()),
        format!("https://localhost:{}/v1", server.port()),
    );
    let other = TlsServer::start("localhost").await;
    for trust in [
        TlsConfig::platform().only_ca_file(server.ca_file()),
        TlsConfig::platform().only_ca_file(server.ca_file().parent().unwrap()),
        TlsConfig::platform().only_ca_file(other.ca_file()).with_ca_file(server.ca_file()),
    ] {
        let connector = WsConnector::with_tls(&ProxyConfig::none(), &trust, PATIENCE).unwrap();
        echo(&connector, &ws).await.unwrap();
        ask(direct(trust), &registry).await.unwrap();
    }
    let trust = TlsConfig::platform().only_ca_file(other.ca_file());
    let connector = WsConnector::with_tls(&ProxyConfig::none(), &trust, PATIENCE).unwrap();
    let refused = echo(&connector, &ws).await.unwrap_err();
    assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
    let refused = ask(direct(trust), &registry).await.unwrap_err();
    assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
    // The right authority, but another name.
    let trust = TlsConfig::platform().only_ca_file(server.ca_file());
    let connector = WsConnector::with_tls(&ProxyConfig::none(), &trust, PATIENCE).unwrap();
    let refused = echo(&connector, &ws.replace("localhost", "127.0.0.1")).await.unwrap_err();
    assert!(refused.to_string().contains("not valid for name"), "{refused}");
}

#[tokio::test]
async fn a_certificate_file_that_is_none_is_named() {
    let server = TlsServer::start("localhost").await;
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "no certificate in here").unwrap();
    for (path, says) in
        [(empty, "holds no certificate"), (dir.path().join("absent.pem"), "absent.pem")]
    {
        let trust = TlsConfig::platform().only_ca_file(&path);
        assert!(trust.check().unwrap_err().contains(says), "{:?}", trust.check());
        let connector = WsConnector::with_tls(&ProxyConfig::none(), &trust, PATIENCE).unwrap();
        let url = format!("wss://localhost:{}/", server.port());
        let refused = echo(&connector, &url).await.unwrap_err();
        assert!(refused.to_string().contains(says), "{refused}");
    }
    assert_eq!(TlsConfig::platform().only_ca_file(server.ca_file()).check(), Ok(1));
}

#[tokio::test]
async fn an_address_of_either_family_is_reached() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let port = Url::parse(&server.registry_url()).unwrap().port().unwrap();
    // Listens on 127.0.0.1 only: `localhost`, which may be ::1 first, gets there all the same.
    ask(direct(TlsConfig::platform()), &format!("http://localhost:{port}/v1")).await.unwrap();

    let v6 = TlsServer::start_at("[::1]:0", "localhost").await;
    let Some(v6) = v6 else { return no_ipv6() };
    let trust = TlsConfig::platform().only_ca_file(v6.ca_file());
    let connector = WsConnector::with_tls(&ProxyConfig::none(), &trust, PATIENCE).unwrap();
    echo(&connector, &format!("wss://[::1]:{}/", v6.port())).await.unwrap();
    ask(direct(trust), &format!("https://[::1]:{}/v1", v6.port())).await.unwrap();
}

/// Machines without IPv6 exist; they have no loopback to test with.
fn no_ipv6() {
    let found = std::net::UdpSocket::bind("[::1]:0");
    assert!(found.is_err(), "IPv6 works here, and the server did not start");
}

#[tokio::test]
async fn unencrypted_addresses_are_for_loopback_unless_allowed() {
    let builder =
        || Agent::builder().storage(MemoryStorage::new()).store_key(StoreKey::from_bytes([1; 32]));
    let registry = "http://registry.example/v1";
    let relay = "ws://relay.example/v1/connect";
    for builder in [
        builder().registry_url(registry).relay_url("wss://relay.example/v1/connect"),
        builder().registry_url("https://registry.example/v1").relay_url(relay),
    ] {
        let refused = builder.create().await.unwrap_err();
        assert_eq!(refused.code(), "AGENT_CONFIG");
        assert!(refused.to_string().contains("allow insecure"), "{refused}");
    }
    let allowed = builder().registry_url(registry).relay_url(relay).allow_insecure(true);
    allowed.create().await.unwrap().close().await.unwrap();
    for host in ["localhost", "127.0.0.1:1", "[::1]:1"] {
        let agent = builder()
            .registry_url(format!("http://{host}/v1"))
            .relay_url(format!("ws://{host}/v1/connect"));
        agent.create().await.unwrap().close().await.unwrap();
    }
}

#[tokio::test]
async fn an_agent_opens_under_its_passphrase_and_under_no_other() {
    let store = MemoryStorage::new();
    let builder = |store: &MemoryStorage, passphrase: &str| {
        let config = agentmesh_core::client::AgentConfig {
            registry_url: None,
            relay_url: None,
            ..Default::default()
        };
        Agent::builder().config(config).storage(store.clone()).store_key_passphrase(passphrase)
    };
    let none = builder(&store, "one").load().await.unwrap_err();
    assert_eq!(none.code(), "AGENT_NO_IDENTITY");
    let agent = builder(&store, "one").open_or_create().await.unwrap();
    let amid = agent.amid();
    agent.close().await.unwrap();

    let store = store.reopen();
    let wrong = builder(&store, "two").open_or_create().await.unwrap_err();
    assert_eq!(wrong.code(), "PASSPHRASE_WRONG");
    let cost = agentmesh_core::keys::passphrase::PassphraseCost::new(8192, 1, 1).unwrap();
    passphrase::change(&store, "one", "two", cost, &mut SystemRng).await.unwrap();
    let again = builder(&store, "two").load().await.unwrap();
    assert_eq!(again.amid(), amid);
    again.close().await.unwrap();
    let variable = Agent::builder().storage(store.reopen()).store_key_variable("NO_SUCH_VARIABLE");
    let unset = variable.load().await.unwrap_err();
    assert!(unset.to_string().contains("NO_SUCH_VARIABLE"), "{unset}");
}
