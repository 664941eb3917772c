//! The service over HTTP: skills, conversations, settings, sandboxes.

mod builder;
mod conversations;
mod pages;
mod request;
mod sandbox;
mod settings;
mod skills;

use std::sync::Arc;

use url::Url;

pub use self::{
    builder::{Timeouts, UserDataBuilder},
    settings::PREFERENCES,
};
use super::{
    RetryPolicy, SecretText, UserDataError,
    names::{Name, NameKind},
};
use crate::{
    client::{
        http::{HttpClient, HttpConfig},
        transport::ws_native::WsConnector,
    },
    services::socketio::Dial,
};

/// Talks to a user data service.
///
/// Cloning it shares connections. Every request has a time limit, a bound for its answer and an id that the server's log
/// has, too; those that can be repeated without harm are, see [`RetryPolicy`]. Names are checked before anything is sent.
///
/// ```no_run
/// # async fn example() -> Result<(), agentmesh_core::services::user_data::UserDataError> {
/// use agentmesh_core::services::user_data::{SecretText, UserDataClient};
///
/// let key = SecretText::trimmed(std::env::var("API_KEY").unwrap_or_default());
/// let client = UserDataClient::builder("https://api.example.com").api_key(key).build()?;
/// client.put_skill("alice", "debugging.md", "# Debugging\n\nLook at the logs first.").await?;
/// println!("{:?}", client.list_skills("alice").await?.skills);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct UserDataClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: HttpClient,
    connector: Arc<WsConnector>,
    /// For a channel where no WebSocket is let through.
    polling: HttpConfig,
    base: Url,
    key: Option<SecretText>,
    timeouts: Timeouts,
    retry: RetryPolicy,
}

impl UserDataClient {
    /// A client of the service below this base URL; whatever path it has is kept.
    pub fn builder(base_url: impl Into<String>) -> UserDataBuilder {
        UserDataBuilder::new(base_url.into())
    }

    /// The key, for who opens a channel with it.
    pub(super) fn key(&self) -> Option<&SecretText> {
        self.0.key.as_ref()
    }

    /// The way to the channel of a session.
    pub(super) fn dial(&self, session: &str) -> Option<Dial> {
        let url = |transport: &str| {
            let mut url = self.0.base.clone();
            url.path_segments_mut().ok()?.pop_if_empty().extend(["socket.io", ""]);
            url.query_pairs_mut()
                .append_pair("EIO", "4")
                .append_pair("transport", transport)
                .append_pair("sessionId", session);
            Some(url)
        };
        let mut socket = url("websocket")?;
        let scheme = if socket.scheme() == "https" { "wss" } else { "ws" };
        socket.set_scheme(scheme).ok()?;
        let connector = Arc::clone(&self.0.connector);
        Some(Dial { connector, http: self.0.polling.clone(), socket, polling: url("polling")? })
    }
}

/// Refuses what no server takes for a name.
pub(super) fn check(kind: NameKind, name: &str) -> Result<(), UserDataError> {
    Ok(Name::new(kind, name).map(drop)?)
}
