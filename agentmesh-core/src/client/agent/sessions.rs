//! What an agent says of its sessions.

use tokio::sync::oneshot;

use super::Agent;
use crate::{
    Error,
    client::driver::{Command, Control},
    engine::SessionSummary,
    identity::Amid,
};

impl Agent {
    /// All sessions that have keys, by peer and age, without anything secret: for people, support and metrics.
    ///
    /// # Errors
    /// [`AgentError::Closed`](super::AgentError::Closed), and what the store says.
    pub async fn sessions(&self) -> Result<Vec<SessionSummary>, Error> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Control(Control::Sessions { reply })).await?;
        answer.await.map_err(|_| self.closed())?
    }

    /// The session that messages to a peer go to, without anything secret; `None` if the next message would knock.
    ///
    /// # Errors
    /// As [`sessions`](Self::sessions).
    pub async fn describe(&self, peer: Amid) -> Result<Option<SessionSummary>, Error> {
        let sessions = self.sessions().await?;
        Ok(sessions.into_iter().find(|session| session.peer == peer && session.sending))
    }
}
