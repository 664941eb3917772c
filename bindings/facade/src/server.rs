//! The reference server in this process, for tests of applications: relay and registry on a free port of the loopback
//! interface, in memory unless a directory is named.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use agentmesh_server::{Faults, Server as CoreServer, ServerConfig};
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

/// A running server. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Server {
    registry_url: String,
    relay_url: String,
    url: String,
    server: Owned<Mutex<Option<CoreServer>>>,
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
        let server = CoreServer::start(config).await.map_err(|e| FacadeError::server(&e))?;
        Ok(Self {
            registry_url: server.registry_url(),
            relay_url: server.relay_url(),
            url: server.url(),
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

    /// The server's own URL, such as for `/health` and `/metrics`.
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
