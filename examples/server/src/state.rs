//! What the HTTP handlers share.

use std::sync::Arc;

use crate::{ServerConfig, metrics::Metrics, registry::KeyRations, relay::Relay, store::Store};

/// See the module.
#[derive(Debug)]
pub(crate) struct AppState {
    pub(crate) config: ServerConfig,
    pub(crate) store: Arc<Store>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) relay: Arc<Relay>,
    pub(crate) rations: KeyRations,
    /// Where this server's relay is, for agents that name none.
    pub(crate) relay_url: String,
}

/// Cheap to clone.
pub(crate) type Shared = Arc<AppState>;
