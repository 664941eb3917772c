//! What can be set before the client starts.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use rand_core::Rng;
use tokio::sync::{mpsc, watch};
use url::Url;

use super::{
    super::{RoomName, SecretText, SignalingError, SignalingTimings},
    EVENTS, Inner, ORDERS, SessionCredentials, SignalingClient, State,
    driver::Driver,
    transport::Transport,
};
use crate::{
    client::{
        http::{self, HttpConfig},
        platform::spawn,
        subscription::Fanout,
        transport::goes_in_clear,
    },
    identity::Identity,
    rng::SystemRng,
};

/// Reads and whole answers of a stream are not timed by the HTTP client but by the state machine.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Settings of a [`SignalingClient`].
pub struct SignalingBuilder {
    url: String,
    room: String,
    join_key: Option<SecretText>,
    session: Option<SessionCredentials>,
    identity: Option<Arc<Identity>>,
    timings: SignalingTimings,
    http: HttpConfig,
    allow_insecure: bool,
}

impl SignalingBuilder {
    pub(super) fn new(url: String, room: String) -> Self {
        Self {
            url,
            room,
            join_key: None,
            session: None,
            identity: None,
            timings: SignalingTimings::default(),
            http: HttpConfig::default(),
            allow_insecure: false,
        }
    }

    /// The key that the server wants from whoever joins this room.
    #[must_use]
    pub fn join_key(mut self, key: SecretText) -> Self {
        self.join_key = Some(key);
        self
    }

    /// Goes on as a session of before, such as one that another process kept
    /// ([`SignalingClient::credentials`]). If the server has forgotten it, the first event is `IdentityChanged`.
    #[must_use]
    pub fn resume(mut self, session: SessionCredentials) -> Self {
        self.session = Some(session);
        self
    }

    /// Signs every description that is sent ([`sign_signal`](super::super::sign_signal)). Peers see whose key it is.
    /// Signatures of others are checked in any case: [`Signal::author`](super::super::Signal::author).
    #[must_use]
    pub fn sign_with(mut self, identity: Arc<Identity>) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Waits and limits, instead of the defaults.
    #[must_use]
    pub fn timings(mut self, timings: SignalingTimings) -> Self {
        self.timings = timings;
        self
    }

    /// Proxies and certificates, instead of those of the environment. Its timeouts and bounds are not used.
    #[must_use]
    pub fn http(mut self, http: HttpConfig) -> Self {
        self.http = http;
        self
    }

    /// Lets `http` reach other machines: everybody on the way then sees the token.
    #[must_use]
    pub fn allow_insecure(mut self) -> Self {
        self.allow_insecure = true;
        self
    }

    /// Starts the client and waits until it has joined.
    ///
    /// # Errors
    /// [`SignalingError::Config`], and whatever the first attempt failed with: then nothing is tried again.
    pub async fn connect(self) -> Result<SignalingClient, SignalingError> {
        let client = self.start()?;
        client.first().await.map(|()| client)
    }

    /// Starts the client and returns at once: it joins when it can.
    ///
    /// Needs a tokio runtime around it.
    ///
    /// # Errors
    /// [`SignalingError::Config`].
    pub fn start(self) -> Result<SignalingClient, SignalingError> {
        self.timings.check()?;
        let config = |setting, problem: String| SignalingError::Config { setting, problem };
        let room = RoomName::parse(&self.room).ok_or_else(|| {
            config("room", "empty, longer than 128 characters, or with control characters".into())
        })?;
        let base = Url::parse(&self.url).map_err(|error| config("url", error.to_string()))?;
        let bare = base.username().is_empty() && base.password().is_none();
        if !matches!(base.scheme(), "http" | "https") || !bare {
            let problem = "it must begin with http:// or https:// and hold no credentials";
            return Err(config("url", problem.to_owned()));
        }
        if goes_in_clear(&base) && !self.allow_insecure {
            let problem = "http would show the token to everybody on the way; use https";
            return Err(config("url", problem.to_owned()));
        }
        let http =
            HttpConfig { connect_timeout: self.timings.open, read_timeout: FOR_EVER, ..self.http };
        let client = http::streaming_client(&http, FOR_EVER)
            .map_err(|error| config("http", error.to_string()))?;
        let transport = Arc::new(Transport {
            client,
            base,
            room,
            room_text: self.room,
            join_key: self.join_key,
            process: SystemRng.next_u64(),
        });
        let events = Arc::new(Fanout::new(EVENTS));
        let first_events = Mutex::new(Some(events.subscribe()));
        let (orders, ordered) = mpsc::channel(ORDERS);
        let (publish, state) = watch::channel(State::default());
        let driver =
            Driver::new(Arc::clone(&transport), self.timings, self.session, Arc::clone(&events))
                .signing(self.identity)
                .publishing(publish);
        let inner = Inner {
            orders: Some(orders),
            events,
            first_events,
            state,
            transport,
            driver: Mutex::new(Some(spawn(driver.run(ordered)))),
        };
        Ok(SignalingClient(Arc::new(inner)))
    }
}

impl fmt::Debug for SignalingBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalingBuilder").field("timings", &self.timings).finish_non_exhaustive()
    }
}
