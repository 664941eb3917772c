//! Identity and trust end to end: a real server, real agents, and beside them a small OpenID provider, a resolver and a proxy.

#![allow(
    clippy::disallowed_methods,
    reason = "providers, resolvers, proxies and browsers are programs beside the agents, with tasks and clients of their own"
)]

mod accounts;
mod dns;
mod identity;
mod openid;
mod proxy;
mod revoked;

use std::time::Duration;

use agentmesh_core::{
    client::{Agent, AgentBuilder, AgentEvent},
    knock::Policy,
    storage::{MemoryStorage, Storage},
    vault::StoreKey,
};
use agentmesh_server::{Server, ServerConfig};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

async fn server_with(change: impl FnOnce(&mut ServerConfig)) -> Server {
    let mut config = ServerConfig::for_development();
    change(&mut config);
    Server::start(config).await.unwrap()
}

async fn server() -> Server {
    server_with(|_| {}).await
}

fn builder(server: &Server, storage: impl Storage + 'static) -> AgentBuilder {
    Agent::builder()
        .storage(storage)
        .store_key(StoreKey::from_bytes([1; 32]))
        .registry_url(server.registry_url())
        .relay_url(server.relay_url())
        .policy(Policy::permissive())
}

async fn online(server: &Server) -> Agent {
    online_over(server, MemoryStorage::new()).await
}

async fn online_over(server: &Server, storage: impl Storage + 'static) -> Agent {
    let agent = builder(server, storage).open_or_create().await.unwrap();
    agent.connect().await.unwrap();
    agent
}

/// Waits for an event, from now on.
fn event(agent: &Agent, wanted: impl Fn(&AgentEvent) -> bool) -> impl Future<Output = AgentEvent> {
    let mut events = agent.events();
    async move {
        let found = async {
            while let Some(event) = events.next().await {
                if wanted(&event) {
                    return event;
                }
            }
            panic!("the agent ended");
        };
        tokio::time::timeout(PATIENCE, found).await.expect("the event comes")
    }
}
