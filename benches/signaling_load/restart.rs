//! How clients come back whose server was killed and is there again some seconds later. They are the SDK's own.

use std::time::{Duration, Instant};

use agentmesh_benches::{child::Child, results::Results, spread};
use agentmesh_core::{
    client::{http::HttpConfig, proxy::ProxyConfig},
    services::signaling::{SignalingClient, SignalingEvent},
};
use tokio::{task::JoinSet, time::sleep};

/// Joins at a time.
const AT_ONCE: usize = 64;

pub(crate) async fn run(clients: usize, outage: Duration, results: &mut Results) {
    let server = Child::serve("agentmesh", &[]);
    let addr = server.addr;
    let mut joined = Vec::with_capacity(clients);
    while joined.len() < clients {
        let mut joining = JoinSet::new();
        for n in joined.len()..clients.min(joined.len() + AT_ONCE) {
            let http = HttpConfig { proxies: ProxyConfig::none(), ..HttpConfig::default() };
            let client = SignalingClient::builder(format!("http://{addr}"), format!("{}", n / 4));
            joining.spawn(client.http(http).connect());
        }
        joined.extend(joining.join_all().await.into_iter().map(Result::unwrap));
    }
    let mut returning = JoinSet::new();
    for client in joined {
        let mut events = client.events();
        returning.spawn(async move {
            while !matches!(events.next().await, Some(SignalingEvent::IdentityChanged { .. })) {}
            // It stays, as clients do.
            (Instant::now(), client)
        });
    }
    drop(server);
    sleep(outage).await;
    let server = Child::serve("agentmesh", &[&addr.to_string()]);
    let (mut arrivals, back): (Vec<_>, Vec<_>) = returning.join_all().await.into_iter().unzip();
    drop((back, server));
    spread::add(&mut arrivals, outage, results);
}
