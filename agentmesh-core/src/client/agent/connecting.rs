//! Going online, and as what.

use std::future::Future;

use tokio::sync::{mpsc::error::TrySendError, oneshot};

use super::{Agent, AgentError};
use crate::{Error, client::driver::Command};

/// What the registry shows of an agent, for [`Agent::connect_as`]. What is `None` stays as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// A name for people. The registry takes it when the agent registers for the first time.
    pub display_name: Option<String>,
    /// What the agent can do.
    pub capabilities: Option<Vec<String>>,
}

impl Profile {
    /// Changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a name for people.
    #[must_use]
    pub fn with_display_name(mut self, name: impl Into<String>) -> Self {
        self.display_name = Some(name.into());
        self
    }

    /// With what the agent can do.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: Vec<String>) -> Self {
        self.capabilities = Some(capabilities);
        self
    }
}

impl Agent {
    /// Goes online: registers, publishes prekeys, connects to the relay. Returns when all of it is done.
    ///
    /// After that the agent stays online by itself, over any number of lost connections. If it does not get online
    /// within the configured time, the reason is returned, and it goes on trying in the background.
    ///
    /// The way online begins with the call, whether or not the future is awaited: a [`send`](Self::send) right after waits for it, as
    /// long as its own deadline allows.
    ///
    /// # Errors
    /// [`AgentError::NotOnline`] with the last reason; what the registry said, if it refused for good.
    pub fn connect(&self) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        self.connect_as(Profile::new())
    }

    /// [`connect`](Self::connect), with what the registry shall show from now on. An agent that is online already keeps what it
    /// registered; [`set_capabilities`](Self::set_capabilities) changes that.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_as(
        &self,
        profile: Profile,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        let (reply, online) = oneshot::channel();
        let agent = self.clone();
        let unsent = match self.shared.commands.try_send(Command::Connect { profile, reply }) {
            Err(TrySendError::Full(command)) => Some(command),
            // A closed agent shows by the reply.
            Ok(()) | Err(TrySendError::Closed(_)) => None,
        };
        async move {
            if let Some(command) = unsent {
                agent.command(command).await?;
            }
            let limit = agent.shared.config.connect_timeout;
            match crate::client::platform::time::timeout(limit, online).await {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err(agent.closed()),
                Err(_) => {
                    Err(AgentError::NotOnline { reason: agent.shared.offline_reason() }.into())
                }
            }
        }
    }
}
