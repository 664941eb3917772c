//! Questions to the server that are answered by an event: which wait, and until when.

use std::time::Duration;

use super::Key;

/// Questions that wait at the same time.
const MAX_CALLS: usize = 64;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Start,
    /// Of the turn that was under way then.
    Interrupt(Option<Key>),
    History,
    Clear,
    Diagnostics,
}

#[derive(Debug)]
struct Call {
    /// `None` for what the machine asks for itself.
    key: Option<Key>,
    kind: Kind,
    until: Duration,
}

/// Oldest first.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Call>);

impl Calls {
    /// False if too many wait.
    pub(super) fn add(&mut self, key: Option<Key>, kind: Kind, until: Duration) -> bool {
        let room = self.0.len() < MAX_CALLS;
        if room {
            self.0.push(Call { key, kind, until });
        }
        room
    }

    /// All that an answer is for.
    pub(super) fn take(&mut self, is: impl Fn(Kind) -> bool) -> Vec<(Option<Key>, Kind)> {
        let taken = self.0.extract_if(.., |call| is(call.kind));
        taken.map(|call| (call.key, call.kind)).collect()
    }

    /// The oldest that the application waits for.
    pub(super) fn take_oldest(&mut self) -> Option<Key> {
        let at = self.0.iter().position(|call| call.key.is_some())?;
        self.0.remove(at).key
    }

    pub(super) fn expired(&mut self, now: Duration) -> Vec<Key> {
        self.0.extract_if(.., |call| call.until <= now).filter_map(|call| call.key).collect()
    }

    pub(super) fn take_all(&mut self) -> Vec<Key> {
        self.0.drain(..).filter_map(|call| call.key).collect()
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.0.iter().map(|call| call.until).min()
    }
}

impl Kind {
    pub(super) const fn is_interrupt(self) -> bool {
        matches!(self, Self::Interrupt(_))
    }
}
