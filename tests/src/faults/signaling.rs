//! Rooms over lines that break: who comes back in time is who it was, who does not is somebody new, and nothing is left of
//! either.

use std::time::Duration;

use agentmesh_core::{
    client::{backoff::BackoffConfig, http::HttpConfig, proxy::ProxyConfig},
    services::signaling::{
        SignalingBuilder, SignalingClient, SignalingEvent as Event, SignalingTimings,
    },
};
use agentmesh_server::{Server, ServerConfig, SignalingLimits, SignalingTimes};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{
    runtime::Handle,
    time::{sleep, timeout},
};

use super::{Line, Network, PATIENCE, until};

/// Waits are a twentieth of what the protocol says.
const FASTER: u32 = 20;

async fn server() -> Server {
    let whole = SignalingTimes::default();
    let times = SignalingTimes {
        keepalive: whole.keepalive / FASTER,
        idle: whole.idle / FASTER,
        prune_every: whole.prune_every / FASTER,
    };
    let config = ServerConfig::for_development();
    let signaling = SignalingLimits { times, ..config.signaling };
    Server::start(ServerConfig { signaling, ..config }).await.unwrap()
}

fn timings() -> SignalingTimings {
    let whole = SignalingTimings::default();
    // Pauses are shorter still: how long the client waits is not what is looked at.
    let backoff = BackoffConfig { base: whole.backoff.base / 100, max: whole.backoff.max / 100 };
    SignalingTimings {
        open: whole.open / FASTER,
        joined: whole.joined / FASTER,
        idle: whole.idle / FASTER,
        backoff,
        ..whole
    }
}

fn builder(network: &Network) -> SignalingBuilder {
    let http = HttpConfig { proxies: ProxyConfig::none(), ..HttpConfig::default() };
    let url = format!("http://{}", network.addr());
    SignalingClient::builder(url, "r").http(http).timings(timings())
}

/// What a client is after its line was away for so long, and what reached it.
async fn after(line: Line, away: Duration) -> (bool, Vec<Value>) {
    let server = server().await;
    let network = Network::to(server.addr()).await;
    let direct = Network::to(server.addr()).await;
    let client = timeout(PATIENCE, builder(&network).connect()).await.unwrap().unwrap();
    let stays = timeout(PATIENCE, builder(&direct).connect()).await.unwrap().unwrap();
    let (mut events, old) = (client.events(), client.id().unwrap());
    network.set(line);
    loop {
        let event = timeout(PATIENCE, events.next()).await.unwrap().expect("it goes on");
        if matches!(event, Event::Disconnected { .. }) {
            break;
        }
    }
    sleep(away / FASTER).await;
    // Whether it is still known shows at the sender, too.
    let sent = stays.send(&old, &json!("meanwhile")).await;
    network.set(Line::Up);
    let resumed = loop {
        match timeout(PATIENCE, events.next()).await.unwrap().expect("it goes on") {
            Event::Resumed { id, .. } => break id == old,
            Event::IdentityChanged { old: before, new, .. } => {
                assert_eq!(before, old);
                assert_ne!(new, old);
                break false;
            }
            _ => {}
        }
    };
    assert_eq!(sent.is_ok(), resumed, "{sent:?}");
    stays.send(&client.id().unwrap(), &json!("last")).await.unwrap();
    let mut signals = Vec::new();
    while signals.last() != Some(&json!("last")) {
        let event = timeout(PATIENCE, events.next()).await.unwrap().expect("it goes on");
        if let Event::Signal(signal) = event {
            signals.push(signal.value);
        }
    }
    stays.shutdown().await;
    client.shutdown().await;
    assert_eq!(sessions(&server).await, 0);
    server.shutdown().await;
    (resumed, signals)
}

async fn sessions(server: &Server) -> u64 {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/health", server.url());
    let health: Value = http.get(url).send().await.unwrap().json().await.unwrap();
    health["signaling"]["sessions"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn line_that_breaks_for_a_minute_is_the_same_client_and_for_three_another() {
    let seconds = Duration::from_secs;
    let (minute, three) =
        tokio::join!(after(Line::Cut, seconds(60)), after(Line::Cut, seconds(180)));
    assert_eq!(minute, (true, vec![json!("meanwhile"), json!("last")]));
    assert_eq!(three, (false, vec![json!("last")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn line_that_is_silent_is_noticed_and_the_client_is_who_it_was() {
    // The server's system takes what it says, so that nobody is forgotten; what it said into the void is lost, and what it
    // was still about to say is not. Requests that waited all the while arrive together with the one that counts.
    let (resumed, signals) = after(Line::Silent, Duration::from_secs(60)).await;
    assert!(resumed);
    let (last, earlier) = signals.split_last().unwrap();
    assert_eq!(last, "last");
    assert!(earlier.is_empty() || earlier == ["meanwhile"], "{earlier:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_a_hundred_clients_whatever_ended_them() {
    let server = server().await;
    let network = Network::to(server.addr()).await;
    let round = async |count: usize| {
        let joining = (0..count).map(|_| builder(&network).connect());
        let clients = timeout(PATIENCE, join_all(joining)).await.unwrap();
        let clients: Vec<_> = clients.into_iter().map(Result::unwrap).collect();
        for client in clients.iter().step_by(3) {
            client.leave().await;
        }
        for client in clients.iter().skip(1).step_by(3) {
            client.shutdown().await;
        }
        network.set(Line::Cut);
        drop(clients);
        network.set(Line::Up);
        // The last third could not say that they leave: the server forgets them.
        let gone = async {
            while sessions(&server).await > 0 {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, gone).await.unwrap();
    };
    let tasks = || Handle::current().metrics().num_alive_tasks();
    // Connection pools and the like exist from now on.
    round(4).await;
    // What asks for the sessions comes and goes.
    let before = tasks() + 8;
    round(100).await;
    until("no task is left", || tasks() <= before).await;
    server.shutdown().await;
}
