//! Two agents against a model simple enough to be believed. Whatever relay, network and crashes do:
//!
//! * a message is handled at most once, with the text that was sent, and nothing else is;
//! * what the relay did not lose is handled in the end, and everybody can talk again;
//! * a stage is never ahead of the truth;
//! * no message key encrypts two frames, and nobody gets another identity;
//! * with a relay that keeps the order, so do the agents.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a fixture: failing loudly is its job"
)]

use std::collections::{BTreeMap, HashMap};

use super::Mesh;
use crate::{
    engine::{Event, Stage},
    handshake::SessionId,
    identity::Amid,
    wire::{frame::NativeFrame, id::MessageId, relay_id::RelayMessageId},
};

/// Something that happens.
#[derive(Debug, Clone)]
pub enum Op {
    /// One sends a message to the other.
    Send {
        /// Who sends.
        by: usize,
    },
    /// The relay delivers the next frame.
    Deliver {
        /// Whose queue.
        to: usize,
    },
    /// The handler runs on the next message.
    Handle {
        /// Where.
        at: usize,
    },
    /// A process dies, and is opened again from its store.
    Restart {
        /// Who.
        node: usize,
    },
    /// The connection breaks.
    Disconnect {
        /// Who.
        node: usize,
    },
    /// The connection stands again.
    Connect {
        /// Who.
        node: usize,
    },
    /// A frame that was delivered comes again.
    Repeat {
        /// Whose queue.
        to: usize,
        /// Which one, of those that there are.
        which: usize,
    },
    /// Something that looks like a frame of the other, and is not.
    Forge {
        /// Whose queue.
        to: usize,
        /// Which one, of those that there are.
        which: usize,
        /// In which way.
        how: u8,
        /// Where, and with what.
        with: u32,
    },
    /// Time passes.
    Pass {
        /// In milliseconds.
        ms: u64,
    },
    /// The relay lets the last come first.
    Reorder {
        /// Whose queue.
        to: usize,
    },
    /// The relay loses a frame that it said it has.
    Drop {
        /// Whose queue.
        to: usize,
        /// Which one, of those that there are.
        which: usize,
    },
    /// The disk is gone; the identity comes back from a backup.
    LoseStore {
        /// Who.
        node: usize,
    },
}

/// A message as the model sees it.
#[derive(Debug)]
pub struct Sent {
    /// Who sent it.
    pub from: usize,
    /// Its id.
    pub id: MessageId,
    /// Its text, as JSON.
    pub text: String,
    /// The relay lost a frame of it, or a disk died that had it: it may never be handled.
    pub at_risk: bool,
    /// How often it may be handled: once, and once more for each time that the recipient forgot that it had.
    pub allowed: usize,
}

/// Two agents, and what must be true of them.
#[derive(Debug)]
pub struct World {
    /// Agents, relay and registry.
    pub mesh: Mesh,
    amids: [Amid; 2],
    /// What was sent, in order.
    pub sent: Vec<Sent>,
    /// What the relay delivered, so that only that comes again.
    delivered: [Vec<(Amid, RelayMessageId, Vec<u8>)>; 2],
}

impl World {
    /// Both online, nothing sent.
    pub fn new(seed: u64) -> Self {
        Self::of(Mesh::new(2, seed))
    }

    /// The same, of two agents that are the same each time, which saves most of the work ([`Mesh::staged`]).
    pub fn staged(seed: u64) -> Self {
        Self::of(Mesh::staged(seed))
    }

    fn of(mesh: Mesh) -> Self {
        let amids = [mesh.amid(0), mesh.amid(1)];
        Self { mesh, amids, sent: Vec::new(), delivered: Default::default() }
    }

    /// Lets it happen.
    pub fn apply(&mut self, op: Op) {
        let mesh = &mut self.mesh;
        match op {
            Op::Send { by } => {
                let text = format!("{} from {by}", self.sent.len());
                let id = mesh.send(by, 1 - by, &text).unwrap();
                let text = format!("{text:?}");
                self.sent.push(Sent { from: by, id, text, at_risk: false, allowed: 1 });
            }
            Op::Deliver { to } => {
                let next = mesh.relay[&self.amids[to]].iter().find(|s| !s.delivered).cloned();
                if mesh.deliver_next(to)
                    && let Some(next) = next
                {
                    self.delivered[to].push((next.from, next.id, next.frame));
                }
            }
            Op::Handle { at } => {
                mesh.handle_next(at);
            }
            Op::Restart { node } => mesh.restart(node),
            Op::Disconnect { node } => mesh.disconnect(node),
            Op::Connect { node } => mesh.connect(node),
            Op::Repeat { to, which } => {
                let list = &self.delivered[to];
                if !list.is_empty() && mesh.nodes[to].online {
                    let (from, id, frame) = list[which % list.len()].clone();
                    mesh.inject(to, from, Some(id), frame);
                }
            }
            Op::Forge { to, which, how, with } => self.forge(to, which, how, with),
            Op::Pass { ms } => mesh.advance(ms),
            Op::Reorder { to } => {
                if let Some(queue) = mesh.relay.get_mut(&self.amids[to]) {
                    queue.rotate_right(usize::from(queue.len() > 1));
                }
            }
            Op::Drop { to, which } => self.drop_frame(to, which),
            Op::LoseStore { node } => self.lose_store(node),
        }
    }

    /// Changes a genuine frame of the other, and hands it in under a name that the other never gave.
    fn forge(&mut self, to: usize, which: usize, how: u8, with: u32) {
        let genuine: Vec<_> =
            self.mesh.wiretap.iter().filter(|(t, _)| *t == self.amids[to]).collect();
        if genuine.is_empty() || !self.mesh.nodes[to].online {
            return;
        }
        let mut frame = genuine[which % genuine.len()].1.frame.clone();
        let at = with as usize % frame.len();
        match how % 4 {
            0 => frame[at] ^= 1 << (with % 8),
            1 => frame.truncate(at),
            2 => frame.extend_from_slice(&with.to_be_bytes()),
            _ => {
                let from = frame.len().saturating_sub(64);
                frame[from..].fill(how);
            }
        }
        let id = RelayMessageId::from_bytes([how; 16]);
        self.mesh.inject(to, self.amids[1 - to], Some(id), frame);
    }

    fn drop_frame(&mut self, to: usize, which: usize) {
        let sender = 1 - to;
        let Some(queue) = self.mesh.relay.get_mut(&self.amids[to]) else { return };
        if queue.is_empty() {
            return;
        }
        let lost = queue.remove(which % queue.len()).unwrap();
        // Of a handshake nothing is lost: it is sent again until it is answered.
        let id = self.mesh.nodes[sender].engine.entry_of(&lost.id);
        if let Some(sent) = self.sent.iter_mut().find(|s| Some(s.id) == id) {
            sent.at_risk = true;
        }
    }

    fn lose_store(&mut self, node: usize) {
        for sent in &mut self.sent {
            // What it had to send, and what it had taken in and not handled, is gone with its disk.
            sent.at_risk |=
                self.mesh.nodes[1 - sent.from].handled.iter().all(|(_, id, _)| *id != sent.id);
            // What it handled it may be sent again, until the sender has heard of it.
            sent.allowed += usize::from(sent.from != node);
        }
        self.mesh.lose_store(node);
        self.mesh.connect(node);
    }

    /// What must hold at any time.
    ///
    /// # Panics
    /// If it does not.
    pub fn check(&self) {
        let texts: HashMap<_, _> = self.sent.iter().map(|s| (s.id, s)).collect();
        for node in 0..2 {
            assert_eq!(self.mesh.amid(node), self.amids[node], "nobody gets another identity");
            for (from, id, text) in &self.mesh.nodes[node].handled {
                let sent = texts.get(id).expect("only what was sent is handled");
                assert_eq!((*from, text), (self.amids[1 - node], &sent.text));
                assert_eq!(sent.from, 1 - node);
            }
        }
        for sent in &self.sent {
            let peer = &self.mesh.nodes[1 - sent.from];
            let handled = peer.handled.iter().filter(|(_, id, _)| *id == sent.id).count();
            assert!(handled <= sent.allowed, "{} was handled {handled} times", sent.text);
            let stage = self.mesh.stage_or_outbox(sent.from, sent.id).unwrap_or(Stage::Queued);
            let ready = |e: &Event| matches!(e, Event::MessageReady { id, .. } if *id == sent.id);
            assert!(stage < Stage::Delivered || peer.events.iter().any(ready), "{}", sent.text);
            assert!(stage < Stage::Handled || handled > 0, "{} is not handled", sent.text);
            assert!(stage < Stage::StoredByRelay || self.mesh.wiretap.len() > 1);
        }
    }

    /// Everybody is there, the relay behaves, and time passes.
    fn settle(&mut self) {
        // The last: refusals are heeded three times an hour.
        for pause in
            [1100, 1100, 61_000, 61_000, 130_000, 301_000, 61_000, 3_600_000, 61_000, 61_000]
        {
            for node in 0..2 {
                self.mesh.connect(node);
            }
            self.mesh.run();
            self.mesh.advance(pause);
            self.mesh.run();
        }
    }

    /// Everything that can still arrive does, and everything is checked.
    ///
    /// # Panics
    /// If something does not hold.
    #[allow(clippy::must_use_candidate, reason = "for what it checks")]
    pub fn finish(mut self) -> Self {
        self.settle();
        for node in 0..2 {
            self.apply(Op::Send { by: node });
            self.settle();
        }
        self.check();
        for sent in &self.sent {
            let handled = self.mesh.handled(1 - sent.from).contains(&sent.id);
            assert!(handled || sent.at_risk, "{} was lost", sent.text);
        }
        self.mesh.check_keys("model");
        self
    }
}

impl Mesh {
    /// In one session, the same ratchet key and number mean the same message key: it may carry one frame only.
    ///
    /// # Panics
    /// If one carried two.
    pub fn check_keys(&self, what: &str) {
        let mut used: BTreeMap<_, Vec<u8>> = BTreeMap::new();
        for (_, stored) in &self.wiretap {
            let Some((name, body)) = key_of(&stored.frame) else { continue };
            if let Some(other) = used.insert(name, body.clone()) {
                assert_eq!(other, body, "{what}: a message key was used for two frames");
            }
        }
    }
}

/// What names a message key: its session, and ratchet key with number.
pub type KeyName = (SessionId, Vec<u8>);

/// What names the message key of a frame, and what the key encrypts; `None` for frames without.
pub fn key_of(frame: &[u8]) -> Option<(KeyName, Vec<u8>)> {
    let (session, body) = match NativeFrame::parse(frame.to_vec()) {
        Ok(NativeFrame::Handshake(frame)) => (frame.session_id(), frame.body().to_vec()),
        Ok(NativeFrame::Message(frame)) => (frame.session_id(), frame.body().to_vec()),
        _ => return None,
    };
    // Ratchet key and number; `pn` in between says nothing about the key.
    let name = [body.get(2..34)?, body.get(38..42)?].concat();
    Some(((session, name), body))
}
