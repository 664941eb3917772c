//! The channel as applications hold it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{mpsc, oneshot, watch};

use super::{
    super::{Conversation, Setup, Stored, UserDataClient, UserDataError},
    AgentOptions, ChannelEvent, ChannelMessage, Object, Turn, TurnEnd, TurnOptions,
    driver::{Command, State, Waiter},
    machine::{Answer, Order},
    turn::{closed, turn},
};
use crate::client::{
    platform::Task,
    subscription::{Fanout, Subscription},
};

/// Orders that wait for the driver.
pub(super) const ORDERS: usize = 64;
/// Events that wait for a reader.
pub(super) const EVENTS: usize = 128;

/// An open conversation with the agent of one session.
///
/// It connects again by itself when the connection is lost, and says so. Cloning it shares the connection. Dropping the
/// last clone breaks the connection off; [`UserDataChannel::close`] takes leave.
///
/// ```no_run
/// # async fn example(client: agentmesh_core::services::user_data::UserDataClient)
/// # -> Result<(), agentmesh_core::services::user_data::UserDataError> {
/// use agentmesh_core::services::user_data::{HookPolicy, TurnOptions};
///
/// let hooks = HookPolicy::allow_tools(["Read", "Glob", "Grep"]);
/// let channel = client.channel("session-1").user("alice").hooks(hooks).connect().await?;
/// let end = channel.send("Help me debug this issue", TurnOptions::default()).await?.end().await?;
/// println!("{}", end.text);
/// channel.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct UserDataChannel(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) orders: mpsc::Sender<Command>,
    pub(super) events: Arc<Fanout<ChannelEvent>>,
    /// What happened since the start, for whoever asks first.
    pub(super) first_events: Mutex<Option<Subscription<ChannelEvent>>>,
    pub(super) state: watch::Receiver<State>,
    pub(super) client: UserDataClient,
    pub(super) ready: Option<Setup>,
    pub(super) _driver: Task<()>,
}

impl UserDataChannel {
    /// Says something to the agent, and gives what it answers as it comes. What is said here was sent when this returns.
    /// It is never sent again by itself: after a lost connection nobody knows whether the agent got it.
    ///
    /// # Errors
    /// [`UserDataError::Closed`]; everything else is the last item of the turn: [`UserDataError::Invalid`] for an empty
    /// prompt, [`UserDataError::TooLarge`], [`UserDataError::NotConnected`], [`UserDataError::TurnRunning`],
    /// [`UserDataError::Agent`], [`UserDataError::TurnTimeout`], [`UserDataError::Interrupted`],
    /// [`UserDataError::SessionLost`], [`UserDataError::ConnectionLost`], [`UserDataError::TakenOver`].
    pub async fn send(
        &self,
        prompt: impl Into<String>,
        options: TurnOptions,
    ) -> Result<Turn, UserDataError> {
        let (writer, turn) = turn();
        self.order(Order::Send(prompt.into(), options), Waiter::Turn(writer)).await?;
        Ok(turn)
    }

    /// Says something and waits for the end of the turn.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn ask(&self, prompt: impl Into<String>) -> Result<TurnEnd, UserDataError> {
        self.send(prompt, TurnOptions::default()).await?.end().await
    }

    /// Starts the agent before anything is said. The server confirms even if it is running already, or will not run.
    ///
    /// # Errors
    /// [`UserDataError::NotConnected`], [`UserDataError::Timeout`], [`UserDataError::Agent`],
    /// [`UserDataError::ConnectionLost`], [`UserDataError::Closed`].
    pub async fn start(&self, options: AgentOptions) -> Result<(), UserDataError> {
        self.call(Order::Start(options)).await.map(drop)
    }

    /// Interrupts what the agent does. The turn that is under way ends with [`UserDataError::Interrupted`].
    ///
    /// # Errors
    /// As [`Self::start`]. [`UserDataError::Timeout`] from older servers if there is nothing to interrupt: they say
    /// nothing then.
    pub async fn interrupt(&self, reason: Option<&str>) -> Result<(), UserDataError> {
        self.call(Order::Interrupt(reason.map(str::to_owned))).await.map(drop)
    }

    /// What was said in this session, oldest first, nothing twice.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn history(&self) -> Result<Vec<ChannelMessage>, UserDataError> {
        match self.call(Order::History).await? {
            Answer::History(messages) => Ok(messages),
            _ => Err(closed()),
        }
    }

    /// Interrupts the agent and empties the session's history.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn clear(&self) -> Result<(), UserDataError> {
        self.call(Order::Clear).await.map(drop)
    }

    /// What the server knows of the session, as it says it.
    ///
    /// # Errors
    /// As [`Self::start`]. Older servers do not answer.
    pub async fn diagnostics(&self) -> Result<Object, UserDataError> {
        match self.call(Order::Diagnostics).await? {
            Answer::Diagnostics(fields) => Ok(fields),
            _ => Err(closed()),
        }
    }

    /// Stores the session's history as a conversation of a user.
    ///
    /// # Errors
    /// As [`Self::history`] and [`UserDataClient::save_conversation`].
    pub async fn save(&self, user: &str, conversation: &str) -> Result<Stored, UserDataError> {
        let messages = self.history().await?;
        let messages = messages.iter().map(ChannelMessage::to_value).collect();
        let conversation = Conversation::new(conversation, messages);
        self.0.client.save_conversation(user, &conversation).await
    }

    /// What happens besides turns. The first to ask sees everything since the start, others what comes from now on.
    pub fn events(&self) -> Subscription<ChannelEvent> {
        let mut first = self.0.first_events.lock().unwrap_or_else(PoisonError::into_inner);
        first.take().unwrap_or_else(|| self.0.events.subscribe())
    }

    /// What the setup answered, if there was one.
    pub fn setup(&self) -> Option<&Setup> {
        self.0.ready.as_ref()
    }

    /// The agent's id for the conversation, once it is known.
    pub fn conversation(&self) -> Option<String> {
        self.0.state.borrow().conversation.clone()
    }

    /// Whether there is a connection now.
    pub fn is_connected(&self) -> bool {
        self.0.state.borrow().connected
    }

    /// Gives up what is under way, takes leave of the server, and waits for the end, at most three seconds. The sandbox
    /// stays: see [`UserDataClient::destroy_sandbox`].
    pub async fn close(&self) {
        // Whoever is closed already needs no order.
        let _ = self.0.orders.send(Command::Close).await;
        let mut state = self.0.state.clone();
        let _ = state.wait_for(|state| state.ended.is_some()).await;
    }

    async fn call(&self, order: Order) -> Result<Answer, UserDataError> {
        let (sender, answer) = oneshot::channel();
        self.order(order, Waiter::Call(sender)).await?;
        answer.await.unwrap_or_else(|_| Err(self.ended()))
    }

    async fn order(&self, order: Order, waiter: Waiter) -> Result<(), UserDataError> {
        let command = Command::Order(Box::new(order), waiter);
        self.0.orders.send(command).await.map_err(|_| self.ended())
    }

    /// Waits until the channel is open, or for why it is not.
    pub(super) async fn first(&self) -> Result<(), UserDataError> {
        let mut state = self.0.state.clone();
        match state.wait_for(|state| state.first.is_some()).await {
            Ok(state) => state.first.clone().unwrap_or(Ok(())),
            Err(_) => Err(self.ended()),
        }
    }

    fn ended(&self) -> UserDataError {
        self.0.state.borrow().ended.clone().unwrap_or_else(closed)
    }
}

/// Neither the session's id nor its token.
impl fmt::Debug for UserDataChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserDataChannel")
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}
