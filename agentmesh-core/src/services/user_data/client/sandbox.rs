//! Sandboxes: what an agent works in. Made ready for a session, and thrown away.

use http::Method;
use serde_json::Value;

use super::{
    super::{
        Health, Setup, UserDataError, channel::ChannelBuilder, names::NameKind, retry::Repeat,
    },
    UserDataClient, check,
    request::Call,
};

impl UserDataClient {
    /// Makes a sandbox ready for a session and loads the user's skills into it. Without a user, the server takes the
    /// session's id for one. Doing it twice is doing it once.
    ///
    /// # Errors
    /// [`UserDataError::InvalidName`], and what any request can fail with. It is sent at most three times.
    pub async fn setup(&self, session: &str, user: Option<&str>) -> Result<Setup, UserDataError> {
        check(NameKind::Session, session)?;
        if let Some(user) = user {
            check(NameKind::User, user)?;
        }
        let query: Vec<_> = user.map(|user| ("userId", user)).into_iter().collect();
        let path = ["setup", session];
        let limit = self.0.timeouts.setup;
        let get = Call::get("setup", &path, limit);
        self.call(Call { method: Method::POST, query: &query, repeat: Repeat::Setup, ..get }).await
    }

    /// Throws a session's sandbox away, with everything in it that is not stored.
    ///
    /// # Errors
    /// [`UserDataError::InvalidName`], and what any request can fail with.
    pub async fn destroy_sandbox(&self, session: &str) -> Result<(), UserDataError> {
        check(NameKind::Session, session)?;
        let path = ["sandbox", session];
        let call = Call::delete("destroy sandbox", &path, self.0.timeouts.setup);
        self.call::<Value>(call).await.map(drop)
    }

    /// What the server says of itself. Needs no key, and sends none.
    ///
    /// # Errors
    /// What any request can fail with.
    pub async fn health(&self) -> Result<Health, UserDataError> {
        let call = Call::get("health", &["health"], self.0.timeouts.request);
        self.call(Call { protected: false, ..call }).await
    }

    /// A conversation with the agent of a session: say how, then open it.
    pub fn channel(&self, session: impl Into<String>) -> ChannelBuilder {
        ChannelBuilder::new(self.clone(), session.into())
    }
}
