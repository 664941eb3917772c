//! How agents are started, die, lose their disks, and what else their owners do to them.

use super::{
    agent::Pending,
    disk::Disk,
    world::{Event, World},
};
use crate::{
    engine::{Engine, Input},
    identity::Identity,
    test_utils::{
        FaultyStorage, block_on,
        mesh::opening::{Origin, open_engine},
    },
};

impl World {
    pub(super) fn sweep(&mut self, at: usize) {
        let wall = self.wall(at);
        let agent = &mut self.agents[at];
        if let Some(engine) = &mut agent.engine {
            block_on(engine.sweep(&agent.store, wall)).unwrap();
            self.queue_nothing(at);
        }
    }

    pub(super) fn close(&mut self, at: usize, peer: usize) {
        self.checker.closed = true;
        self.checker.excuse(at, peer);
        let peer = self.agents[peer].amid;
        self.queue(at, Pending::of(Input::CloseSession(peer)));
    }

    /// The process dies.
    pub(super) fn kill(&mut self, at: usize, down: u64) {
        self.break_connection(at);
        self.forget_order(at);
        let agent = &mut self.agents[at];
        agent.engine = None;
        agent.life += 1;
        for pending in core::mem::take(&mut agent.batch) {
            if let Some(id) = pending.handles {
                self.checker.sent.get_mut(&id).unwrap().allowed += 1;
            }
        }
        self.log(|| format!("agent {at} is dead"));
        self.later(down, Event::Start { at });
    }

    /// What is only in memory goes.
    fn forget_order(&mut self, at: usize) {
        let behind = self.agents[at].engine.iter().flat_map(Engine::behind);
        behind.for_each(|peer| self.checker.disordered(at, peer));
    }

    /// The process is started.
    pub(super) fn start(&mut self, at: usize) {
        let agent = &mut self.agents[at];
        if agent.engine.is_none() {
            agent.store = FaultyStorage::new(agent.disk.clone());
            self.log(|| format!("agent {at} is started"));
            self.open(at, Origin::Store);
            let pause = self.dice.below(100);
            self.later(pause, Event::Dial { at });
        }
    }

    /// The engine is opened anew from what is on disk, and what the relay was not told of comes again.
    pub(super) fn reload(&mut self, at: usize) {
        self.break_connection(at);
        self.forget_order(at);
        self.agents[at].batch.clear();
        self.open(at, Origin::Store);
    }

    fn open(&mut self, at: usize, origin: Origin) {
        let wall = self.wall(at);
        let agent = &mut self.agents[at];
        let config = agent.config.clone();
        let mut engine = open_engine(&agent.store, origin, config, wall, &mut agent.rng);
        let minted = engine.identity().amid() != agent.amid;
        engine.resume(wall);
        agent.engine = Some(engine);
        agent.ready.clear();
        agent.asked.clear();
        agent.flushing = false;
        agent.handling = false;
        agent.timer = None;
        agent.unsettled = None;
        agent.life += 1;
        self.checker.require(!minted, || format!("minted: agent {at} has another identity"));
        self.queue_nothing(at);
    }

    /// The disk is gone; there is a backup of the identity.
    pub(super) fn lose_disk(&mut self, at: usize) {
        self.kill(at, 0);
        self.checker.forgot(at);
        let agent = &mut self.agents[at];
        agent.disk = Disk::default();
        agent.store = FaultyStorage::new(agent.disk.clone());
        let backup = Identity::from_json(&agent.identity).unwrap();
        self.open(at, Origin::Backup(backup));
        // There is no disk without an identity: who goes back further has no disk at all.
        self.agents[at].disk.settle();
        self.later(10, Event::Dial { at });
    }

    pub(super) fn roll_back(&mut self, at: usize, commits: usize) {
        self.kill(at, 100);
        if self.agents[at].disk.roll_back(commits) > 0 {
            self.checker.forgot(at);
        }
    }
}
