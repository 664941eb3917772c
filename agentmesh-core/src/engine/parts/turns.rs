//! Which part is sent next: windows leave room at the relay for short messages, and every large one gets its turn.

use std::collections::VecDeque;

use super::split::outgoing;
use crate::{
    engine::{
        Engine,
        records::{ChunkKey, Decision, OutboxEntry},
    },
    handshake::SessionId,
    identity::Amid,
    limits,
    maps::HashMap,
    time::Timestamp,
    wire::id::MessageId,
};

/// A part whose turn it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Next {
    pub(super) to: Amid,
    pub(super) message: MessageId,
    pub(super) index: u32,
}

impl Next {
    pub(super) const fn key(&self) -> ChunkKey {
        outgoing(self.message, self.index)
    }
}

/// What there is to send to one peer.
struct Lane {
    free: usize,
    groups: Vec<MessageId>,
}

impl Engine {
    /// The parts that the windows allow now, peers in turn and a peer's messages in turn. With `hopeful`, peers that are
    /// not in memory count as ready.
    pub(super) fn parts_to_send(&self, now: Timestamp, hopeful: bool) -> Vec<Next> {
        if !self.connected {
            return Vec::new();
        }
        let mut lanes: Vec<(Amid, Lane)> = Vec::new();
        let mut known: HashMap<Amid, usize> = HashMap::default();
        for id in self.parts.groups.values() {
            let Some(entry) = self.outbox.get(id) else { continue };
            let at = *known.entry(entry.to).or_insert_with(|| {
                let free = self.free_window(entry.to, now, hopeful);
                lanes.push((entry.to, Lane { free, groups: Vec::new() }));
                lanes.len() - 1
            });
            if let Some((_, lane)) = lanes.get_mut(at)
                && lane.groups.len() < limits::LARGE_MESSAGES_PER_PEER
            {
                lane.groups.push(*id);
            }
        }
        let room = limits::PART_WINDOW_IN_ALL.saturating_sub(self.parts.in_all);
        let of_lane = |(to, Lane { free, groups }): (Amid, Lane)| {
            let again: Vec<_> = groups.iter().map(|id| self.unsent(*id, true)).collect();
            let fresh = groups.iter().map(|id| self.unsent(*id, false)).collect();
            let parts = again.into_iter().flatten().chain(in_turn(fresh));
            parts.take(free).map(move |(message, index)| Next { to, message, index })
        };
        lanes.into_iter().flat_map(of_lane).take(room).collect()
    }

    /// Parts of a message that are not under way, those that were before or the others.
    fn unsent(&self, id: MessageId, begun: bool) -> impl Iterator<Item = (MessageId, u32)> + '_ {
        let sent = self.parts.under_way.get(&id).map(|u| &u.sent);
        let group = self.outbox.get(&id).and_then(OutboxEntry::group);
        group
            .into_iter()
            .flat_map(move |group| {
                let missing = group.confirmed.missing();
                missing.filter(move |index| (*index < group.begun) == begun)
            })
            .filter(move |index| sent.is_none_or(|sent| !sent.contains(index)))
            .map(move |index| (id, index))
    }

    /// Parts that may be sent to a peer now. None before it accepted the session: it would not keep them.
    fn free_window(&self, to: Amid, now: Timestamp, hopeful: bool) -> usize {
        if self.pauses.is_paused(&to) {
            return 0;
        }
        let ready =
            if self.peers.is_loaded(&to) { self.part_session(to, now).is_some() } else { hopeful };
        let used = self.parts.windows.get(&to).copied().unwrap_or(0);
        if ready { limits::PART_WINDOW.saturating_sub(used) } else { 0 }
    }

    pub(super) fn part_session(&self, to: Amid, now: Timestamp) -> Option<SessionId> {
        let id = self.usable_session(to, now)?;
        (self.sessions.get(&id)?.decision == Decision::Accepted).then_some(id)
    }
}

/// One of each in turn, until none has any left.
fn in_turn<T>(mut queues: VecDeque<impl Iterator<Item = T>>) -> impl Iterator<Item = T> {
    core::iter::from_fn(move || {
        while let Some(mut queue) = queues.pop_front() {
            if let Some(item) = queue.next() {
                queues.push_back(queue);
                return Some(item);
            }
        }
        None
    })
}

#[cfg(test)]
mod tests;
