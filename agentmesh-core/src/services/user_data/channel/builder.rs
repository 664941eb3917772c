//! How a channel is opened.

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::sync::{mpsc, watch};
use zeroize::Zeroizing;

use super::{
    super::{SecretText, Setup, UserDataClient, UserDataError, client::check, names::NameKind},
    ChannelTimings, HookPolicy, UserDataChannel,
    driver::{Driver, Renew, State},
    handle::{EVENTS, Inner, ORDERS},
    machine::Terms,
};
use crate::client::{platform::spawn, subscription::Fanout};

/// The namespace that every server has.
const ROOT: &str = "/";

/// What a channel is opened with.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum ChannelAuth {
    /// The token that the setup of the session issued; nothing if it issued none, as deployed servers do. The API key is
    /// not sent instead: deployed servers hand what comes over the channel to the sandbox, where the agent can read it.
    #[default]
    SessionToken,
    /// The client's API key, for servers that one trusts with it and for channels without a setup.
    ApiKey,
    /// A token from elsewhere.
    Token(SecretText),
    /// Nothing.
    None,
}

/// Settings of a channel; [`ChannelBuilder::connect`] opens it.
pub struct ChannelBuilder {
    client: UserDataClient,
    session: String,
    user: Option<String>,
    skills: Vec<(String, String)>,
    setup: bool,
    auth: ChannelAuth,
    namespace: String,
    hooks: HookPolicy,
    timings: ChannelTimings,
}

impl ChannelBuilder {
    pub(in super::super) fn new(client: UserDataClient, session: String) -> Self {
        Self {
            client,
            session,
            user: None,
            skills: Vec::new(),
            setup: true,
            auth: ChannelAuth::default(),
            namespace: ROOT.to_owned(),
            hooks: HookPolicy::default(),
            timings: ChannelTimings::default(),
        }
    }

    /// Whose skills the sandbox gets. Without one, the server takes the session's id for it.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Stores a skill for the user before the setup.
    #[must_use]
    pub fn skill(mut self, name: impl Into<String>, content: impl Into<String>) -> Self {
        self.skills.push((name.into(), content.into()));
        self
    }

    /// Opens the channel without a setup: it was done before, or the server does it by itself.
    #[must_use]
    pub const fn without_setup(mut self) -> Self {
        self.setup = false;
        self
    }

    /// What the channel is opened with.
    #[must_use]
    pub fn auth(mut self, auth: ChannelAuth) -> Self {
        self.auth = auth;
        self
    }

    /// Another namespace of Socket.IO than `/`, which is tried next if the server does not have it.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// How hooks are answered. By default, no tool may be used.
    #[must_use]
    pub fn hooks(mut self, hooks: HookPolicy) -> Self {
        self.hooks = hooks;
        self
    }

    /// Waits, instead of the defaults.
    #[must_use]
    pub fn timings(mut self, timings: ChannelTimings) -> Self {
        self.timings = timings;
        self
    }

    /// Stores the skills, makes the sandbox ready, opens the channel and waits until the server has let it in.
    ///
    /// Needs a tokio runtime around it.
    ///
    /// # Errors
    /// Those of [`UserDataClient::put_skill`] and [`UserDataClient::setup`]; [`UserDataError::Config`];
    /// [`UserDataError::Connect`] or [`UserDataError::Refused`] if the first attempt to open it failed: then nothing is
    /// tried again.
    pub async fn connect(self) -> Result<UserDataChannel, UserDataError> {
        check(NameKind::Session, &self.session)?;
        self.timings.check()?;
        if !self.namespace.starts_with('/') || self.namespace.contains([',', '?']) {
            let problem = "it must begin with a slash, and hold no comma and no question mark";
            return Err(UserDataError::config("namespace", problem));
        }
        let owner = self.user.as_deref().unwrap_or(&self.session);
        for (name, content) in &self.skills {
            self.client.put_skill(owner, name, content).await?;
        }
        let ready = if self.setup {
            Some(self.client.setup(&self.session, self.user.as_deref()).await?)
        } else {
            None
        };
        let channel = self.start(ready)?;
        channel.first().await.map(|()| channel)
    }

    /// Begins to connect.
    pub(in super::super) fn start(
        self,
        ready: Option<Setup>,
    ) -> Result<UserDataChannel, UserDataError> {
        let issued = ready.as_ref().and_then(|ready| ready.session_token.as_ref());
        let token = match &self.auth {
            ChannelAuth::SessionToken => issued,
            ChannelAuth::ApiKey => self.client.key(),
            ChannelAuth::Token(token) => Some(token),
            ChannelAuth::None => None,
        };
        let renews = matches!(self.auth, ChannelAuth::SessionToken) && issued.is_some();
        let auth = token.map(auth_json);
        let dial = self
            .client
            .dial(&self.session)
            .ok_or_else(|| UserDataError::config("URL", "it has no path"))?;
        let events = Arc::new(Fanout::new(EVENTS));
        let first_events = Mutex::new(Some(events.subscribe()));
        let (orders, ordered) = mpsc::channel(ORDERS);
        let (publish, state) = watch::channel(State::default());
        let terms = Terms {
            namespace: self.namespace,
            auth,
            renews,
            hooks: self.hooks,
            timings: self.timings,
        };
        let (client, session, user) = (self.client.clone(), self.session, self.user);
        let renew: Renew = Box::new(move || {
            let (client, session, user) = (client.clone(), session.clone(), user.clone());
            Box::pin(async move {
                let ready = client.setup(&session, user.as_deref()).await?;
                let json = ready.session_token.as_ref().map(auth_json);
                Ok(json.map(|mut json| SecretText::new(std::mem::take(&mut *json))))
            })
        });
        let driver = Driver::new(dial, renew, terms, events.clone(), publish);
        Ok(UserDataChannel(Arc::new(Inner {
            orders,
            events,
            first_events,
            state,
            client: self.client,
            ready,
            _driver: spawn(driver.run(ordered)),
        })))
    }
}

/// `{"token":…}`. Not through a JSON value, which would leave a copy behind.
fn auth_json(token: &SecretText) -> Zeroizing<String> {
    let mut json = Zeroizing::new(String::with_capacity(token.expose().len() * 2 + 16));
    json.push_str("{\"token\":\"");
    for c in token.expose().chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if c.is_control() => {
                // Writing to a text cannot fail.
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push_str("\"}");
    debug_assert!(serde_json::from_str::<Value>(&json).is_ok());
    json
}

/// The session's id is what others would need to take the session over.
impl fmt::Debug for ChannelBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelBuilder")
            .field("setup", &self.setup)
            .field("auth", &self.auth)
            .field("hooks", &self.hooks)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tokens_become_json_whatever_is_in_them() {
        for token in ["plain", "qu\"ote\\", "wörld 😀", "new\nline\u{1}end", "\u{9f}x"] {
            let json = auth_json(&SecretText::trimmed(token));
            let value: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(value, json!({"token": token}), "{token:?}");
        }
    }
}
