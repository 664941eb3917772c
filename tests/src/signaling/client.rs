//! The client and the reference server.

use std::{sync::Arc, time::Duration};

use agentmesh_core::{
    ErrorInfo,
    client::platform::Clock,
    identity::Identity,
    rng::SystemRng,
    services::signaling::{
        Author, DescriptionKind, Payload, SecretText, SignalingError, SignalingEvent,
        SignalingTimings,
    },
};
use agentmesh_server::{IceConfig, JoinKeys, Server, ServerConfig, TurnConfig, TurnCredentials};
use serde_json::{Value, json};

use super::{Peer, builder, proxy::Proxy, quick, server};

#[tokio::test]
async fn two_clients_meet_signal_and_leave() {
    let server = server().await;
    let mut a = Peer::join(server.url(), "agents").await;
    assert_eq!(a.others(0).await.peers, []);
    let mut b = Peer::join(server.url(), " AGENTS ").await;
    let roster = b.roster().await;
    assert!(roster.first);
    assert_eq!(roster.joined, [a.client.id().unwrap()]);
    assert_eq!(a.others(1).await.joined, [b.client.id().unwrap()]);
    let offer = Payload::description(DescriptionKind::Offer, "v=0\n☂").with_mode("lan");
    a.client.send_payload(&b.client.id().unwrap(), &offer).await.unwrap();
    let signal = b.signal().await;
    assert_eq!((signal.sender.as_str(), signal.author), (a.id().as_str(), Author::Unsigned));
    assert_eq!(Payload::parse(&signal.value), Some(offer));
    let (a_id, token) = {
        let credentials = a.client.credentials().unwrap();
        (credentials.id.clone(), credentials.token.expose().to_owned())
    };
    a.client.leave().await;
    a.client.leave().await;
    assert_eq!(b.others(0).await.left, std::slice::from_ref(&a_id));
    assert_eq!(a.next().await, Some(SignalingEvent::Closed { error: SignalingError::Closed }));
    assert_eq!(a.next().await, None);
    assert_eq!(a.client.events().next().await, None, "nor does a new reader wait");
    assert_eq!(a.client.send(&a_id, &1).await, Err(SignalingError::Closed));
    assert!(a.client.credentials().is_none() && !token.is_empty());
    b.client.shutdown().await;
    server.shutdown().await;
}

#[tokio::test]
async fn dropping_the_last_clone_leaves_the_room() {
    let server = server().await;
    let mut a = Peer::join(server.url(), "r").await;
    let b = Peer::join(server.url(), "r").await;
    a.others(1).await;
    drop(b);
    assert_eq!(a.others(0).await.left.len(), 1);
    server.shutdown().await;
}

#[tokio::test]
async fn case_13_and_14_cut_client_resumes_and_gets_what_was_sent_meanwhile() {
    let server = server().await;
    let mut proxy = Proxy::before(server.addr()).await;
    let mut a = Peer::join(proxy.url(), "r").await;
    let mut b = Peer::join(server.url(), "r").await;
    b.others(1).await;
    let id = a.client.id().unwrap();
    proxy.cut();
    for n in 0..5 {
        b.client.send(&id, &n).await.unwrap();
    }
    let resumed = a.wait_for(|event| match event {
        SignalingEvent::Resumed { id, .. } => Some(id.clone()),
        SignalingEvent::IdentityChanged { .. } => panic!("it has become another"),
        _ => None,
    });
    // What came before the cut was noticed at either end may be lost with the connection; nothing comes twice.
    assert_eq!(resumed.await, id);
    b.client.send(&id, &"last").await.unwrap();
    let mut got = Vec::new();
    loop {
        let value = a.signal().await.value;
        if value == json!("last") {
            break;
        }
        got.push(value.as_u64().unwrap());
    }
    assert!(got.is_sorted() && got.iter().all(|n| *n < 5), "{got:?}");
    assert!(b.events.try_next().is_none(), "nobody saw it go");
    server.shutdown().await;
}

#[tokio::test]
async fn case_23_half_open_connection_is_noticed_by_its_silence() {
    let server = server().await;
    let mut proxy = Proxy::before(server.addr()).await;
    // The server says something every ten seconds only; what the silence is of does not matter here.
    let timings = SignalingTimings { idle: Duration::from_secs(12), ..quick() };
    let mut a = Peer::of(builder(proxy.url(), "r").timings(timings)).await;
    let id = a.client.id().unwrap();
    proxy.freeze();
    let error = a.wait_for(|event| match event {
        SignalingEvent::Disconnected { error, .. } => Some(error.clone()),
        _ => None,
    });
    assert!(
        matches!(error.await, SignalingError::StreamLost { reason } if reason.contains("silent"))
    );
    let resumed = a.wait_for(|event| match event {
        SignalingEvent::Resumed { id, .. } => Some(id.clone()),
        _ => None,
    });
    assert_eq!(resumed.await, id);
    server.shutdown().await;
}

#[tokio::test]
async fn case_17_and_b19_restarted_server_gives_a_new_identity() {
    let server = server().await;
    let addr = server.addr();
    let mut a = Peer::join(server.url(), "r").await;
    let old = a.client.id().unwrap();
    server.shutdown().await;
    let config = ServerConfig { listen: addr, ..ServerConfig::for_development() };
    let server = Server::start(config).await.unwrap();
    let (before, now) = a
        .wait_for(|event| match event {
            SignalingEvent::IdentityChanged { old, new, .. } => Some((old.clone(), new.clone())),
            _ => None,
        })
        .await;
    assert_eq!(before, old);
    assert_ne!(now, old);
    assert!(a.roster().await.first);
    a.client.send(&now, &"to myself").await.unwrap();
    assert_eq!(a.signal().await.value, json!("to myself"));
    server.shutdown().await;
}

#[tokio::test]
async fn case_16_second_process_takes_over_and_the_first_stays_away() {
    let server = server().await;
    let mut first = Peer::join(server.url(), "r").await;
    let session = first.client.credentials().unwrap().duplicate();
    let id = session.id.clone();
    let mut second = Peer::of(builder(server.url(), "r").resume(session)).await;
    assert_eq!(second.client.id(), Some(id.clone()));
    assert!(matches!(second.next().await, Some(SignalingEvent::Resumed { .. })));
    let closed = first.wait_for(|event| match event {
        SignalingEvent::Closed { error } => Some(error.clone()),
        _ => None,
    });
    assert_eq!(closed.await, SignalingError::Superseded);
    assert_eq!(first.next().await, None);
    assert_eq!(first.client.send(&id, &1).await, Err(SignalingError::Superseded));
    second.client.send(&id, &"mine").await.unwrap();
    assert_eq!(second.signal().await.value, json!("mine"));
    server.shutdown().await;
}

#[tokio::test]
async fn case_20_peer_that_is_not_there_is_gone() {
    let server = server().await;
    let a = Peer::join(server.url(), "r").await;
    let gone = a.client.send("nobody", &1).await.unwrap_err();
    assert_eq!(gone, SignalingError::PeerGone { peer: "nobody".into() });
    server.shutdown().await;
}

#[tokio::test]
async fn b8_client_whose_session_is_gone_joins_anew() {
    let server = server().await;
    let mut a = Peer::join(server.url(), "r").await;
    let session = a.client.credentials().unwrap();
    // Another process leaves with these credentials.
    let body = json!({"sender": session.id, "token": session.token.expose()}).to_string();
    let url = format!("{}/api/leave?room=r", server.url());
    reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(url)
        .body(body)
        .send()
        .await
        .unwrap();
    let changed = a.wait_for(|event| match event {
        SignalingEvent::IdentityChanged { old, .. } => Some(old.clone()),
        _ => None,
    });
    assert_eq!(changed.await, session.id);
    server.shutdown().await;
}

#[tokio::test]
async fn storm_of_429_delays_signals_and_loses_none() {
    let server = server().await;
    // Faster than the server allows.
    let timings = SignalingTimings { burst: 200, per_second: 200, ..quick() };
    let a = Peer::of(builder(server.url(), "r").timings(timings)).await;
    let mut b = Peer::join(server.url(), "r").await;
    let to = b.client.id().unwrap();
    let sends = (0..65_u32).map(|n| {
        let (client, to) = (a.client.clone(), to.clone());
        async move { client.send(to, &n).await }
    });
    let (results, got) = tokio::join!(futures_util::future::join_all(sends), async {
        let mut got = Vec::new();
        while got.len() < 65 {
            got.push(b.signal().await.value);
        }
        got
    });
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(got, (0..65).map(Value::from).collect::<Vec<_>>(), "in order, each once");
    server.shutdown().await;
}

#[tokio::test]
async fn rooms_with_a_key_are_for_those_who_have_it() {
    let mut join_keys = JoinKeys::default();
    join_keys.require("team", "open sesame").unwrap();
    let config = ServerConfig { join_keys, ..ServerConfig::for_development() };
    let server = Server::start(config).await.unwrap();
    let error = builder(server.url(), "team").connect().await.unwrap_err();
    assert_eq!(error.code(), "SIGNALING_UNAUTHORIZED");
    let key = || SecretText::new("open sesame");
    let a = Peer::of(builder(server.url(), "team").join_key(key())).await;
    assert!(a.client.is_online());
    server.shutdown().await;
}

#[tokio::test]
async fn ice_servers_come_with_credentials_of_their_own() {
    let credentials = TurnCredentials::Secret("north".into());
    let turn = TurnConfig { urls: vec!["turn:t.example".into()], credentials };
    let ice = IceConfig { urls: vec!["stun:s.example".into()], turn: Some(turn) };
    let config = ServerConfig { ice, ..ServerConfig::for_development() };
    let server = Server::start(config).await.unwrap();
    let a = Peer::join(server.url(), "r").await;
    let servers = a.client.ice_servers();
    assert_eq!(servers.len(), 2);
    assert!(servers[1].username.as_ref().unwrap().ends_with(&a.id()));
    server.shutdown().await;
}

#[tokio::test]
async fn signed_descriptions_name_their_author_and_forged_ones_do_not() {
    let server = server().await;
    let identity = Arc::new(Identity::generate(Clock::system().now(), &mut SystemRng));
    let a = Peer::of(builder(server.url(), "r").sign_with(identity.clone())).await;
    let mut b = Peer::join(server.url(), "r").await;
    let to = b.client.id().unwrap();
    let sdp = "v=0\na=fingerprint:sha-256 AA\n";
    let offer = Payload::description(DescriptionKind::Offer, sdp);
    a.client.send_payload(&to, &offer).await.unwrap();
    let signal = b.signal().await;
    assert_eq!(signal.author, Author::Signed(identity.amid()));
    // Somebody else in the room passes it off as its own.
    let c = Peer::join(server.url(), "r").await;
    c.client.send(&to, &signal.value).await.unwrap();
    assert!(matches!(b.signal().await.author, Author::Invalid(_)));
    a.client.send(&to, &json!({"type": "agent-ping"})).await.unwrap();
    assert_eq!(b.signal().await.author, Author::Unsigned);
    server.shutdown().await;
}
