//! One visit to the relay: online, everything that waits on either side, and offline again.

use std::time::Duration;

use tokio::sync::oneshot;

use super::Driver;
use crate::{
    Error,
    client::{
        agent::{AgentError, AgentEvent, Profile},
        platform::time::Instant,
    },
};

/// No visit takes longer.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Whether everything was done in time, or why the agent did not get online.
type Reply = oneshot::Sender<Result<bool, Error>>;

/// Those who wait for the end of a visit.
#[derive(Default)]
pub(super) struct Syncing {
    callers: Vec<(Instant, Reply)>,
    /// How the way online goes.
    online: Option<oneshot::Receiver<Result<(), Error>>>,
    /// The agent was offline, and shall be so again.
    leaves: bool,
    /// Who hears what, once it has left.
    answers: Vec<(Reply, Result<bool, Error>)>,
}

impl Syncing {
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.callers.iter().map(|(until, _)| *until).min()
    }
}

impl Driver {
    pub(super) fn sync(&mut self, limit: Duration, reply: Reply) {
        if self.syncing.callers.is_empty() {
            self.syncing.leaves = !self.online.is_wanted();
        }
        self.syncing.callers.push((Instant::now() + limit.min(LONGEST), reply));
        let (settled, online) = oneshot::channel();
        self.syncing.online = Some(online);
        self.go_online(Profile::new(), settled);
    }

    /// Answers those for whom all is done or time is up, and leaves after the last.
    pub(super) async fn finish_syncs(&mut self, now: Instant) {
        if self.syncing.callers.is_empty() {
            return;
        }
        // Who gave up waiting has left; the visit goes on for the others.
        self.syncing.callers.retain(|(_, reply)| !reply.is_closed());
        let refused = self.syncing.online.as_mut().and_then(|online| online.try_recv().ok());
        if let Some(Err(error)) = refused {
            self.answer_syncs(|_| true, &Err(error));
        } else if !self.online.is_wanted() {
            let error = self.stopped().unwrap_or_else(|| AgentError::Replaced.into());
            self.answer_syncs(|_| true, &Err(error));
        } else if self.is_at_rest() {
            self.answer_syncs(|_| true, &Ok(true));
        } else {
            self.answer_syncs(|until| until <= now, &Ok(false));
        }
        if self.syncing.callers.is_empty()
            && core::mem::take(&mut self.syncing.leaves)
            && self.online.is_wanted()
        {
            self.leave().await;
        }
        for (reply, result) in core::mem::take(&mut self.syncing.answers) {
            let _ = reply.send(result);
        }
    }

    fn answer_syncs(&mut self, due: impl Fn(Instant) -> bool, result: &Result<bool, Error>) {
        let callers = core::mem::take(&mut self.syncing.callers);
        for (until, reply) in callers {
            if due(until) {
                self.syncing.answers.push((reply, result.clone()));
            } else {
                self.syncing.callers.push((until, reply));
            }
        }
    }

    /// Nothing has to be done, here or at the relay, before somebody else does something.
    fn is_at_rest(&self) -> bool {
        self.online.has_caught_up()
            && self.pending.is_empty()
            && self.large.is_empty()
            && self.answers.is_empty()
            && self.jobs.is_idle()
            && self.delivery.is_idle()
            && self.engine.next_receipt().is_none()
            && self.engine.has_sent_all()
            && !self.engine.has_left_frames()
    }

    /// Goes offline, until somebody connects again. The registry is not told: whoever polls is as good as there.
    async fn leave(&mut self) {
        self.say_pending().await;
        self.go_offline(false).await;
        self.online.halt();
        self.engine.disconnected();
        self.pending.clear();
        let reason = "the visit to the relay is over";
        self.status.set_offline(reason);
        self.tell_offline(reason);
        let reason = reason.to_owned();
        self.events.publish(&AgentEvent::Disconnected { retry_in: None, reason });
    }
}
