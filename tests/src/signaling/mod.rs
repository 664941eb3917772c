//! Signaling over real sockets: the client and the reference server with each other, and the client with servers and
//! networks that are faked here. The cases that need no sockets are beside the state machine in the core. Numbers are
//! those of docs/conformance.md.

mod client;
mod codes;
mod fake;
mod faults;
mod guide;
mod proxy;
mod slow;
mod trace;

use std::time::Duration;

use agentmesh_core::{
    client::{
        backoff::BackoffConfig, http::HttpConfig, proxy::ProxyConfig, subscription::Subscription,
    },
    services::signaling::{
        Roster, Signal, SignalingBuilder, SignalingClient, SignalingEvent, SignalingTimings,
    },
};
use agentmesh_server::{Server, ServerConfig};
use tokio::time::timeout;

/// Longer than anything here takes on a slow machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn server() -> Server {
    Server::start(ServerConfig::for_development()).await.unwrap()
}

/// Without proxies, and with pauses that a test can wait for.
pub(super) fn builder(url: impl Into<String>, room: &str) -> SignalingBuilder {
    let http = HttpConfig { proxies: ProxyConfig::none(), ..HttpConfig::default() };
    SignalingClient::builder(url, room).http(http).timings(quick())
}

pub(super) fn quick() -> SignalingTimings {
    let backoff =
        BackoffConfig { base: Duration::from_millis(50), max: Duration::from_millis(200) };
    SignalingTimings { backoff, ..SignalingTimings::default() }
}

/// A client and what it sees.
pub(super) struct Peer {
    pub(super) client: SignalingClient,
    pub(super) events: Subscription<SignalingEvent>,
}

impl Peer {
    pub(super) async fn join(url: impl Into<String>, room: &str) -> Self {
        Self::of(builder(url, room)).await
    }

    pub(super) async fn of(builder: SignalingBuilder) -> Self {
        let client = timeout(PATIENCE, builder.connect()).await.unwrap().unwrap();
        Self { events: client.events(), client }
    }

    /// Who never joined, perhaps.
    pub(super) fn start(builder: SignalingBuilder) -> Self {
        let client = builder.start().unwrap();
        Self { events: client.events(), client }
    }

    pub(super) fn id(&self) -> String {
        self.client.id().unwrap().to_string()
    }

    pub(super) async fn next(&mut self) -> Option<SignalingEvent> {
        timeout(PATIENCE, self.events.next()).await.expect("an event in time")
    }

    /// The next event that `fits` makes something of.
    pub(super) async fn wait_for<T>(&mut self, fits: impl Fn(&SignalingEvent) -> Option<T>) -> T {
        loop {
            let event = self.next().await.expect("the client goes on");
            if let Some(found) = fits(&event) {
                return found;
            }
        }
    }

    pub(super) async fn roster(&mut self) -> Roster {
        self.wait_for(|event| match event {
            SignalingEvent::Roster(roster) => Some(roster.clone()),
            _ => None,
        })
        .await
    }

    /// Until there are so many others.
    pub(super) async fn others(&mut self, count: usize) -> Roster {
        loop {
            let roster = self.roster().await;
            if roster.peers.len() == count {
                return roster;
            }
        }
    }

    pub(super) async fn signal(&mut self) -> Signal {
        self.wait_for(|event| match event {
            SignalingEvent::Signal(signal) => Some(signal.clone()),
            _ => None,
        })
        .await
    }
}
