//! Hooks that wait for their answer: exactly one each, in time.

use std::{collections::VecDeque, time::Duration};

use super::super::HookRequest;

/// Hooks that somebody is asked about at the same time. For more, the policy decides at once.
const MAX_PENDING: usize = 32;
/// Answered ones that are remembered, so that none is answered twice.
const MAX_ANSWERED: usize = 256;

#[derive(Debug)]
pub(super) struct Pending {
    /// The server's number, on this connection.
    pub(super) ack: u64,
    pub(super) request: HookRequest,
    until: Duration,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    pending: Vec<Pending>,
    answered: VecDeque<u64>,
}

impl Hooks {
    /// Whether this one was asked before on this connection.
    pub(super) fn knows(&self, ack: u64) -> bool {
        self.answered.contains(&ack) || self.pending.iter().any(|hook| hook.ack == ack)
    }

    pub(super) fn has_room(&self) -> bool {
        self.pending.len() < MAX_PENDING
    }

    pub(super) fn wait(&mut self, ack: u64, request: HookRequest, until: Duration) {
        self.pending.push(Pending { ack, request, until });
    }

    /// It is being answered.
    pub(super) fn answered(&mut self, ack: u64) {
        while self.answered.len() >= MAX_ANSWERED {
            self.answered.pop_front();
        }
        self.answered.push_back(ack);
    }

    /// The one with this number, if it still waits.
    pub(super) fn take(&mut self, ack: u64) -> Option<Pending> {
        let at = self.pending.iter().position(|hook| hook.ack == ack)?;
        Some(self.pending.remove(at))
    }

    pub(super) fn expired(&mut self, now: Duration) -> Vec<Pending> {
        self.pending.extract_if(.., |hook| hook.until <= now).collect()
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.pending.iter().map(|hook| hook.until).min()
    }

    /// The connection is lost: the server has answered them itself, and counts anew.
    pub(super) fn clear(&mut self) {
        self.pending.clear();
        self.answered.clear();
    }
}
