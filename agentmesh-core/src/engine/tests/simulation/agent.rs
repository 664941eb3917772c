//! One agent: an engine, its disk, and what the driver of the client does around them, step by step as it does: load, compute,
//! commit, and only then send, acknowledge and tell.

use std::collections::VecDeque;

use rand_chacha::ChaCha20Rng;

use super::{
    disk::Disk,
    plan::Plan,
    relay::Up,
    stage::Staged,
    world::{Event as Happening, World},
};
use crate::{
    engine::{Engine, EngineConfig, Event, Input, NewMessage, Outcome, Request, SendError, Step},
    identity::Amid,
    limits,
    planted::{self, Defect},
    storage::{Storage, StorageError},
    test_utils::{FaultyStorage, block_on, mesh::START, seeded_rng},
    time::Timestamp,
    wire::{
        id::MessageId,
        plaintext::{Headers, MessageType, Payload},
    },
};

/// Bookkeeping waits so long for a commit to go with.
const SETTLE: u64 = 2000;

/// An input that waits for its turn.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) input: Input,
    /// The message that the application sends with it.
    pub(super) sends: Option<MessageId>,
    /// The message that was handled.
    pub(super) handles: Option<MessageId>,
    /// It is a frame that nobody sent.
    pub(super) forged: bool,
}

impl Pending {
    pub(super) const fn of(input: Input) -> Self {
        Self { input, sends: None, handles: None, forged: false }
    }
}

#[derive(Debug)]
pub(super) struct Agent {
    pub(super) amid: Amid,
    pub(super) disk: Disk,
    pub(super) store: FaultyStorage<Disk>,
    /// None while the process is dead.
    pub(super) engine: Option<Engine>,
    pub(super) rng: ChaCha20Rng,
    pub(super) config: EngineConfig,
    pub(super) identity: String,
    /// How often it was started.
    pub(super) life: u64,
    /// What its clock shows more than the true time.
    pub(super) clock: i64,
    pub(super) connection: Option<usize>,
    pub(super) unreachable_until: u64,
    pub(super) slow: u64,
    pub(super) busy_until: u64,
    pub(super) batch: Vec<Pending>,
    pub(super) flushing: bool,
    pub(super) ready: VecDeque<(Amid, MessageId)>,
    pub(super) handling: bool,
    pub(super) asked: Vec<Request>,
    pub(super) timer: Option<u64>,
    pub(super) last_tick: u64,
    pub(super) unsettled: Option<u64>,
    pub(super) drained_at: Option<u64>,
    pub(super) last_reconnect: u64,
}

impl Agent {
    pub(super) fn new(staged: &Staged, seed: u64, plan: &Plan) -> Self {
        let (suites, inbox) = (plan.suites(), plan.inbox);
        let disk = staged.disk.copy();
        Self {
            amid: staged.amid,
            store: FaultyStorage::new(disk.clone()),
            disk,
            engine: None,
            rng: seeded_rng(seed),
            config: EngineConfig { suites, max_inbox_entries: inbox, ..EngineConfig::default() },
            identity: staged.identity.clone(),
            life: 0,
            clock: 0,
            connection: None,
            unreachable_until: 0,
            slow: 0,
            busy_until: 0,
            batch: Vec::new(),
            flushing: false,
            ready: VecDeque::new(),
            handling: false,
            asked: Vec::new(),
            timer: None,
            last_tick: 0,
            unsettled: None,
            drained_at: None,
            last_reconnect: 0,
        }
    }

    fn feed(&mut self, input: Input, wall: Timestamp) -> Result<(), SendError> {
        let engine = self.engine.as_mut().unwrap();
        let mut next = Some(input);
        while let Some(mut input) = next {
            loop {
                match engine.handle(input, wall, &mut self.rng)? {
                    Step::Done => break,
                    Step::Load(needs, again) => {
                        block_on(engine.fetch(&self.store, needs)).unwrap();
                        input = again;
                    }
                }
            }
            next = engine.next_ready().map(Input::Frame);
        }
        Ok(())
    }

    /// What time brings, into the same step.
    fn feed_due(&mut self, wall: Timestamp) {
        for peer in self.engine.as_ref().unwrap().receipts_due(wall) {
            self.feed(Input::FlushReceipts(peer), wall).unwrap();
        }
    }
}

impl World {
    /// What the agent's clock shows.
    pub(super) fn wall(&self, at: usize) -> Timestamp {
        let clock = self.agents[at].clock;
        let now = START.plus_millis(self.now);
        let by = clock.unsigned_abs();
        if clock < 0 { now.minus_millis(by) } else { now.plus_millis(by) }
    }

    /// Takes an input in; it comes to its turn in a moment, with what else comes until then.
    pub(super) fn queue(&mut self, at: usize, pending: Pending) {
        let agent = &mut self.agents[at];
        if agent.engine.is_none() {
            return;
        }
        agent.batch.push(pending);
        if !agent.flushing {
            agent.flushing = true;
            let life = agent.life;
            let pause = self.dice.below(3);
            self.later(pause, Happening::Flush { at, life });
        }
    }

    /// The application sends a message.
    pub(super) fn send(&mut self, from: usize, to: usize) {
        let wall = self.wall(from);
        let (number, recipient) = (self.checker.count, self.agents[to].amid);
        let agent = &mut self.agents[from];
        if agent.engine.is_none() {
            return;
        }
        let id = MessageId::new_v7(wall, &mut agent.rng);
        let text = format!("\"{number} from {from} to {to}\"");
        self.log(|| format!("agent {from} sends {text} as {id}"));
        self.checker.called(from, to, id, text.clone());
        let message = NewMessage {
            id,
            to: recipient,
            kind: MessageType::Message,
            in_reply_to: None,
            payload: Payload::Json(text),
            headers: Headers::NONE,
            knock_request: None,
            expires_in: None,
        };
        let pending = Pending { sends: Some(id), ..Pending::of(Input::Send(message)) };
        self.queue(from, pending);
    }

    /// One step, as the driver takes it.
    pub(super) fn step(&mut self, at: usize) {
        let wall = self.wall(at);
        let agent = &mut self.agents[at];
        agent.flushing = false;
        let batch = core::mem::take(&mut agent.batch);
        if agent.engine.is_none() {
            return;
        }
        let (mut sends, mut handles) = (Vec::new(), Vec::new());
        for pending in batch {
            if pending.forged {
                self.checker.forged(at);
            }
            handles.extend(pending.handles);
            match agent.feed(pending.input, wall) {
                Ok(()) => sends.extend(pending.sends),
                Err(error) => self.checker.fail(format!("refused: {error}")),
            }
        }
        let agent = &mut self.agents[at];
        agent.feed_due(wall);
        let settle = agent.unsettled.is_some_and(|since| since <= self.now);
        let engine = agent.engine.as_mut().unwrap();
        let mut outcome = engine.finish(settle, &mut agent.rng).unwrap();
        for peer in engine.take_disordered() {
            self.checker.disordered(at, peer);
        }
        if planted::has(Defect::AckBeforeCommit) {
            let acks = core::mem::take(&mut outcome.acks);
            self.carry_out(at, Outcome { acks, ..Outcome::default() });
        }
        if planted::has(Defect::SendBeforeCommit) {
            let outgoing = core::mem::take(&mut outcome.outgoing);
            self.carry_out(at, Outcome { outgoing, ..Outcome::default() });
        }
        let agent = &mut self.agents[at];
        let changes = core::mem::take(&mut outcome.changes);
        if changes.is_empty() {
            let since = agent.unsettled.unwrap_or(self.now + SETTLE);
            agent.unsettled = (!settle).then_some(since);
        } else {
            agent.unsettled = None;
            self.steps += 1;
            let committed = block_on(agent.store.commit(changes));
            if let Err(error) = committed {
                self.log(|| format!("agent {at} cannot commit: {error}"));
                // Who handled hears of the failure, or nobody does: the message comes again.
                for id in handles {
                    self.checker.sent.get_mut(&id).unwrap().allowed += 1;
                }
                match error {
                    StorageError::Crashed { .. } => {
                        let down = self.dice.below(3000);
                        self.kill(at, down);
                    }
                    StorageError::Full { .. } => self.reload(at),
                    error => self.checker.fail(format!("commit: agent {at}: {error}")),
                }
                return;
            }
        }
        for id in sends {
            self.checker.sent.get_mut(&id).unwrap().queued = true;
        }
        self.carry_out(at, outcome);
        self.check_bounds(at);
        self.go_on(at);
    }

    /// What follows from a commit.
    fn carry_out(&mut self, at: usize, outcome: Outcome) {
        for ack in outcome.acks {
            self.send_up(at, Up::Ack { from: ack.from, id: ack.relay_id });
        }
        for frame in outcome.outgoing {
            let message = self.agents[at].engine.as_ref().unwrap().entry_of(&frame.relay_id);
            self.checker.emitted(at, frame.relay_id, &frame.frame, message);
            self.digest(&frame.frame[..frame.frame.len().min(80)]);
            self.log(|| {
                let kind = frame.frame.get(1).copied().unwrap_or_default();
                let to = &frame.to;
                let what = message.map(|id| format!(" with {id}")).unwrap_or_default();
                format!(
                    "agent {at} sends a frame of kind {kind} to {to} as {}{what}",
                    frame.relay_id
                )
            });
            self.send_up(at, Up::Send { to: frame.to, id: frame.relay_id, frame: frame.frame });
        }
        for event in outcome.events {
            self.log(|| format!("agent {at} tells: {event:?}"));
            self.checker.told(at, &event);
            if let Event::MessageReady { from, id } = event {
                self.agents[at].ready.push_back((from, id));
            }
        }
        for request in outcome.requests {
            let agent = &mut self.agents[at];
            if !agent.asked.contains(&request) {
                agent.asked.push(request.clone());
                let life = agent.life;
                let pause = 2 + self.dice.below(40);
                self.later(pause, Happening::Answer { at, life, request: Box::new(request) });
            }
        }
    }

    /// What an agent keeps does not grow with what is thrown at it.
    fn check_bounds(&mut self, at: usize) {
        let agent = &self.agents[at];
        let engine = agent.engine.as_ref().unwrap();
        let (peers, inbox) = (self.agents.len(), engine.inbox_size().0);
        let parked = engine.parked_frames();
        let records = agent.disk.len();
        let most = 30 + 4 * self.checker.count + 8 * peers;
        self.checker.require(parked <= limits::PARKED_FRAMES_PER_PEER * peers, || {
            format!("unbounded: agent {at} parks {parked} frames")
        });
        self.checker.require(inbox <= self.plan.inbox + peers, || {
            format!("unbounded: agent {at} has {inbox} messages in its inbox")
        });
        self.checker.require(records <= most, || {
            format!("unbounded: agent {at} has {records} records, more than {most}")
        });
        self.most_records = self.most_records.max(records);
    }

    /// The application's handler runs on the next message.
    pub(super) fn handle(&mut self, at: usize) {
        let agent = &mut self.agents[at];
        agent.handling = false;
        let Some((from, id)) = agent.ready.pop_front() else { return };
        if let Some(message) = agent.engine.as_ref().unwrap().message(&from, &id) {
            let text = message.payload.as_json().unwrap_or_default().to_owned();
            self.log(|| format!("agent {at} handles {text}"));
            self.digest(text.as_bytes());
            self.checker.handled(at, from, id, &text);
            let handled = Input::Handled { from, id };
            self.queue(at, Pending { handles: Some(id), ..Pending::of(handled) });
        }
        self.go_on(at);
    }

    /// The answer to a request is there.
    pub(super) fn forget_request(&mut self, at: usize, request: &Request) {
        self.agents[at].asked.retain(|asked| asked != request);
    }
}
