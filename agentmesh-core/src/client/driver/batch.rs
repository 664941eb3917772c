//! One step: inputs through the engine, one commit, then everything that follows from it.

use std::sync::Arc;

use crate::client::platform::time::Instant;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::{Command, Driver, SETTLE, SWEEP, Wake};
use crate::{
    Error, ErrorInfo,
    client::{
        agent::{AgentEvent, OutgoingCell, StreamHub, Verdict},
        relay::{Outbound, RelayCommand, RelayPayload},
    },
    engine::{
        CircuitChange, Engine, Event, Input, Outcome, SendFailure, Stage, Step, StoredIdentity,
    },
    error::ErrorKind,
    identity::Amid,
    rng::SystemRng,
    storage::StorageError,
    stream::{Sender, Stop},
    vault::Vault,
    wire::id::MessageId,
};

/// An answer that waits for the commit.
pub(super) enum Reply {
    Plain(oneshot::Sender<Result<(), Error>>),
    Queued {
        id: MessageId,
        to: Amid,
        queued: oneshot::Sender<Result<(), Error>>,
        watch: Option<(Stage, oneshot::Sender<Result<Stage, SendFailure>>)>,
    },
    /// The next frame of a stream.
    Frame {
        cell: Arc<OutgoingCell>,
        hub: Arc<StreamHub>,
    },
    None,
}

impl Reply {
    fn fail(self, error: &Error) {
        match self {
            Self::Plain(reply) | Self::Queued { queued: reply, .. } => {
                let _ = reply.send(Err(error.clone()));
            }
            Self::Frame { cell, .. } if error.is_retryable() => {
                cell.with(Sender::refused);
            }
            Self::Frame { cell, hub } => {
                let stop = Stop::Broken(Box::new(error.clone()));
                cell.update(|sender| {
                    sender.refused();
                    sender.halt(stop);
                });
                hub.touch(cell.key);
            }
            Self::None => {}
        }
    }
}

/// An input and who wants to know that it is on disk.
pub(super) struct Job {
    pub(super) input: Input,
    pub(super) reply: Reply,
}

impl Job {
    pub(super) const fn silent(input: Input) -> Self {
        Self { input, reply: Reply::None }
    }
}

impl Driver {
    /// Turns what woke the driver into inputs; what needs none is answered at once.
    pub(super) fn translate(&mut self, wake: Wake, jobs: &mut Vec<Job>) {
        match wake {
            Wake::Command(command) => self.on_command(command, jobs),
            Wake::Completion((from, id, Verdict::Done(reply))) => {
                self.delivery.done(&(from, id));
                jobs.push(Job { input: Input::Handled { from, id }, reply: Reply::Plain(reply) });
            }
            Wake::Completion((from, id, Verdict::Dropped)) => {
                self.delivery.dropped((from, id), Instant::now());
            }
            Wake::Relay(event) => self.on_relay_event(event, jobs),
            Wake::Job(result) => self.on_job(result, jobs),
            Wake::Sent(true) => {
                self.pending.pop_front();
            }
            // The connection is gone; the engine sends everything again on the next one.
            Wake::Sent(false) => self.pending.clear(),
            // Every step moves parts.
            Wake::Room | Wake::Streams | Wake::Parts | Wake::Abandoned => {}
            Wake::Time => {
                self.last_tick = Instant::now();
                jobs.push(Job::silent(Input::Tick));
            }
        }
    }

    fn on_command(&mut self, command: Command, jobs: &mut Vec<Job>) {
        let Some(command) = self.look(command) else { return };
        match command {
            Command::Send { message, queued, watch } => {
                let id = message.id;
                if let Err(refused) = self.acquire(&message) {
                    let _ = queued.send(Err(refused));
                    return;
                }
                let reply = Reply::Queued { id, to: message.to, queued, watch };
                jobs.push(Job { input: Input::Send(message), reply });
            }
            Command::Status { status, reply } => {
                jobs.push(Job { input: Input::SendStatus(status), reply: Reply::Plain(reply) });
            }
            Command::Cancel { id, reply } => {
                jobs.push(Job { input: Input::Cancel(id), reply: Reply::Plain(reply) });
            }
            Command::CloseSession { peer, reply } => {
                jobs.push(Job { input: Input::CloseSession(peer), reply: Reply::Plain(reply) });
            }
            Command::AwaitResponse { id, from, reply } => {
                self.waiting.await_response(id, from, reply);
            }
            Command::Decide { session, decision, reply } => {
                self.decide_later(session, decision, reply, jobs);
            }
            Command::Consume { consumer } => self.delivery.set_consumer(consumer),
            Command::Connect { profile, reply } => self.go_online(profile, reply),
            Command::Sync { limit, reply } => self.sync(limit, reply),
            Command::Identity { reply } => {
                let _ = reply.send(Arc::clone(self.engine.identity()));
            }
            Command::Backup { passphrase, reply } => self.back_up(passphrase, reply),
            Command::RotateExchangeKey { reply } => self.rotate_exchange_key(reply, jobs),
            Command::SetCapabilities { capabilities, reply } => {
                self.set_capabilities(capabilities, reply);
            }
            Command::Control(control) => self.on_control(control, jobs),
            Command::Stream(command) => self.on_stream_command(command, jobs),
            // Answered or taken out before.
            Command::Stage { .. }
            | Command::Outbox { .. }
            | Command::Inbox { .. }
            | Command::PendingKnocks { .. }
            | Command::Close { .. } => {}
        }
    }

    /// Runs inputs through the engine and carries the outcome out. An error ends the agent.
    pub(super) async fn step(&mut self, jobs: Vec<Job>) -> Result<(), Error> {
        let now = self.config.clock.now();
        let mut replies = Vec::with_capacity(jobs.len());
        for Job { input, reply } in jobs {
            match self.feed(input).await? {
                Ok(()) => replies.push(reply),
                Err(refused) => reply.fail(&refused),
            }
        }
        for peer in self.engine.receipts_due(now) {
            let _ = self.feed(Input::FlushReceipts(peer)).await?;
        }
        if self.engine.parts_due(now) {
            let _ = self.feed(Input::Parts).await?;
        }
        let settle = self.unsettled.is_some_and(|at| at <= Instant::now());
        let mut outcome =
            self.engine.finish(settle, &mut SystemRng).map_err(|_| internal("sealing"))?;
        let changes = core::mem::take(&mut outcome.changes);
        if changes.is_empty() {
            self.unsettled =
                (!settle).then(|| self.unsettled.unwrap_or_else(|| Instant::now() + SETTLE));
        } else {
            self.unsettled = None;
            #[cfg(feature = "metrics")]
            let begun = Instant::now();
            let committed = self.storage.commit(changes).await;
            #[cfg(feature = "metrics")]
            self.events.meter().committed(begun.elapsed());
            if let Err(error) = committed {
                return self.on_commit_failed(error, replies).await;
            }
        }
        self.carry_out(outcome, replies);
        #[cfg(feature = "metrics")]
        self.events.meter().levels(crate::client::metrics::Levels {
            outbox: self.engine.messages_under_way(),
            inbox: self.engine.inbox_size().0,
            sessions: self.engine.live_sessions(),
        });
        Ok(())
    }

    /// One input with the records it needs, and then the parked frames that it set free. The inner error is a
    /// refusal that changed nothing.
    async fn feed(&mut self, input: Input) -> Result<Result<(), Error>, Error> {
        let mut next = Some(input);
        while let Some(input) = next {
            if let Err(refused) = self.feed_one(input).await? {
                return Ok(Err(refused));
            }
            next = self.engine.next_ready().map(Input::Frame);
        }
        Ok(Ok(()))
    }

    async fn feed_one(&mut self, mut input: Input) -> Result<Result<(), Error>, Error> {
        if matches!(input, Input::Circuit(CircuitChange::Stop)) {
            self.engine.load_sessions(self.storage.as_ref()).await?;
        }
        loop {
            match self.engine.handle(input, self.config.clock.now(), &mut SystemRng) {
                Err(refused) => return Ok(Err(refused.into())),
                Ok(Step::Done) => return Ok(Ok(())),
                Ok(Step::Load(needs, again)) => {
                    self.engine.fetch(self.storage.as_ref(), needs).await?;
                    input = again;
                }
            }
        }
    }

    /// Nothing of the batch happened. If the store can go on, so can the agent: with what is on disk.
    async fn on_commit_failed(
        &mut self,
        error: StorageError,
        replies: Vec<Reply>,
    ) -> Result<(), Error> {
        let error = Error::from(error);
        for reply in replies {
            reply.fail(&error);
        }
        let goes_on = error.is_retryable() && error.kind() == ErrorKind::Storage;
        if !goes_on {
            return Err(error);
        }
        tracing::warn!(target: "agentmesh", %error, "nothing was written; going on from what is on disk");
        self.reload().await?;
        // Frames of the batch were not acked: a new connection brings them again.
        self.reconnect();
        Ok(())
    }

    async fn reload(&mut self) -> Result<(), Error> {
        let vault = Vault::new(&self.key);
        let now = self.config.clock.now();
        let storage = self.storage.as_ref();
        let stored = StoredIdentity::find(storage, &vault)
            .await?
            .ok_or_else(|| internal("identity is gone"))?;
        let config = super::engine_config(&self.config);
        self.engine = Engine::open(storage, vault, stored, config, now, &mut SystemRng).await?;
        self.pending.clear();
        self.adopt_identity();
        self.engine.resume(now);
        Ok(())
    }

    /// After the commit: send and ack, answer callers, tell the application.
    pub(super) fn carry_out(&mut self, outcome: Outcome, replies: Vec<Reply>) {
        let Outcome { changes: _, outgoing, acks, events, requests } = outcome;
        for ack in acks {
            self.pending.push_back(RelayCommand::Ack { from: ack.from, id: ack.relay_id });
        }
        for frame in outgoing {
            let payload = payload(frame.frame);
            self.pending.push_back(RelayCommand::Send(Outbound {
                to: frame.to,
                id: frame.relay_id,
                message_type: frame.kind,
                payload,
            }));
        }
        self.flush();
        if events.iter().any(|event| matches!(event, Event::ExchangeKeyRotated { .. })) {
            self.adopt_identity();
        }
        for reply in replies {
            self.answer(reply);
        }
        for event in events {
            self.on_engine_event(event);
        }
        for request in requests {
            self.jobs.request(request, &self.engine);
        }
        // A large message that is next is loaded right after this step.
        let _ = self.delivery.pump(&self.engine, Instant::now());
    }

    fn answer(&mut self, reply: Reply) {
        match reply {
            Reply::Plain(reply) => {
                let _ = reply.send(Ok(()));
            }
            Reply::Queued { id, to, queued, watch } => {
                if let Some((wanted, reply)) = watch {
                    // The same id sent again may be further on than its caller asks for.
                    match self.engine.stage(&id) {
                        Some(stage) if stage >= wanted => {
                            let _ = reply.send(Ok(stage));
                        }
                        _ => self.waiting.watch(id, wanted, reply),
                    }
                }
                self.events.queued(&to, &id);
                let _ = queued.send(Ok(()));
            }
            Reply::Frame { cell, hub } => cell.committed(&hub),
            Reply::None => {}
        }
    }

    fn on_engine_event(&mut self, event: Event) {
        match &event {
            Event::MessageReady { from, id } => {
                if self.engine.large_message(from, id).is_some() {
                    self.large.push((*from, *id));
                } else if let Some(message) = self.engine.message(from, id) {
                    if self.answer_by_itself(&message) || self.stream_message(&message) {
                        return;
                    }
                    if self.waiting.response(&message) {
                        self.jobs.handled(*from, *id);
                        return;
                    }
                    self.delivery.push((*from, *id));
                } else {
                    self.delivery.push((*from, *id));
                }
            }
            Event::Progress { id, stage, .. } => self.waiting.progress(*id, *stage),
            Event::SendFailed { id, reason, .. } => self.waiting.failed(*id, reason),
            #[cfg(feature = "legacy-0-2")]
            Event::NotConfirmable { id, .. } => {
                self.waiting.failed(*id, &SendFailure::Unconfirmed);
            }
            _ => {}
        }
        self.stream_event(&event);
        self.events.publish(&AgentEvent::Engine(event));
    }

    /// Gives the relay connection as much as it takes.
    pub(super) fn flush(&mut self) {
        let Some(relay) = &self.online.relay else {
            self.pending.clear();
            return;
        };
        while let Some(command) = self.pending.front() {
            match relay.try_send(command.clone()) {
                Ok(()) => {
                    self.pending.pop_front();
                }
                Err(crate::client::relay::RelayError::Busy) => return,
                Err(_) => {
                    self.pending.clear();
                    return;
                }
            }
        }
    }

    /// What is due besides inputs.
    pub(super) async fn housekeeping(&mut self) -> Result<(), Error> {
        self.obey_stop().await;
        self.describe_sessions().await?;
        let now = Instant::now();
        self.jobs.start_due(now);
        self.keep_online(now);
        self.finish_syncs(now).await;
        self.watch_policy(now);
        if self.engine.has_left_frames() && self.engine.has_room() {
            self.reconnect();
        }
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP;
            self.engine.sweep(self.storage.as_ref(), self.config.clock.now()).await?;
            self.step(Vec::new()).await?;
        }
        self.hand_on_large(now).await
    }
}

/// Native frames go as bytes, those of 0.2 as the JSON that they are.
fn payload(frame: Vec<u8>) -> RelayPayload {
    #[cfg(feature = "legacy-0-2")]
    if frame.first() == Some(&b'{') {
        return match String::from_utf8(frame) {
            Ok(text) => RelayPayload::Text(text),
            Err(error) => RelayPayload::Native(Bytes::from(error.into_bytes())),
        };
    }
    RelayPayload::Native(Bytes::from(frame))
}

pub(super) const fn internal(what: &'static str) -> Error {
    Error::Agent(crate::client::AgentError::Internal { what })
}
