//! Orders of the owner: circuit breakers, and questions about the state of things.

use std::time::Duration;

use tokio::sync::oneshot;

use super::{Driver, batch};
use crate::{
    Error, ErrorInfo,
    client::{
        agent::{AgentError, AgentEvent},
        backoff::Backoff,
        rate_limit::{RateLimited, RateStatus},
    },
    engine::{
        CircuitChange, CircuitState, CircuitStatus, Input, NewMessage, SendError, SessionSummary,
    },
    identity::Amid,
    knock::Policy,
};

type Reply<T> = oneshot::Sender<T>;

/// The limits on sending as they stand.
#[derive(Debug)]
pub(crate) struct Rates {
    pub(crate) status: RateStatus,
    /// What a message to the peer asked about would meet.
    pub(crate) refused: Option<RateLimited>,
}

/// One order or question.
#[derive(Debug)]
pub(crate) enum Control {
    Circuit { change: CircuitChange, reply: Reply<Result<(), Error>> },
    CircuitStatus { reply: Reply<CircuitStatus> },
    SetPolicy { policy: Box<Policy>, reply: Reply<Result<(), Error>> },
    Policy { reply: Reply<Result<Policy, Error>> },
    Rates { peer: Option<Amid>, reply: Reply<Rates> },
    Sessions { reply: Reply<Result<Vec<SessionSummary>, Error>> },
}

impl Driver {
    pub(super) fn on_control(&mut self, control: Control, jobs: &mut Vec<batch::Job>) {
        match control {
            Control::Circuit { change, reply } => {
                let reply = batch::Reply::Plain(reply);
                jobs.push(batch::Job { input: Input::Circuit(change), reply });
            }
            Control::CircuitStatus { reply } => {
                let _ = reply.send(self.engine.circuit());
            }
            Control::SetPolicy { policy, reply } => self.set_policy(*policy, reply, jobs),
            Control::Policy { reply } => {
                let _ = reply.send(self.policy());
            }
            // They may have to be loaded; answered after this step.
            Control::Sessions { reply } => self.questions.push(reply),
            Control::Rates { peer, reply } => {
                let now = self.config.clock.now();
                let refused = peer.and_then(|peer| self.limiter.check(peer, now));
                let status = self.limiter.status(peer, now);
                let _ = reply.send(Rates { status, refused });
            }
        }
    }

    /// Answers those who asked for the sessions.
    pub(super) async fn describe_sessions(&mut self) -> Result<(), Error> {
        if self.questions.is_empty() {
            return Ok(());
        }
        let sessions = self.engine.describe_sessions(self.storage.as_ref()).await?;
        for reply in self.questions.drain(..) {
            let _ = reply.send(Ok(sessions.clone()));
        }
        Ok(())
    }

    /// Tells that something did not work.
    pub(super) fn trouble(&self, error: &dyn ErrorInfo) {
        let (code, message) = (error.code(), error.to_string());
        self.events.publish(&AgentEvent::Trouble { code, message });
    }

    /// Logs a failure that is tried again by itself: the first at once, those that follow ever more seldom.
    pub(super) fn log_failure(
        what: &str,
        error: &dyn ErrorInfo,
        backoff: &Backoff,
        delay: Duration,
    ) {
        let (code, attempts, retry_ms) = (error.code(), backoff.attempts(), delay.as_millis());
        if backoff.is_worth_telling() {
            tracing::warn!(target: "agentmesh", code, %error, attempts, retry_ms, "{what}; trying on");
        } else {
            tracing::debug!(target: "agentmesh", code, attempts, retry_ms, "{what}; trying on");
        }
    }

    /// Takes a token for a message. One that is in the outbox already is not sent twice, and costs nothing.
    pub(super) fn acquire(&mut self, message: &NewMessage) -> Result<(), Error> {
        if self.engine.stage(&message.id).is_some() {
            return Ok(());
        }
        let to = message.to;
        let Err(RateLimited { scope, retry_after }) =
            self.limiter.try_acquire(to, self.config.clock.now())
        else {
            return Ok(());
        };
        self.events.publish(&AgentEvent::RateLimited { to, scope, retry_after });
        Err(AgentError::RateLimited { scope: scope.as_str(), retry_after }.into())
    }

    /// Why the agent may not go online, if it may not.
    pub(super) fn stopped(&self) -> Option<Error> {
        (self.engine.circuit_state() == CircuitState::Stopped)
            .then(|| SendError::Stopped { since: self.engine.circuit().since }.into())
    }

    /// Goes offline for good if the agent was stopped. Its last words, the ends of its sessions, go out first.
    pub(super) async fn obey_stop(&mut self) {
        let Some(stopped) = self.stopped() else { return };
        if !self.online.is_wanted() {
            return;
        }
        self.online.fail(&stopped);
        self.say_pending().await;
        self.go_offline(true).await;
        self.online.halt();
        self.engine.disconnected();
        self.pending.clear();
        self.status.set_offline("the agent is stopped");
        let reason = "the agent is stopped".to_owned();
        self.events.publish(&AgentEvent::Disconnected { retry_in: None, reason });
    }
}
