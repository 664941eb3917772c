//! How agents come back whose relay was killed and is there again some seconds later. Their connections are the SDK's own.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use agentmesh_benches::{child::Child, results::Results, spread};
use agentmesh_core::{
    client::{
        platform::Clock,
        proxy::ProxyConfig,
        relay::{self, RelayConfig, RelayContext, RelayEvent, RelayHandle},
        subscription::Subscription,
        transport::ws_native::WsConnector,
    },
    rng::SystemRng,
};
use tokio::{task::JoinSet, time::sleep};

use crate::agentmesh;

/// Connections that begin at a time.
const AT_ONCE: usize = 64;

struct Agent {
    /// Ends the connection when it is dropped.
    _relay: RelayHandle,
    events: Subscription<RelayEvent>,
}

impl Agent {
    fn dial(server: &Child, connector: &Arc<WsConnector>) -> Self {
        let url = format!("ws://{}/v1/connect", server.addr).parse().unwrap();
        let context = RelayContext {
            identity: Arc::new(agentmesh::identity()),
            connector: connector.clone(),
            clock: Clock::system(),
            rng: Box::new(SystemRng),
        };
        let (relay, events) = relay::connect(RelayConfig::new(url), context);
        Self { _relay: relay, events }
    }

    async fn connected(mut self) -> Self {
        while !matches!(self.events.next().await.unwrap(), RelayEvent::Connected { .. }) {}
        self
    }
}

pub(crate) fn run(agents: usize, outage: Duration, results: &mut Results) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(come_back(agents, outage, results));
}

async fn come_back(agents: usize, outage: Duration, results: &mut Results) {
    let server = Child::serve("agentmesh", &[]);
    let timeout = Duration::from_secs(15);
    let connector = Arc::new(WsConnector::new(&ProxyConfig::none(), timeout).unwrap());
    let mut connected = Vec::with_capacity(agents);
    while connected.len() < agents {
        let mut connecting = JoinSet::new();
        for _ in connected.len()..agents.min(connected.len() + AT_ONCE) {
            connecting.spawn(Agent::dial(&server, &connector).connected());
        }
        connected.extend(connecting.join_all().await);
    }
    let mut returning = JoinSet::new();
    for agent in connected {
        // It stays, as agents do.
        returning.spawn(async move {
            let agent = agent.connected().await;
            (Instant::now(), agent)
        });
    }
    let addr = server.addr;
    drop(server);
    sleep(outage).await;
    let server = Child::serve("agentmesh", &[&addr.to_string()]);
    let (mut arrivals, back): (Vec<_>, Vec<_>) = returning.join_all().await.into_iter().unzip();
    drop((back, server));
    spread::add(&mut arrivals, outage, results);
}
