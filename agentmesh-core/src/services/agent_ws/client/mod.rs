//! The client as applications see it.

mod builder;
mod driver;
#[cfg(test)]
mod redaction;
mod stream;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot, watch};

pub use self::{
    builder::AgentWebSocketBuilder,
    stream::{Part, QueryStream},
};
use self::{driver::Command, stream::Waiter};
use super::{AgentWebSocketError, AgentWebSocketEvent, Dialect, Message, MessageKind};
use crate::client::{
    platform::Task,
    subscription::{Fanout, Subscription},
};

/// Orders that wait for the driver.
const ORDERS: usize = 64;
/// Events that wait for a reader.
const EVENTS: usize = 256;

/// What is known of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// How the server talks.
    pub dialect: Dialect,
    /// The session's id, if the welcome names it: where others can push to.
    pub session_id: Option<String>,
    /// What the agent calls itself, if it says so.
    pub agent: Option<String>,
    /// The server says which query an answer belongs to, so that several can be under way and commands can overtake.
    pub correlates: bool,
}

impl Default for SessionInfo {
    fn default() -> Self {
        Self { dialect: Dialect::Unknown, session_id: None, agent: None, correlates: false }
    }
}

/// How to ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryOptions {
    /// How long to wait for the answer, if not as long as the client's settings say.
    pub deadline: Option<Duration>,
}

/// A conversation with one agent over a WebSocket.
///
/// It connects again by itself when the connection is lost, and says so; a query that was under way then fails, because
/// nobody knows whether the agent worked on it. Cloning it shares the connection. Dropping the last clone breaks the
/// connection off; [`AgentWebSocketClient::close`] takes leave.
///
/// ```no_run
/// # async fn example() -> Result<(), agentmesh_core::services::agent_ws::AgentWebSocketError> {
/// use agentmesh_core::services::agent_ws::AgentWebSocketClient;
///
/// let url = "ws://127.0.0.1:18787/functions/v1/agent_websocket";
/// let client = AgentWebSocketClient::builder(url).connect().await?;
/// println!("{}", client.query("What is a WebSocket?").await?.content);
/// client.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AgentWebSocketClient(Arc<Inner>);

struct Inner {
    orders: mpsc::Sender<Command>,
    events: Arc<Fanout<AgentWebSocketEvent>>,
    /// What happened since the start, for whoever asks first.
    first_events: Mutex<Option<Subscription<AgentWebSocketEvent>>>,
    state: watch::Receiver<State>,
    query_deadline: Duration,
    _driver: Task<()>,
}

/// Where the driver is.
#[derive(Debug, Clone, Default)]
struct State {
    session: Option<SessionInfo>,
    /// The first attempt's outcome, once it is known.
    first: Option<Result<(), AgentWebSocketError>>,
    ended: Option<AgentWebSocketError>,
}

impl AgentWebSocketClient {
    /// Settings for a client of the agent at `url` (`ws` or `wss`).
    pub fn builder(url: impl Into<String>) -> AgentWebSocketBuilder {
        AgentWebSocketBuilder::new(url.into())
    }

    /// Asks, and waits for the answer. Queries of one client are answered in their order unless the server knows ids.
    ///
    /// Dropping the future gives up waiting; the agent goes on working, unless it gets [`Self::command`] `cancel`.
    ///
    /// # Errors
    /// [`AgentWebSocketError::Timeout`], [`AgentWebSocketError::Agent`] if the agent answers with an error,
    /// [`AgentWebSocketError::ConnectionLost`], [`AgentWebSocketError::Closed`], and those about the content.
    pub async fn query(&self, content: impl Into<String>) -> Result<Message, AgentWebSocketError> {
        self.query_with(content, QueryOptions::default()).await
    }

    /// The same, with options.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn query_with(
        &self,
        content: impl Into<String>,
        options: QueryOptions,
    ) -> Result<Message, AgentWebSocketError> {
        let (waiter, answer) = oneshot::channel();
        let deadline = options.deadline.unwrap_or(self.0.query_deadline);
        let waiter = Waiter::whole(waiter);
        self.order(Command::Ask { content: content.into(), deadline, waiter }).await?;
        answer.await.unwrap_or_else(|_| Err(self.end()))
    }

    /// Asks, and shows the answer piece by piece where the server knows how; the whole answer comes last in any case.
    ///
    /// # Errors
    /// [`AgentWebSocketError::Closed`]; everything else is the stream's last item.
    pub async fn query_stream(
        &self,
        content: impl Into<String>,
        options: QueryOptions,
    ) -> Result<QueryStream, AgentWebSocketError> {
        let (waiter, stream) = stream::channel();
        let deadline = options.deadline.unwrap_or(self.0.query_deadline);
        self.order(Command::Ask { content: content.into(), deadline, waiter }).await?;
        Ok(stream)
    }

    /// Sends a command, ahead of queries that wait. What the agent has to say to it comes as an event.
    ///
    /// # Errors
    /// [`AgentWebSocketError::CommandsUnknown`] for servers that echo no ids: they would take it for a query, and its
    /// answer could not be told from that to another. [`AgentWebSocketError::NotConnected`] while there is no session.
    pub async fn command(&self, command: impl Into<String>) -> Result<(), AgentWebSocketError> {
        self.say(MessageKind::Command, command.into(), None).await
    }

    /// Sends what a person thinks of an answer, with anything that belongs to it.
    ///
    /// # Errors
    /// As [`Self::command`].
    pub async fn human_feedback(
        &self,
        content: impl Into<String>,
        metadata: Option<serde_json::Value>,
    ) -> Result<(), AgentWebSocketError> {
        self.say(MessageKind::HumanFeedback, content.into(), metadata).await
    }

    async fn say(
        &self,
        kind: MessageKind,
        content: String,
        metadata: Option<serde_json::Value>,
    ) -> Result<(), AgentWebSocketError> {
        let (waiter, sent) = oneshot::channel();
        let waiter = Waiter::sent(waiter);
        self.order(Command::Say { kind, content, metadata, waiter }).await?;
        sent.await.unwrap_or_else(|_| Err(self.end()))
    }

    /// What happens besides answers. The first to ask sees everything since the start, others what comes from now on.
    pub fn events(&self) -> Subscription<AgentWebSocketEvent> {
        let mut first = self.0.first_events.lock().unwrap_or_else(PoisonError::into_inner);
        first.take().unwrap_or_else(|| self.0.events.subscribe())
    }

    /// The session, if there is one now.
    pub fn session(&self) -> Option<SessionInfo> {
        self.0.state.borrow().session.clone()
    }

    /// Gives up all queries, takes leave of the server (close code 1000), and waits for the end, at most three seconds.
    pub async fn close(&self) {
        // Whoever is closed already needs no order.
        let _ = self.0.orders.send(Command::Close).await;
        let mut state = self.0.state.clone();
        let _ = state.wait_for(|state| state.ended.is_some()).await;
    }

    async fn order(&self, command: Command) -> Result<(), AgentWebSocketError> {
        self.0.orders.send(command).await.map_err(|_| self.end())
    }

    /// Waits for the first session, or for why there is none.
    async fn first(&self) -> Result<(), AgentWebSocketError> {
        let mut state = self.0.state.clone();
        let known = state.wait_for(|state| state.first.is_some()).await;
        match known {
            Ok(state) => state.first.clone().unwrap_or(Ok(())),
            Err(_) => Err(self.end()),
        }
    }

    fn end(&self) -> AgentWebSocketError {
        let closed = || AgentWebSocketError::Closed { reason: "closed".into() };
        self.0.state.borrow().ended.clone().unwrap_or_else(closed)
    }
}

impl fmt::Debug for AgentWebSocketClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentWebSocketClient")
            .field("session", &self.session())
            .finish_non_exhaustive()
    }
}
