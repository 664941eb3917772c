//! The client as applications see it.

mod builder;
mod driver;
mod transport;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

pub use self::builder::SignalingBuilder;
use self::{driver::Command, transport::Transport};
use super::{
    IceServers, MAX_BODY, Payload, PeerId, RoomName, SecretText, SignalingError, SignalingEvent,
};
use crate::client::{
    platform::Task,
    subscription::{Fanout, Subscription},
};

/// Orders that wait for the driver.
const ORDERS: usize = 64;
/// Events that wait for a reader.
const EVENTS: usize = 1024;
/// What a request holds besides the signal, with room for a signature.
const ENVELOPE: usize = 1024;

/// Who a client is in a room. With the token, another process can go on as the same client, for as long as the server
/// keeps the session: 90 seconds after its last stream.
#[derive(Debug, PartialEq, Eq)]
pub struct SessionCredentials {
    /// The client's id, which everybody in the room knows.
    pub id: PeerId,
    /// What proves it. Whoever has it is this client.
    pub token: SecretText,
    /// The server takes credentials in headers, so they need not be in a URL.
    pub header_auth: bool,
}

impl SessionCredentials {
    /// A second copy, said aloud.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self { id: self.id.clone(), token: self.token.duplicate(), header_auth: self.header_auth }
    }
}

/// A place in a room of a signaling server.
///
/// It resumes by itself when the stream is lost, and says so. Cloning it shares the place. [`SignalingClient::leave`]
/// gives it up; dropping the last clone does so, too, in the background, for at most two seconds.
///
/// ```no_run
/// # async fn example() -> Result<(), agentmesh_core::services::signaling::SignalingError> {
/// use agentmesh_core::services::signaling::{SignalingClient, SignalingEvent};
///
/// let client = SignalingClient::builder("http://127.0.0.1:18787", "agents").connect().await?;
/// let mut events = client.events();
/// while let Some(event) = events.next().await {
///     if let SignalingEvent::Roster(roster) = event {
///         for peer in roster.joined {
///             client.send(peer, &serde_json::json!({"type": "agent-ping"})).await?;
///         }
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SignalingClient(pub(super) Arc<Inner>);

pub(super) struct Inner {
    /// `None` only while it is dropped.
    orders: Option<mpsc::Sender<Command>>,
    events: Arc<Fanout<SignalingEvent>>,
    /// What happened since the start, for whoever asks first.
    first_events: Mutex<Option<Subscription<SignalingEvent>>>,
    state: watch::Receiver<State>,
    pub(super) transport: Arc<Transport>,
    driver: Mutex<Option<Task<()>>>,
}

/// Where the driver is.
#[derive(Debug, Clone, Default)]
struct State {
    session: Option<Arc<SessionCredentials>>,
    ice_servers: IceServers,
    peers: Arc<[PeerId]>,
    online: bool,
    /// The first attempt's outcome, once it is known.
    first: Option<Result<(), SignalingError>>,
    ended: Option<SignalingError>,
}

impl SignalingClient {
    /// Settings for a client of the server at `url` (its origin, or the part of the path before `/api`), in a room.
    pub fn builder(url: impl Into<String>, room: impl Into<String>) -> SignalingBuilder {
        SignalingBuilder::new(url.into(), room.into())
    }

    /// Sends a signal, any JSON but `null`, and waits until the server took it: for a peer that is away for a moment, it
    /// keeps it. At-least-once: a peer may get a signal twice if an answer was lost.
    ///
    /// Signals wait for their turn: 45 at once and 9 a second, descriptions before candidates. Those to one peer stay in
    /// order. While the stream is lost, they wait for it. Dropping the future does not take the signal back.
    ///
    /// # Errors
    /// [`SignalingError::NotJoined`], [`SignalingError::PeerGone`], [`SignalingError::QueueFull`],
    /// [`SignalingError::IdentityChanged`] and the others that say what became of it.
    pub async fn send(
        &self,
        to: impl Into<PeerId>,
        signal: &impl Serialize,
    ) -> Result<(), SignalingError> {
        let invalid = |problem| SignalingError::InvalidSignal { problem };
        let signal = serde_json::to_value(signal).map_err(|_| invalid("it is no JSON"))?;
        if signal.is_null() {
            return Err(invalid("null is no signal"));
        }
        let length = serde_json::to_string(&signal).map_or(usize::MAX, |text| text.len());
        if length > MAX_BODY - ENVELOPE {
            return Err(invalid("it exceeds 63 KiB"));
        }
        let (waiter, sent) = oneshot::channel();
        self.order(Command::Send { to: to.into(), signal, waiter }).await?;
        sent.await.unwrap_or_else(|_| Err(self.end()))
    }

    /// The same for an offer, an answer or a candidate.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_payload(
        &self,
        to: impl Into<PeerId>,
        payload: &Payload,
    ) -> Result<(), SignalingError> {
        self.send(to, &payload.to_value()).await
    }

    /// What happens. The first to ask sees everything since the start, others what comes from now on. A reader that is
    /// more than 1,024 events behind misses some, and is told how many.
    pub fn events(&self) -> Subscription<SignalingEvent> {
        let mut first = self.0.first_events.lock().unwrap_or_else(PoisonError::into_inner);
        let events = first.take().unwrap_or_else(|| self.0.events.subscribe());
        if self.0.state.borrow().ended.is_some() {
            // Nobody publishes any more; what is queued can still be read.
            self.0.events.close();
        }
        events
    }

    /// This client's id, once it joined. It can change: [`SignalingEvent::IdentityChanged`].
    pub fn id(&self) -> Option<PeerId> {
        self.0.state.borrow().session.as_ref().map(|session| session.id.clone())
    }

    /// The room, as servers know it.
    pub fn room(&self) -> &RoomName {
        &self.0.transport.room
    }

    /// Who else is in the room, by the last roster.
    pub fn peers(&self) -> Vec<PeerId> {
        self.0.state.borrow().peers.to_vec()
    }

    /// ICE servers, by the last `joined`.
    pub fn ice_servers(&self) -> IceServers {
        self.0.state.borrow().ice_servers.clone()
    }

    /// Whether there is a stream now.
    pub fn is_online(&self) -> bool {
        self.0.state.borrow().online
    }

    /// What another process needs to go on as this client. Keep it like a password.
    pub fn credentials(&self) -> Option<Arc<SessionCredentials>> {
        self.0.state.borrow().session.clone()
    }

    /// Gives the place in the room up, and waits for the server's word, at most five seconds. Signals that wait fail.
    /// Leaving twice does no harm.
    pub async fn leave(&self) {
        self.go(Command::Leave).await;
    }

    /// The same in at most two seconds, for programs that were asked to stop.
    pub async fn shutdown(&self) {
        self.go(Command::Shutdown).await;
    }

    async fn go(&self, command: Command) {
        // Who is closed already needs no order.
        if self.order(command).await.is_ok() {
            let mut state = self.0.state.clone();
            let _ = state.wait_for(|state| state.ended.is_some()).await;
        }
    }

    async fn order(&self, command: Command) -> Result<(), SignalingError> {
        match &self.0.orders {
            Some(orders) => orders.send(command).await.map_err(|_| self.end()),
            None => Err(self.end()),
        }
    }

    /// Waits until the room is joined, or for why it is not.
    async fn first(&self) -> Result<(), SignalingError> {
        let mut state = self.0.state.clone();
        let known = state.wait_for(|state| state.first.is_some()).await;
        match known {
            Ok(state) => state.first.clone().unwrap_or(Ok(())),
            Err(_) => Err(self.end()),
        }
    }

    fn end(&self) -> SignalingError {
        self.0.state.borrow().ended.clone().unwrap_or(SignalingError::Closed)
    }
}

/// The driver takes leave and ends by itself: it has a deadline.
impl Drop for Inner {
    fn drop(&mut self) {
        self.orders = None;
        let driver = self.driver.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(driver) = driver {
            driver.detach();
        }
    }
}

impl fmt::Debug for SignalingClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.borrow();
        f.debug_struct("SignalingClient")
            .field("id", &state.session.as_ref().map(|session| &session.id))
            .field("online", &state.online)
            .finish_non_exhaustive()
    }
}

/// A candidate without a description: others go first.
fn is_candidate(signal: &Value) -> bool {
    signal.get("candidate").is_some() && signal.get("sdp").is_none()
}
