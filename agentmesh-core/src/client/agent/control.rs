//! The owner's orders to an agent: circuit breakers.

use tokio::sync::oneshot;

use super::Agent;
use crate::{
    Error,
    client::driver::{Command, Control},
    engine::{CircuitChange, CircuitState, CircuitStatus},
    identity::Amid,
};

impl Agent {
    /// Ends every session with a peer and tells it so. What was queued for it is given up
    /// ([`SendFailure::SessionKilled`](crate::engine::SendFailure::SessionKilled)); the next message, of either
    /// side, knocks anew. Returns when that is on disk.
    ///
    /// # Errors
    /// [`AgentError::Closed`](super::AgentError::Closed), and what the store says.
    pub async fn kill_session(&self, peer: Amid) -> Result<(), Error> {
        self.change_circuit(CircuitChange::Kill(peer)).await
    }

    /// Rejects new KNOCKs from now on, with the reason `agent_paused`. Sessions that exist go on, and this agent may
    /// still open sessions itself. Holds over restarts, until [`resume`](Self::resume). A stopped agent stays stopped.
    ///
    /// # Errors
    /// As [`kill_session`](Self::kill_session).
    pub async fn pause_new(&self) -> Result<(), Error> {
        self.change_circuit(CircuitChange::Pause).await
    }

    /// The same as [`resume`](Self::resume) for an agent that is paused; a stopped one stays stopped.
    ///
    /// # Errors
    /// As [`kill_session`](Self::kill_session).
    pub async fn resume_new(&self) -> Result<(), Error> {
        match self.circuit_state().await?.state {
            CircuitState::Paused => self.change_circuit(CircuitChange::Resume).await,
            _ => Ok(()),
        }
    }

    /// Works again after [`pause_new`](Self::pause_new) or [`emergency_stop`](Self::emergency_stop). A stopped agent is
    /// offline until [`connect`](Self::connect) is called. Blocked peers stay blocked.
    ///
    /// # Errors
    /// As [`kill_session`](Self::kill_session).
    pub async fn resume(&self) -> Result<(), Error> {
        self.change_circuit(CircuitChange::Resume).await
    }

    /// Shuts a peer out: its sessions end without a word, nothing is sent to it, what comes from it is dropped unread
    /// (and acked, so that it does not pile up at the relay). Holds over restarts, until [`unblock`](Self::unblock).
    ///
    /// # Errors
    /// As [`kill_session`](Self::kill_session), and [`SendError::BlockListFull`](crate::engine::SendError::BlockListFull).
    pub async fn block(&self, peer: Amid) -> Result<(), Error> {
        self.change_circuit(CircuitChange::Block(peer)).await
    }

    /// Lets a blocked peer in again; it has to knock. Has no effect on the block list of the policy.
    ///
    /// # Errors
    /// As [`kill_session`](Self::kill_session).
    pub async fn unblock(&self, peer: Amid) -> Result<(), Error> {
        self.change_circuit(CircuitChange::Unblock(peer)).await
    }

    /// Whom [`block`](Self::block) shut out.
    ///
    /// # Errors
    /// [`AgentError::Closed`](super::AgentError::Closed)
    pub async fn blocked(&self) -> Result<Vec<Amid>, Error> {
        Ok(self.circuit_state().await?.blocked.into_iter().map(|(peer, _)| peer).collect())
    }

    /// Ends every session, gives up everything that was queued, and goes offline. From then on, also after a restart,
    /// [`connect`](Self::connect) and [`send`](Self::send) fail with [`SendError::Stopped`](crate::engine::SendError::Stopped) until
    /// [`resume`](Self::resume). Returns when the connection is closed.
    ///
    /// Messages that were received and not handled stay in the inbox.
    ///
    /// # Errors
    /// As [`kill_session`](Self::kill_session).
    pub async fn emergency_stop(&self) -> Result<(), Error> {
        self.change_circuit(CircuitChange::Stop).await?;
        // Answered only after the driver went offline.
        self.circuit_state().await.map(|_| ())
    }

    /// The circuit breakers as they stand: state, since when, who is blocked.
    ///
    /// # Errors
    /// [`AgentError::Closed`](super::AgentError::Closed)
    pub async fn circuit_state(&self) -> Result<CircuitStatus, Error> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Control(Control::CircuitStatus { reply })).await?;
        answer.await.map_err(|_| self.closed())
    }

    async fn change_circuit(&self, change: CircuitChange) -> Result<(), Error> {
        let (reply, done) = oneshot::channel();
        self.command(Command::Control(Control::Circuit { change, reply })).await?;
        done.await.map_err(|_| self.closed())?
    }
}
