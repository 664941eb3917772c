//! Questions about what waits, and being online as the application sees it.

use super::{
    Command, Driver,
    batch::{Job, Reply},
};
use crate::{
    client::agent::{AgentError, AgentEvent},
    engine::Input,
    handshake::SessionId,
    knock::Decision,
};
use tokio::sync::oneshot;

impl Driver {
    /// Answers a command that only looks; gives any other back.
    pub(super) fn look(&self, command: Command) -> Option<Command> {
        match command {
            Command::Stage { id, reply } => {
                let _ = reply.send(self.engine.stage(&id));
            }
            Command::Outbox { reply } => {
                let _ = reply.send(self.engine.outbox());
            }
            Command::Inbox { reply } => {
                let _ = reply.send(self.engine.waiting());
            }
            Command::PendingKnocks { reply } => {
                let _ = reply.send(self.engine.knocks());
            }
            command => return Some(command),
        }
        None
    }

    pub(super) fn decide_later(
        &self,
        session: SessionId,
        decision: Decision,
        reply: oneshot::Sender<Result<(), crate::Error>>,
        jobs: &mut Vec<Job>,
    ) {
        if !self.engine.pending_knocks().iter().any(|(pending, _)| *pending == session) {
            let _ = reply.send(Err(AgentError::NoSuchKnock { session }.into()));
            return;
        }
        jobs.push(Job { input: Input::Decide { session, decision }, reply: Reply::Plain(reply) });
    }

    /// Tells when the agent has come online: registered, prekeys published, connected; and when it is so no more.
    pub(super) fn settle_online(&mut self) {
        let is_online = self.online.is_settled();
        self.online.settle();
        if is_online && !self.online_told {
            self.online_told = true;
            self.events.publish(&AgentEvent::Online);
        }
    }

    pub(super) fn tell_offline(&mut self, reason: &str) {
        if core::mem::take(&mut self.online_told) {
            self.events.publish(&AgentEvent::Offline { reason: reason.to_owned() });
        }
    }
}
