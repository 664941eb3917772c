//! What must hold whatever happens, over the history of events. The first thing that does not ends the run.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::plan::Kind;
use crate::{
    engine::{Event, SendFailure, Stage},
    handshake::SessionId,
    identity::Amid,
    test_utils::mesh::key_of,
    wire::{id::MessageId, relay_id::RelayMessageId},
};

/// A message, from the call that sends it.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) from: usize,
    pub(super) to: usize,
    /// The how-manieth message it is of all.
    pub(super) number: usize,
    pub(super) text: String,
    /// The caller heard that it is queued.
    pub(super) queued: bool,
    /// The relay lost a frame of it, or a disk that had it is gone: it may never be handled.
    pub(super) at_risk: bool,
    /// The relay refused a frame of it for want of room, and may have taken a later message then; or it was sent again behind a
    /// later one, and whoever gets them forgot that.
    pub(super) may_be_late: bool,
    /// The sender was told that it failed.
    pub(super) failed: bool,
    /// How often a handler may see it: once, and once more for each time that its agent died or forgot meanwhile.
    pub(super) allowed: usize,
    /// How often a handler saw it.
    pub(super) handled: usize,
}

impl Sent {
    /// Whether it must be handled in the end.
    pub(super) const fn is_due(&self) -> bool {
        self.queued && !self.at_risk && !self.failed && self.handled == 0
    }
}

/// Everything that was seen so far.
#[derive(Debug)]
pub(super) struct Checker {
    kind: Kind,
    amids: Vec<Amid>,
    pub(super) sent: BTreeMap<MessageId, Sent>,
    pub(super) count: usize,
    /// The latest message that was handled, by recipient and sender.
    latest: BTreeMap<(usize, usize), usize>,
    keys: HashMap<(SessionId, Vec<u8>), Vec<u8>>,
    names: HashMap<(usize, RelayMessageId), Vec<u8>>,
    messages: HashMap<(usize, RelayMessageId), MessageId>,
    stored: HashSet<MessageId>,
    delivered: HashSet<MessageId>,
    answered: HashSet<(usize, SessionId)>,
    /// Forged frames that came to each agent and were not found out yet.
    forged: Vec<usize>,
    /// Frames on the wire.
    pub(super) frames: usize,
    /// A disk went back in time or is gone.
    pub(super) forgot: bool,
    /// The relay lost something.
    pub(super) lost: bool,
    /// Pairs of agents of which one may have to start over with the other.
    excused: HashSet<(usize, usize)>,
    /// A session was closed by order.
    pub(super) closed: bool,
    pub(super) violation: Option<String>,
}

impl Checker {
    pub(super) fn new(kind: Kind, amids: Vec<Amid>) -> Self {
        Self {
            kind,
            forged: vec![0; amids.len()],
            amids,
            sent: BTreeMap::new(),
            count: 0,
            latest: BTreeMap::new(),
            keys: HashMap::new(),
            names: HashMap::new(),
            messages: HashMap::new(),
            stored: HashSet::new(),
            delivered: HashSet::new(),
            answered: HashSet::new(),
            frames: 0,
            forgot: false,
            lost: false,
            excused: HashSet::new(),
            closed: false,
            violation: None,
        }
    }

    pub(super) fn fail(&mut self, what: impl Into<String>) {
        self.violation.get_or_insert_with(|| what.into());
    }

    pub(super) fn require(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.fail(what());
        }
    }

    /// The application calls.
    pub(super) fn called(&mut self, from: usize, to: usize, id: MessageId, text: String) {
        let sent = Sent {
            from,
            to,
            number: self.count,
            text,
            queued: false,
            at_risk: false,
            may_be_late: false,
            failed: false,
            allowed: 1,
            handled: 0,
        };
        self.count += 1;
        self.sent.insert(id, sent);
    }

    /// A frame goes to the relay.
    pub(super) fn emitted(
        &mut self,
        from: usize,
        id: RelayMessageId,
        frame: &[u8],
        message: Option<MessageId>,
    ) {
        self.frames += 1;
        if let Some(message) = message {
            self.messages.insert((from, id), message);
        }
        if let Some(other) = self.names.insert((from, id), frame.to_vec()) {
            self.require(other == frame, || {
                format!("relay id used twice: agent {from} named two frames {id}")
            });
        }
        let Some(((session, name), body)) = key_of(frame) else { return };
        let Some(other) = self.keys.insert((session, name), body.clone()) else { return };
        if other != body {
            // A ratchet that went back in time repeats itself; then the nonce must keep the two apart.
            let forgot = self.forgot;
            self.require(forgot && body.get(42..54) != other.get(42..54), || {
                format!(
                    "key used twice: agent {from} encrypted two frames of {session} with one key"
                )
            });
        }
    }

    /// The relay has a frame.
    pub(super) fn stored(&mut self, from: usize, id: RelayMessageId) {
        self.stored.extend(self.messages.get(&(from, id)));
    }

    /// From now on one of the two may have a reason to start over with the other.
    pub(super) fn excuse(&mut self, one: usize, other: usize) {
        self.excused.insert((one.min(other), one.max(other)));
    }

    /// The same of an agent and everybody.
    pub(super) fn excuse_all(&mut self, agent: usize) {
        (0..self.amids.len()).for_each(|other| self.excuse(agent, other));
    }

    /// The relay loses a frame.
    pub(super) fn lost(&mut self, from: usize, to: usize, id: RelayMessageId) {
        self.lost = true;
        self.excuse(from, to);
        let message = self.messages.get(&(from, id));
        if let Some(sent) = message.and_then(|message| self.sent.get_mut(message)) {
            sent.at_risk = true;
        }
    }

    /// The relay has no room for a frame.
    pub(super) fn refused(&mut self, from: usize, id: RelayMessageId) {
        let message = self.messages.get(&(from, id));
        if let Some(sent) = message.and_then(|message| self.sent.get_mut(message)) {
            sent.may_be_late = true;
        }
    }

    /// An agent forgets that what it parks of another comes after what that one sends again.
    pub(super) fn disordered(&mut self, at: usize, peer: Amid) {
        let from = self.amids.iter().position(|amid| *amid == peer);
        for sent in self.sent.values_mut() {
            sent.may_be_late |= sent.to == at && Some(sent.from) == from;
        }
    }

    /// The disk of an agent is gone, or as it was before.
    pub(super) fn forgot(&mut self, agent: usize) {
        self.forgot = true;
        self.excuse_all(agent);
        for sent in self.sent.values_mut() {
            if sent.from == agent || sent.to == agent {
                sent.at_risk |= sent.handled == 0;
                sent.allowed += usize::from(sent.to == agent);
            }
        }
    }

    /// A frame that nobody sent comes to an agent.
    pub(super) fn forged(&mut self, agent: usize) {
        self.forged[agent] += 1;
    }

    /// The handler of an agent is called.
    pub(super) fn handled(&mut self, agent: usize, from: Amid, id: MessageId, text: &str) {
        let sender = self.amids.iter().position(|amid| *amid == from);
        let Some(sent) = self.sent.get_mut(&id) else {
            self.fail(format!("invented: agent {agent} handled {text:?}, which nobody sent"));
            return;
        };
        if sent.to != agent || Some(sent.from) != sender || sent.text != text {
            let what =
                format!("invented: agent {agent} handled {text:?} as {sender:?}'s: {sent:?}");
            self.fail(what);
            return;
        }
        sent.handled += 1;
        let (number, times, allowed) = (sent.number, sent.handled, sent.allowed);
        if times == 1 {
            let keeps = self.kind.keeps_order() && !sent.may_be_late;
            let latest = self.latest.entry((agent, sent.from)).or_default();
            let overtaken = Some(*latest).filter(|latest| *latest > number && keeps);
            *latest = number.max(*latest);
            if let Some(by) = overtaken {
                let what =
                    format!("out of order: agent {agent} handled {text:?} after number {by}");
                self.fail(what);
            }
        }
        self.require(times <= allowed, || {
            format!(
                "handled twice: agent {agent} handled {text:?} {times} times, {allowed} allowed"
            )
        });
    }

    /// What an agent tells its application.
    pub(super) fn told(&mut self, agent: usize, event: &Event) {
        match event {
            Event::MessageReady { id, .. } => {
                self.delivered.insert(*id);
            }
            Event::Progress { id, stage, .. } => {
                let handled = self.sent.get(id).is_some_and(|sent| sent.handled > 0);
                let true_enough = match stage {
                    Stage::Queued => true,
                    Stage::StoredByRelay => self.stored.contains(id),
                    Stage::Delivered => self.delivered.contains(id),
                    Stage::Handled => handled,
                };
                self.require(true_enough, || format!("dishonest stage: {id} is not {stage}"));
            }
            Event::SendFailed { id, reason, .. } => {
                let told = match reason {
                    SendFailure::UnknownRecipient { .. } => self.kind.registry_lies(),
                    // To who is more than five minutes behind, a bundle is from the future.
                    SendFailure::BundleRefused { .. } => {
                        self.kind.registry_lies() || self.kind == Kind::Clocks
                    }
                    _ => false,
                };
                self.require(told, || format!("failed: {id}: {reason}"));
                if let Some(sent) = self.sent.get_mut(id) {
                    sent.failed = true;
                }
            }
            Event::SessionEstablished { session, initiator: false, .. } => {
                let new = self.answered.insert((agent, *session));
                let forgot = self.forgot;
                self.require(new || forgot, || {
                    format!("session opened twice: agent {agent} answered {session} again")
                });
            }
            Event::SessionEstablished { peer, session, initiator: true, recovery, .. } => {
                let other = self.amids.iter().position(|amid| amid == peer).unwrap_or(agent);
                let pair = (agent.min(other), agent.max(other));
                self.require(!recovery || self.excused.contains(&pair), || {
                    format!("needless recovery: agent {agent} started over with {session}")
                });
            }
            Event::FrameDropped { from, reason: crate::engine::DropReason::Undecryptable } => {
                let forged = self.forged[agent] > 0;
                self.forged[agent] = self.forged[agent].saturating_sub(1);
                let reason = forged || self.forgot;
                self.require(reason, || {
                    format!("unreadable: agent {agent} cannot read a genuine frame of {from}")
                });
            }
            _ => {}
        }
    }

    /// What must be handled and is not.
    pub(super) fn due(&self) -> Option<&Sent> {
        self.sent.values().find(|sent| sent.is_due())
    }
}
