//! Agents without sockets: engines over memory stores, a relay and a registry in between, and a clock that only tests
//! move. Everything is seeded, so a failing run repeats itself.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a fixture: failing loudly is its job"
)]

mod answers;
#[cfg(feature = "legacy-0-2")]
mod legacy;
pub(crate) mod opening;
mod snapshot;
mod staged;
mod world;

#[cfg(feature = "legacy-0-2")]
pub use legacy::LegacyPublished;
pub use snapshot::snapshot;
pub use world::{KeyName, Op, Sent, World, key_of};

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use rand_chacha::ChaCha20Rng;

use self::opening::{Origin, open_node};
use super::{block_on, seeded_rng};
use crate::{
    Timestamp,
    engine::{
        Engine, EngineConfig, Event, Inbound, Input, NewMessage, Outcome, Outgoing, SendError,
        Stage, Step,
    },
    identity::{Amid, Identity},
    keys::VerifyingKey,
    knock,
    prekeys::SignedOneTime,
    storage::{MemoryStorage, Storage},
    wire::{
        id::MessageId,
        plaintext::{Headers, MessageType, Payload},
        relay_id::RelayMessageId,
    },
};

/// When tests begin: 2026-02-04T12:00:00Z.
pub const START: Timestamp = Timestamp::from_millis(1_770_206_400_000);

/// One agent.
#[derive(Debug)]
pub struct Node {
    /// Its engine.
    pub engine: Engine,
    /// Its store; survives [`Mesh::restart`].
    pub storage: MemoryStorage,
    /// What it told the application, oldest first.
    pub events: Vec<Event>,
    /// Ids that were handed to the handler, in order, with what each said.
    pub handled: Vec<(Amid, MessageId, String)>,
    /// Whether messages are handled as they come.
    pub handles: bool,
    /// Whether the relay connection stands.
    pub online: bool,
    /// What it answers to KNOCKs.
    pub policy: knock::Decision,
    /// Commits so far, over all restarts.
    pub commits: u64,
    /// The commit at which it dies.
    pub crash: Option<Crash>,
    config: EngineConfig,
    rng: ChaCha20Rng,
    ready: VecDeque<(Amid, MessageId)>,
}

/// Where an agent dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// At which of its commits, counted from 1.
    pub commit: u64,
    /// Whether the batch is on disk by then.
    pub written: bool,
}

impl Node {
    fn handle(&mut self, mut input: Input, now: Timestamp) -> Result<(), SendError> {
        loop {
            match self.engine.handle(input, now, &mut self.rng)? {
                Step::Done => return Ok(()),
                Step::Load(needs, again) => {
                    block_on(self.engine.fetch(&self.storage, needs)).unwrap();
                    input = again;
                }
            }
        }
    }
}

/// What a registry holds of an agent.
#[derive(Debug, Clone)]
pub struct Published {
    /// The signed bundle.
    pub bundle: Vec<u8>,
    /// One-time prekeys not handed out.
    pub one_time: VecDeque<SignedOneTime>,
    /// One-time ML-KEM prekeys not handed out.
    pub one_time_kem: VecDeque<SignedOneTime>,
    /// The identity key.
    pub key: VerifyingKey,
    /// What peers of 0.2 read.
    #[cfg(feature = "legacy-0-2")]
    pub legacy: Option<LegacyPublished>,
}

/// A frame at the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The sender.
    pub from: Amid,
    /// The sender's name for it.
    pub id: RelayMessageId,
    /// The frame.
    pub frame: Vec<u8>,
    /// Whether it is on its way to a connected recipient already.
    pub delivered: bool,
}

/// Agents, a relay and a registry.
#[derive(Debug)]
pub struct Mesh {
    /// The time everybody sees.
    pub now: Timestamp,
    /// The agents.
    pub nodes: Vec<Node>,
    /// Unacked frames by recipient.
    pub relay: BTreeMap<Amid, VecDeque<Stored>>,
    /// Everything that ever passed the relay.
    pub wiretap: Vec<(Amid, Stored)>,
    /// The registry.
    pub registry: HashMap<Amid, Published>,
    /// Frames that the relay keeps for one agent; beyond, it refuses them for now.
    pub inbox_limit: Option<usize>,
    /// Frames of this sender and kind are acked by the relay, and lost.
    pub loses: Option<(Amid, u8)>,
    /// The relay takes frames, and says nothing of them.
    pub is_silent: bool,
    /// Agents that the registry hides.
    pub hidden: HashSet<Amid>,
    seed: u64,
    /// Of agents that are [`staged`](Self::staged), how often each lost its store.
    losses: Option<[usize; 2]>,
}

impl Mesh {
    /// `n` agents with default settings, online.
    pub fn new(n: usize, seed: u64) -> Self {
        let mut mesh = Self {
            now: START,
            nodes: Vec::new(),
            relay: BTreeMap::new(),
            wiretap: Vec::new(),
            registry: HashMap::new(),
            hidden: HashSet::new(),
            inbox_limit: None,
            loses: None,
            is_silent: false,
            seed,
            losses: None,
        };
        for _ in 0..n {
            mesh.add(EngineConfig::default());
        }
        mesh
    }

    /// Adds an agent; returns its number.
    pub fn add(&mut self, config: EngineConfig) -> usize {
        let number = self.nodes.len();
        let mut rng = seeded_rng(self.seed.wrapping_mul(1000) + number as u64);
        let identity = Identity::generate(self.now, &mut rng);
        self.nodes.push(open_node(
            MemoryStorage::new(),
            Origin::New(identity),
            config,
            self.now,
            rng,
        ));
        self.connect(number);
        self.run();
        number
    }

    /// An agent's address.
    pub fn amid(&self, node: usize) -> Amid {
        self.nodes[node].engine.identity().amid()
    }

    /// Sends a text as JSON string; the frame may not have left yet.
    ///
    /// # Errors
    /// What the engine says.
    pub fn send(&mut self, from: usize, to: usize, text: &str) -> Result<MessageId, SendError> {
        let id = MessageId::new_v7(self.now, &mut self.nodes[from].rng);
        self.send_with_id(from, to, id, text).map(|()| id)
    }

    /// How far a message is, by events or by the outbox; `None` if it was never taken.
    pub fn stage_or_outbox(&self, node: usize, id: MessageId) -> Option<Stage> {
        self.nodes[node].engine.stage(&id).or_else(|| self.stage(node, id))
    }

    /// As [`send`](Self::send), with an id of the caller's.
    ///
    /// # Errors
    /// What the engine says.
    pub fn send_with_id(
        &mut self,
        from: usize,
        to: usize,
        id: MessageId,
        text: &str,
    ) -> Result<(), SendError> {
        self.send_payload(from, to, id, Payload::Json(format!("{text:?}")))
    }

    /// As [`send_with_id`](Self::send_with_id), with any payload.
    ///
    /// # Errors
    /// What the engine says.
    pub fn send_payload(
        &mut self,
        from: usize,
        to: usize,
        id: MessageId,
        payload: Payload,
    ) -> Result<(), SendError> {
        let to = self.amid(to);
        let message = NewMessage {
            id,
            to,
            kind: MessageType::Message,
            in_reply_to: None,
            payload,
            headers: Headers::NONE,
            knock_request: None,
            expires_in: None,
        };
        self.feed(from, Input::Send(message))
    }

    /// One input, its commit, and its effects. Requests are answered at once.
    ///
    /// # Errors
    /// What the engine says of a [`Input::Send`].
    pub fn feed(&mut self, node: usize, input: Input) -> Result<(), SendError> {
        let now = self.now;
        let n = &mut self.nodes[node];
        let mut next = Some(input);
        while let Some(input) = next {
            n.handle(input, now)?;
            next = n.engine.next_ready().map(Input::Frame);
        }
        // What is due goes into the same commit, as with the real driver.
        for peer in n.engine.receipts_due(now) {
            n.handle(Input::FlushReceipts(peer), now)?;
        }
        if n.engine.parts_due(now) {
            n.handle(Input::Parts, now)?;
        }
        let outcome = n.engine.finish(false, &mut n.rng).unwrap();
        if !outcome.changes.is_empty() {
            n.commits += 1;
            let crash = n.crash.filter(|crash| crash.commit == n.commits);
            if crash.is_none_or(|crash| crash.written) {
                block_on(n.storage.commit(outcome.changes.clone())).unwrap();
            }
            if crash.is_some() {
                // Dead between the write and everything that should follow it.
                self.restart(node);
                return Ok(());
            }
        }
        self.carry_out(node, outcome);
        Ok(())
    }

    /// Sends receipts that are owed, whether they are due or not.
    fn flush(&mut self, node: usize) {
        let later = self.now.plus_millis(1000);
        for peer in self.nodes[node].engine.receipts_due(later) {
            self.feed(node, Input::FlushReceipts(peer)).unwrap();
        }
    }

    fn carry_out(&mut self, node: usize, outcome: Outcome) {
        let from = self.amid(node);
        for Outgoing { to, relay_id, frame, .. } in outcome.outgoing {
            let stored = Stored { from, id: relay_id, frame, delivered: false };
            self.wiretap.push((to, stored.clone()));
            let queue = self.relay.entry(to).or_default();
            if self.inbox_limit.is_some_and(|limit| queue.len() >= limit) {
                let refused = Input::RelayRefused { relay_id, retryable: true, retry_after: None };
                self.feed(node, refused).unwrap();
                continue;
            }
            let is_lost = self.loses == Some((from, stored.frame.get(1).copied().unwrap_or(0)));
            if !is_lost && !queue.iter().any(|s| s.from == from && s.id == relay_id) {
                queue.push_back(stored);
            }
            if !self.is_silent {
                self.feed(node, Input::RelayAcked(relay_id)).unwrap();
            }
        }
        for ack in outcome.acks {
            if let Some(queue) = self.relay.get_mut(&from) {
                queue.retain(|s| !(s.from == ack.from && s.id == ack.relay_id));
            }
        }
        for event in outcome.events {
            if let Event::MessageReady { from, id } = &event {
                self.nodes[node].ready.push_back((*from, *id));
            }
            self.nodes[node].events.push(event);
        }
        for request in outcome.requests {
            self.answer(node, request);
        }
    }

    /// Brings an agent online: what was not acked comes again.
    pub fn connect(&mut self, node: usize) {
        let amid = self.amid(node);
        for stored in self.relay.entry(amid).or_default() {
            stored.delivered = false;
        }
        self.nodes[node].online = true;
        self.nodes[node].engine.resume(self.now);
        self.feed(node, Input::Connected { acks: true }).unwrap();
    }

    /// Takes an agent offline.
    pub fn disconnect(&mut self, node: usize) {
        self.nodes[node].online = false;
        self.nodes[node].engine.disconnected();
    }

    /// Kills an agent and opens it again from its store. It is offline then.
    pub fn restart(&mut self, node: usize) {
        let storage = self.nodes[node].storage.clone();
        self.reopen(node, storage);
    }

    /// Whether a crash that was planned has happened.
    pub fn has_crashed(&self, node: usize) -> bool {
        self.nodes[node].crash.is_some_and(|crash| self.nodes[node].commits >= crash.commit)
    }

    /// Opens an agent again from another store, such as an older copy of its own.
    pub fn reopen(&mut self, node: usize, storage: MemoryStorage) {
        let old = &self.nodes[node];
        let (config, rng, policy) = (old.config.clone(), old.rng.clone(), old.policy.clone());
        let (events, handled, handles) = (old.events.clone(), old.handled.clone(), old.handles);
        let (commits, crash) = (old.commits, old.crash);
        let fresh = open_node(storage, Origin::Store, config, self.now, rng);
        self.nodes[node] = Node { events, handled, handles, policy, commits, crash, ..fresh };
    }

    /// Gives an agent an empty store with the same identity, as after a restored backup.
    pub fn lose_store(&mut self, node: usize) {
        let (storage, origin) = match self.restored(node) {
            Some(storage) => (storage, Origin::Store),
            None => {
                let json = self.nodes[node].engine.identity().to_json();
                let identity = Identity::from_json(&json).unwrap();
                (MemoryStorage::new(), Origin::Backup(identity))
            }
        };
        let old = &self.nodes[node];
        let (config, rng, policy) = (old.config.clone(), old.rng.clone(), old.policy.clone());
        let (events, handled, handles) = (old.events.clone(), old.handled.clone(), old.handles);
        let (commits, crash) = (old.commits, old.crash);
        let fresh = open_node(storage, origin, config, self.now, rng);
        self.nodes[node] = Node { events, handled, handles, policy, commits, crash, ..fresh };
    }

    /// Other settings for an agent, from its next start on.
    pub fn reconfigure(&mut self, node: usize, config: EngineConfig) {
        self.nodes[node].config = config;
    }

    /// Lets time pass for everybody.
    pub fn advance(&mut self, ms: u64) {
        self.now = self.now.plus_millis(ms);
        for node in 0..self.nodes.len() {
            self.feed(node, Input::Tick).unwrap();
        }
    }

    /// Delivers and handles until nothing moves.
    pub fn run(&mut self) {
        for _ in 0..10_000 {
            let mut moved = false;
            for node in 0..self.nodes.len() {
                moved |= self.deliver_next(node) | self.handle_next(node);
                self.flush(node);
                moved |= self.move_parts(node);
            }
            if !moved {
                moved = self.fetch_left();
            }
            if !moved {
                return;
            }
        }
        panic!("the agents never come to rest");
    }

    /// Reconnects agents that have room for what they left at the relay, as the real driver does.
    fn fetch_left(&mut self) -> bool {
        let has_room = |n: &Node| n.online && n.engine.has_left_frames() && n.engine.has_room();
        let ready: Vec<_> =
            (0..self.nodes.len()).filter(|node| has_room(&self.nodes[*node])).collect();
        ready.iter().for_each(|node| {
            self.disconnect(*node);
            self.connect(*node);
        });
        !ready.is_empty()
    }

    /// Sends and checks parts of large payloads, as far as that is possible now.
    fn move_parts(&mut self, node: usize) -> bool {
        let due = self.nodes[node].engine.parts_due(self.now);
        if due {
            self.feed(node, Input::Parts).unwrap();
        }
        due
    }

    /// Delivers the next frame to an agent that is online.
    pub fn deliver_next(&mut self, node: usize) -> bool {
        if !self.nodes[node].online {
            return false;
        }
        let amid = self.amid(node);
        let Some(stored) = self.relay.entry(amid).or_default().iter_mut().find(|s| !s.delivered)
        else {
            return false;
        };
        stored.delivered = true;
        let Stored { from, id, frame, .. } = stored.clone();
        self.inject(node, from, Some(id), frame);
        true
    }

    /// Hands an agent any bytes as if the relay had sent them.
    pub fn inject(
        &mut self,
        node: usize,
        from: Amid,
        relay_id: Option<RelayMessageId>,
        frame: Vec<u8>,
    ) {
        #[cfg(feature = "legacy-0-2")]
        if let Some(text) = core::str::from_utf8(&frame).ok().filter(|t| t.starts_with('{')) {
            let text = text.to_owned();
            let inbound = crate::engine::LegacyInbound { from, relay_id, text };
            self.feed(node, Input::Legacy(inbound)).unwrap();
            return;
        }
        self.feed(node, Input::Frame(Inbound { from, relay_id, frame })).unwrap();
    }

    /// Runs an agent's handler on its next message.
    pub fn handle_next(&mut self, node: usize) -> bool {
        if !self.nodes[node].handles {
            return false;
        }
        let Some((from, id)) = self.nodes[node].ready.pop_front() else { return false };
        let n = &self.nodes[node];
        let message = match n.engine.large_message(&from, &id) {
            Some(_) => block_on(n.engine.whole(&n.storage, &from, &id)).unwrap(),
            None => n.engine.message(&from, &id),
        };
        let Some(message) = message else { return true };
        let text = match &message.payload {
            Payload::Bytes(bytes) => format!("bytes {:?}", crate::keys::kdf::sha256(&[bytes])),
            payload => payload.as_json().unwrap_or_default().to_owned(),
        };
        self.nodes[node].handled.push((from, id, text));
        self.feed(node, Input::Handled { from, id }).unwrap();
        true
    }

    /// How far the events of `node` say that a message came.
    pub fn stage(&self, node: usize, id: MessageId) -> Option<Stage> {
        self.nodes[node]
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Progress { id: of, stage, .. } if *of == id => Some(*stage),
                _ => None,
            })
            .max()
    }

    /// Ids that the handler of `node` saw, each as often as it saw it.
    pub fn handled(&self, node: usize) -> Vec<MessageId> {
        self.nodes[node].handled.iter().map(|(_, id, _)| *id).collect()
    }

    /// Handshakes that went over the relay so far.
    pub fn handshakes(&self) -> usize {
        let mut seen = HashSet::new();
        self.wiretap
            .iter()
            .filter(|(_, s)| s.frame.get(1) == Some(&1) && seen.insert(s.frame.clone()))
            .count()
    }
}
