//! What the HTTP handlers share.

use std::sync::Arc;

use agentmesh_core::services::agent_ws::service::AgentWebSocketService;

use crate::{
    ServerConfig, aiwm::Aiwm, authority::Authority, metrics::Metrics, oauth::Providers,
    org::DnsClient, registry::KeyRations, relay::Relay, signaling::Hub, store::Store,
    user_data::UserData,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct AppState {
    pub(crate) config: ServerConfig,
    pub(crate) store: Arc<Store>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) relay: Arc<Relay>,
    pub(crate) rations: KeyRations,
    pub(crate) signaling: Arc<Hub>,
    pub(crate) aiwm: Option<Aiwm>,
    pub(crate) agent_ws: AgentWebSocketService,
    pub(crate) authority: Authority,
    pub(crate) oauth: Providers,
    pub(crate) dns: DnsClient,
    pub(crate) user_data: Option<UserData>,
}

impl AppState {
    /// Where browsers find this server. `host` is what the client calls it.
    pub(crate) fn public_url(&self, host: &str) -> String {
        match self.config.public_hosts.first() {
            Some(name) => format!("https://{name}"),
            None => format!("http://{host}"),
        }
    }

    /// Where this server's relay is, for agents that name none. `host` is what the client calls this server.
    pub(crate) fn relay_url(&self, host: &str) -> String {
        match self.config.public_hosts.first() {
            // Under a public name there is TLS in front.
            Some(name) => format!("wss://{name}/v1/connect"),
            None => format!("ws://{host}/v1/connect"),
        }
    }
}

/// Cheap to clone.
pub(crate) type Shared = Arc<AppState>;
