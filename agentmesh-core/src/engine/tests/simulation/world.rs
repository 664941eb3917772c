//! Virtual time: what happens next, and who does it.

use std::collections::BTreeMap;

use super::{
    agent::{Agent, Pending},
    checker::Checker,
    plan::{Dice, Op, Plan, Registry},
    relay::{Down, Relay, Up},
    stage::staged,
};
use crate::{
    engine::{Engine, Request, records::OutboxEntry},
    identity::Amid,
    test_utils::{FaultyStorage, mesh::Published},
    time::HOUR,
};

/// What happens at an instant.
#[derive(Debug)]
pub(super) enum Event {
    Op(Op),
    AtRelay {
        connection: usize,
        frame: Up,
    },
    AtAgent {
        connection: usize,
        frame: Down,
    },
    /// The agent notices that a connection is gone.
    Lost {
        connection: usize,
    },
    /// Mail that was held back may go.
    Mail {
        to: usize,
    },
    Start {
        at: usize,
    },
    Dial {
        at: usize,
    },
    // What follows dies with its process.
    Flush {
        at: usize,
        life: u64,
    },
    Timer {
        at: usize,
        life: u64,
    },
    Handle {
        at: usize,
        life: u64,
    },
    Answer {
        at: usize,
        life: u64,
        request: Box<Request>,
    },
}

/// After the last trouble, everything is well within this time.
const PATIENCE: u64 = 12 * HOUR;
/// Steps that change something, for each thing that happens: more is a loop.
const STEPS_EACH: usize = 60;

/// How a schedule went.
#[derive(Debug)]
pub(super) struct Report {
    /// The first thing that did not hold.
    pub(super) violation: Option<String>,
    /// What happened, if that was asked for.
    pub(super) history: Vec<String>,
    /// Of every frame and everything handled.
    pub(super) digest: u64,
    pub(super) steps: usize,
    pub(super) frames: usize,
    pub(super) records: usize,
}

/// A schedule that runs.
#[derive(Debug)]
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) dice: Dice,
    /// Milliseconds since the start.
    pub(super) now: u64,
    queue: BTreeMap<(u64, u64), Event>,
    entered: u64,
    pub(super) agents: Vec<Agent>,
    pub(super) relay: Relay,
    pub(super) published: Vec<Published>,
    pub(super) registry: Registry,
    pub(super) checker: Checker,
    pub(super) steps: usize,
    pub(super) most_records: usize,
    history: Option<Vec<String>>,
    digest: u64,
}

impl World {
    /// Runs a schedule to its end; with `history`, writes down what happens.
    pub(super) fn run(plan: &Plan, history: bool) -> Report {
        let mut world = Self::new(plan, history);
        world.play();
        Report {
            violation: world.checker.violation,
            history: world.history.unwrap_or_default(),
            digest: world.digest,
            steps: world.steps,
            frames: world.checker.frames,
            records: world.most_records,
        }
    }

    fn new(plan: &Plan, history: bool) -> Self {
        let mut dice = Dice::new(plan.seed, 2);
        let cast = &staged()[..plan.agents];
        let agents: Vec<_> = cast.iter().map(|s| Agent::new(s, dice.next(), plan)).collect();
        let amids = cast.iter().map(|s| s.amid).collect();
        Self {
            dice,
            now: 0,
            queue: BTreeMap::new(),
            entered: 0,
            relay: Relay::new(agents.len()),
            agents,
            published: cast.iter().map(|s| s.published.clone()).collect(),
            registry: Registry::Honest,
            checker: Checker::new(plan.kind, amids),
            steps: 0,
            most_records: 0,
            history: history.then(Vec::new),
            digest: 0xcbf2_9ce4_8422_2325,
            plan: plan.clone(),
        }
    }

    pub(super) fn at(&mut self, time: u64, event: Event) {
        self.entered += 1;
        self.queue.insert((time.max(self.now), self.entered), event);
    }

    pub(super) fn later(&mut self, ms: u64, event: Event) {
        self.at(self.now + ms, event);
    }

    /// Takes back what has not happened yet.
    pub(super) fn forget(&mut self, which: impl Fn(&Event) -> bool) {
        self.queue.retain(|_, event| !which(event));
    }

    pub(super) fn log(&mut self, line: impl FnOnce() -> String) {
        if let Some(history) = &mut self.history {
            history.push(format!("{:>10} {}", self.now, line()));
        }
    }

    pub(super) fn digest(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&self.now.to_be_bytes()) {
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    pub(super) fn number_of(&self, amid: &Amid) -> Option<usize> {
        self.agents.iter().position(|agent| agent.amid == *amid)
    }

    fn play(&mut self) {
        for at in 0..self.agents.len() {
            self.start(at);
        }
        let mut time = 50;
        for (pause, op) in self.plan.ops.clone() {
            time += pause;
            self.at(time, Event::Op(op));
        }
        self.run_until(time + 1, |_| false);
        self.behave();
        self.settle();
        // Whatever was, they can talk.
        if self.checker.violation.is_none() && self.is_tried_again() {
            for from in 0..self.agents.len() {
                (0..self.agents.len()).filter(|to| *to != from).for_each(|to| self.send(from, to));
            }
            self.settle();
        }
        if self.checker.violation.is_none() {
            self.check_end();
        }
    }

    /// Where something may have been broken for good, there is more to say. And what was handled after the end of a session
    /// is told in the next one.
    fn is_tried_again(&self) -> bool {
        let waits = self.checker.closed && !self.is_at_rest();
        waits || !self.plan.kind.keeps_order() || self.plan.seed.is_multiple_of(4)
    }

    /// From now on everybody does what it should, and nothing goes wrong.
    fn behave(&mut self) {
        self.log(|| "everything works again".to_owned());
        self.relay.behave();
        self.relay.down_until = 0;
        self.registry = Registry::Honest;
        for at in 0..self.agents.len() {
            let agent = &mut self.agents[at];
            agent.unreachable_until = 0;
            agent.slow = 0;
            agent.busy_until = 0;
            agent.clock = 0;
            agent.store = FaultyStorage::new(agent.disk.clone());
            self.pump(at);
            self.start(at);
            self.go_on(at);
        }
    }

    fn settle(&mut self) {
        for _ in 0..PATIENCE / HOUR {
            self.run_until(self.now + HOUR, Self::is_well);
            if self.is_well() || self.checker.violation.is_some() {
                break;
            }
            // No connection lasts for ever.
            (0..self.agents.len()).for_each(|at| self.break_connection(at));
        }
        let due = self.checker.due().map(|sent| format!("lost: {sent:?}"));
        if let Some(due) = due {
            self.checker.fail(due);
        }
    }

    /// Everything that was to come has come.
    fn is_well(&self) -> bool {
        self.relay.is_empty() && self.checker.due().is_none() && self.is_at_rest()
    }

    /// Nothing waits in any outbox that could still be confirmed.
    fn is_at_rest(&self) -> bool {
        let forgiven = self.checker.forgot || self.checker.lost;
        self.agents.iter().all(|agent| {
            let quiet =
                |engine: &Engine| forgiven || !engine.outbox.values().any(OutboxEntry::is_message);
            agent.batch.is_empty() && agent.engine.as_ref().is_some_and(quiet)
        })
    }

    fn run_until(&mut self, end: u64, done: impl Fn(&Self) -> bool) {
        let most = STEPS_EACH * (10 + self.plan.ops.len());
        while self.checker.violation.is_none() && !done(self) {
            let next = self.queue.first_entry().filter(|entry| entry.key().0 <= end);
            let Some(entry) = next else {
                self.now = self.now.max(end);
                return;
            };
            self.now = entry.key().0;
            let event = entry.remove();
            self.happen(event);
            let steps = self.steps;
            self.checker.require(steps <= most, || format!("no rest: {steps} commits"));
        }
    }

    fn check_end(&mut self) {
        let rest = self.is_at_rest();
        let waits: Vec<_> = self
            .agents
            .iter()
            .map(|agent| agent.engine.as_ref().map(|engine| engine.outbox().len()))
            .collect();
        self.checker.require(rest, || format!("unconfirmed: outboxes hold {waits:?}"));
        let empty = self.relay.is_empty();
        self.checker.require(empty, || "unacked: the relay still has frames".to_owned());
    }

    fn is_alive(&self, at: usize, life: u64) -> bool {
        self.agents[at].life == life && self.agents[at].engine.is_some()
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Op(op) => self.trouble(op),
            Event::AtRelay { connection, frame } => self.at_relay(connection, frame),
            Event::AtAgent { connection, frame } => self.at_agent(connection, frame),
            Event::Lost { connection } => self.lose_connection(connection),
            Event::Mail { to } => self.pump(to),
            Event::Start { at } => self.start(at),
            Event::Dial { at } => self.dial(at),
            Event::Flush { at, life } if self.is_alive(at, life) => self.step(at),
            Event::Timer { at, life } if self.is_alive(at, life) => self.on_timer(at),
            Event::Handle { at, life } if self.is_alive(at, life) => self.handle(at),
            Event::Answer { at, life, request } if self.is_alive(at, life) => {
                self.forget_request(at, &request);
                if let Some(input) = self.answer(at, *request) {
                    self.queue(at, Pending::of(input));
                }
            }
            _ => {}
        }
    }
}
