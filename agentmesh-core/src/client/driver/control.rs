//! Orders of the owner: circuit breakers, and questions about the state of things.

use tokio::sync::oneshot;

use super::{Driver, batch};
use crate::{
    Error,
    client::agent::AgentEvent,
    engine::{CircuitChange, CircuitState, CircuitStatus, Input, SendError},
};

type Reply<T> = oneshot::Sender<T>;

/// One order or question.
#[derive(Debug)]
pub(crate) enum Control {
    Circuit { change: CircuitChange, reply: Reply<Result<(), Error>> },
    CircuitStatus { reply: Reply<CircuitStatus> },
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
        }
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
