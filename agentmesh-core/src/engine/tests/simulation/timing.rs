//! When an agent's next step is due.

use super::{
    agent::Pending,
    world::{Event, World},
};
use crate::{engine::Input, time::Timestamp};

/// An agent ticks at least this often, in milliseconds, and no more often than that.
const MAX_PAUSE: u64 = 30_000;
const MIN_TICK: u64 = 500;
/// Pause between two connections that are made for what was left at the relay.
const RECONNECT_PAUSE: u64 = 5000;

impl World {
    /// What is due next.
    pub(super) fn go_on(&mut self, at: usize) {
        let (now, wall) = (self.now, self.wall(at));
        let agent = &mut self.agents[at];
        let Some(engine) = &agent.engine else { return };
        let life = agent.life;
        let after = |due: Timestamp| now + due.since(wall);
        let mut due = now + MAX_PAUSE;
        if let Some(deadline) = engine.next_deadline() {
            due = due.min(after(deadline).max(agent.last_tick + MIN_TICK));
        }
        let others = [engine.next_receipt().map(after), agent.unsettled, agent.drained_at];
        due = others.into_iter().flatten().fold(due, u64::min).max(now + 1);
        let left = engine.has_left_frames() && engine.has_room();
        let timed = agent.timer.is_some_and(|timer| timer > now && timer <= due);
        if !timed {
            agent.timer = Some(due);
            self.at(due, Event::Timer { at, life });
        }
        let agent = &mut self.agents[at];
        if !agent.ready.is_empty() && !agent.handling {
            agent.handling = true;
            let runs = (now + 1).max(agent.busy_until);
            self.at(runs, Event::Handle { at, life });
        }
        let agent = &mut self.agents[at];
        if left && agent.connection.is_some() && agent.last_reconnect + RECONNECT_PAUSE <= now {
            agent.last_reconnect = now;
            self.break_connection(at);
        }
    }

    pub(super) fn on_timer(&mut self, at: usize) {
        let now = self.now;
        let agent = &mut self.agents[at];
        if agent.timer != Some(now) {
            return;
        }
        agent.timer = None;
        if agent.last_tick + MIN_TICK <= now {
            agent.last_tick = now;
            self.queue(at, Pending::of(Input::Tick));
        } else {
            self.queue_nothing(at);
        }
        let agent = &mut self.agents[at];
        if agent.drained_at.is_some_and(|drained| drained <= now) {
            agent.drained_at = Some(now + 600_000);
            if !agent.engine.as_ref().unwrap().has_left_frames() {
                self.queue(at, Pending::of(Input::QueueDrained));
            }
        }
    }

    /// A step without an input.
    pub(super) fn queue_nothing(&mut self, at: usize) {
        let agent = &mut self.agents[at];
        if !agent.flushing {
            agent.flushing = true;
            let life = agent.life;
            self.later(0, Event::Flush { at, life });
        }
    }
}
