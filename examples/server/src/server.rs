//! A server from start to shutdown.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use agentmesh_core::services::agent_ws::{PATH, service::AgentWebSocketService};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    ServerConfig, ServerError, agent_ws,
    aiwm::Aiwm,
    authority::Authority,
    clock, http,
    metrics::Metrics,
    oauth::Providers,
    org::DnsClient,
    outbound::Outbound,
    registry::KeyRations,
    relay::{Parts, Relay},
    signaling::{self, Hub},
    state::{AppState, Shared},
    store::Store,
    user_data::UserData,
};

/// How long connections get to end by themselves. With the last transaction, shutdown takes less than 5 seconds.
const DRAIN: Duration = Duration::from_secs(3);

/// A running server. Dropping it stops it without waiting; [`Server::shutdown`] waits.
///
/// ```
/// # async fn example() -> Result<(), agentmesh_server::ServerError> {
/// use agentmesh_server::{Server, ServerConfig};
///
/// let server = Server::start(ServerConfig::for_development()).await?;
/// println!("registry {}, relay {}", server.registry_url(), server.relay_url());
/// server.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    agent_ws: AgentWebSocketService,
    addr: SocketAddr,
    store: Arc<Store>,
    tasks: TaskTracker,
    answers: TaskTracker,
    relay: Arc<Relay>,
    state: Shared,
    stopping: DropGuard,
}

impl Server {
    /// Opens the database and the port. When this returns, clients can connect.
    ///
    /// Needs a tokio runtime, whose threads the server uses until it is shut down.
    ///
    /// # Errors
    /// [`ServerError`]: an address that is taken, a data directory that is in use, a database that is damaged.
    pub async fn start(config: ServerConfig) -> Result<Self, ServerError> {
        config.check()?;
        let metrics = Arc::new(Metrics::new());
        let (tell, flushed) = mpsc::unbounded_channel();
        let (dir, store_metrics) = (config.data_dir.clone(), Arc::clone(&metrics));
        // Checking a large database takes a while.
        let opened = tokio::task::spawn_blocking(move || {
            Store::open(dir.as_deref(), store_metrics, move |batch| {
                // Nobody listens once the relay is gone.
                let _ = tell.send(batch);
            })
        });
        let opened = opened.await.map_err(|e| ServerError::Start(std::io::Error::other(e)))?;
        let (store, heads) = opened?;
        let store = Arc::new(store);
        let listen = |source| ServerError::Listen { addr: config.listen, source };
        let listener = http::listen(config.listen).map_err(listen)?;
        let addr = listener.local_addr().map_err(listen)?;
        let (tasks, answers) = (TaskTracker::new(), TaskTracker::new());
        let stopping = CancellationToken::new();
        let relay = Relay::start(Parts {
            config: config.clone(),
            store: Arc::clone(&store),
            heads,
            flushed,
            metrics: Arc::clone(&metrics),
            tasks: tasks.clone(),
            answers: answers.clone(),
            stopping: stopping.clone(),
        })
        .map_err(ServerError::Start)?;
        let signaling =
            Arc::new(Hub::new(config.signaling.clone(), config.ice.clone(), clock::now()));
        tasks.spawn(signaling::run(Arc::clone(&signaling), stopping.clone()));
        let agent_ws = AgentWebSocketService::new(
            Arc::clone(&config.agent_ws.service),
            Arc::clone(&config.agent_ws.backend),
        )
        .map_err(agent_ws::refused)?;
        let outbound = Outbound::new()?;
        let aiwm = Aiwm::open(&config.aiwm, config.profile, &metrics)?;
        let user_data = UserData::open(
            &config.user_data,
            config.data_dir.as_deref(),
            tasks.clone(),
            stopping.clone(),
        )?;
        let state = Arc::new(AppState {
            user_data,
            aiwm,
            authority: Authority::open(config.data_dir.as_deref(), clock::now())?,
            oauth: Providers::new(config.oauth_providers.clone(), outbound.clone()),
            dns: DnsClient::new(outbound, config.dns_url.clone()),
            config,
            store: Arc::clone(&store),
            metrics,
            relay: Arc::clone(&relay),
            rations: KeyRations::default(),
            signaling,
            agent_ws: agent_ws.clone(),
        });
        let router = http::router(Arc::clone(&state));
        tasks.spawn(http::serve(listener, router, Arc::clone(&state)));
        tracing::info!(%addr, "listening");
        let stopping = stopping.drop_guard();
        Ok(Self { agent_ws, addr, store, tasks, answers, relay, state, stopping })
    }

    /// Where it listens, with the port it got.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://ADDR`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// `http://ADDR/v1`: what clients take as the registry's URL.
    pub fn registry_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// `ws://ADDR/v1/connect`: what clients take as the relay's URL.
    pub fn relay_url(&self) -> String {
        format!("ws://{}/v1/connect", self.addr)
    }

    /// `ws://ADDR/functions/v1/agent_websocket`: what clients take as the agent's URL.
    pub fn agent_websocket_url(&self) -> String {
        format!("ws://{}{PATH}", self.addr)
    }

    /// Stops listening, tells every client to come back later, writes what is queued and releases the data directory.
    /// Takes less than 5 seconds.
    pub async fn shutdown(self) {
        let Self { store, tasks, answers, relay, agent_ws, state, stopping, addr } = self;
        drop(stopping);
        if let Some(user_data) = &state.user_data {
            user_data.stop().await;
        }
        agent_ws.stop();
        relay.dismiss_all();
        tasks.close();
        if timeout(DRAIN, tasks.wait()).await.is_err() {
            tracing::warn!(left = tasks.len(), "some connections did not end in time");
        }
        store.close().await;
        answers.close();
        answers.wait().await;
        tracing::info!(%addr, "stopped");
    }
}
