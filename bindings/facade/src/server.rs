//! The reference server in this process, for tests of applications: relay, registry and services on a free port of the
//! loopback interface, in memory unless a directory is named.

use std::{
    fmt,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use agentmesh_server::{AiwmConfig, Faults, Server as CoreServer, ServerConfig, UserDataConfig};
use serde::Deserialize;

use crate::{FacadeError, owned::Owned};

/// How the server is run.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSettings {
    /// Where its database lives. Default: in memory.
    pub data_dir: Option<PathBuf>,
    /// The port. Default: a free one.
    pub port: u16,
    /// With users' data and the agents that work with them, for whoever brings any key.
    pub user_data: bool,
    /// With an AIWM controller.
    pub aiwm: bool,
    /// How often a message is lost on its way, 0 to 1.
    pub drop: f64,
    /// How often a message is delivered twice.
    pub duplicate: f64,
    /// How often a message is overtaken by those behind it.
    pub reorder: f64,
    /// How much longer every delivery takes.
    pub delay_ms: u64,
    /// The same seed gives the same faults in the same order.
    pub seed: u64,
}

/// A running server. Dropping it stops it without waiting. `Debug` shows no token.
pub struct Server {
    registry_url: String,
    relay_url: String,
    url: String,
    agent_websocket_url: String,
    aiwm_admin_token: Option<String>,
    server: Owned<Mutex<Option<CoreServer>>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Server {
    /// Starts a server. When this returns, clients can connect.
    ///
    /// # Errors
    /// `BINDING_SERVER`: the port is taken, the directory cannot be used.
    pub async fn start(settings: ServerSettings) -> Result<Self, FacadeError> {
        let mut config = ServerConfig::for_development();
        config.data_dir = settings.data_dir;
        config.listen.set_port(settings.port);
        config.faults = Faults {
            drop: settings.drop,
            duplicate: settings.duplicate,
            reorder: settings.reorder,
            delay: Duration::from_millis(settings.delay_ms),
            seed: settings.seed,
            ..Faults::default()
        };
        if settings.user_data {
            config.user_data = UserDataConfig::for_development();
        }
        if settings.aiwm {
            config.aiwm = AiwmConfig::for_development().map_err(|e| FacadeError::server(&e))?;
        }
        let aiwm_admin_token = config.aiwm.admin_token.clone();
        let server = CoreServer::start(config).await.map_err(|e| FacadeError::server(&e))?;
        Ok(Self {
            registry_url: server.registry_url(),
            relay_url: server.relay_url(),
            url: server.url(),
            agent_websocket_url: server.agent_websocket_url(),
            aiwm_admin_token,
            server: Owned::new(Mutex::new(Some(server))),
        })
    }

    /// What clients take as the registry's URL.
    pub fn registry_url(&self) -> &str {
        &self.registry_url
    }

    /// What clients take as the relay's URL.
    pub fn relay_url(&self) -> &str {
        &self.relay_url
    }

    /// What clients take as the URL of the agent that answers WebSockets: an echo.
    pub fn agent_websocket_url(&self) -> &str {
        &self.agent_websocket_url
    }

    /// What administers the AIWM controller, if there is one.
    pub fn aiwm_admin_token(&self) -> Option<&str> {
        self.aiwm_admin_token.as_deref()
    }

    /// The server's own URL: for signaling, user data and AIWM, and such as for `/health` and `/metrics`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops the server and waits for its end, at most five seconds. Again is fine.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub async fn stop(&self) -> Result<(), FacadeError> {
        let server = self.server.get()?.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(server) = server {
            server.shutdown().await;
        }
        Ok(())
    }
}
