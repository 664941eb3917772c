//! The relay and the lines to it. A connection keeps the order; when it breaks, what is under way is lost from some point on.

use std::collections::VecDeque;

use super::{
    agent::Pending,
    world::{Event, World},
};
use crate::{
    engine::{Inbound, Input},
    identity::Amid,
    wire::relay_id::RelayMessageId,
};

/// Whoever gets frames of a session without its handshake asks after a second, and starts over if that is not there by
/// then: who holds one back for as long cannot be told from who loses it.
const HANDSHAKE_GRACE: u64 = 900;

/// A frame that the relay keeps.
#[derive(Debug, Clone)]
struct Mail {
    from: usize,
    id: RelayMessageId,
    frame: Vec<u8>,
    /// It is on its way on the connection that stands.
    delivered: bool,
    /// It lies until then while others go.
    delayed_until: u64,
}

/// A connection, as long as something of it may still arrive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connection {
    pub(super) at: usize,
    up_until: u64,
    down_until: u64,
    up_last: u64,
    down_last: u64,
}

/// From an agent.
#[derive(Debug, Clone)]
pub(super) enum Up {
    Send { to: Amid, id: RelayMessageId, frame: Vec<u8> },
    Ack { from: Amid, id: RelayMessageId },
}

/// To an agent.
#[derive(Debug, Clone)]
pub(super) enum Down {
    Connected,
    Receive { from: Amid, id: RelayMessageId, frame: Vec<u8>, forged: bool },
    Acked(RelayMessageId),
    Refused(RelayMessageId),
}

/// What went over the relay once.
#[derive(Debug, Clone)]
struct Copied {
    from: usize,
    to: usize,
    id: RelayMessageId,
    frame: Vec<u8>,
}

impl Copied {
    /// A handshake, probe, reply or refusal.
    fn is_control(&self) -> bool {
        is_control(&self.frame) || is_handshake(&self.frame)
    }
}

fn is_handshake(frame: &[u8]) -> bool {
    frame.get(1) == Some(&1)
}

fn is_control(frame: &[u8]) -> bool {
    frame.get(1).is_some_and(|kind| *kind > 2)
}

#[derive(Debug, Default)]
pub(super) struct Relay {
    boxes: Vec<VecDeque<Mail>>,
    connections: Vec<Connection>,
    current: Vec<Option<usize>>,
    pub(super) down_until: u64,
    /// Until when an agent gets nothing, or no control frames.
    withheld: Vec<(u64, bool)>,
    copied: Vec<Copied>,
}

impl Relay {
    pub(super) fn new(agents: usize) -> Self {
        Self {
            boxes: vec![VecDeque::new(); agents],
            current: vec![None; agents],
            withheld: vec![(0, false); agents],
            ..Self::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.boxes.iter().all(VecDeque::is_empty)
    }

    /// It behaves from now on.
    pub(super) fn behave(&mut self) {
        self.withheld.iter_mut().for_each(|held| *held = (0, false));
        self.boxes.iter_mut().flatten().for_each(|mail| mail.delayed_until = 0);
    }
}

impl World {
    /// A new connection, if one is possible.
    pub(super) fn dial(&mut self, at: usize) {
        let agent = &mut self.agents[at];
        if agent.engine.is_none() || agent.connection.is_some() {
            return;
        }
        if self.now < self.relay.down_until || self.now < agent.unreachable_until {
            let pause = 500 + self.dice.below(1500);
            self.later(pause, Event::Dial { at });
            return;
        }
        let number = self.relay.connections.len();
        self.relay.connections.push(Connection {
            at,
            up_until: u64::MAX,
            down_until: u64::MAX,
            up_last: 0,
            down_last: 0,
        });
        agent.connection = Some(number);
        // The relay takes the newer one for the agent.
        if let Some(old) = self.relay.current[at].replace(number) {
            self.relay.connections[old].up_until = self.now;
        }
        self.relay.boxes[at].iter_mut().for_each(|mail| mail.delivered = false);
        self.log(|| format!("agent {at} connects"));
        self.send_down(at, Down::Connected);
        self.pump(at);
    }

    fn latency(&mut self, at: usize) -> u64 {
        1 + self.dice.below(15) + self.agents[at].slow
    }

    pub(super) fn send_up(&mut self, at: usize, frame: Up) {
        let Some(connection) = self.agents[at].connection else { return };
        let arrives = self.now + self.latency(at);
        let line = &mut self.relay.connections[connection];
        line.up_last = line.up_last.max(arrives);
        let arrives = line.up_last;
        self.at(arrives, Event::AtRelay { connection, frame });
    }

    fn send_down(&mut self, at: usize, frame: Down) {
        let Some(connection) = self.relay.current[at] else { return };
        let arrives = self.now + self.latency(at);
        let line = &mut self.relay.connections[connection];
        line.down_last = line.down_last.max(arrives);
        let arrives = line.down_last;
        self.at(arrives, Event::AtAgent { connection, frame });
    }

    /// The connection ends; both notice. Something of what is under way to the relay may still arrive.
    pub(super) fn break_connection(&mut self, at: usize) {
        if let Some(connection) = self.agents[at].connection {
            let grace = self.dice.below(20);
            let line = &mut self.relay.connections[connection];
            line.up_until = line.up_until.min(self.now + grace);
            line.down_until = line.down_until.min(self.now);
            if self.relay.current[at] == Some(connection) {
                self.relay.current[at] = None;
            }
            self.lose_connection(connection);
        }
    }

    /// Nothing goes through any more, and nobody notices yet.
    pub(super) fn half_open(&mut self, at: usize, ms: u64) {
        if let Some(connection) = self.agents[at].connection {
            let line = &mut self.relay.connections[connection];
            line.up_until = line.up_until.min(self.now);
            if self.dice.one_in(2) {
                line.down_until = line.down_until.min(self.now);
            }
            self.later(ms, Event::Lost { connection });
        }
    }

    /// The agent notices that its connection is gone.
    pub(super) fn lose_connection(&mut self, connection: usize) {
        let at = self.relay.connections[connection].at;
        let agent = &mut self.agents[at];
        if agent.connection != Some(connection) {
            return;
        }
        agent.connection = None;
        agent.drained_at = None;
        agent.batch.retain(|pending| !matches!(pending.input, Input::Connected { .. }));
        if let Some(engine) = &mut agent.engine {
            engine.disconnected();
        }
        self.log(|| format!("agent {at} has lost its connection"));
        let pause = self.dice.below(2000);
        self.later(pause, Event::Dial { at });
    }

    pub(super) fn at_relay(&mut self, connection: usize, frame: Up) {
        let line = &mut self.relay.connections[connection];
        if self.now < self.relay.down_until {
            // What comes after it in the same connection would overtake it.
            line.up_until = 0;
        }
        if self.now > line.up_until {
            return;
        }
        let from = line.at;
        match frame {
            Up::Send { to, id, frame } => {
                let Some(to) = self.number_of(&to) else { return };
                let mailbox = &self.relay.boxes[to];
                let known = mailbox.iter().any(|mail| mail.from == from && mail.id == id);
                if !known && mailbox.len() >= self.plan.quota {
                    self.checker.refused(from, id);
                    self.send_down(from, Down::Refused(id));
                    return;
                }
                // Even if it was before: when it came first, its sender may have been about to name it otherwise, and then forgot.
                self.checker.stored(from, id);
                if !known {
                    let copied = Copied { from, to, id, frame: frame.clone() };
                    self.relay.copied.push(copied);
                    let mail = Mail { from, id, frame, delivered: false, delayed_until: 0 };
                    self.relay.boxes[to].push_back(mail);
                }
                self.send_down(from, Down::Acked(id));
                self.pump(to);
            }
            Up::Ack { from: sender, id } => {
                let sender = self.number_of(&sender);
                self.relay.boxes[from].retain(|mail| mail.id != id || Some(mail.from) != sender);
            }
        }
    }

    /// Sends on what lies there.
    pub(super) fn pump(&mut self, to: usize) {
        if self.relay.current[to].is_none() {
            return;
        }
        let (now, (until, control)) = (self.now, self.relay.withheld[to]);
        let (mut going, mut excused) = (Vec::new(), Vec::new());
        for mail in &mut self.relay.boxes[to] {
            let held = now < until && (!control || is_control(&mail.frame));
            if held && until - now >= HANDSHAKE_GRACE && is_handshake(&mail.frame) {
                // What is forged or sent again goes on, and may be of its session.
                excused.push(mail.from);
            }
            if !mail.delivered && !held && mail.delayed_until <= now {
                mail.delivered = true;
                going.push(mail.clone());
            }
        }
        excused.into_iter().for_each(|from| self.checker.excuse(from, to));
        for Mail { from, id, frame, .. } in going {
            let from = self.agents[from].amid;
            self.send_down(to, Down::Receive { from, id, frame, forged: false });
        }
    }

    pub(super) fn at_agent(&mut self, connection: usize, frame: Down) {
        let line = self.relay.connections[connection];
        let at = line.at;
        let agent = &mut self.agents[at];
        if self.now > line.down_until || agent.connection != Some(connection) {
            return;
        }
        let mut was_forged = false;
        let input = match frame {
            Down::Connected => {
                agent.drained_at = Some(self.now + 10_000);
                Input::Connected { acks: true }
            }
            Down::Receive { from, id, frame, forged } => {
                if let Some(drained) = &mut agent.drained_at {
                    *drained = (*drained).max(self.now + 10_000);
                }
                was_forged = forged;
                Input::Frame(Inbound { from, relay_id: Some(id), frame })
            }
            Down::Acked(id) => Input::RelayAcked(id),
            Down::Refused(relay_id) => {
                Input::RelayRefused { relay_id, retryable: true, retry_after: None }
            }
        };
        self.queue(at, Pending { forged: was_forged, ..Pending::of(input) });
    }

    fn mail(&mut self, to: usize, which: usize) -> Option<usize> {
        let there = self.relay.boxes[to].len();
        (there > 0).then(|| which % there)
    }

    pub(super) fn lose_mail(&mut self, to: usize, which: usize) {
        if let Some(index) = self.mail(to, which)
            && let Some(mail) = self.relay.boxes[to].remove(index)
        {
            self.checker.lost(mail.from, to, mail.id);
        }
    }

    /// It goes on its own later, whatever is behind it.
    pub(super) fn delay_mail(&mut self, to: usize, which: usize, ms: u64) {
        if let Some(index) = self.mail(to, which) {
            let until = self.now + ms;
            let mail = &mut self.relay.boxes[to][index];
            mail.delayed_until = until;
            // What is on its way does not arrive there, as if it had never left.
            mail.delivered = false;
            let (from, id) = (mail.from, mail.id);
            if ms >= HANDSHAKE_GRACE && is_handshake(&mail.frame) {
                self.checker.excuse(from, to);
            }
            self.forget(|event| match event {
                Event::AtAgent { frame: Down::Receive { id: of, .. }, .. } => *of == id,
                _ => false,
            });
            self.at(until, Event::Mail { to });
        }
    }

    pub(super) fn replay(&mut self, to: usize, which: usize, control: bool) {
        let seen = self.relay.copied.iter();
        let fitting: Vec<_> = seen.filter(|c| c.to == to && (!control || c.is_control())).collect();
        let Some(index) = which.checked_rem(fitting.len()) else { return };
        let Copied { from, id, frame, .. } = fitting[index].clone();
        let from = self.agents[from].amid;
        self.send_down(to, Down::Receive { from, id, frame, forged: false });
    }

    pub(super) fn forge(&mut self, to: usize, which: usize, how: u64) {
        let is_message = |c: &&Copied| !is_control(&c.frame) && !is_handshake(&c.frame);
        let fitting: Vec<_> = self.relay.copied.iter().filter(|c| c.to == to).collect();
        // What is about a session is made of what was said in one.
        let messages: Vec<_> = fitting.iter().copied().filter(is_message).collect();
        let fitting = if matches!(how % 6, 4 | 5) { messages } else { fitting };
        let Some(index) = which.checked_rem(fitting.len()) else { return };
        let Copied { from, mut frame, .. } = fitting[index].clone();
        let at = usize::try_from(how >> 8).unwrap() % frame.len();
        match how % 6 {
            0 => frame[at] ^= 1 << ((how >> 4) % 8),
            1 => frame.truncate(at),
            2 => frame.extend_from_slice(&how.to_be_bytes()),
            3 => {
                let last = frame.len() - 1;
                frame[last] ^= 1;
            }
            // Another session, and a message of this one that was never sent: its number is higher, and by its tag it is no
            // repetition.
            4 => frame[2..18].fill(0x5a),
            _ => {
                let tag = frame.len() - 16;
                frame[58] ^= 1;
                frame[tag] ^= 1;
            }
        }
        let id = self.made_up_id();
        let from = self.agents[from].amid;
        self.send_down(to, Down::Receive { from, id, frame, forged: true });
    }

    /// What was for somebody else, or as if it were from somebody else.
    pub(super) fn swap(&mut self, to: usize, which: usize) {
        let Some(index) = which.checked_rem(self.relay.copied.len()) else { return };
        let Copied { from, to: meant, frame, .. } = self.relay.copied[index].clone();
        let from = if meant == to { (from + 1) % self.agents.len() } else { from };
        let id = self.made_up_id();
        let from = self.agents[from].amid;
        self.send_down(to, Down::Receive { from, id, frame, forged: true });
    }

    fn made_up_id(&mut self) -> RelayMessageId {
        let (a, b) = (self.dice.next(), self.dice.next());
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&a.to_be_bytes());
        bytes[8..].copy_from_slice(&b.to_be_bytes());
        RelayMessageId::from_bytes(bytes)
    }

    pub(super) fn withhold(&mut self, to: usize, ms: u64, control: bool) {
        self.relay.withheld[to] = (self.now + ms, control);
        self.later(ms, Event::Mail { to });
    }
}
